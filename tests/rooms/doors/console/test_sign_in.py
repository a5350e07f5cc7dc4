import base64
import hashlib
import hmac
import json
import logging
import os
import re
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection
from django.urls import get_resolver

from seawall.doors.console.sign_in.passwords import MOST_AT_ONCE, PasswordHasher
from seawall.doors.console.sign_in.sealing import FILE_NAME, CannotOpen, seal, unseal
from seawall.doors.delivery.server import MailSettings, Security, save
from seawall.members.models import Account
from seawall.members.roles import Role
from seawall.record import journal
from seawall.record.events import SignInChanged
from seawall.record.models import Event
from seawall.settings import Settings
from tests.rooms.doors.console.browsing import PASSWORD, Browser, Console

LOGIN = "/account/login/"
OWNER = "owner@example.org"


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    """Attempts are counted in the memory of the process, which the tests share."""
    cache.clear()
    yield
    cache.clear()


def sign_in(browser: Browser, email: str = OWNER, password: str = PASSWORD, **more: Any) -> Any:
    return browser.post(LOGIN, {"login": email, "password": password}, **more)


def totp(secret: str) -> str:
    """RFC 6238 with its usual parameters."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(struct.unpack_from('>I', digest, offset)[0] & 0x7FFFFFFF) % 10**6:06}"


def add_app(browser: Browser) -> tuple[str, list[str]]:
    """Set up the authenticator app of a signed-in person: its secret, and the recovery codes that were shown."""
    page = browser.get("/account/2fa/totp/activate/")
    if page.status_code == 302:
        browser.post("/account/reauthenticate/", {"password": PASSWORD})
        page = browser.get("/account/2fa/totp/activate/")
    secret = re.search(r'id="secret">([A-Z2-7]{32})<', page.text)
    assert secret, page.text
    # Not through `post`: asking for the page again makes another secret.
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "code": totp(secret[1])}
    answer = browser.request("POST", "/account/2fa/totp/activate/", data=form)
    assert answer.headers["location"] == "/account/2fa/recovery-codes/", answer.text
    shown = browser.get("/account/2fa/recovery-codes/").text
    codes = re.search(r'<pre id="codes"[^>]*>([\d\s]+)</pre>', shown)
    assert codes, shown
    return secret[1], codes[1].split()


def session_of(browser: Browser) -> str | None:
    return next((cookie.value for cookie in browser.cookies.jar if cookie.name == "seawall"), None)


def test_address_and_password_open_the_console(console: Console) -> None:
    browser = console.browser(None)
    answer = sign_in(browser, email="OWNER@Example.org")
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    assert browser.get("/").status_code == 200
    assert Account.objects.get(email=OWNER).last_login is not None


def test_signing_in_makes_a_new_session(sqlite_console: Console) -> None:
    """A session that somebody planted in the browser before is worth nothing afterwards."""
    planted = sqlite_console.browser(None)
    planted.get("/account/2fa/webauthn/login/", headers={"accept": "application/json"})
    before = session_of(planted)
    assert before
    assert sign_in(planted).status_code == 302
    after = session_of(planted)
    assert after != before
    assert not Session.objects.filter(session_key=before).exists()
    attacker = sqlite_console.browser(None)
    attacker.cookies.set("seawall", before, domain="localhost.local")
    assert attacker.get("/").status_code == 302


def test_the_cookies_flags(sqlite_console: Console) -> None:
    answer = sign_in(sqlite_console.browser(None))
    cookies = {cookie.split("=")[0]: cookie.lower() for cookie in answer.headers.get_list("set-cookie")}
    for name in ("seawall", "seawall-csrf"):
        assert "httponly" in cookies[name]
        assert "samesite=lax" in cookies[name]
    assert "expires" not in cookies["seawall"], "it ends with the browser"
    left = Session.objects.order_by("-expire_date")[0].expire_date.timestamp() - time.time()
    assert 11.9 * 3600 < left < 12.1 * 3600


def test_anything_else_opens_nothing(stranger: Browser) -> None:
    for email, password in (
        (OWNER, "wrong"),
        ("nobody@example.org", PASSWORD),
        ("", ""),
        (OWNER, ""),
        ("owner", PASSWORD),
        (OWNER, PASSWORD + " "),
        (OWNER, "x" * 50_000),
        ("a" * 50_000 + "@example.org", "x"),
        ("<script>alert(1)</script>@example.org", "x"),
        (OWNER, "\0"),
        ("öwner@example.org", PASSWORD),
        ("owner@example.org' OR 1=1 --", PASSWORD),
    ):
        cache.clear()
        answer = sign_in(stranger, email=email, password=password)
        assert answer.status_code == 200, email[:80]
        assert "<script>alert" not in answer.text
        assert stranger.get("/").status_code == 302


def test_the_answer_does_not_tell_whether_there_is_an_account(
    stranger: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are the same, and so is the work: one Argon2 each, which takes nearly all of the time."""
    done: list[str] = []
    encode = PasswordHasher.encode
    verify = PasswordHasher.verify

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def one_more(hasher: PasswordHasher, *args: Any) -> Any:
            done.append("hash")
            return work(hasher, *args)

        return one_more

    monkeypatch.setattr(PasswordHasher, "encode", counted(encode))
    monkeypatch.setattr(PasswordHasher, "verify", counted(verify))
    pages, work = [], []
    for email in (OWNER, "nobody@example.org"):
        done.clear()
        page = sign_in(stranger, email=email, password="a wrong sentence").text
        pages.append(re.sub(r'value="[^"]*"', "", page))
        work.append(list(done))
    assert pages[0] == pages[1]
    assert work == [["hash"], ["hash"]]


