import html
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection

from seawall.doors.console.log.words import Names, sentence
from seawall.doors.console.wizard.snippets import ways_in
from seawall.doors.console.wizard.test_upload import MOST_LOOKS
from seawall.doors.delivery.server import load
from seawall.members.accounts import instance, new_setup_link
from seawall.members.issue import key_records
from seawall.members.keys import authenticate
from seawall.members.models import Account, Instance, Person
from seawall.members.people import ensure_owner
from seawall.members.roles import Role
from seawall.members.scopes import Scope
from seawall.record.clock import system_clock
from seawall.record.events import MailServerChosen
from seawall.record.journal import read
from seawall.record.models import Event
from seawall.screening.model import Audience, FailMode, HoldExpiry
from seawall.screening.models import SurfaceRow
from seawall.screening.policies import list_surfaces
from seawall.settings import Settings
from tests.rooms.doors.console.browsing import PASSWORD, Browser, Console, open_console

#: As a person fills them in.
ACCOUNT = {"name": "Ada", "email": "Ada@example.org", "password": "nine green lanterns in a row"}
SURFACE = {"name": "Posts", "audience": "public", "fail_mode": "hold", "hold_expiry": "refuse", "hold_hours": "24"}
MAIL = {
    "host": "localhost",
    "security": "none",
    "port": "1",
    "sender": "seawall@example.org",
    "username": "",
    "password": "",
}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def fresh(sqlite_settings: Settings) -> Iterator[Console]:
    """Nobody has an account."""
    with open_console(sqlite_settings, set_up=False) as console:
        SurfaceRow.objects.all().delete()
        yield console


def link() -> str:
    owner = ensure_owner(system_clock())
    return f"/setup/{new_setup_link(owner, by=owner.id, now=system_clock())}"


def begun(console: Console, step: str = "name") -> Browser:
    """The owner, in the wizard at this step."""
    browser = console.browser(None)
    assert browser.post(link(), ACCOUNT).headers["location"] == "/setup"
    browser.get("/setup")
    Instance.objects.update(next_step=step)
    return browser


def key_on(page: str) -> str:
    found = re.search(r'<code id="key">(swk_[\w-]+)</code>', page)
    assert found, page
    return found[1]


