from datetime import timedelta

from allauth.mfa.models import Authenticator

from seawall.doors.delivery import server as mail_server
from seawall.matching.banks import add_signals, create_bank
from seawall.matching.models import Bank
from seawall.members.issue import issue_key
from seawall.members.models import ApiKey
from seawall.members.roles import Role
from seawall.record.clock import system_clock
from seawall.signals.model import Signal
from tests.rooms.doors.console.browsing import Browser, Console
from tests.rooms.doors.console.test_holds import Platform


def protect(by: str) -> None:
    create_bank("forum", by=by, now=system_clock(), listed_by="The Forum", default_action="hold")
    add_signals("forum", [Signal(type="pdq", value="f8" * 32, quality=100)], by=by, now=system_clock())


def test_a_new_place_says_what_is_missing(owner: Browser) -> None:
    shown = owner.get("/").text
    for said in (
        "Screening is up.",
        "No program has a key yet",
        "No list protects your platform yet",
        "Nobody gets mail",
    ):
        assert said in shown
    assert "No upload was screened in this time" in shown


def test_a_good_evening_says_that_nothing_is_needed(sqlite_console: Console, owner: Browser) -> None:
    issue_key(name="platform", scopes=["screen"], by=owner.person.id, now=system_clock())
    protect(owner.person.id)
    mail_server.save(
        sqlite_console.settings.keys_dir,
        mail_server.MailSettings(
            host="smtp.example.org", port=465, security=mail_server.Security.TLS, sender="seawall@example.org"
        ),
    )
    Authenticator.objects.create(user=owner.account, type=Authenticator.Type.TOTP, data={})
    sqlite_console.publish()
    shown = owner.get("/").text
    assert "Nothing needs you now." in shown
    assert "The Forum" in shown
    assert "held for a person" in shown


def test_the_test_card_does_not_count_as_protection(sqlite_console: Console, owner: Browser) -> None:
    shown = owner.get("/").text
    assert "test-card" not in shown
    protect(owner.person.id)
    assert '<span class="figure">1</span>' in owner.get("/").text


def test_what_waits_stands_first_and_is_counted(console: Console) -> None:
    Platform(console).upload()
    shown = console.browser(Role.MODERATOR).get("/?period=today").text
    assert "1 upload waits for a person." in shown
    assert "The first deadline is" in shown
    assert "No program has a key yet" not in shown
    assert ">Held <span" in shown


def test_a_reader_is_not_told_to_do_what_they_may_not(sqlite_console: Console, reader: Browser) -> None:
    Platform(sqlite_console).upload()
    shown = reader.get("/").text
    assert "waits for a person" not in shown
    assert "Make a key" not in shown


def test_when_nothing_can_be_recorded_it_says_so(sqlite_console: Console, owner: Browser) -> None:
    sqlite_console.app._holder.present = None
    assert "Screening is not up" in owner.get("/").text


def test_sources_are_dated_and_lead_nowhere_by_themselves(reader: Browser) -> None:
    shown = reader.get("/sources")
    assert shown.status_code == 200
    for name in ("GIFCT", "Tech Against Terrorism", "NCMEC", "StopNCII", "2026-11-23"):
        assert name in shown.text


def test_an_unknown_period_is_a_week(owner: Browser) -> None:
    for period in ("", "x", "%3Cscript%3E", "week" * 1_000):
        assert '?period=week" aria-current="true"' in owner.get(f"/?period={period}").text


def test_a_key_that_expires_is_told_of_before_and_after(sqlite_console: Console, owner: Browser) -> None:
    """Without a key that screens, no upload comes here, and nothing else would say so."""
    now = system_clock()
    issue_key(name="reads", scopes=["read"], by=owner.person.id, now=now)
    assert "No program has a key yet" in owner.get("/").text
    soon = now + timedelta(days=3)
    issue_key(name="platform", scopes=["screen"], by=owner.person.id, now=now, expires_at=soon)
    assert f"expires at {soon:%Y-%m-%d %H:%M} UTC" in owner.get("/").text
    ApiKey.objects.update(expires_at=now - timedelta(seconds=1))
    assert "has expired, so nothing is screened" in owner.get("/").text
    issue_key(name="new", scopes=["screen"], by=owner.person.id, now=now, expires_at=now + timedelta(days=200))
    shown = owner.get("/").text
    assert "expire" not in shown
    assert "No program has a key yet" not in shown


def test_large_numbers_can_be_read(sqlite_console: Console, owner: Browser) -> None:
    protect(owner.person.id)
    Bank.objects.filter(name="forum").update(active_signals=1_234_567)
    assert owner.get("/").text.count("1\u202f234\u202f567") == 2
