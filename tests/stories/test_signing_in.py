"""The owner opens the set-up link in a real browser, protects the account and comes back by every way there is."""

import base64
import hashlib
import hmac
import re
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from seawall.doors.console.wizard.snippets import ways_in
from seawall.matching import testcard
from tests.stories.serving import Server, environment, new_key, new_surface, wait_until
from tests.stories.test_docs_page import CHROMIUM, FLAGS, SCHEMES, STICKING_OUT

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: make setup")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed: apt-get install chromium"),
]

NAME, EMAIL, PASSWORD = "Ada of the Harbour", "ada@example.org", "nine green lanterns in a row"
MAX_DECISIONS = 10
PAGE_BYTES = 100_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", env={"SEAWALL_DECODERS": "1"}) as server:
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


class Person:
    """Somebody at a browser of their own. Nothing may go wrong in it, and nothing be asked of another host."""

    def __init__(self, chromium: Any, server: Server, **options: Any) -> None:
        # The name that browsers trust with passkeys on one's own machine.
        self.url = f"http://localhost:{server.port}"
        self.context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on(
            "console", lambda said: self.wrong.append(said.text) if said.type in {"error", "warning"} else None
        )
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.url, "blob:")):
            self.elsewhere.append(request.url)

    def open(self, path: str) -> None:
        self.page.goto(path if path.startswith("http") else f"{self.url}{path}")

    def fill(self, **fields: str) -> None:
        for label, value in fields.items():
            self.page.get_by_label(label, exact=True).fill(value)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def choose(self, name: str) -> None:
        self.page.get_by_role("radio", name=name).check()

    @property
    def title(self) -> str:
        return str(self.page.get_by_role("heading", level=1).inner_text())

    @property
    def text(self) -> str:
        return str(self.page.locator("main").inner_text())

    @property
    def path(self) -> str:
        return str(self.page.evaluate("location.pathname"))

    def sign_out(self) -> None:
        self.open("/me")
        self.press("Sign out")
        assert self.path == "/account/login/"

    def sign_in(self, password: str = PASSWORD) -> None:
        self.open("/account/login/")
        self.fill(**{"E-mail address": EMAIL, "Password": password})
        self.press("Sign in")

    def close(self) -> None:
        assert not self.wrong
        assert not self.elsewhere
        self.context.close()


@pytest.fixture
def ada(chromium: Any, server: Server) -> Iterator[Person]:
    person = Person(chromium, server)
    yield person
    person.close()


def setup_link(server: Server) -> str:
    """What `serve` printed."""
    found: list[str] = []

    def look() -> bool:
        found[:] = re.findall(
            r"^Set up this Seawall .*: (http://localhost:\d+/setup/[\w-]{43})$", server.log.read_text(), re.MULTILINE
        )
        return bool(found)

    wait_until(look)
    (link,) = found
    return link


def make_account(ada: Person, server: Server) -> None:
    ada.open(setup_link(server))
    ada.fill(**{"Your name": NAME, "Your e-mail address": EMAIL, "A password": PASSWORD})
    ada.press("Make my account")


def skip_the_wizard(server: Server) -> None:
    """What it would set is tested where it is used; here only that it no longer stands in front."""
    code = (
        "import sys; from pathlib import Path; from seawall import app; from seawall.settings import Settings;"
        "app.bind(Settings(data_dir=Path(sys.argv[1])));"
        "from seawall.members.accounts import finish_setup; from seawall.record.clock import system_clock;"
        "finish_setup(by='per_story', now=system_clock())"
    )
    subprocess.run([sys.executable, "-c", code, str(server.data_dir)], check=True, env=environment(), timeout=60)