def test_hashing_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most = 0, 0
    lock = threading.Lock()

    class Slow:
        def encode(self, password: str, salt: str) -> str:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.02)
            with lock:
                at_once -= 1
            return "x"

    monkeypatch.setattr(Argon2PasswordHasher, "encode", Slow.encode)
    threads = [threading.Thread(target=PasswordHasher().encode, args=("p", "s")) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == MOST_AT_ONCE


def test_passwords_are_kept_as_argon2id(sqlite_console: Console) -> None:
    kept = sqlite_console.accounts[Role.OWNER].password
    assert kept.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_guessing_at_one_account_ends_from_wherever(sqlite_console: Console) -> None:
    """Five attempts in five minutes, whatever name the server is called by and whatever the guesser's headers say."""
    hosts = ["http://localhost", "http://127.0.0.1", "http://10.0.0.9", "http://[::1]", "http://192.0.2.1"]
    for number, host in enumerate(hosts):
        browser = sqlite_console.browser(None)
        form = browser.get(LOGIN)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
        assert token
        data = {"csrfmiddlewaretoken": token[1], "login": OWNER, "password": f"guess number {number}"}
        headers = {"host": host.removeprefix("http://"), "origin": host, "x-forwarded-for": f"198.51.100.{number}"}
        answer = browser.request("POST", LOGIN, data=data, headers=headers)
        assert answer.status_code == 200, answer.text
        assert "not correct" in answer.text, answer.text
    browser = sqlite_console.browser(None)
    answer = sign_in(browser)
    assert answer.status_code == 200
    assert "Too many failed" in answer.text
    assert browser.get("/").status_code == 302
    assert sign_in(sqlite_console.browser(None), email="reader@example.org").status_code == 302


def test_guessing_at_many_accounts_ends_for_one_network(stranger: Browser) -> None:
    said = [sign_in(stranger, email=f"guess{number}@example.org", password="x").text for number in range(11)]
    assert "Too many failed" not in said[9]
    assert "Too many failed" in said[10]


def test_who_asks_too_often_is_told_to_wait(stranger: Browser) -> None:
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', stranger.get(LOGIN).text)
    assert token
    answers = [stranger.request("POST", LOGIN, data={"csrfmiddlewaretoken": token[1]}).status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    r"\\evil.example",
    r"/\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "http://localhost@evil.example/",
    "\thttps://evil.example",
    "https://localhost.evil.example/",
    "http://[evil",
]


def test_signing_in_leads_nowhere_else(sqlite_console: Console) -> None:
    for elsewhere in ELSEWHERE:
        cache.clear()
        browser = sqlite_console.browser(None)
        page = browser.get(LOGIN, params={"next": elsewhere})
        assert page.status_code == 200
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        form = {"csrfmiddlewaretoken": token[1], "login": OWNER, "password": PASSWORD, "next": elsewhere}
        answer = browser.request("POST", LOGIN, data=form, params={"next": elsewhere})
        assert (answer.status_code, answer.headers["location"]) == (302, "/"), elsewhere
        answer = browser.request("GET", LOGIN, params={"next": elsewhere})
        assert (answer.status_code, answer.headers["location"]) == (302, "/"), elsewhere
        left = browser.post("/account/logout/", {"next": elsewhere})
        assert (left.status_code, left.headers["location"]) == (302, "/"), elsewhere


def test_signing_in_leads_back(stranger: Browser) -> None:
    answer = stranger.post(f"{LOGIN}?next=/people", {"login": OWNER, "password": PASSWORD, "next": "/people"})
    assert answer.headers["location"] == "/people"


def test_forms_need_their_token(stranger: Browser) -> None:
    form = {"login": OWNER, "password": PASSWORD}
    assert stranger.request("POST", LOGIN, data=form).status_code == 403
    assert stranger.request("POST", LOGIN, data=form, headers={"origin": "https://evil.example"}).status_code == 403


def test_addresses_that_are_not_used_do_not_exist(stranger: Browser, owner: Browser) -> None:
    for path in (
        "/account/signup/",
        "/account/email/",
        "/account/confirm-email/",
        "/account/confirm-email/x/",
        "/account/password/set/",
        "/account/login/code/",
        "/account/login/code/confirm/",
        "/account/2fa/trust/",
        "/account/2fa/webauthn/signup/",
        "/account/2fa/recovery-codes/download/",
        "/account/",
    ):
        assert stranger.get(path).status_code == 404, path
        assert owner.get(path).status_code == 404, path


def test_every_address_of_ours_says_for_whom_it_is() -> None:
    about = ("account/", "setup", "me", "people")
    found = [one for part in get_resolver().url_patterns[-1].url_patterns for one in part.url_patterns]  # type: ignore[union-attr]
    views = {str(one.pattern): one.callback for one in found if str(one.pattern).lstrip("^").startswith(about)}
    assert len(views) > 25
    for pattern, view in views.items():
        assert hasattr(view, "guard"), pattern


def test_the_authenticator_app_is_asked_for(sqlite_console: Console, caplog: pytest.LogCaptureFixture) -> None:
    browser = sqlite_console.browser(None)
    # More than `web.logs` lets through.
    with caplog.at_level(logging.INFO):
        sign_in(browser)
        secret, codes = add_app(browser)
        other = sqlite_console.browser(None)
        answer = sign_in(other)
    assert answer.headers["location"] == "/account/2fa/authenticate/"
    assert other.get("/").status_code == 302, "the password alone opens nothing"
    for wrong in ("000000", "", "abc", "9" * 5_000, "x y\n\u2603", codes[0][::-1]):
        assert other.post("/account/2fa/authenticate/", {"code": wrong}).status_code == 200
        cache.clear()
    code = totp(secret)
    cache.clear()
    before = session_of(other)
    answer = other.post("/account/2fa/authenticate/", {"code": code})
    assert answer.headers["location"] == "/"
    assert session_of(other) != before
    assert other.get("/").status_code == 200
    for secret_thing in (secret, PASSWORD, *codes, code):
        assert secret_thing not in caplog.text


def test_a_code_counts_once(sqlite_console: Console) -> None:
    browser = sqlite_console.browser(None)
    sign_in(browser)
    secret, codes = add_app(browser)
    code = totp(secret)
    first, second = sqlite_console.browser(None), sqlite_console.browser(None)
    for one in (first, second):
        sign_in(one)
    answers = [one.post("/account/2fa/authenticate/", {"code": code}).status_code for one in (first, second)]
    assert answers == [302, 200]
    # allauth itself forgets after half a minute, when the code is still valid for a clock that is slow.
    cache.delete(f"allauth.mfa.totp.used?user={sqlite_console.accounts[Role.OWNER].pk}&code={code}")
    answer = second.post("/account/2fa/authenticate/", {"code": f"{code[:3]} {code[3:]}"})
    assert "Incorrect code" in answer.text
    third, fourth = sqlite_console.browser(None), sqlite_console.browser(None)
    for one in (third, fourth):
        sign_in(one)
    answers = [one.post("/account/2fa/authenticate/", {"code": codes[3]}).status_code for one in (third, fourth)]
    assert answers == [302, 200], "so does a recovery code"


def test_guessing_at_codes_ends(sqlite_console: Console) -> None:
    browser = sqlite_console.browser(None)
    sign_in(browser)
    secret, _ = add_app(browser)
    other = sqlite_console.browser(None)
    sign_in(other)
    for number in range(5):
        assert "Incorrect code" in other.post("/account/2fa/authenticate/", {"code": f"00000{number}"}).text
    answer = other.post("/account/2fa/authenticate/", {"code": totp(secret)})
    assert answer.status_code == 200
    assert "Too many failed" in answer.text


def test_secrets_of_second_factors_are_sealed_in_the_database(sqlite_console: Console) -> None:
    browser = sqlite_console.browser(None)
    sign_in(browser)
    secret, codes = add_app(browser)
    rows = {one.type: one.data for one in Authenticator.objects.all()}
    assert rows["totp"]["secret"].startswith("sealed1:")
    assert rows["recovery_codes"]["seed"].startswith("sealed1:")
    key = sqlite_console.settings.keys_dir / FILE_NAME
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    connection.close()
    for path in sqlite_console.settings.data_dir.rglob("seawall.sqlite3*"):
        data = path.read_bytes()
        for one in (secret, *codes):
            assert one.encode() not in data
            assert base64.b64encode(one.encode()).rstrip(b"=")[:-2] not in data


def test_without_its_key_the_second_factor_says_what_to_do(sqlite_console: Console) -> None:
    browser = sqlite_console.browser(None)
    sign_in(browser)
    secret, _ = add_app(browser)
    (sqlite_console.settings.keys_dir / FILE_NAME).unlink()
    other = sqlite_console.browser(None)
    sign_in(other)
    answer = other.post("/account/2fa/authenticate/", {"code": totp(secret)})
    assert answer.status_code == 200
    assert "seawall setup-link" in answer.text


def test_what_is_sealed_opens_here_only(sqlite_settings: Settings) -> None:
    keys = sqlite_settings.keys_dir
    sealed = seal("JBSWY3DPEHPK3PXP", keys)
    assert unseal(sealed, keys) == "JBSWY3DPEHPK3PXP"
    assert seal("JBSWY3DPEHPK3PXP", keys) != sealed
    changed = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]
    for bad in ("", "sealed1:", "JBSWY3DPEHPK3PXP", sealed.removeprefix("sealed1:"), changed, "sealed1:é", sealed[:30]):
        with pytest.raises(CannotOpen, match="Restore it from a backup"):
            unseal(bad, keys)
    (keys / FILE_NAME).write_bytes(os.urandom(32))
    with pytest.raises(CannotOpen):
        unseal(sealed, keys)
    (keys / FILE_NAME).write_bytes(b"short")
    with pytest.raises(CannotOpen):
        unseal(sealed, keys)


