"""Every page of the console, with something on it, in a real browser: axe finds nothing in light or dark, nothing
sticks out at 360 pixels, and no script or style of ours is refused.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections

from seawall import app
from seawall.settings import Settings
from tests.rooms.doors.console.browsing import PASSWORD, open_console
from tests.rooms.doors.console.pages import (
    ALL,
    MODERATOR,
    OWNER,
    READER,
    STRANGER,
    Page,
    Populated,
    addresses,
    named,
    populate,
)
from tests.stories.serving import Server
from tests.stories.test_docs_page import CHROMIUM, FLAGS, SCHEMES, STICKING_OUT

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: make setup")

pytestmark = [
    pytest.mark.browser,
    # The first test starts the server and the browser.
    pytest.mark.timeout(300),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed: apt-get install chromium"),
]

#: Fills a form in as a person would and sends it, past the browser's own checks: what the server says is looked at.
SEND = """([selector, fields]) => {
  const form = document.querySelector(selector);
  for (const [name, value] of Object.entries(fields)) {
    const found = [...form.elements].filter(one => one.name === name);
    const choices = found.filter(one => ['radio', 'checkbox'].includes(one.type));
    if (choices.length) choices.forEach(one => { one.checked = one.value === value || value === true });
    else if (found.length && found[0].tagName !== 'BUTTON') found[0].value = value;
    else form.append(Object.assign(document.createElement('input'), {type: 'hidden', name, value}));
  }
  form.noValidate = true;
  HTMLFormElement.prototype.submit.call(form);
}"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A page that is there only after a form was sent. `shows` is a piece of what it must show, as a selector."""

    path: str
    shows: str
    who: str = OWNER
    form: str = "main form"
    fields: dict[str, Any] = field(default_factory=dict)


ERROR = "[role=alert], [aria-invalid=true]"

SENT = {
    "try it: the test card": Sent(path="/try", who=READER, fields={"card": True}, shows=".grid-set"),
    "try it: nothing chosen": Sent(path="/try", who=READER, shows=ERROR),
    "hold: a revealed picture": Sent(
        path="/holds/{held}",
        who=MODERATOR,
        form='form[action$="/parts/1"], form[hx-post$="/parts/1"]',
        shows="main img",
    ),
    "hold: a revealed text": Sent(
        path="/holds/{held}",
        who=MODERATOR,
        form='form[action$="/parts/0"], form[hx-post$="/parts/0"]',
        shows="main",
    ),
    "hold: no choice made": Sent(path="/holds/{held}", who=MODERATOR, form='form[action$="/decision"]', shows=ERROR),
    "hold: being released": Sent(
        path="/holds/{held}",
        who=MODERATOR,
        form='form[action$="/decision"]',
        fields={"choice": "release:research"},
        shows='form[action$="/undo"]',
    ),
    "bank: refused": Sent(path="/new-bank", fields={"name": "No Name!", "labels": "Not A Label!"}, shows=ERROR),
    "bank: refused rules": Sent(path="/banks/{bank}/rules", fields={"max_distance": "900"}, shows=ERROR),
    "bank: nothing found": Sent(
        path="/banks/{bank}", form='form[action$="/find"]', fields={"value": "0" * 64}, shows="main"
    ),
    "bank: refused signals": Sent(path="/banks/{bank}/add", fields={"values": "abc\nxyz"}, shows=ERROR),
    "bank: no file": Sent(path="/banks/{bank}/import", shows=ERROR),
    "rule: refused": Sent(path="/policy/new-rule", fields={"name": "No Name!"}, shows=ERROR),
    "surface: refused": Sent(path="/new-surface", fields={"name": "No Name!"}, shows=ERROR),
    "key: refused": Sent(path="/new-key", fields={"name": ""}, shows=ERROR),
    "key: made": Sent(path="/new-key", fields={"name": "new", "scopes": "screen", "reach": "all"}, shows="#key, code"),
    "person: refused": Sent(path="/people", fields={"name": ""}, shows=ERROR),
    "person: with a new link": Sent(path="/people/{person}", form='form[action$="/link"]', shows="#link"),
    "log: verified": Sent(path="/log", form='form[action$="/log/verified"]', shows="#verified"),
    "uploader: too long a text": Sent(
        path="/x/{blocked_token}", who=STRANGER, fields={"text": "z" * 1_001}, shows=ERROR
    ),
    "mail: refused": Sent(path="/setup/step/mail", fields={"host": "", "sender": "nobody"}, shows=ERROR),
    "me: refused": Sent(path="/me", fields={"name": ""}, shows=ERROR),
    "password: refused": Sent(path="/account/password/change/", fields={"oldpassword": "x"}, shows=ERROR),
    "app: a wrong code": Sent(path="/account/2fa/totp/activate/", fields={"code": "000000"}, shows=ERROR),
    "sign-in: refused": Sent(
        path="/account/login/", who=STRANGER, fields={"login": "eve@example.org", "password": PASSWORD}, shows=ERROR
    ),
}