def totp(secret: str) -> str:
    """RFC 6238 with its usual parameters."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(struct.unpack_from('>I', digest, offset)[0] & 0x7FFFFFFF) % 10**6:06}"


def add_app(ada: Person) -> tuple[str, list[str]]:
    """Set up the authenticator app: its secret, and the recovery codes."""
    ada.open("/me")
    ada.follow("Set up an authenticator app")
    assert ada.page.locator(".qr svg").bounding_box()["width"] > 150
    secret = str(ada.page.locator("#secret").inner_text())
    ada.fill(Code="000000")
    ada.press("Set it up")
    assert "Incorrect code" in ada.text
    assert ada.page.locator("#secret").inner_text() == secret, "a slip of the finger changes no secret"
    ada.fill(Code=totp(secret))
    ada.press("Set it up")
    assert ada.title == "Recovery codes"
    codes = ada.page.locator("#codes").inner_text().split()
    with ada.page.expect_download() as saving:
        ada.press("Save as a file")
    assert Path(saving.value.path()).read_text().split() == codes
    return secret, codes


def test_password_app_and_recovery_code(ada: Person, server: Server, chromium: Any) -> None:
    make_account(ada, server)
    assert ada.title == "What do you protect?"
    skip_the_wizard(server)
    secret, codes = add_app(ada)
    ada.sign_out()
    ada.sign_in("a wrong sentence")
    assert "not correct" in ada.text
    ada.sign_in()
    assert ada.title == "Your second factor"
    ada.fill(Code="123")
    ada.press("Sign in")
    assert "Incorrect code" in ada.text
    ada.open("/")
    assert ada.path != "/", "half signed in is not signed in"
    ada.open("/account/2fa/authenticate/")
    # The code of these seconds was used to set the app up; each counts once.
    ada.fill(Code=totp_not(totp(secret), secret))
    ada.press("Sign in")
    assert ada.path == "/"
    ada.sign_out()
    ada.sign_in()
    ada.fill(Code=codes[0])
    ada.press("Sign in")
    assert ada.path == "/"
    ada.open("/me")
    assert "1 used" in ada.text
    log = server.log.read_text()
    for secret_thing in (PASSWORD, EMAIL, secret, *codes):
        assert secret_thing not in log


def totp_not(used: str, secret: str) -> str:
    """The next code: a clock half a minute ahead is within what is taken."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30 + 1), hashlib.sha1)
    offset = digest[-1] & 15
    code = f"{(struct.unpack_from('>I', digest, offset)[0] & 0x7FFFFFFF) % 10**6:06}"
    return code if code != used else totp(secret)


def test_a_passkey_alone_and_after_the_password(ada: Person, server: Server) -> None:
    devices = ada.context.new_cdp_session(ada.page)
    devices.send("WebAuthn.enable")
    device = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    authenticator = devices.send("WebAuthn.addVirtualAuthenticator", {"options": device})["authenticatorId"]
    make_account(ada, server)
    skip_the_wizard(server)
    ada.open("/me")
    ada.follow("Add a passkey")
    ada.fill(**{"What do you call it?": "<b>telephone</b>"})
    ada.press("Add it")
    ada.page.wait_for_url("**/recovery-codes/")
    ada.open("/me")
    assert "<b>telephone</b>" in ada.text
    ada.sign_out()
    ada.press("Sign in with a passkey")
    ada.page.wait_for_url(f"{ada.url}/")
    ada.sign_out()
    ada.sign_in()
    assert ada.title == "Your second factor"
    ada.press("Use a passkey or security key")
    ada.page.wait_for_url(f"{ada.url}/")
    ada.sign_out()
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    ada.press("Sign in with a passkey")
    ada.page.get_by_text("That did not work").wait_for()
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
    ada.press("Sign in with a passkey")
    ada.page.wait_for_url(f"{ada.url}/")
    ada.open("/me")
    ada.page.get_by_role("link", name="Rename").click()
    if ada.title == "Is it you?":
        ada.fill(Password=PASSWORD)
        ada.press("Go on")
    ada.fill(**{"What do you call it?": "telephone"})
    ada.press("Save")
    ada.page.get_by_role("link", name="Remove").click()
    ada.press("Remove the passkey")
    assert "The passkey was removed." in ada.text
    ada.sign_out()
    ada.sign_in()
    assert ada.path == "/"


def test_the_wizard_to_its_end(ada: Person, server: Server) -> None:
    """Every page of it: measured, and without a violation in light and dark, wide and narrow."""
    started, decisions = time.monotonic(), 0
    seen: set[str] = set()
    link = setup_link(server)
    ada.open(link)

    def look() -> None:
        nonlocal decisions
        decisions += ada.page.locator("[data-decision]").count()
        check_page(ada, seen)

    look()
    ada.fill(**{"Your name": NAME, "Your e-mail address": EMAIL, "A password": PASSWORD})
    ada.press("Make my account")
    look()
    ada.fill(**{"What do you want to protect?": "The Quiet Harbour"})
    ada.press("Next")
    look()
    ada.press("Save and go on")
    assert ada.page.locator("[aria-invalid=true]").count() >= 1
    assert ada.page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    check_page(ada, seen, "surface-refused")
    declare_surface(ada)
    look()
    ada.press("Later: go on without mail")
    look()
    ada.press("Make a key")
    key = str(ada.page.locator("#key").inner_text())
    check_page(ada, seen, "key-shown")
    ada.press("Next")
    look()
    curl = str(ada.page.locator("#way-curl").inner_text())
    assert key in curl
    ada.press("Next")
    look()
    own_program(ada, key)
    ada.press("Send it from here")
    check_verdict(ada, key)
    check_page(ada, seen, "test-sent")
    ada.press("Next")
    look()
    ada.press("Finish and go to the home page")
    assert ada.path == "/"
    took = time.monotonic() - started
    assert decisions <= MAX_DECISIONS
    assert took < 300, f"{took:.0f} s"
    ada.open(link)
    assert ada.title == "This link opens nothing (any more)"
    assert key not in server.log.read_text()
    # The page of a used link is a 404, which Chromium mentions.
    ada.wrong = [said for said in ada.wrong if "404" not in said]


