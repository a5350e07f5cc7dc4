"""Every address of the console, what is behind it, and made-up data with which each of its pages shows something.

A new address fails `test_page_weight.py` until it is named here; then it is weighed, looked at by axe in light and
dark, and its queries are counted with a hundred thousand holds.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.cache import cache
from django.urls import URLPattern, URLResolver
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from seawall.doors.console.sign_in.sealing import seal
from seawall.doors.web.background import keep_log
from seawall.doors.web.urls import urlpatterns
from seawall.matching.banks import add_signals, create_bank, retire_bank
from seawall.matching.imports import import_list
from seawall.matching.models import Import
from seawall.matching.testcard import TEXT, picture
from seawall.members.accounts import new_setup_link
from seawall.members.issue import issue_key
from seawall.members.models import Account
from seawall.members.people import add_person
from seawall.members.roles import Role
from seawall.record.clock import system_clock
from seawall.record.signing import load_or_create_signing_key
from seawall.screening import holds
from seawall.screening.holds import HoldOutcome
from seawall.screening.model import Action, Claim, Rule
from seawall.screening.policies import policy_in_force, rules_of, save_policy
from seawall.screening.publish import bank_rules
from seawall.signals.model import Signal
from tests.rooms.doors.console.browsing import HOST, PASSWORD, Browser, Console

#: Who looks: a person by role; the moderator has every second factor. Strangers may be half way in.
OWNER, MODERATOR, READER, STRANGER = "owner", "moderator", "reader", "stranger"
HALF, RESET = "password given, code not", "opened the link of a mail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page that GET gives. Words in braces stand for what `populate` made."""

    path: str
    who: str = OWNER
    status: int = 200
    #: Only while nobody has finished the wizard does it look so.
    in_wizard: bool = False
    #: A part that htmx puts into a page, not a document of its own.
    is_part: bool = False

    def __str__(self) -> str:
        told = f" ({self.who})" if self.who != OWNER else ""
        return self.path + told + (" in the wizard" if self.in_wizard else "")


def _pages(*paths: str, who: str = OWNER) -> tuple[Page, ...]:
    return tuple(Page(path=path, who=who) for path in paths)


def _step(path: str) -> tuple[Page, ...]:
    return Page(path=path), Page(path=path, in_wizard=True)


