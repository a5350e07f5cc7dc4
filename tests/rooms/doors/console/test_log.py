from django.db import transaction

from seawall.doors.console.log.words import Names, sentence, wordings
from seawall.doors.web.background import keep_log
from seawall.members.issue import issue_key
from seawall.members.models import Person
from seawall.members.roles import Role
from seawall.record import events
from seawall.record.clock import system_clock
from seawall.record.journal import forget
from seawall.record.models import Event
from seawall.record.signing import load_or_create_signing_key
from tests.rooms.doors.console.browsing import Browser, Console


def test_there_are_words_for_every_event() -> None:
    assert set(wordings()) == {name for name in events.EVENTS if name}


def test_events_are_told_in_words_and_with_names(console: Console) -> None:
    owner = Person.objects.get(is_owner=True)
    issue_key(name="the website", scopes=["screen"], by=owner.id, now=system_clock())
    shown = console.browser(Role.READER).get("/log").text
    assert "Made the key the website for screen" in shown
    assert "Mo Derator set their address and password" in shown
    assert "Added Rea Der as reader" in shown
    assert "key_" not in shown.partition("Made the key")[2][:40]


def test_what_was_destroyed_or_damaged_is_said_and_the_rest_is_shown(sqlite_console: Console, reader: Browser) -> None:
    first, second, *_ = Event.objects.order_by("-serial")
    with transaction.atomic():
        forget(first.event_id, by="per_x", now=system_clock())
    Event.objects.filter(pk=second.pk).update(body=b'{"event":')
    response = reader.get("/log")
    assert response.status_code == 200
    assert "What this event said was destroyed" in response.text
    assert "this release has no words for it" in response.text
    assert "Destroyed what an earlier event said" in response.text


def test_it_goes_page_by_page_and_by_kind(sqlite_console: Console, reader: Browser) -> None:
    for number in range(60):
        issue_key(name=f"key number {number}", scopes=["read"], by="per_x", now=system_clock())
    newest = reader.get("/log").text
    assert "key number 59 " in newest
    assert "key number 9 " not in newest
    older = Event.objects.order_by("-serial")[49].serial
    assert f"before={older}" in newest
    assert "key number 9 " in reader.get(f"/log?before={older}").text
    assert "Made the key" not in reader.get("/log?kind=members:owner:created").text


def test_hostile_parameters_show_the_newest(reader: Browser) -> None:
    for query in ("before=-1", "before=9" * 50, "before=%00", "kind=%3Cscript%3E", "kind=" + "x" * 3_000):
        response = reader.get(f"/log?{query}")
        assert response.status_code == 200
        assert "<script>" not in response.text.replace("<script src", "")


def test_the_button_verifies_the_log_and_finds_a_changed_byte(sqlite_console: Console, reader: Browser) -> None:
    key = load_or_create_signing_key(sqlite_console.settings.keys_dir, system_clock())
    keep_log(sqlite_console.ledger, key, system_clock)
    assert _verified(sqlite_console, reader).count("The record is whole") == 1
    row = Event.objects.order_by("serial")[0]
    Event.objects.filter(pk=row.pk).update(body=bytes(row.body or b"").replace(b"owner", b"0wner"))
    shown = _verified(sqlite_console, reader)
    assert "Something is not as it was written" in shown
    assert "record_event" in shown or "event" in shown


def _verified(console: Console, person: Browser) -> str:
    response = person.post("/log/verified", page="/log")
    assert (response.status_code, response.headers["location"]) == (302, "/log#verified")
    context = console.app._console
    context.verification.wait(20)
    return person.get("/log").text


def test_a_stranger_verifies_nothing(sqlite_console: Console, stranger: Browser) -> None:
    assert stranger.post("/log/verified", page="/account/login/").status_code == 302
    assert sqlite_console.app._console.verification.done is None


def test_an_event_that_counts_rows_adds_them_up() -> None:
    event = events.BatchesRecorded(
        by="system", day="2026-11-23", family="matched", first=1, batches=[(3, "0" * 64), (1_200, "0" * 64)]
    )
    assert sentence(event, Names(known={})) == "Recorded 1\u202f203 verdicts of 2026-11-23 (matched)"
