"""Mail about waiting holds: to whom, how often, and what becomes of it when the server does not take it."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from seawall.doors.delivery import server, smtp
from seawall.doors.delivery.mail import (
    FIRST_RETRY,
    GIVE_UP_AFTER,
    LEASE,
    LONGEST_RETRY,
    Delivered,
    deliver_due,
    mail_problem,
    retry_after,
    retry_now,
    send_test,
)
from seawall.doors.delivery.server import MailSettings
from seawall.doors.delivery.trouble import MailTrouble, Told, Why
from seawall.doors.delivery.waiting import AT_MOST_EVERY
from seawall.members.models import Person
from seawall.record import outbox
from seawall.record.ids import new_id
from seawall.record.models import Outbox
from seawall.screening.models import Hold
from seawall.settings import Settings
from tests.plans import assert_lean
from tests.rooms.doors.delivery.post_office import PASSWORD, USERNAME, PostOffice, open_office, scripted

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
#: More than `tests.plans` takes for a small table.
ROWS = 12_000

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def person(name: str, notify: str = "at_once", *, email: str | None = None, now: datetime = NOW, **more: Any) -> Person:
    return Person.objects.create(
        id=new_id("per", lambda: now),
        name=name,
        notify=notify,
        email=f"{name}@example.net" if email is None else email,
        created_at=now,
        **more,
    )


def opened(count: int = 1, *, now: datetime = NOW, surface: str = "posts", **more: Any) -> list[Hold]:
    """New holds, as `append_batches` opens them: with one row of the outbox for all."""
    with transaction.atomic():
        holds = [
            Hold(
                screening_id=new_id("scr", lambda: now),
                surface=surface,
                day=now.date(),
                held_at=now,
                expires_at=now + DAY,
                on_expiry="refuse",
                has_preview=False,
                **more,
            )
            for _ in range(count)
        ]
        Hold.objects.bulk_create(holds)
        ids: list[Any] = [hold.screening_id for hold in holds]
        outbox.put(outbox.HOLDS_WAITING, {"ids": ids[:10], "surfaces": [surface]}, now=now)
    return holds


class Postman:
    """Stands where `send_letters` stands. Keeps what it was given; `trouble` says what becomes of a letter."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.trouble: Callable[[str], MailTrouble | None] = lambda _: None
        self.all_fail: MailTrouble | None = None
        self.conversations = 0
        self.reach = 1_000

    def __call__(
        self, _server: MailSettings, letters: Sequence[EmailMessage], _hello: str
    ) -> Iterator[tuple[EmailMessage, MailTrouble | None]]:
        self.conversations += 1
        if self.all_fail:
            raise self.all_fail
        for letter in letters[: self.reach]:
            trouble = self.trouble(letter["To"])
            if trouble is None:
                self.letters.append(letter)
            yield letter, trouble

    @property
    def to(self) -> list[str]:
        return [letter["To"] for letter in self.letters]


@pytest.fixture
def postman() -> Postman:
    return Postman()


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def mailing(settings: Settings, office: PostOffice) -> Settings:
    """On both databases, with a mail server set."""
    server.save(settings.keys_dir, office.settings())
    return settings


@pytest.fixture
def mailing_sqlite(sqlite_settings: Settings, office: PostOffice) -> Settings:
    server.save(sqlite_settings.keys_dir, office.settings())
    return sqlite_settings


def deliver(settings: Settings, postman: Postman, *, now: datetime = NOW) -> Delivered:
    return deliver_due(settings, now=now, send=postman, chance=lambda: 0.5)


def test_a_hold_is_mailed_at_once_to_those_who_want_it(mailing: Settings, postman: Postman) -> None:
    person("anna")
    person("ben", "never")
    person("cleo", "digest")
    person("dora", email="")
    person("emil", left_at=NOW)
    assert deliver(mailing, postman) == Delivered()
    opened()
    assert deliver(mailing, postman) == Delivered(planned=1, sent=1)
    assert deliver(mailing, postman, now=NOW + MINUTE) == Delivered()
    assert postman.to == ["anna@example.net"]
    assert postman.conversations == 1


