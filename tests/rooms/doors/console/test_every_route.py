"""Every address there is, asked by everybody there is: who has no right to it does not even learn that it is there.

The addresses come from Django's own resolver, so that none can be forgotten: a new one fails here until it has a row.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections, transaction
from django.urls import URLPattern, URLResolver, get_resolver

from seawall import app
from seawall.doors.console.holds.looking import seal
from seawall.doors.web import urls
from seawall.doors.web.background import keep_log
from seawall.matching.banks import create_bank
from seawall.matching.imports import import_list
from seawall.matching.models import ListedSignal
from seawall.matching.testcard import TEXT
from seawall.members.accounts import STEPS, new_setup_link, set_account
from seawall.members.issue import issue_key
from seawall.members.models import Account, Instance
from seawall.members.people import add_person, remove_person
from seawall.members.roles import Right, Role
from seawall.record.clock import system_clock
from seawall.record.ids import parse_id
from seawall.record.models import Event
from seawall.record.signing import load_or_create_signing_key
from seawall.screening.explain import load_or_create, token_of
from seawall.screening.policies import save_surface
from seawall.settings import Settings
from tests.rooms.doors.console.browsing import PASSWORD, Browser, Console, open_console
from tests.rooms.doors.scene import picture, surface

#: Guards that are none of the console's: anybody, or programs with a key.
ANYBODY, PROGRAMS = None, "programs"

GET, POST, BOTH = ("GET",), ("POST",), ("GET", "POST")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What is expected of an address. `right` None is open to all; `path` is filled from what was planted."""

    right: Right | str | None
    path: str
    methods: tuple[str, ...] = BOTH
    #: Its owner is not led back to the wizard.
    during_setup: bool = False
    #: With the right to it, but nothing behind it yet: nobody here has a second factor.
    may_be_missing: bool = False
    #: What a POST sends, where an empty form is no form of this address.
    form: tuple[tuple[str, str], ...] = ()


def look(path: str, methods: tuple[str, ...] = BOTH, **more: Any) -> Row:
    return Row(right=Right.LOOK, path=path, methods=methods, **more)


def decide(path: str, methods: tuple[str, ...] = POST) -> Row:
    return Row(right=Right.DECIDE, path=path, methods=methods)


def curate(path: str, methods: tuple[str, ...] = BOTH, **more: Any) -> Row:
    return Row(right=Right.LIST, path=path, methods=methods, **more)


def configure(path: str, methods: tuple[str, ...] = BOTH, **more: Any) -> Row:
    return Row(right=Right.CONFIGURE, path=path, methods=methods, **more)


def wizard(path: str) -> Row:
    return configure(path, during_setup=True)


def anybody(path: str, methods: tuple[str, ...] = BOTH, **more: Any) -> Row:
    return Row(right=ANYBODY, path=path, methods=methods, **more)


def own(path: str, methods: tuple[str, ...] = BOTH, **more: Any) -> Row:
    """About the account of whoever is signed in."""
    return look(path, methods, during_setup=True, **more)