#: The pages behind each address, by the address's name.
PAGES: dict[str, tuple[Page, ...]] = {
    "docs": _pages("/docs", who=STRANGER),
    "home": (*_pages("/", "/?period=month"), Page(path="/", who=READER)),
    "sources": _pages("/sources"),
    "setup_name": _step("/setup/step/name"),
    "setup_surface": _step("/setup/step/surface"),
    "setup_mail": _step("/setup/step/mail"),
    "setup_key": _step("/setup/step/key"),
    "setup_connect": _step("/setup/step/connect"),
    "setup_test": _step("/setup/step/test"),
    "setup_test_seen": (Page(path="/setup/step/test/seen", is_part=True),),
    "setup_done": _step("/setup/step/done"),
    "setup_link": (
        Page(path="/setup/{setup_token}", who=STRANGER),
        Page(path="/setup/made-up", who=STRANGER, status=404),
    ),
    "holds": (
        *_pages("/holds", "/holds?list=asked", "/holds?list=decided", who=MODERATOR),
        Page(path="/holds", who=READER),
    ),
    "hold": (
        *_pages("/holds/{held}", "/holds/{asked}", "/holds/{decided}", "/holds/{pending}", who=MODERATOR),
        Page(path="/holds/{readable}", who=READER),
        Page(path="/holds/made-up", status=404),
    ),
    "hold_hidden": (Page(path="/holds/{held}/parts/0/hidden", who=MODERATOR, is_part=True),),
    "try_it": _pages("/try", who=READER),
    "explain": (
        *_pages("/x/{held_token}", "/x/{asked_token}", "/x/{blocked_token}", "/x/{refused_token}", who=STRANGER),
        Page(path="/x/made-up", who=STRANGER, status=404),
    ),
    "log": _pages("/log", "/log?kind=members:key:issued"),
    "log_verified": (Page(path="/log/verified", is_part=True),),
    "health": _pages("/health"),
    "health_examined": (Page(path="/health/examined", is_part=True),),
    "banks": (*_pages("/banks"), Page(path="/banks", who=READER)),
    "new_bank": _pages("/new-bank"),
    "bank": (*_pages("/banks/{bank}", "/banks/test-card", "/banks/empty"), Page(path="/banks/{bank}", who=READER)),
    "change_bank": _pages("/banks/{bank}/rules"),
    "rename_bank": _pages("/banks/{bank}/rename", "/banks/test-card/rename"),
    "retire_bank": _pages("/banks/{bank}/retire", "/banks/test-card/retire"),
    "add_signals": _pages("/banks/{bank}/add"),
    "add_file": _pages("/banks/{bank}/add-file"),
    "import_list": _pages("/banks/{bank}/import"),
    "imported": _pages("/banks/{bank}/imports/{import}"),
    "signal": _pages("/banks/{bank}/signals/{signal}"),
    "policy": (*_pages("/policy"), Page(path="/policy", who=READER)),
    "new_rule": _pages("/policy/new-rule"),
    "rule": _pages("/policy/rules/test-card"),
    "remove_rule": _pages("/policy/rules/test-card/remove"),
    "versions": _pages("/policy/versions"),
    "version": _pages("/policy/versions/1", "/policy/versions/{version}"),
    "restore_version": _pages("/policy/versions/1/restore"),
    "surfaces": _pages("/surfaces"),
    "new_surface": _pages("/new-surface"),
    "surface": _pages("/surfaces/posts"),
    "keys": _pages("/keys"),
    "new_key": _pages("/new-key"),
    "revoke_key": _pages("/keys/{key}/revoke"),
    "people": _pages("/people"),
    "person": _pages("/people/{person}"),
    "person_remove": _pages("/people/{person}/remove"),
    "me": (*_pages("/me"), Page(path="/me", who=MODERATOR)),
    "account_login": _pages("/account/login/", "/account/login/?passkey=refused", who=STRANGER),
    "account_logout": _pages("/account/logout/"),
    "account_inactive": _pages("/account/inactive/", who=STRANGER),
    "account_reauthenticate": _pages("/account/reauthenticate/"),
    "account_change_password": _pages("/account/password/change/"),
    "account_reset_password": _pages("/account/password/reset/", who=STRANGER),
    "account_reset_password_done": _pages("/account/password/reset/done/", who=STRANGER),
    "account_reset_password_from_key": (
        Page(path="/account/password/reset/key/{reset_uid}-set-password/", who=RESET),
        Page(path="/account/password/reset/key/1-made-up/", who=STRANGER),
    ),
    "account_reset_password_from_key_done": _pages("/account/password/reset/key/done/", who=STRANGER),
    "mfa_authenticate": _pages("/account/2fa/authenticate/", who=HALF),
    "mfa_reauthenticate": _pages("/account/2fa/reauthenticate/", who=MODERATOR),
    "mfa_activate_totp": _pages("/account/2fa/totp/activate/"),
    "mfa_deactivate_totp": _pages("/account/2fa/totp/deactivate/", who=MODERATOR),
    "mfa_view_recovery_codes": _pages("/account/2fa/recovery-codes/", who=MODERATOR),
    "mfa_generate_recovery_codes": _pages("/account/2fa/recovery-codes/generate/", who=MODERATOR),
    "mfa_reauthenticate_webauthn": _pages("/account/2fa/webauthn/reauthenticate/", who=MODERATOR),
    "mfa_add_webauthn": _pages("/account/2fa/webauthn/add/"),
    "mfa_remove_webauthn": _pages("/account/2fa/webauthn/keys/{passkey}/remove/", who=MODERATOR),
    "mfa_edit_webauthn": _pages("/account/2fa/webauthn/keys/{passkey}/edit/", who=MODERATOR),
    # No address of ours: what stands where nothing is.
    "nothing": (Page(path="/made-up", status=404), Page(path="/made-up", who=STRANGER, status=404)),
}