def declare_surface(ada: Person) -> None:
    ada.fill(**{"Name of the place where people publish": "posts"})
    for question, answer in (
        ("Who can see what is published there?", "Everybody"),
        ("What happens to an upload that could not be checked?", "Hold it"),
        ("What happens to a held upload that nobody looked at in time?", "Refuse it"),
    ):
        ada.page.get_by_role("group", name=question).get_by_role("radio", name=answer).check()
    ada.press("Save and go on")


def check_verdict(ada: Person, key: str) -> None:
    """What the page shows is a screening like any other."""
    ada.page.locator("#verdict").wait_for()
    assert "Blocked, as it should be" in ada.text
    screening = re.search(r"scr_[0-9a-f-]{36}", ada.text)
    assert screening
    found = httpx.get(f"{ada.url}/v1/screenings/{screening[0]}", headers={"Authorization": f"Bearer {key}"}).json()
    assert (found["verdict"]["verdict"], found["verdict"]["surface"]) == ("block", "posts")


def own_program(ada: Person, key: str) -> None:
    """A program that sends the downloaded test card is seen by the page without a press."""
    ada.page.get_by_text("Or send it with your own program").click()
    assert "Waiting for your upload" in ada.text
    with ada.page.expect_download() as saving:
        ada.follow("Download the test card")
    card = Path(saving.value.path()).read_bytes()
    assert card == testcard.picture()
    parts = '{"surface": "posts", "parts": [{"kind": "image", "file": "upload"}]}'
    answer = httpx.post(
        f"{ada.url}/v1/screen",
        headers={"Authorization": f"Bearer {key}"},
        data={"request": parts},
        files={"upload": card},
        timeout=60,
    )
    assert answer.json()["verdict"] == "block"
    ada.page.get_by_text("An upload of yours arrived and was blocked").wait_for(timeout=20_000)


def check_page(ada: Person, seen: set[str], name: str = "") -> None:
    """No violation, nothing sticks out at 360 pixels, no more than 100 kB."""
    name = name or ada.path
    if name in seen:
        return
    seen.add(name)
    for scheme in SCHEMES:
        ada.page.emulate_media(color_scheme=scheme)
        # Through the debugger: what the page itself may load stays as it is.
        found = axe.Axe().run(ada.page)
        assert found.violations_count == 0, f"{name}, {scheme}: {found.generate_report()}"
    ada.page.emulate_media(color_scheme="light")
    ada.page.set_viewport_size({"width": 360, "height": 800})
    assert ada.page.evaluate(STICKING_OUT) == [], name
    assert not ada.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"), name
    ada.page.set_viewport_size({"width": 1280, "height": 900})
    weight = ada.page.evaluate(
        "performance.getEntriesByType('resource').filter(one => !one.name.includes('.png'))"
        ".reduce((sum, one) => sum + one.decodedBodySize, 0)"
        " + performance.getEntriesByType('navigation')[0].decodedBodySize"
    )
    assert weight < PAGE_BYTES, f"{name}: {weight} bytes"