def test_recovery_codes_are_shown_once_and_renewed(sqlite_console: Console) -> None:
    browser = sqlite_console.browser(None)
    sign_in(browser)
    _, codes = add_app(browser)
    assert len(codes) == 10
    again = browser.get("/account/2fa/recovery-codes/").text
    assert not any(code in again for code in codes)
    assert browser.post("/account/2fa/recovery-codes/generate/").status_code == 302
    renewed = browser.get("/account/2fa/recovery-codes/").text
    assert "shown this once" in renewed
    other = sqlite_console.browser(None)
    sign_in(other)
    assert other.post("/account/2fa/authenticate/", {"code": codes[0]}).status_code == 200


def test_protection_is_changed_only_by_who_shows_again_who_they_are(owner: Browser) -> None:
    for path in (
        "/account/2fa/totp/activate/",
        "/account/2fa/recovery-codes/generate/",
        "/account/2fa/webauthn/keys/1/remove/",
        "/account/2fa/webauthn/keys/1/edit/",
    ):
        answer = owner.get(path)
        assert answer.status_code == 302, path
        assert answer.headers["location"].startswith("/account/reauthenticate/"), path
    assert "Is it you?" in owner.get("/account/reauthenticate/?next=/me").text
    wrong = owner.post("/account/reauthenticate/", {"password": "wrong", "next": "/me"})
    assert wrong.status_code == 200
    right = owner.post("/account/reauthenticate/?next=//evil.example", {"password": PASSWORD, "next": "//evil.example"})
    assert right.headers["location"].startswith("/")
    assert "evil" not in right.headers["location"]
    assert owner.get("/account/2fa/totp/activate/").status_code == 200