#: Addresses that only take forms: GET is refused there.
FORMS_ONLY = {
    "hold_decision": "/holds/{held}/decision",
    "hold_undo": "/holds/{held}/undo",
    "hold_look": "/holds/{held}/parts/0",
    "find_signal": "/banks/{bank}/find",
    "change_signal": "/banks/{bank}/signals/{signal}/change",
    "person_link": "/people/{person}/link",
    "sign_out_everywhere": "/me/sign-out-everywhere",
}

#: Addresses that lead to one of the pages.
LEADS_ON = {"setup": "/setup", "mfa_index": "/account/2fa/", "mfa_list_webauthn": "/account/2fa/webauthn/"}

#: What is no page: pictures, style sheets, answers for programs.
NO_PAGES = {
    "docs/style.css",
    "docs/icon.svg",
    "v1/screenings/<str:screening_id>",
    "hold_picture",
    "setup_test_card",
    "mfa_login_webauthn",
}

#: In the order in which they are looked at: the wizard stands before all else.
ALL = sorted((page for pages in PAGES.values() for page in pages), key=lambda page: not page.in_wizard)


def addresses() -> set[str]:
    """The name of each address that Django answers, its route where it has none."""
    return {one.name or str(one.pattern) for one in _flat(urlpatterns)}


def named() -> set[str]:
    """Each address that is named here. "nothing" is none."""
    return (set(PAGES) - {"nothing"}) | set(FORMS_ONLY) | set(LEADS_ON) | NO_PAGES