class Looking:
    """A browser for each person, at a server with some of everything."""

    def __init__(self, chromium: Any, server: Server, populated: Populated) -> None:
        self._chromium, self._server, self.populated = chromium, server, populated
        # The name that browsers trust with passkeys on one's own machine.
        self.url = f"http://localhost:{server.port}"
        self._contexts: dict[str, Any] = {}
        self.said: list[str] = []

    def put_wizard(self, step: str) -> None:
        """Where the wizard stands. Without Django, which does not work in a thread in which Playwright waits."""
        with closing(sqlite3.connect(self._server.data_dir / "seawall.sqlite3", timeout=30)) as file, file:
            file.execute("UPDATE members_instance SET next_step = ?", (step,))

    def open(self, who: str) -> Any:
        if who not in self._contexts:
            context = self._chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
            names = (django_settings.SESSION_COOKIE_NAME, django_settings.CSRF_COOKIE_NAME)
            cookies = {cookie.name: cookie.value for cookie in self.populated.browsers[who].cookies.jar}
            context.add_cookies(
                [{"name": name, "value": cookies[name], "url": self.url} for name in names if name in cookies]
            )
            self._contexts[who] = context
        page = self._contexts[who].new_page()
        page.on("console", lambda said: self.said.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        self.said.clear()
        return page

    def go(self, page: Any, path: str) -> Any:
        """The answer to the page's address; who signed in minutes ago is asked for their password once more."""
        answer = page.goto(self.url + path)
        if "/account/reauthenticate/?" in page.url:
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            with page.expect_navigation():
                page.get_by_role("button", name="Go on", exact=True).click()
            answer = page.goto(self.url + path)
        return answer

    def check(self, page: Any) -> None:
        """No violation in light and dark, nothing sideways on a telephone, nothing refused."""
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            # Through the debugger: what the page itself may load stays as it is.
            found = axe.Axe().run(page)
            assert found.violations_count == 0, f"{scheme}: {found.generate_report()}"
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate(STICKING_OUT) == []
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        # A page that says that something is missing or refused is mentioned by the browser too.
        assert [said for said in self.said if "Failed to load resource" not in said] == []


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Looking]:
    scratch = tmp_path_factory.mktemp("looked-at")
    shutil.copytree(sqlite_template, scratch / "data")
    settings = Settings(data_dir=scratch / "data", decoders=1)
    app.bind(settings)
    with open_console(settings) as console:
        populated = populate(console, scratch)
    with (
        Server(scratch / "data", env={"SEAWALL_DECODERS": "1"}) as server,
        sync_api.sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield Looking(browser, server, populated)
        browser.close()
    connections["default"].close()


def test_no_address_is_forgotten() -> None:
    assert addresses() == named()


@pytest.mark.parametrize("page", [page for page in ALL if not page.is_part], ids=str)
def test_a_page_is_for_everybody(looking: Looking, page: Page) -> None:
    looking.put_wizard("done" if page.in_wizard else "")
    shown = looking.open(page.who)
    answer = looking.go(shown, looking.populated.path(page))
    assert (answer.status, shown.url) == (page.status, looking.url + looking.populated.path(page))
    looking.check(shown)
    shown.close()


@pytest.mark.parametrize("name", SENT)
def test_what_a_form_answers_is_for_everybody(looking: Looking, name: str) -> None:
    looking.put_wizard("")
    sent = SENT[name]
    shown = looking.open(sent.who)
    looking.go(shown, sent.path.format_map(looking.populated.values))
    with shown.expect_navigation():
        shown.evaluate(SEND, [sent.form, sent.fields])
    assert shown.locator(sent.shows).count(), shown.locator("main").inner_text()
    looking.check(shown)
    shown.close()