def test_the_link_makes_the_owner_and_opens_the_wizard(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with open_console(settings, set_up=False) as console, caplog.at_level(logging.INFO, logger="seawall"):
        browser, where = console.browser(None), link()
        assert browser.get("/").headers["location"].startswith("/account/login/")
        for _ in range(2):
            page = browser.get(where)
            assert page.status_code == 200, "looking uses nothing up"
            assert page.headers["cache-control"] == "no-store"
        answer = browser.post(where, ACCOUNT)
        assert (answer.status_code, answer.headers["location"]) == (302, "/setup")
        assert browser.get("/setup").headers["location"] == "/setup/step/name"
        assert browser.get("/").headers["location"] == "/setup", "the wizard comes first"
        assert Account.objects.get().email == "ada@example.org"
        assert Person.objects.get().name == "Ada"
        assert ACCOUNT["password"] not in caplog.text
        assert where not in caplog.text


def test_making_an_account_begins_a_session_that_nobody_knew(fresh: Console) -> None:
    planted = fresh.browser(None)
    planted.get("/account/2fa/webauthn/login/", headers={"accept": "application/json"})
    before = Session.objects.get().session_key
    planted.post(link(), ACCOUNT)
    (after,) = Session.objects.values_list("session_key", flat=True)
    assert after != before


def test_links_that_open_nothing_all_get_one_answer(fresh: Console) -> None:
    browser = fresh.browser(None)
    used, replaced = link(), ""
    browser.post(used, ACCOUNT)
    replaced = link()
    link()
    paths = [used, replaced, "/setup/x", f"/setup/{'x' * 43}", f"/setup/{'x' * 5000}", "/setup/%00", "/setup/%F0%9F%98"]
    stranger = fresh.browser(None)
    answers = {re.sub(r'href="/[^"]*"', "", stranger.get(path).text) for path in paths}
    assert len(answers) == 1
    assert "seawall setup-link" in answers.pop()
    assert {stranger.get(path).status_code for path in paths} == {404}
    form = ACCOUNT | {"email": "eve@example.org"}
    assert {stranger.post(path, form, page="/account/login/").status_code for path in paths} == {404}
    assert list(Account.objects.values_list("email", flat=True)) == ["ada@example.org"]


def test_bad_input_uses_no_link_up(fresh: Console) -> None:
    where, browser = link(), fresh.browser(None)
    for change in (
        {"email": "ada"},
        {"email": ""},
        {"email": "a@" + "b" * 300 + ".org"},
        # Addresses to which no mail could be sent.
        {"email": "ada@ex\u00e4mple.org"},
        {"email": '"ada of"@example.org'},
        {"password": "short"},
        {"password": "password1234"},
        {"password": "ada@example.org"},
        {"password": "x" * 1_025},
        {"name": ""},
        {"name": "\u202e"},
        {"name": "x" * 3_000},
        {"name": ACCOUNT["password"].title()},
    ):
        answer = browser.post(where, ACCOUNT | change)
        assert answer.status_code == 200, change
        assert 'role="alert"' in answer.text, change
        assert ACCOUNT["password"] not in answer.text
    assert not Account.objects.exists()
    assert browser.request("POST", where, data=ACCOUNT).status_code == 403
    assert browser.post(where, ACCOUNT).status_code == 302


def test_steps_come_in_order_and_are_redone_safely(fresh: Console) -> None:
    browser = begun(fresh)
    for later in ("surface", "mail", "key", "connect", "test", "done"):
        assert browser.get(f"/setup/step/{later}").headers["location"] == "/setup"
        assert browser.post(f"/setup/step/{later}", {"go_on": "1"}, page="/setup/step/name").status_code == 302
    assert instance().next_step == "name"
    page = browser.get("/setup/step/name").text
    assert "step 1 of 7" in page
    for _ in range(2):
        answer = browser.post("/setup/step/name", {"name": "The <i>Quiet</i> Harbour"})
        assert answer.headers["location"] == "/setup/step/surface"
    assert instance().next_step == "surface"
    assert "The &lt;i&gt;Quiet&lt;/i&gt; Harbour" in browser.get("/setup/step/surface").text
    for bad in ("", "x" * 101, "\u202e"):
        assert browser.post("/setup/step/name", {"name": bad}).status_code == 200
    assert instance().name == "The <i>Quiet</i> Harbour"


def test_nothing_about_a_surface_is_chosen_beforehand(fresh: Console) -> None:
    browser = begun(fresh, "surface")
    page = browser.get("/setup/step/surface").text
    assert " checked" not in page.replace("not be checked?", "")
    assert page.count('type="radio"') == 8
    answer = browser.post("/setup/step/surface", {"name": "posts", "hold_hours": "24"})
    assert answer.status_code == 200
    assert answer.text.count('aria-invalid="true"') >= 3 or answer.text.count('class="error"') == 3
    assert not list_surfaces()
    assert browser.post("/setup/step/surface", {"go_on": "1"}).status_code == 200, "without a surface nothing goes on"


def test_a_surface_is_declared_changed_and_joined_by_another(fresh: Console) -> None:
    browser = begun(fresh, "surface")
    answer = browser.post("/setup/step/surface", SURFACE | {"another": "1"})
    assert answer.headers["location"] == "/setup/step/surface"
    assert "posts is saved" in browser.get("/setup/step/surface").text
    events = Event.objects.filter(name="screening:surface:saved").count()
    browser.post("/setup/step/surface", SURFACE)
    assert Event.objects.filter(name="screening:surface:saved").count() == events, "the same again changes nothing"
    browser.post("/setup/step/surface", SURFACE | {"hold_expiry": "release", "hold_hours": "48"})
    browser.post("/setup/step/surface", SURFACE | {"name": "profile pictures"})
    found = {one.name: one for one in list_surfaces()}
    assert set(found) == {"posts", "profile-pictures"}
    posts = found["posts"]
    assert (posts.audience, posts.fail_mode) == (Audience.PUBLIC, FailMode.HOLD)
    assert (posts.hold_expiry, posts.hold_hours) == (HoldExpiry.RELEASE, 48)
    assert browser.post("/setup/step/surface", {"go_on": "1"}).headers["location"] == "/setup/step/mail"


def test_bad_surfaces_are_refused_with_the_reason(fresh: Console) -> None:
    browser = begun(fresh, "surface")
    private = browser.post("/setup/step/surface", SURFACE | {"audience": "private"})
    assert "2002/58/EC" in private.text
    for change in (
        {"name": ""},
        {"name": "<script>alert(1)</script>"},
        {"name": "x" * 200},
        {"audience": "everyone"},
        {"fail_mode": ""},
        {"hold_expiry": "forget"},
        {"hold_hours": "0"},
        {"hold_hours": "-1"},
        {"hold_hours": "1e9"},
        {"hold_hours": "9" * 400},
    ):
        answer = browser.post("/setup/step/surface", SURFACE | change)
        assert answer.status_code == 200, change
        assert "<script>alert" not in answer.text
        assert 'class="error"' in answer.text
    assert not list_surfaces()


def test_mail_can_wait(fresh: Console) -> None:
    browser = begun(fresh, "mail")
    assert browser.post("/setup/step/mail", {"later": "1"}).headers["location"] == "/setup/step/key"
    assert load(fresh.settings.keys_dir) is None


def test_mail_that_does_not_go_out_is_not_saved_and_says_why(fresh: Console) -> None:
    browser = begun(fresh, "mail")
    answer = browser.post("/setup/step/mail", MAIL | {"try": "1"})
    assert answer.status_code == 200
    assert "takes no connection at this port" in answer.text
    assert load(fresh.settings.keys_dir) is None
    assert instance().next_step == "mail"


def test_a_password_of_the_mail_server_goes_to_no_other_server(fresh: Console) -> None:
    browser = begun(fresh, "mail")
    first = MAIL | {"host": "smtp.example.org", "security": "tls", "port": "", "username": "ada", "password": "s3cret!"}
    answer = browser.post("/setup/step/mail", first | {"save": "1"})
    assert answer.headers["location"] == "/setup/step/key", answer.text
    saved = load(fresh.settings.keys_dir)
    assert saved is not None
    assert (saved.port, saved.password) == (465, "s3cret!")
    assert "s3cret!" not in browser.get("/setup/step/mail").text
    browser.post("/setup/step/mail", first | {"sender": "other@example.org", "password": "", "save": "1"})
    saved = load(fresh.settings.keys_dir)
    assert saved is not None
    assert (saved.sender, saved.password) == ("other@example.org", "s3cret!")
    answer = browser.post("/setup/step/mail", first | {"host": "evil.example", "password": "", "save": "1"})
    assert answer.status_code == 200
    assert "both user name and password" in answer.text
    assert load(fresh.settings.keys_dir) == saved


def test_bad_mail_servers_are_refused(fresh: Console) -> None:
    browser = begun(fresh, "mail")
    for change in (
        {"host": ""},
        {"host": "https://smtp.example.org"},
        {"host": "a b"},
        {"host": "smtp.example.org"},
        {"security": ""},
        {"security": "ssl3"},
        {"port": "0"},
        {"port": "70000"},
        {"sender": "Ada <ada@example.org>"},
        {"sender": "x\r\nBcc: y@example.org"},
        {"username": "ada"},
        {"username": "ada", "password": "ä"},
    ):
        answer = browser.post("/setup/step/mail", MAIL | {"save": "1"} | change)
        assert answer.status_code == 200, change
        assert 'role="alert"' in answer.text, change
    assert load(fresh.settings.keys_dir) is None


def test_the_first_key_is_made_once_and_kept_out_of_the_database(fresh: Console) -> None:
    browser = begun(fresh, "key")
    for _ in range(2):
        assert browser.post("/setup/step/key", {"make": "1"}).headers["location"] == "/setup/step/key"
    key = key_on(browser.get("/setup/step/key").text)
    assert key_on(browser.get("/setup/step/key").text) == key, "a reload does not lose it"
    (record,) = key_records().values()
    assert set(record.scopes) == {Scope.SCREEN, Scope.READ}
    assert authenticate(key, key_records(), system_clock(), Scope.SCREEN) == record
    rows = [session.get_decoded() for session in Session.objects.all()]
    assert key not in json.dumps(rows)
    connection.close()
    secret = key.split("_", 2)[2].encode()
    assert not any(secret in path.read_bytes() for path in fresh.settings.data_dir.rglob("*") if path.is_file())
    assert browser.post("/setup/step/key", {"go_on": "1"}).headers["location"] == "/setup/step/connect"
    other = fresh.browser(None)
    other.post("/account/login/", {"login": "ada@example.org", "password": ACCOUNT["password"]})
    assert key not in other.get("/setup/step/key").text


def test_a_lost_key_is_replaced_and_ended(fresh: Console) -> None:
    browser = begun(fresh, "key")
    browser.post("/setup/step/key", {"make": "1"})
    # As after a restart, or an hour later.
    cache.clear()
    page = browser.get("/setup/step/key").text
    assert "cannot be shown again" in page
    browser.post("/setup/step/key", {"again": "1"})
    states = sorted(record.revoked_at is None for record in key_records().values())
    assert states == [False, True]
    key = key_on(browser.get("/setup/step/key").text)
    assert authenticate(key, key_records(), system_clock(), Scope.READ).revoked_at is None


def test_what_is_pasted_has_address_key_and_surface_in_it(fresh: Console) -> None:
    browser = begun(fresh, "surface")
    browser.post("/setup/step/surface", SURFACE | {"name": "comments"})
    Instance.objects.update(next_step="key")
    browser.post("/setup/step/key", {"make": "1"})
    key = key_on(browser.get("/setup/step/key").text)
    browser.post("/setup/step/key", {"go_on": "1"})
    page = html.unescape(browser.get("/setup/step/connect").text)
    for way in ways_in(fresh.settings.base_url, key, "comments"):
        assert way.text in page
        assert f"{fresh.settings.base_url}/v1/screen" in way.text
        assert '{"surface": "comments", "parts": [{"kind": "image", "file": "upload"}]}' in way.text
    cache.clear()
    page = browser.get("/setup/step/connect").text
    assert key not in page
    assert "YOUR-KEY" in page
    assert browser.post("/setup/step/connect").headers["location"] == "/setup/step/test"


def test_the_test_can_wait_and_says_when_it_cannot_be_sent(fresh: Console) -> None:
    browser = begun(fresh, "key")
    browser.post("/setup/step/key", {"make": "1"})
    Instance.objects.update(next_step="test")
    card = browser.get("/setup/test-card.png")
    assert card.content.startswith(b"\x89PNG")
    assert "attachment" in card.headers["content-disposition"]
    # This server has no socket: httpx calls it in process.
    answer = browser.post("/setup/step/test", {"send": "1"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    waiting = browser.get("/setup/step/test/seen?u=0&b=0")
    assert "Waiting for your upload" in waiting.text
    assert 'hx-get="/setup/step/test/seen?u=0&amp;b=0&amp;n=1"' in waiting.text
    enough = browser.get(f"/setup/step/test/seen?u=0&b=0&n={MOST_LOOKS}").text
    assert "hx-get" not in enough, "a forgotten page must not keep anybody signed in"
    assert "Look again" in enough
    for odd in ("u=x&b=y", "u=-1", "u=" + "9" * 500, "u=%00", ""):
        assert browser.get(f"/setup/step/test/seen?{odd}").status_code == 200
    assert browser.post("/setup/step/test", {"go_on": "1"}).headers["location"] == "/setup/step/done"


def test_the_end_is_recorded_once_and_the_pages_serve_on(fresh: Console) -> None:
    browser = begun(fresh, "key")
    browser.post("/setup/step/key", {"make": "1"})
    key = key_on(browser.get("/setup/step/key").text)
    Instance.objects.update(next_step="done")
    page = browser.get("/setup/step/done").text
    assert "nothing from outside yet" in page
    for _ in range(2):
        assert browser.post("/setup/step/done").headers["location"] == "/"
    assert Event.objects.filter(name="members:instance:set_up").count() == 1
    assert browser.get("/").status_code == 200
    assert browser.get("/setup").headers["location"] == "/"
    assert key not in browser.get("/setup/step/key").text
    assert browser.post("/setup/step/mail", {"later": "1"}).headers["location"] == "/me"
    assert instance().next_step == ""


def test_the_wizard_is_the_owners(sqlite_console: Console, moderator: Browser, stranger: Browser) -> None:
    Instance.objects.update(next_step="name")
    paths = [
        f"/setup/step/{step}" for step in ("name", "surface", "mail", "key", "connect", "test", "test/seen", "done")
    ]
    for path in ["/setup", *paths, "/setup/test-card.png"]:
        assert moderator.get(path).status_code == 404, path
        assert moderator.post(path, {"go_on": "1"}, page="/me").status_code == 404, path
        assert stranger.get(path).headers["location"].startswith("/account/login/"), path
    owner = sqlite_console.browser(Role.OWNER)
    for path in paths:
        data: dict[str, Any] = {"name": "Evil", "make": "1"}
        assert owner.request("POST", path, data=data).status_code == 403, path
    assert instance().name == ""


def test_there_are_no_more_than_ten_decisions(fresh: Console) -> None:
    browser, where = fresh.browser(None), link()
    pages = [browser.get(where).text]
    browser.post(where, ACCOUNT)
    browser.get("/setup")
    Instance.objects.update(next_step="done")
    steps = ("name", "surface", "mail", "key", "connect", "test", "done")
    pages += [browser.get(f"/setup/step/{step}").text for step in steps]
    decisions = [name for page in pages for name in re.findall(r'data-decision="(\w+)"', page)]
    assert decisions == [
        *("name", "email", "password", "place"),
        *("name", "audience", "fail_mode", "hold_expiry"),
        "mail",
    ]


def test_the_name_and_the_mail_server_are_on_record(fresh: Console) -> None:
    browser = begun(fresh, "name")
    for _ in range(2):
        browser.post("/setup/step/name", {"name": "The Quiet Harbour"})
    assert Event.objects.filter(name="members:instance:named").count() == 1, "the same name again is no change"
    Instance.objects.update(next_step="mail")
    assert browser.post("/setup/step/mail", MAIL | {"save": "1"}).headers["location"] == "/setup/step/key"
    event = read(Event.objects.get(name="delivery:mail_server:chosen"))
    assert event == MailServerChosen(by=ensure_owner(system_clock()).id, security="none")
    shown = sentence(event, Names(known={}))
    assert shown == "Chose the mail server that mail goes through (encryption: none)"


def test_later_the_mail_server_is_changed_only_by_who_shows_again_who_they_are(
    sqlite_console: Console, owner: Browser
) -> None:
    """Links that set new passwords go through it: an open session must not be enough to lead them elsewhere."""
    elsewhere = {
        **MAIL,
        "host": "evil.example",
        "security": "tls",
        "username": "eve",
        "password": "s3cret!",
        "save": "1",
    }
    again = "/account/reauthenticate/?next=%2Fsetup%2Fstep%2Fmail"
    assert owner.get("/setup/step/mail").headers["location"] == again
    assert owner.post("/setup/step/mail", elsewhere, page="/me").headers["location"] == again
    assert load(sqlite_console.settings.keys_dir) is None
    assert "s3cret!" not in json.dumps([session.get_decoded() for session in Session.objects.all()])
    form = {"password": PASSWORD, "next": "/setup/step/mail"}
    assert owner.post(again, form).headers["location"] == "/setup/step/mail"
    assert owner.post("/setup/step/mail", MAIL | {"save": "1"}).headers["location"] == "/me"
    assert load(sqlite_console.settings.keys_dir) is not None