def _flat(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _flat(one.url_patterns)
        else:
            yield one


@dataclass(frozen=True, kw_only=True, slots=True)
class Populated:
    """What stands for the words in braces, and the people at their browsers."""

    values: dict[str, str] = field(default_factory=dict)
    browsers: dict[str, Browser] = field(default_factory=dict)

    def path(self, page: Page) -> str:
        return page.path.format_map(self.values)


def populate(console: Console, scratch: Path) -> Populated:
    """Some of everything. `scratch` is a directory for a list file."""
    made = Populated()
    _banks(console, made, scratch)
    _policy(console)
    _people(console, made)
    _holds(console, made)
    console.publish()
    return made


def _banks(console: Console, made: Populated, scratch: Path) -> None:
    by, now = _owner(console).person.id, system_clock()
    made.values["bank"] = "harbour"
    create_bank("harbour", by=by, now=now, listed_by="Example Harbour", labels=["tvec"], default_action="hold")
    for name in ("empty", "old"):
        create_bank(name, by=by, now=now)
    retire_bank("old", by=by, now=now)
    signals = [Signal(type="sha256", value=_sha256(f"by hand {number}")) for number in range(60)]
    made.values["signal"] = add_signals("harbour", signals, by=by, now=now, note="Seen twice.").ids[0]
    path = scratch / "list.csv"
    path.write_text("type,value\n" + "".join(f"sha256,{_sha256(f'from a list {number}')}\n" for number in range(60)))
    import_list("harbour", path, by=by, clock=system_clock, source="A weekly list")
    made.values["import"] = Import.objects.get(bank__name="harbour").id


def _sha256(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _policy(console: Console) -> None:
    rule = Rule(
        name="harbour",
        action=Action.HOLD,
        code="tvec",
        text="Listed by a harbour.",
        public_text="It resembles listed material.",
        banks=("harbour",),
        labels=("tvec",),
    )
    rules = [*rules_of(policy_in_force()), rule]
    save_policy(rules, banks=bank_rules(), by=_owner(console).person.id, now=system_clock(), note="The harbour's list.")


def _people(console: Console, made: Populated) -> None:
    owner, now = _owner(console), system_clock()
    guest = add_person(name="Ina Vited", role=Role.READER, by=owner.person.id, now=now)
    made.values["person"] = guest.id
    made.values["setup_token"] = new_setup_link(guest, by=owner.person.id, now=now)
    moderator = console.accounts[Role.MODERATOR]
    secret = seal("A" * 32, console.settings.keys_dir)
    for kind, data in (
        (Authenticator.Type.TOTP, {"secret": secret}),
        (Authenticator.Type.RECOVERY_CODES, {"seed": secret, "used_mask": 1}),
        (Authenticator.Type.WEBAUTHN, {"name": "telephone", "credential": _credential()}),
    ):
        made.values["passkey"] = str(Authenticator.objects.create(user=moderator, type=kind, data=data).pk)
    for name, role in ((OWNER, Role.OWNER), (MODERATOR, Role.MODERATOR), (READER, Role.READER)):
        made.browsers[name] = console.browser(role)
        # What changes how somebody signs in asks for the password once more.
        again = made.browsers[name].post("/account/reauthenticate/", {"password": PASSWORD})
        assert again.status_code == 302, again.text
    for name in (STRANGER, HALF, RESET):
        made.browsers[name] = console.browser(None)
    cache.clear()
    half = made.browsers[HALF].post("/account/login/", {"login": moderator.email, "password": PASSWORD})
    assert half.headers.get("location", "").startswith("/account/2fa/authenticate/"), half.text
    reader = console.accounts[Role.READER]
    uid, key = user_pk_to_url_str(reader), default_token_generator.make_token(reader)
    made.values["reset_uid"] = uid
    assert made.browsers[RESET].get(f"/account/password/reset/key/{uid}-{key}/").status_code == 302


def _credential() -> dict[str, Any]:
    """What a browser sends of a new passkey, with a key that nobody has."""
    key = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())  # type: ignore[no-untyped-call]
    credential_id = bytes(16)
    data = AuthenticatorData.create(
        hashlib.sha256(b"localhost").digest(),
        AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT,
        0,
        AttestedCredentialData.create(bytes(16), credential_id, key),
    )
    client = CollectedClientData.create("webauthn.create", bytes(32), HOST)
    attested = AttestationObject.create("none", data, {})
    told = {"clientDataJSON": websafe_encode(client), "attestationObject": websafe_encode(attested)}
    name = websafe_encode(credential_id)
    return {"id": name, "rawId": name, "type": "public-key", "response": told}


def _holds(console: Console, made: Populated) -> None:
    """Test cards: held, blocked, asked about, decided, refused."""
    by, now = _owner(console).person.id, system_clock()
    record, token = issue_key(name="platform", scopes=["screen", "read"], by=by, now=now)
    made.values["key"] = record.key_id
    console.publish()
    for name in ("held", "asked", "decided", "refused", "pending", "blocked"):
        claim = None if name == "blocked" else "research"
        verdict = _upload(console, token, claim)
        assert verdict["verdict"] == ("hold" if claim else "block"), verdict
        made.values[name] = verdict["id"]
        made.values[f"{name}_token"] = verdict["explain_url"].partition("/x/")[2]
    made.values["readable"] = made.values["held"]
    made.values["version"] = str(policy_in_force().version)
    key = load_or_create_signing_key(console.settings.keys_dir, now)
    keep_log(console.ledger, key, system_clock)
    asks = "We report on <b>this</b>.\nPlease look."
    holds.ask_for_person(console.ledger, made.values["asked"], claim=Claim.JOURNALISM, text=asks, now=system_clock())
    for name, outcome, reason in (
        ("decided", HoldOutcome.RELEASED, "research"),
        ("refused", HoldOutcome.REFUSED, "recruits"),
    ):
        holds.decide(console.ledger, made.values[name], outcome, by=by, reason=reason, now=system_clock())
    holds.settle_due(console.ledger, now=system_clock() + timedelta(seconds=11))
    holds.decide(
        console.ledger, made.values["pending"], HoldOutcome.REFUSED, by=by, reason="recruits", now=system_clock()
    )


def _upload(console: Console, token: str, claim: str | None) -> dict[str, str]:
    parts = [{"name": "words", "kind": "text", "text": TEXT}, {"name": "photo", "kind": "image", "file": "photo"}]
    request = {"surface": "posts", "content_id": "post-7", "context": claim and {"claim": claim}, "parts": parts}
    answer = console.browser(None).request(
        "POST",
        "/v1/screen",
        data={"request": json.dumps(request)},
        files={"photo": ("photo.png", picture())},
        headers={"authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _owner(console: Console) -> Account:
    return console.accounts[Role.OWNER]