def test_every_page_of_signing_in_is_readable_by_everybody(ada: Person, server: Server) -> None:
    seen: set[str] = set()
    for path in ("/account/login/", "/account/password/reset/", "/account/password/reset/done/"):
        ada.open(path)
        check_page(ada, seen)
    make_account(ada, server)
    skip_the_wizard(server)
    for path in ("/me", "/people", "/account/2fa/totp/activate/", "/account/password/change/", "/setup/step/mail"):
        ada.open(path)
        check_page(ada, seen)
    secret, _ = add_app(ada)
    check_page(ada, seen)
    for path in ("/me", "/account/2fa/recovery-codes/generate/", "/account/2fa/totp/deactivate/", "/account/logout/"):
        ada.open(path)
        check_page(ada, seen, f"{path} with a second factor")
    ada.open("/account/2fa/webauthn/add/")
    check_page(ada, seen)
    ada.open("/people")
    ada.fill(Name="Mo Derator")
    ada.choose("Moderator")
    ada.press("Add and make a link")
    check_page(ada, seen, "person with a link")
    link = str(ada.page.locator("#link").inner_text()).replace("127.0.0.1", "localhost")
    ada.page.get_by_role("link", name="Remove Mo Derator").click()
    check_page(ada, seen, "remove")
    ada.sign_out()
    ada.sign_in()
    check_page(ada, seen)
    ada.fill(Code=totp_not("", secret))
    ada.press("Sign in")
    assert ada.path == "/"
    ada.sign_out()
    ada.open(link)
    check_page(ada, seen, "invitation")
    assert len(seen) >= 17


def test_a_session_that_was_planted_opens_nothing(chromium: Any, server: Server, ada: Person) -> None:
    make_account(ada, server)
    skip_the_wizard(server)
    ada.sign_out()
    # A stranger's session, begun with the one request that begins any, is put into Ada's browser.
    planted = httpx.get(f"{ada.url}/account/2fa/webauthn/login/", headers={"Accept": "application/json"})
    value = planted.cookies["seawall"]
    ada.context.add_cookies([{"name": "seawall", "value": value, "url": ada.url}])
    ada.sign_in()
    assert ada.path == "/"
    mine = {cookie["name"]: cookie["value"] for cookie in ada.context.cookies()}
    assert mine["seawall"] != value
    stranger = httpx.get(f"{ada.url}/me", headers={"Cookie": f"seawall={value}"})
    assert (stranger.status_code, stranger.headers["location"]) == (302, "/account/login/?next=/me")


def test_without_a_script_everything_but_passkeys_works(chromium: Any, server: Server) -> None:
    ada = Person(chromium, server, java_script_enabled=False)
    ada.open(setup_link(server))
    ada.page.get_by_label("Your name").fill(NAME)
    ada.page.get_by_label("Your e-mail address").fill(EMAIL)
    ada.page.get_by_label("A password").fill(PASSWORD)
    ada.press("Make my account")
    ada.page.get_by_label("What do you want to protect?").fill("Harbour")
    ada.press("Next")
    assert ada.title == "Where do people publish?"
    ada.open("/me")
    ada.press("Sign out everywhere")
    assert "Passkeys need JavaScript" in ada.text
    ada.sign_in()
    assert ada.title == "Where do people publish?", "the wizard goes on where it was left"
    ada.close()


def test_what_the_wizard_has_people_paste_runs(server: Server, tmp_path: Path) -> None:
    """curl and Python as they stand on the page; Node.js and PHP where they are installed."""
    new_surface(server.data_dir, "posts")
    key = new_key(server.data_dir, "screen", "read")
    card = tmp_path / testcard.PICTURE_NAME
    card.write_bytes(testcard.picture())
    commands = {
        "curl": ["sh", "-c"],
        "python": [sys.executable, "-c"],
        "node": ["node", "--input-type=module", "-e"],
        "php": ["php", "-r"],
    }
    for way in ways_in(server.url, key, "posts", file=card.name):
        command = commands[way.id]
        if shutil.which(command[0]) is None:
            continue
        text = way.text.removeprefix("<?php\n")
        wait_until(lambda command=command, text=text: "block" in said(command, text, tmp_path))  # type: ignore[misc]


def said(command: list[str], text: str, where: Path) -> str:
    """What a pasted program prints. A key that was just made takes effect within a second."""
    return subprocess.run([*command, text], cwd=where, capture_output=True, text=True, check=False, timeout=60).stdout


#: How often a form would be sent by two presses, one right after the other.
PRESSED_TWICE = """
() => {
  const form = document.querySelector('main form[method=post]');
  let sent = 0;
  form.addEventListener('submit', () => { sent += 1; });
  form.requestSubmit();
  form.requestSubmit();
  return sent;
}
"""


def test_a_button_that_is_pressed_twice_is_pressed_once(ada: Person, server: Server) -> None:
    make_account(ada, server)
    skip_the_wizard(server)
    ada.open("/people")
    ada.fill(Name="Mo Derator")
    ada.choose("Moderator")
    with ada.page.expect_navigation():
        assert ada.page.evaluate(PRESSED_TWICE) == 1
    assert ada.title == "Mo Derator"
    ada.open("/people")
    assert ada.page.locator("main tbody tr").count() == 2