def test_a_new_password_ends_every_other_session(sqlite_console: Console) -> None:
    here, elsewhere = sqlite_console.browser(Role.OWNER), sqlite_console.browser(Role.OWNER)
    form = {"oldpassword": PASSWORD, "password1": "the tenth boat sails home", "password2": "the tenth boat sails home"}
    assert here.post("/account/password/change/", form | {"oldpassword": "wrong"}).status_code == 200
    assert (
        here.post("/account/password/change/", form | {"password1": "short", "password2": "short"}).status_code == 200
    )
    assert elsewhere.get("/").status_code == 200
    answer = here.post("/account/password/change/", form)
    assert answer.headers["location"] == "/me"
    assert "Your password was changed" in here.get("/me").text
    assert elsewhere.get("/").status_code == 302
    assert sign_in(sqlite_console.browser(None)).status_code == 200
    assert sign_in(sqlite_console.browser(None), password="the tenth boat sails home").status_code == 302


def test_without_mail_the_page_for_a_new_password_names_the_command(stranger: Browser) -> None:
    page = stranger.get("/account/password/reset/")
    assert "seawall setup-link" in page.text
    assert 'name="email"' not in page.text
    form = {"email": OWNER}
    answer = stranger.post("/account/password/reset/", form, page=LOGIN)
    assert answer.status_code == 200
    assert "seawall setup-link" in answer.text