TABLE = {
    "docs": Row(right=PROGRAMS, path="/docs", methods=GET),
    "docs/style.css": Row(right=PROGRAMS, path="/docs/style.css", methods=GET),
    "docs/icon.svg": Row(right=PROGRAMS, path="/docs/icon.svg", methods=GET),
    "v1/screenings/<str:screening_id>": Row(right=PROGRAMS, path="/v1/screenings/{hold}", methods=GET),
    "": look("/", GET),
    "sources": look("/sources", GET),
    "setup": wizard("/setup"),
    "setup/step/name": wizard("/setup/step/name"),
    "setup/step/surface": wizard("/setup/step/surface"),
    "setup/step/mail": wizard("/setup/step/mail"),
    "setup/step/key": wizard("/setup/step/key"),
    "setup/step/connect": wizard("/setup/step/connect"),
    "setup/step/test": wizard("/setup/step/test"),
    "setup/step/test/seen": wizard("/setup/step/test/seen"),
    "setup/test-card.png": wizard("/setup/test-card.png"),
    "setup/step/done": wizard("/setup/step/done"),
    "setup/<str:token>": anybody("/setup/" + "a" * 43),
    "holds": look("/holds", GET),
    "holds/<str:screening_id>": look("/holds/{hold}", GET),
    "holds/<str:screening_id>/decision": decide("/holds/{hold}/decision"),
    "holds/<str:screening_id>/undo": decide("/holds/{hold}/undo"),
    "holds/<str:screening_id>/parts/<int:number>": decide("/holds/{hold}/parts/0"),
    "holds/<str:screening_id>/parts/<int:number>/hidden": decide("/holds/{hold}/parts/0/hidden", GET),
    "holds/<str:screening_id>/parts/<int:number>/picture": decide(
        "/holds/{hold}/parts/1/picture?pressed={pressed}", GET
    ),
    "try": look("/try"),
    "x/<str:token>": anybody("/x/" + "A" * 48),
    "log": look("/log", GET),
    "log/verified": look("/log/verified"),
    "health": look("/health", GET),
    "health/examined": look("/health/examined", GET),
    "banks": look("/banks"),
    "new-bank": configure("/new-bank"),
    "banks/<str:name>": look("/banks/{bank}"),
    "banks/<str:name>/rules": configure("/banks/{bank}/rules"),
    "banks/<str:name>/rename": configure("/banks/{bank}/rename"),
    "banks/<str:name>/retire": configure("/banks/{bank}/retire"),
    "banks/<str:name>/find": look("/banks/{bank}/find", POST),
    "banks/<str:name>/add": curate("/banks/{bank}/add"),
    "banks/<str:name>/add-file": curate("/banks/{bank}/add-file"),
    "banks/<str:name>/import": curate("/banks/{bank}/import"),
    "banks/<str:name>/imports/<str:import_id>": look("/banks/{bank}/imports/{import_id}"),
    "banks/<str:name>/signals/<str:signal_id>": look("/banks/{bank}/signals/{signal}"),
    "banks/<str:name>/signals/<str:signal_id>/change": curate(
        "/banks/{bank}/signals/{signal}/change", POST, form=(("action", "confirm"),)
    ),
    "policy": look("/policy"),
    "policy/new-rule": configure("/policy/new-rule"),
    "policy/rules/<str:name>": configure("/policy/rules/{rule}"),
    "policy/rules/<str:name>/remove": configure("/policy/rules/{rule}/remove"),
    "policy/versions": look("/policy/versions"),
    "policy/versions/<int:number>": look("/policy/versions/1"),
    "policy/versions/<int:number>/restore": configure("/policy/versions/1/restore"),
    "surfaces": configure("/surfaces"),
    "new-surface": configure("/new-surface"),
    "surfaces/<str:name>": configure("/surfaces/{surface}"),
    "keys": configure("/keys"),
    "new-key": configure("/new-key"),
    "keys/<str:key_id>/revoke": configure("/keys/{key}/revoke"),
    "account/login/": anybody("/account/login/"),
    "account/logout/": anybody("/account/logout/"),
    "account/inactive/": anybody("/account/inactive/"),
    "account/reauthenticate/": own("/account/reauthenticate/"),
    "account/password/change/": own("/account/password/change/"),
    "account/password/reset/": anybody("/account/password/reset/"),
    "account/password/reset/done/": anybody("/account/password/reset/done/"),
    "account/password/reset/key/done/": anybody("/account/password/reset/key/done/"),
    r"^account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": anybody(
        "/account/password/reset/key/1-abcdef-0123456789abcdef/"
    ),
    "account/2fa/": own("/account/2fa/"),
    "account/2fa/authenticate/": anybody("/account/2fa/authenticate/"),
    "account/2fa/reauthenticate/": own("/account/2fa/reauthenticate/"),
    "account/2fa/totp/activate/": own("/account/2fa/totp/activate/"),
    "account/2fa/totp/deactivate/": own("/account/2fa/totp/deactivate/", may_be_missing=True),
    "account/2fa/recovery-codes/": own("/account/2fa/recovery-codes/", may_be_missing=True),
    "account/2fa/recovery-codes/generate/": own("/account/2fa/recovery-codes/generate/"),
    "account/2fa/webauthn/": own("/account/2fa/webauthn/"),
    "account/2fa/webauthn/login/": anybody("/account/2fa/webauthn/login/"),
    "account/2fa/webauthn/reauthenticate/": own("/account/2fa/webauthn/reauthenticate/"),
    "account/2fa/webauthn/add/": own("/account/2fa/webauthn/add/"),
    "account/2fa/webauthn/keys/<int:pk>/remove/": own("/account/2fa/webauthn/keys/1/remove/", may_be_missing=True),
    "account/2fa/webauthn/keys/<int:pk>/edit/": own("/account/2fa/webauthn/keys/1/edit/", may_be_missing=True),
    "me": own("/me"),
    "me/sign-out-everywhere": own("/me/sign-out-everywhere", POST),
    "people": configure("/people"),
    "people/<str:person_id>": configure("/people/{person}"),
    "people/<str:person_id>/link": configure("/people/{person}/link", POST),
    "people/<str:person_id>/remove": configure("/people/{person}/remove"),
}