def test_a_real_server_gets_it(mailing: Settings, office: PostOffice) -> None:
    person("anna")
    opened(2)
    with open_office(office):
        assert deliver_due(mailing, now=NOW).sent == 1
    assert office.envelopes == [("seawall@example.org", ["anna@example.net"])]
    assert office.mails[0]["Subject"] == "Uploads waiting for a decision: 2"


def test_a_flood_is_one_mail_a_quarter_of_an_hour(mailing: Settings, postman: Postman) -> None:
    person("anna")
    person("ben")
    for minute in range(30):
        now = NOW + minute * MINUTE
        opened(10, now=now)
        deliver(mailing, postman, now=now)
    assert sorted(postman.to) == ["anna@example.net", "anna@example.net", "ben@example.net", "ben@example.net"]
    assert postman.letters[2]["Date"].datetime == NOW + AT_MOST_EVERY
    assert postman.letters[2]["Subject"] == "Uploads waiting for a decision: 160"
    # What came after the second mail is told too, once.
    deliver(mailing, postman, now=NOW + 2 * AT_MOST_EVERY)
    deliver(mailing, postman, now=NOW + 3 * AT_MOST_EVERY)
    assert len(postman.letters) == 6


def test_ten_thousand_holds_are_one_mail(mailing_sqlite: Settings, postman: Postman) -> None:
    person("anna")
    for _ in range(2):
        opened(5_000)
    assert deliver(mailing_sqlite, postman).sent == 1
    assert postman.letters[0]["Subject"].endswith(": 10000")


def test_what_was_decided_meanwhile_is_not_mailed_and_keeps_nothing_back(mailing: Settings, postman: Postman) -> None:
    person("anna")
    opened()
    Hold.objects.update(state="released")
    assert deliver(mailing, postman) == Delivered(planned=1, needless=1)
    opened()
    assert deliver(mailing, postman, now=NOW + MINUTE).sent == 1
    assert postman.letters[0]["Subject"].endswith(": 1")


def test_what_is_decided_and_undone_is_mailed_after_all(mailing: Settings, postman: Postman) -> None:
    person("anna")
    opened(decided_at=NOW)
    for _ in range(3):
        assert deliver(mailing, postman).sent == 0
    Hold.objects.update(decided_at=None)
    assert deliver(mailing, postman) == Delivered(sent=1)
    opened(decided_at=NOW)
    later = NOW + AT_MOST_EVERY
    Hold.objects.update(decided_at=later)
    assert deliver(mailing, postman, now=later) == Delivered(planned=1)
    # This time it was not undone.
    Hold.objects.update(state="refused", decided_at=None)
    assert deliver(mailing, postman, now=later + MINUTE) == Delivered(needless=1)


def test_somebody_asked_for_a_person(mailing: Settings, postman: Postman) -> None:
    person("anna")
    opened(asked_at=NOW)
    Outbox.objects.all().delete()
    with transaction.atomic():
        outbox.put(outbox.PERSON_ASKED, {"ids": [], "surfaces": []}, now=NOW)
    assert deliver(mailing, postman).sent == 1
    assert "a person to look at: 1" in postman.letters[0].as_string()


def test_who_changed_their_mind_gets_none(mailing: Settings, postman: Postman) -> None:
    anna = person("anna")
    opened()
    postman.all_fail = MailTrouble(Why.REFUSED)
    deliver(mailing, postman)
    Person.objects.filter(pk=anna.pk).update(notify="never")
    assert deliver(mailing, postman, now=NOW + HOUR) == Delivered(needless=1)


def test_digests_go_out_once_a_day_when_something_waits(mailing: Settings, postman: Postman) -> None:
    person("cleo", "digest")
    seven = datetime(2026, 11, 24, 7, tzinfo=UTC)
    for hour in range(-24, 3 * 24):
        now = seven + hour * HOUR
        if now == seven - 2 * HOUR:
            opened(3, now=now)
        if now == seven + HOUR:
            opened(2, now=now)
        if now == seven + 2 * DAY - HOUR:
            Hold.objects.update(state="refused")
        deliver(mailing, postman, now=now)
    assert [letter["Date"].datetime for letter in postman.letters] == [seven, seven + DAY]
    assert [letter["Subject"][-1] for letter in postman.letters] == ["3", "5"]