class Letters:
    """Takes what would be handed to the mail server."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self.arrived = threading.Event()

    def send(self, _server: MailSettings, letters: Any, _hello: str) -> Any:
        self.found.extend(letters)
        self.arrived.set()
        return iter([(one, None) for one in letters])


@pytest.fixture
def letters(sqlite_console: Console, monkeypatch: pytest.MonkeyPatch) -> Letters:
    server = MailSettings(host="127.0.0.1", port=1, security=Security.NONE, sender="seawall@example.org")
    save(sqlite_console.settings.keys_dir, server)
    taken = Letters()
    monkeypatch.setattr("seawall.doors.console.sign_in.mail.send_letters", taken.send)
    return taken


def test_a_link_by_mail_sets_a_new_password(sqlite_console: Console, letters: Letters) -> None:
    browser = sqlite_console.browser(None)
    token = re.search(r'value="([^"]+)"', browser.get("/account/password/reset/").text)
    assert token
    # Whoever asks may call the server by any number: the link in the mail must not lead there.
    answer = browser.request(
        "POST",
        "/account/password/reset/",
        data={"csrfmiddlewaretoken": token[1], "email": "Owner@example.org"},
        headers={"host": "203.0.113.66", "origin": "http://203.0.113.66"},
    )
    assert answer.headers["location"] == "/account/password/reset/done/"
    assert letters.arrived.wait(10)
    (letter,) = letters.found
    assert letter["To"] == OWNER
    text = letter.get_body(("plain",)).get_content()
    assert "203.0.113.66" not in str(letter)
    link = re.search(r"http://localhost:8080(/account/password/reset/key/\S+)", text)
    assert link, text
    signed_in = sqlite_console.browser(Role.OWNER)
    shown = browser.get(link[1])
    form = {"password1": "the tenth boat sails home", "password2": "the tenth boat sails home"}
    answer = browser.post(shown.headers["location"], form)
    assert answer.headers["location"] == "/account/password/reset/key/done/"
    assert signed_in.get("/").status_code == 302
    assert "opens nothing" in sqlite_console.browser(None).get(link[1]).text, "it works once"
    assert sign_in(sqlite_console.browser(None), password="the tenth boat sails home").status_code == 302


def test_who_has_no_account_gets_no_mail_and_the_same_answer(sqlite_console: Console, letters: Letters) -> None:
    answers = [
        sqlite_console.browser(None).post("/account/password/reset/", {"email": email})
        for email in ("nobody@example.org", OWNER)
    ]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert letters.arrived.wait(10)
    assert [one["To"] for one in letters.found] == [OWNER]


def test_a_made_up_reset_link_opens_nothing(stranger: Browser) -> None:
    for key in ("1-x", "1-set-password", "zzzzzzzzzzzzz-x", f"1-{'x' * 5000}", "0-%00"):
        assert "opens nothing" in stranger.get(f"/account/password/reset/key/{key}/").text, key


def answer_of_a_passkey(**response: object) -> str:
    """What a browser sends, with nothing true in it."""
    return json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": response})


NOTHING_TRUE = {
    "userHandle": "MQ",
    "clientDataJSON": "e30",
    "authenticatorData": "A" * 60,
    "signature": "AA",
    "attestationObject": "oA",
}
HOSTILE = [
    "",
    "x",
    "null",
    "[]",
    "{}",
    "1",
    '"x"',
    "[" * 2000,
    '{"id": 1}',
    answer_of_a_passkey(),
    answer_of_a_passkey(**NOTHING_TRUE),
    answer_of_a_passkey(**NOTHING_TRUE | {"userHandle": None, "authenticatorData": "AA", "attestationObject": "AA"}),
    '{"id":"AA","rawId":"AA","type":"public-key","response":"x"}',
]


def test_a_made_up_passkey_opens_nothing_and_breaks_nothing(sqlite_console: Console) -> None:
    browser, owner = sqlite_console.browser(None), sqlite_console.browser(Role.OWNER)
    owner.post("/account/reauthenticate/", {"password": PASSWORD})
    for credential in HOSTILE:
        cache.clear()
        browser.get("/account/2fa/webauthn/login/", headers={"accept": "application/json"})
        answer = browser.post("/account/2fa/webauthn/login/", {"credential": credential}, page=LOGIN)
        assert (answer.status_code, answer.headers["location"]) == (302, "/account/login/?passkey=refused"), credential
        assert "not accepted" in browser.get(answer.headers["location"]).text
        added = owner.post("/account/2fa/webauthn/add/", {"credential": credential, "name": "x"})
        assert added.status_code == 200, added.text
        assert not Authenticator.objects.exists()
        again = owner.post("/account/2fa/webauthn/reauthenticate/", {"credential": credential}, page="/me")
        assert again.status_code in {200, 302}, again.text


def test_asking_for_a_passkey_is_limited_and_leaves_little(stranger: Browser) -> None:
    answers = [stranger.get("/account/2fa/webauthn/login/", headers={"accept": "application/json"}) for _ in range(31)]
    assert [one.status_code for one in answers] == [200] * 30 + [429]
    assert all(one.expire_date.timestamp() < time.time() + 301 for one in Session.objects.all())


def test_passkeys_are_offered_where_browsers_have_them(stranger: Browser) -> None:
    offers = {"localhost": True, "localhost:8080": True, "127.0.0.1:8080": False, "[::1]": False, "[::1]:80": False}
    for host, offered in offers.items():
        page = stranger.get(LOGIN, headers={"host": host})
        assert page.status_code == 200
        assert ("Sign in with a passkey" in page.text) is offered, host


@pytest.mark.parametrize("cookie", ['"aaaaaaaa\\000bbbb"', "a" * 31, "a" * 33, "A" * 32, "x" * 7_000, "%00" * 16, '"'])
def test_a_cookie_that_is_no_session_is_a_strangers(console: Console, cookie: str) -> None:
    """One that spells a NUL would be an error of PostgreSQL, with a line in the log for each request."""
    browser = console.browser(None)
    answer = browser.request("GET", "/", headers={"cookie": f"seawall={cookie}"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/account/login/?next=/")


def half_way(console: Console) -> Browser:
    """A moderator with an authenticator app, who gave the password and no code yet."""
    moderator = console.accounts[Role.MODERATOR]
    secret = seal("A" * 32, console.settings.keys_dir)
    Authenticator.objects.create(user=moderator, type=Authenticator.Type.TOTP, data={"secret": secret})
    browser = console.browser(None)
    answer = sign_in(browser, email=moderator.email)
    assert answer.headers["location"] == "/account/2fa/authenticate/"
    assert browser.get("/account/2fa/authenticate/").status_code == 200
    return browser


def test_who_is_removed_half_way_in_begins_anew(sqlite_console: Console) -> None:
    browser = half_way(sqlite_console)
    # Without the sessions, as when the two happen in the same moment.
    Account.objects.filter(pk=sqlite_console.accounts[Role.MODERATOR].pk).delete()
    assert browser.get("/account/2fa/authenticate/").headers["location"] == LOGIN
    assert browser.get(LOGIN).status_code == 200


def test_whose_second_factors_were_reset_half_way_in_is_not_sent_in_circles(sqlite_console: Console) -> None:
    """At one device the code is asked for; at another one the person, who lost it, used a new link."""
    browser = half_way(sqlite_console)
    Authenticator.objects.all().delete()
    assert browser.get(LOGIN).status_code == 200
    browser = half_way(sqlite_console)
    Authenticator.objects.all().delete()
    assert browser.post("/account/2fa/authenticate/", {"code": "1"}, page=LOGIN).headers["location"] == LOGIN
    assert browser.get("/").status_code == 302, "nobody is in"


def test_a_password_is_not_made_of_the_name(sqlite_console: Console) -> None:
    owner = sqlite_console.accounts[Role.OWNER]
    owner.person.name = "Ada of the Harbour"
    for password in ("ada of the harbour", "Ada of the Harbour!", "owner@example.org1"):
        with pytest.raises(ValidationError, match="too similar"):
            validate_password(password, owner)
    validate_password(PASSWORD, owner)


def test_changes_of_how_people_sign_in_are_on_record(console: Console) -> None:
    browser, account = console.browser(Role.OWNER), console.accounts[Role.OWNER]
    new = "the tenth boat sails home"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert browser.post("/account/password/change/", form).headers["location"] == "/me"
    browser.post("/account/reauthenticate/", {"password": new})
    add_app(browser)
    assert browser.post("/account/2fa/recovery-codes/generate/").status_code == 302
    assert browser.post("/account/2fa/totp/deactivate/").status_code == 302
    told = [
        (event.by, event.person, event.what)
        for event in map(journal.read, Event.objects.filter(name=SignInChanged.name).order_by("serial"))
        if isinstance(event, SignInChanged)
    ]
    what = ["password", "totp_added", "recovery_codes_added", "recovery_codes_reset", "totp_removed"]
    assert told == [(account.person_id, account.person_id, one) for one in [*what, "recovery_codes_removed"]]
    shown = browser.get("/log").text
    assert "set a new password" in shown
    assert "set up an authenticator app" in shown
    assert new not in shown


def test_a_password_that_a_mail_set_is_on_record(console: Console) -> None:
    reader = console.accounts[Role.READER]
    browser = console.browser(None)
    link = f"/account/password/reset/key/{user_pk_to_url_str(reader)}-{default_token_generator.make_token(reader)}/"
    form = browser.get(link).headers["location"]
    new = "the tenth boat sails home"
    assert browser.post(form, {"password1": new, "password2": new}).status_code == 302
    assert Account.objects.get(pk=reader.pk).check_password(new)
    assert Event.objects.filter(name=SignInChanged.name).count() == 1