#: Who asks. The first three are nobody.
NOBODY = ("stranger", "signed-out", "left")
CAST = (*NOBODY, "reader", "moderator", "owner")

#: Written down once more, so that a right which a role is given by mistake fails here.
RIGHTS = {
    "reader": {Right.LOOK},
    "moderator": {Right.LOOK, Right.DECIDE, Right.LIST},
    "owner": {Right.LOOK, Right.DECIDE, Right.LIST, Right.CONFIGURE},
}

SIGN_IN = "/account/login/"
_TOKEN = re.compile(r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")([^"]+)')


def routes(resolver: URLResolver | None = None, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address, as the files of addresses write it, and its view."""
    for one in (resolver or get_resolver()).url_patterns:
        where = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one, where)
        else:
            yield where, one


class House:
    """A console in which something stands behind each address, and everybody who may come to it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.planted = SimpleNamespace(**self._plant())
        self.browsers = {"stranger": console.browser(None), **{str(role): console.browser(role) for role in Role}}
        self.browsers["signed-out"] = self._signed_out()
        self.browsers["left"] = self._left()
        self.cookies: dict[str, httpx.Cookies] = {}
        self.tokens: dict[str, str] = {}
        for who, browser in self.browsers.items():
            found = _TOKEN.search(browser.get("/account/login/" if who in NOBODY else "/me").text)
            assert found, who
            self.tokens[who], self.cookies[who] = found[2], browser.cookies

    def _plant(self) -> dict[str, str]:
        """One of each thing, all with names that stand nowhere else."""
        console, now = self.console, system_clock()
        by = console.accounts[Role.OWNER].person.id
        save_surface(surface("planted-surface"), by=by, now=now)
        bank = create_bank("planted-bank", by=by, now=now, listed_by="Planted Listers")
        file = console.settings.data_dir / "planted-list.csv"
        file.write_text(f"type,value\nsha256,{'ab' * 32}\n")
        done = import_list(bank.name, file, by=by, clock=system_clock)
        key, token = issue_key(name="planted-key", scopes=["screen"], by=by, now=now)
        console.publish()
        hold = self._hold(token)
        explain = token_of(parse_id("scr", hold), load_or_create(console.settings.keys_dir, now).current)
        signal = ListedSignal.objects.filter(bank=bank).get()
        return {
            "bank": bank.name,
            "surface": "planted-surface",
            "import_id": done.import_id,
            "signal": f"sig_{signal.id}",
            "key": key.key_id,
            "hold": hold,
            "person": console.accounts[Role.MODERATOR].person.id,
            "rule": "test-card",
            "explain": explain,
        }

    def _hold(self, token: str) -> str:
        parts = [{"kind": "text", "text": TEXT}, {"kind": "image", "file": "photo"}]
        form = {"surface": "planted-surface", "content_id": "planted-post", "context": {"claim": "art"}, "parts": parts}
        answer = self.console.browser(None).request(
            "POST",
            "/v1/screen",
            data={"request": json.dumps(form)},
            files={"photo": ("planted-photo.jpg", picture(3))},
            headers={"authorization": f"Bearer {token}"},
        )
        verdict = answer.json()
        assert verdict["verdict"] == "hold", answer.text
        settings = self.console.settings
        keep_log(self.console.ledger, load_or_create_signing_key(settings.keys_dir, system_clock()), system_clock)
        return str(verdict["id"])

    def _signed_out(self) -> Browser:
        """Somebody whose session ended while their browser kept its cookie."""
        browser = self.console.browser(Role.OWNER)
        # In httpx's jar the cookie stays; the row it names goes.
        SessionStore(browser.cookies[django_settings.SESSION_COOKIE_NAME]).delete()
        return browser

    def _left(self) -> Browser:
        """A moderator who was removed in the middle of a session: the browser still has its cookie."""
        now, by = system_clock(), self.console.accounts[Role.OWNER].person.id
        person = add_person(name="Planted Leaver", role=Role.MODERATOR, by=by, now=now)
        token = new_setup_link(person, by=by, now=now)
        account = set_account(token, email="planted-leaver@example.org", password=PASSWORD, now=now)
        browser = Browser(self.console.app, account)
        remove_person(person.id, by=by, now=now)
        return browser

    def ask(self, who: str, method: str, path: str, row: Row | None = None, **more: Any) -> httpx.Response:
        """One request of this person, as if it were their first. What a POST changed is as it was afterwards."""
        browser = self.browsers[who]
        browser.cookies = httpx.Cookies(self.cookies[who])
        cache.clear()
        if method != "POST":
            return browser.request(method, path, **more)
        with undone():
            form = {"csrfmiddlewaretoken": self.tokens[who], **dict(row.form if row else ())}
            return browser.request("POST", path, data=form, **more)

    def address(self, row: Row, who: str) -> str:
        """Where the row leads. A word for a picture is somebody's own; who may have none tries the owner's."""
        presser = self.browsers[who if who in {"moderator", "owner"} else "owner"]
        word = seal(self.planted.hold, 1, clear=False, by=presser.person.id)
        return row.path.format(**vars(self.planted), pressed=word)

    def secrets(self, who: str, path: str) -> list[str]:
        """What this person may not read in an answer to this address: whatever was planted, but for what they wrote."""
        browser = self.browsers[who]
        known = [path]
        if who not in NOBODY:
            known += [browser.person.name, browser.person.id, browser.person.email]
        names = ["Planted Listers", "planted-key", "planted-post", "planted-photo", "planted-list", "Planted Leaver"]
        people = [account.person for account in self.console.accounts.values()]
        addresses = [*(one.email for one in people), "planted-leaver@example.org"]
        all_of_them = [*vars(self.planted).values(), *names, *addresses, *(one.name for one in people)]
        # The name of the built-in rule stands in public texts too, and "Owner" is a role.
        return [one for one in all_of_them if one not in {"test-card", "Owner"} and not any(one in so for so in known)]


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def keeping_connections() -> Iterator[None]:
    """Django closes its connection around each request, and we ours around the page of an error; with it the
    transaction would go that is undone.
    """
    ends = (request_started, request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(urls, "close_old_connections", lambda: None)
            yield
    finally:
        for end in ends:
            end.connect(close_old_connections)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[House]:
    """One for all tests here: nothing that they ask stays."""
    data_dir = tmp_path_factory.mktemp("every-route") / "data"
    shutil.copytree(sqlite_template, data_dir)
    settings = Settings(data_dir=data_dir, decoders=1)
    app.bind(settings)
    with keeping_connections(), open_console(settings) as console:
        yield House(console)
        for behind in (console.app._console.verification, console.app._console.examination):
            behind.wait(30)
    connections["default"].close()


@pytest.fixture
def house(furnished: House) -> Iterator[House]:
    """Each test in a transaction of its own, which is undone: that is faster than a commit with each request."""
    with undone():
        yield furnished


def refused(response: httpx.Response, row: Row, path: str, method: str, *, nobody: bool) -> None:
    """Sign-in for nobody, and for the wrong role the answer of an address that does not exist."""
    where = f"{method} {path}: {response.status_code} {response.headers.get('location', '')}"
    if nobody:
        back = path if method == "GET" else "/"
        assert response.status_code == httpx.codes.FOUND, where
        assert response.headers["location"] == f"{SIGN_IN}?next={quote(back)}", where
        assert response.text == "", where
    else:
        assert response.status_code == httpx.codes.NOT_FOUND, where


def allowed(response: httpx.Response, row: Row, path: str, method: str) -> None:
    where = f"{method} {path}: {response.status_code} {response.headers.get('location', '')}\n{response.text[:2000]}"
    assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR, where
    # Signing out leads to sign-in too, but not back.
    assert not response.headers.get("location", "").startswith(f"{SIGN_IN}?"), where
    if method not in row.methods:
        assert response.status_code == httpx.codes.METHOD_NOT_ALLOWED, where
    elif not row.may_be_missing:
        assert response.status_code not in {403, 404, 405}, where


def same(text: str) -> str:
    """A page without the token of its forms, which is masked anew in each."""
    return _TOKEN.sub("", text)


def test_every_address_has_a_row() -> None:
    assert sorted(TABLE) == sorted(where for where, _ in routes())


def test_every_view_of_the_console_says_who_may_see_it() -> None:
    """`guard` is set by `access.page` and `access.public`, and by nothing else."""
    missing = object()
    for where, pattern in routes():
        guard = getattr(pattern.callback, "guard", missing)
        row = TABLE[where]
        assert guard is missing if row.right == PROGRAMS else guard == row.right, where


@pytest.mark.parametrize("who", CAST)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_address_answers_each_as_their_right_is(house: House, who: str, method: str) -> None:
    rights = RIGHTS.get(who, set())
    nowhere = same(house.ask(who, "GET", "/no-such-page").text)
    for row in TABLE.values():
        path = house.address(row, who)
        answer = house.ask(who, method, path, row)
        if row.right == PROGRAMS:
            assert answer.status_code == (405 if method == "POST" else 401 if "/v1/" in path else 200), path
        elif row.right is ANYBODY:
            assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, path
            assert answer.status_code != httpx.codes.FORBIDDEN, path
        elif row.right in rights:
            allowed(answer, row, path, method)
            continue
        else:
            refused(answer, row, path, method, nobody=who in NOBODY)
            if answer.status_code == httpx.codes.NOT_FOUND:
                assert same(answer.text) == nowhere, path
        reveals_nothing(answer, house.secrets(who, path), path)


def reveals_nothing(answer: httpx.Response, secrets: list[str], path: str) -> None:
    said = "\n".join([answer.text, *(f"{name}: {value}" for name, value in answer.headers.items())])
    assert [one for one in secrets if one in said] == [], path


def test_what_may_be_seen_would_be_noticed(house: House) -> None:
    """That what is planted is really shown to whoever may see it: otherwise its absence would say nothing."""
    pages = ("/holds/{hold}", "/banks", "/banks/{bank}", "/surfaces", "/keys", "/people", "/log")
    shown = "".join(house.ask("owner", "GET", path.format(**vars(house.planted))).text for path in pages)
    found = [one for one in house.secrets("stranger", "/") if one in shown]
    assert {"planted-bank", "planted-surface", "planted-key", "Planted Listers", "planted-post"} <= set(found)
    assert house.planted.hold in found
    assert "Mo Derator" in shown


def test_a_link_for_an_uploader_shows_nothing_of_the_list_or_of_people(house: House) -> None:
    path = f"/x/{house.planted.explain}"
    answer = house.ask("stranger", "GET", path)
    assert answer.status_code == httpx.codes.OK
    hidden = [one for one in house.secrets("stranger", path) if one != house.planted.hold]
    reveals_nothing(answer, hidden, path)


def test_a_fragment_is_refused_as_its_page_is(house: House) -> None:
    for row in TABLE.values():
        if not isinstance(row.right, Right):
            continue
        path = house.address(row, "left")
        answer = house.ask("left", row.methods[0], path, headers={"HX-Request": "true"})
        assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (204, SIGN_IN, ""), path


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_until_the_wizard_is_done_its_owner_is_led_to_it(house: House, method: str) -> None:
    Instance.objects.update(next_step=STEPS[0], set_up_at=None)
    for row in TABLE.values():
        if not isinstance(row.right, Right) or method not in row.methods:
            continue
        path = house.address(row, "owner")
        answer = house.ask("owner", method, path, row)
        if row.during_setup:
            allowed(answer, row, path, method)
        else:
            assert (answer.status_code, answer.headers.get("location")) == (302, "/setup"), path


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_before_anybody_has_an_account_nothing_is_open(house: House, method: str) -> None:
    Account.objects.all().delete()
    Instance.objects.update(next_step=STEPS[0], set_up_at=None)
    for row in TABLE.values():
        path = house.address(row, "stranger")
        # Also with the cookie of a session whose account is gone.
        for who in ("stranger", "owner") if method == "GET" else ("owner",):
            answer = house.ask(who, method, path, row)
            if isinstance(row.right, Right):
                refused(answer, row, path, method, nobody=True)
            assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, path
            reveals_nothing(answer, house.secrets("stranger", path), path)


def test_a_form_without_a_token_is_refused_everywhere(house: House) -> None:
    before = Event.objects.count()
    for row in TABLE.values():
        if row.right == PROGRAMS:
            continue
        path = house.address(row, "owner")
        browser = house.browsers["owner"]
        browser.cookies = httpx.Cookies(house.cookies["owner"])
        answer = browser.request("POST", path, data={"name": "planted"})
        assert answer.status_code == (403 if "POST" in row.methods else answer.status_code), path
        assert answer.status_code in {403, 405}, path
    assert Event.objects.count() == before