def test_a_digest_that_was_missed_comes_once_when_the_server_is_back(mailing: Settings, postman: Postman) -> None:
    person("cleo", "digest")
    opened()
    postman.all_fail = MailTrouble(Why.TIMED_OUT)
    seven = datetime(2026, 11, 24, 7, tzinfo=UTC)
    for hour in range(30):
        deliver(mailing, postman, now=seven + hour * HOUR)
    postman.all_fail = None
    for minute in range(0, 600, 60):
        deliver(mailing, postman, now=seven + 30 * HOUR + minute * MINUTE)
    assert len(postman.letters) == 1


def test_the_hour_of_the_digest_can_be_set(mailing: Settings, office: PostOffice, postman: Postman) -> None:
    server.save(mailing.keys_dir, office.settings(digest_hour=0))
    person("cleo", "digest")
    opened()
    assert deliver(mailing, postman, now=NOW + 11 * HOUR).sent == 0
    assert deliver(mailing, postman, now=NOW + 12 * HOUR).sent == 1


def test_without_a_server_nothing_waits_for_one(settings: Settings, postman: Postman, office: PostOffice) -> None:
    person("anna")
    opened()
    assert deliver(settings, postman) == Delivered()
    assert mail_problem(settings, now=NOW) is None
    server.save(settings.keys_dir, office.settings())
    assert deliver(settings, postman) == Delivered()
    opened(now=NOW + MINUTE)
    postman.all_fail = MailTrouble(Why.REFUSED)
    deliver(settings, postman, now=NOW + MINUTE)
    server.remove(settings.keys_dir)
    deliver(settings, postman, now=NOW + 2 * MINUTE)
    server.save(settings.keys_dir, office.settings())
    postman.all_fail = None
    assert deliver(settings, postman, now=NOW + DAY) == Delivered()


def test_settings_that_cannot_be_read_lose_nothing(mailing: Settings, office: PostOffice, postman: Postman) -> None:
    person("anna")
    opened()
    (mailing.keys_dir / "mail.json").write_text("{")
    assert deliver(mailing, postman) == Delivered()
    assert "Set the mail server again" in str(mail_problem(mailing, now=NOW))
    server.save(mailing.keys_dir, office.settings())
    assert deliver(mailing, postman, now=NOW + HOUR).sent == 1


