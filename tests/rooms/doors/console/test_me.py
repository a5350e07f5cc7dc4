from collections.abc import Iterator

import pytest
from django.core.cache import cache

from seawall.doors.delivery.server import MailSettings, Security, save
from seawall.members.models import Person
from seawall.members.roles import Role
from seawall.record.models import Event
from tests.rooms.doors.console.browsing import Browser, Console
from tests.rooms.doors.console.test_sign_in import add_app, sign_in


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def test_everyone_sees_their_own_account(console: Console) -> None:
    for role in Role:
        page = console.browser(role).get("/me")
        assert page.status_code == 200
        assert f"{role}@example.org" in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.text.count("@example.org") == 1


def test_name_and_mail_are_changed(reader: Browser) -> None:
    answer = reader.post("/me", {"name": " Rea  <i>New</i> ", "notify": "digest"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/me")
    about = Person.objects.get(role=Role.READER)
    assert (about.name, about.notify) == ("Rea <i>New</i>", "digest")
    page = reader.get("/me").text
    assert "Saved." in page
    assert "<i>New" not in page
    assert "Saved." not in reader.get("/me").text
    event = Event.objects.order_by("-serial")[0]
    assert event.name == "members:person:changed"


def test_bad_input_changes_nothing(reader: Browser) -> None:
    for name, notify in (
        ("", "never"),
        ("x" * 5_000, "never"),
        ("Rea", "hourly"),
        ("Rea", ""),
        ("\u202e", "never"),
        ("a\0b", "never"),
    ):
        answer = reader.post("/me", {"name": name, "notify": notify})
        assert answer.status_code == 200, name[:20]
        assert 'role="alert"' in answer.text
    about = Person.objects.get(role=Role.READER)
    assert (about.name, about.notify) == ("Rea Der", "never")


def test_signing_out_everywhere_ends_all_sessions_of_one_person(sqlite_console: Console) -> None:
    here, there, other = (sqlite_console.browser(role) for role in (Role.OWNER, Role.OWNER, Role.READER))
    assert here.get("/me/sign-out-everywhere").status_code == 405
    assert here.request("POST", "/me/sign-out-everywhere").status_code == 403
    answer = here.post("/me/sign-out-everywhere", page="/me")
    assert answer.headers["location"] == "/account/login/"
    assert [one.get("/me").status_code for one in (here, there, other)] == [302, 302, 200]


def test_signing_out_ends_this_session(sqlite_console: Console) -> None:
    here, there = (sqlite_console.browser(Role.OWNER) for _ in range(2))
    assert "Sign out?" in here.get("/account/logout/").text
    assert here.get("/me").status_code == 200, "a GET signs nobody out"
    here.post("/account/logout/")
    assert [one.get("/me").status_code for one in (here, there)] == [302, 200]


def test_second_factors_are_listed(sqlite_console: Console) -> None:
    browser = sqlite_console.browser(None)
    sign_in(browser)
    assert "all that protects your account" in browser.get("/me").text
    secret, codes = add_app(browser)
    page = browser.get("/me").text
    assert "all that protects" not in page
    assert "Stop asking for it" in page
    assert "0 used" in page
    assert secret not in page
    assert not any(code in page for code in codes)
    assert browser.post("/account/2fa/totp/deactivate/").headers["location"] == "/account/2fa/"
    assert browser.get("/account/2fa/").headers["location"] == "/me"
    assert "Set up an authenticator app" in browser.get("/me").text


def test_the_owner_is_led_to_the_mail_server(sqlite_console: Console, owner: Browser, moderator: Browser) -> None:
    assert "/setup/step/mail" in owner.get("/me").text
    assert "No mail server is set" in moderator.get("/me").text
    assert "/setup/step/mail" not in moderator.get("/me").text
    server = MailSettings(host="smtp.example.org", port=465, security=Security.TLS, sender="seawall@example.org")
    save(sqlite_console.settings.keys_dir, server)
    assert "smtp.example.org" in owner.get("/me").text
    assert "smtp.example.org" not in moderator.get("/me").text
    assert "No mail server" not in moderator.get("/me").text


def test_why_there_are_no_passkeys_is_said(owner: Browser) -> None:
    assert "Add a passkey" in owner.get("/me").text
    at_a_number = owner.get("/me", headers={"host": "127.0.0.1:8080"})
    assert "not under a number such as 127.0.0.1" in at_a_number.text
    assert "Add a passkey" not in at_a_number.text


def test_a_stranger_is_sent_to_sign_in(stranger: Browser) -> None:
    assert stranger.get("/me").headers["location"] == "/account/login/?next=/me"
    assert stranger.post("/me/sign-out-everywhere", page="/account/login/").status_code == 302