def test_a_server_that_is_down_is_tried_less_and_less_often_and_then_gets_it(
    mailing: Settings, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    person("anna")
    opened()
    now, waits = NOW, []
    for _ in range(9):
        assert deliver_due(mailing, now=now, chance=lambda: 0.5).failed == 1
        due = Outbox.objects.get(done_at=None).due_at
        assert deliver_due(mailing, now=due - timedelta(seconds=1)) == Delivered()
        waits.append(int((due - now).total_seconds()))
        now = due
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    said = str(mail_problem(mailing, now=now - MINUTE))
    assert "since 2026-11-23 12:00 UTC" in said
    assert "takes no connection" in said
    assert f"Next try: {now:%Y-%m-%d %H:%M} UTC" in said
    with open_office(office):
        assert deliver_due(mailing, now=now).sent == 1
    assert mail_problem(mailing, now=now) is None
    # Said once, not at each attempt.
    assert [record.levelno for record in caplog.records if record.name == "seawall.mail"] == [logging.WARNING]


def test_a_server_that_hangs_holds_up_nobody_for_long(
    mailing_sqlite: Settings, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "STEP_SECONDS", 0.3)
    person("anna")
    person("ben")
    opened()
    silence = threading.Event()
    with scripted(lambda _say, _hear: (silence.wait(30), None)[1]) as port:
        server.save(mailing_sqlite.keys_dir, office.settings(port=port))
        did = deliver_due(mailing_sqlite, now=NOW)
        silence.set()
    assert did == Delivered(planned=2, failed=2)
    assert "did not answer in time" in str(mail_problem(mailing_sqlite, now=NOW))


def test_not_now_and_then_yes(mailing: Settings) -> None:
    answers = iter(["451 try later", "421 busy", ""])
    office = PostOffice(answer_data=lambda: next(answers))
    server.save(mailing.keys_dir, office.settings())
    person("anna")
    opened()
    with open_office(office):
        did = [deliver_due(mailing, now=NOW + minutes * MINUTE, chance=lambda: 0.5) for minutes in range(3)]
    assert did == [Delivered(planned=1, failed=1), Delivered(failed=1), Delivered(sent=1)]
    assert len({mail["Message-ID"] for mail in office.mails}) == 1


def test_what_takes_a_person_is_shown_at_once_and_tried_each_hour(mailing: Settings, postman: Postman) -> None:
    person("anna")
    opened()
    postman.all_fail = MailTrouble(Why.SIGN_IN, reply=535, said="535 5.7.8 anna@example.net: bad")
    for minute in range(0, 181, 5):
        deliver(mailing, postman, now=NOW + minute * MINUTE)
    assert postman.conversations == 4
    said = str(mail_problem(mailing, now=NOW + 181 * MINUTE))
    assert "refused user name and password (SMTP 535)" in said
    assert "@" not in said
    # The owner corrects it.
    postman.all_fail = None
    assert retry_now(now=NOW + 181 * MINUTE) == 1
    assert deliver(mailing, postman, now=NOW + 181 * MINUTE).sent == 1


def test_what_is_in_a_servers_hands_is_not_hastened(mailing: Settings, postman: Postman) -> None:
    person("anna")
    opened()
    postman.all_fail = MailTrouble(Why.REFUSED)
    deliver(mailing, postman)
    hastened: list[int] = []

    def meanwhile(_: str) -> None:
        hastened.append(retry_now(now=NOW + MINUTE))

    postman.all_fail, postman.trouble = None, meanwhile
    assert deliver(mailing, postman, now=NOW + MINUTE).sent == 1
    assert hastened == [0]


def test_it_is_given_up_after_three_days_and_that_is_shown(mailing: Settings, postman: Postman) -> None:
    person("anna")
    opened()
    postman.all_fail = MailTrouble(Why.LATER, reply=451)
    now, did = NOW, Delivered()
    while not did.given_up:
        did = deliver(mailing, postman, now=now)
        now += 10 * MINUTE
        assert now < NOW + GIVE_UP_AFTER + 2 * HOUR
    assert now > NOW + GIVE_UP_AFTER
    assert "given up" in str(mail_problem(mailing, now=now))
    assert deliver(mailing, postman, now=now + DAY) == Delivered()
    opened(now=now + DAY)
    postman.all_fail = None
    assert deliver(mailing, postman, now=now + DAY).sent == 1
    assert mail_problem(mailing, now=now + DAY) is None


@pytest.mark.parametrize(
    "address", ["anna@example.net\r\nRCPT TO:<x@y>", "Anna <anna@example.net>", "ännä@example.net", "a@b,c@d", "x"]
)
def test_an_address_that_is_none_is_never_said_to_a_server(mailing: Settings, postman: Postman, address: str) -> None:
    person("anna", email=address)
    person("ben")
    opened()
    assert deliver(mailing, postman) == Delivered(planned=2, sent=1, failed=1)
    assert postman.to == ["ben@example.net"]
    assert "Correct that person's e-mail address" in str(mail_problem(mailing, now=NOW))


def test_what_one_conversation_does_not_reach_goes_with_the_next(mailing: Settings, postman: Postman) -> None:
    for number in range(5):
        person(f"p{number}")
    opened()
    postman.reach = 2
    assert [deliver(mailing, postman).sent for _ in range(4)] == [2, 2, 1, 0]
    assert len(set(postman.to)) == 5


def test_a_conversation_that_breaks_off_in_the_middle_sends_nobody_twice(mailing: Settings, postman: Postman) -> None:
    for number in range(3):
        person(f"p{number}")
    opened()
    reached: list[str] = []

    def break_off(to: str) -> None:
        reached.append(to)
        if len(reached) == 2:
            raise MailTrouble(Why.BROKE_OFF)

    postman.trouble = break_off
    assert deliver(mailing, postman) == Delivered(planned=3, sent=1, failed=2)
    postman.trouble = lambda _: None
    assert deliver(mailing, postman, now=NOW + MINUTE).sent == 2
    assert len(postman.to) == len(set(postman.to)) == 3


def test_asking_for_problems_reads_no_more_the_more_was_sent(mailing: Settings) -> None:
    """The console's first page asks each time it is shown."""
    person("anna")
    old = [
        Outbox(
            id=new_id("out", lambda: NOW),
            topic=f"delivery:mail:per_{number}",
            payload='{"person":"per_1","kind":"at_once"}',
            created_at=NOW,
            due_at=NOW,
            done_at=NOW,
            attempts=1,
        )
        for number in range(ROWS)
    ]
    Outbox.objects.bulk_create(old)
    if mailing.on_postgresql:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE record_outbox")
    assert assert_lean(lambda: mail_problem(mailing, now=NOW), most=3).answer is None


def test_two_servers_at_once_send_each_mail_once(mailing: Settings, office: PostOffice) -> None:
    """Two processes deliver side by side, again and again; nobody gets two mails."""
    for number in range(6):
        person(f"p{number}")
    opened()
    arguments = [sys.executable, "-c", DELIVERER, str(mailing.data_dir), mailing.database_url, NOW.isoformat()]
    with open_office(office):
        both = [subprocess.Popen(arguments, cwd=Path.cwd()) for _ in range(2)]
        assert [one.wait(timeout=60) for one in both] == [0, 0]
    assert sorted(to for _, (to,) in office.envelopes) == [f"p{number}@example.net" for number in range(6)]


DELIVERER = """
import sys
from datetime import datetime
from pathlib import Path
from seawall import app
from seawall.settings import Settings
app.bind(settings := Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))
from seawall.doors.delivery.mail import deliver_due
for _ in range(10):
    deliver_due(settings, now=datetime.fromisoformat(sys.argv[3]))
"""


def test_killed_between_the_servers_yes_and_our_note_it_is_sent_again(
    mailing_sqlite: Settings, office: PostOffice
) -> None:
    person("anna")
    opened()
    taken = threading.Event()
    arguments = [sys.executable, "-c", DELIVERER, str(mailing_sqlite.data_dir), "", NOW.isoformat()]

    def kill() -> str:
        # The mail is whole at the server; the sender dies before it hears so.
        os.kill(process.pid, signal.SIGKILL)
        taken.set()
        return ""

    office.answer_data = kill
    with open_office(office):
        process = subprocess.Popen(arguments, cwd=Path.cwd())
        assert taken.wait(60)
        assert process.wait(timeout=60) == -signal.SIGKILL
        office.answer_data = lambda: ""
        assert deliver_due(mailing_sqlite, now=NOW + MINUTE).sent == 0
        assert deliver_due(mailing_sqlite, now=NOW + LEASE).sent == 1
    assert len({mail["Message-ID"] for mail in office.mails}) == 1


def test_a_clock_that_ran_ahead_keeps_no_mail_back(mailing: Settings, postman: Postman) -> None:
    person("anna")
    wrong = NOW + 365 * DAY
    opened(now=wrong)
    postman.all_fail = MailTrouble(Why.REFUSED)
    deliver(mailing, postman, now=wrong)
    postman.all_fail = None
    assert deliver(mailing, postman, now=NOW).sent == 1
    opened(now=wrong)
    deliver(mailing, postman, now=wrong)
    opened(now=NOW + HOUR)
    assert deliver(mailing, postman, now=NOW + HOUR).sent == 1


def test_nothing_of_the_uploads_is_in_a_mail(mailing: Settings, postman: Postman) -> None:
    person("anna")
    (hold,) = opened()
    deliver(mailing, postman)
    assert hold.screening_id not in postman.letters[0].as_string()


def test_the_outbox_does_not_grow_for_ever(mailing_sqlite: Settings, postman: Postman) -> None:
    person("anna")
    for number in range(60):
        opened(now=NOW + number * 6 * HOUR)
        deliver(mailing_sqlite, postman, now=NOW + number * 6 * HOUR)
    assert len(postman.letters) == 60
    assert Outbox.objects.count() <= 7 * 4 + 4


@given(st.integers(1, 10_000), st.floats(0, 1), st.booleans())
def test_waits_are_within_their_bounds(attempts: int, chance: float, permanent: bool) -> None:
    found = retry_after(attempts, permanent=permanent, chance=chance)
    assert FIRST_RETRY <= found <= LONGEST_RETRY
    assert not permanent or found == LONGEST_RETRY


def test_a_test_mail_is_sent_now(mailing: Settings, office: PostOffice) -> None:
    with open_office(office):
        told = send_test(mailing, "owner@example.net", now=NOW)
    assert told.sent
    assert office.envelopes[0][1] == ["owner@example.net"]
    assert not Outbox.objects.exists()


def test_a_test_hastens_what_waited(mailing: Settings, office: PostOffice, postman: Postman) -> None:
    person("anna")
    opened()
    postman.all_fail = MailTrouble(Why.SIGN_IN)
    deliver(mailing, postman)
    with open_office(office):
        assert send_test(mailing, "owner@example.net", now=NOW + MINUTE).sent
    postman.all_fail = None
    assert deliver(mailing, postman, now=NOW + MINUTE).sent == 1


def failing_test(settings: Settings, office: PostOffice, **more: Any) -> Told:
    return send_test(settings, "owner@example.net", now=NOW, server=office.settings(**more))


def test_a_test_of_settings_that_are_not_saved(sqlite_settings: Settings, office: PostOffice) -> None:
    assert "no mail server is set" in send_test(sqlite_settings, "owner@example.net", now=NOW).text
    with open_office(office):
        assert failing_test(sqlite_settings, office).sent
    assert server.load(sqlite_settings.keys_dir) is None
    told = failing_test(sqlite_settings, office)
    assert "takes no connection" in told.text
    assert "usually 465" in told.next_step
    assert "host name" in failing_test(sqlite_settings, office, host="a b").next_step


@pytest.mark.parametrize("to", ["", "x", "a@b\r\nDATA", "Anna <a@example.org>", "ä@example.org"])
def test_a_test_goes_to_one_plain_address(mailing_sqlite: Settings, postman: Postman, to: str) -> None:
    told = send_test(mailing_sqlite, to, now=NOW, send=postman)
    assert (told.sent, postman.conversations) == (False, 0)


def test_a_test_shows_what_the_server_said_but_no_address(mailing_sqlite: Settings) -> None:
    office = PostOffice(answer_rcpt=lambda address: f"550 5.1.1 <{address}> unknown here")
    with open_office(office):
        told = failing_test(mailing_sqlite, office)
    assert told.text == "the mail server refuses the recipient (SMTP 550)"
    assert told.said == "5.1.1 … unknown here"


def test_a_password_is_in_nothing_that_is_said(mailing_sqlite: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    person("anna")
    opened()
    with scripted(lambda say, _hear: say(f"535 {PASSWORD} {USERNAME}@example.org")) as port:
        chosen = PostOffice(port=port).settings(username=USERNAME, password=PASSWORD)
        server.save(mailing_sqlite.keys_dir, chosen)
        deliver_due(mailing_sqlite, now=NOW)
    said = f"{mail_problem(mailing_sqlite, now=NOW)} {caplog.text} {list(Outbox.objects.values())}"
    assert PASSWORD not in said
    assert "@example.org" not in said
    assert "anna@" not in said
