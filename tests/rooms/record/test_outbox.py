"""The outbox: a row is in one hand at a time, and none is lost."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import transaction

from seawall.record import outbox
from seawall.record.journal import NotInTransaction
from seawall.record.models import Outbox
from seawall.settings import Settings

NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)
LEASE = timedelta(minutes=5)


def put(topic: str = "a:b:c", count: int = 1, *, due_at: datetime | None = None) -> list[str]:
    with transaction.atomic():
        return [outbox.put(topic, {"n": number}, now=NOW, due_at=due_at).pk for number in range(count)]


def claim(topic: str = "a:b:c", *, now: datetime = NOW, limit: int = 100) -> list[str]:
    return [row.pk for row in outbox.claim(topic, now=now, lease=LEASE, limit=limit)]


def test_a_row_is_put_with_what_it_tells_of_or_not_at_all(settings: Settings) -> None:
    with pytest.raises(NotInTransaction):
        outbox.put("a:b:c", {}, now=NOW)
    with transaction.atomic():
        outbox.put("a:b:c", {}, now=NOW)
        transaction.set_rollback(True)
    assert claim() == []


def test_a_row_waits_until_it_is_due(settings: Settings) -> None:
    with transaction.atomic():
        later = outbox.put("a:b:c", {"b": 1, "a": ["ü"]}, now=NOW, due_at=NOW + timedelta(hours=1))
        present = outbox.put("a:b:c", {}, now=NOW)
    row = Outbox.objects.get(pk=later.pk)
    assert row.payload == '{"a":["ü"],"b":1}'
    assert (row.due_at - row.created_at, present.due_at) == (timedelta(hours=1), NOW)
    assert (row.done_at, row.attempts) == (None, 0)
    assert row.id.startswith("out_")
    assert claim() == [present.pk]


def test_a_row_is_claimed_once_until_its_lease_is_over(settings: Settings) -> None:
    (row,) = put()
    assert claim() == [row]
    assert claim() == []
    assert claim(now=NOW + LEASE - timedelta(seconds=1)) == []
    assert claim(now=NOW + LEASE) == [row]
    assert Outbox.objects.get().attempts == 2


def test_rows_are_claimed_in_their_order_up_to_a_limit_and_by_topic(settings: Settings) -> None:
    later = put(due_at=NOW + timedelta(hours=1))
    rows = [put(due_at=NOW - timedelta(minutes=minutes))[0] for minutes in (3, 2, 1)]
    others = put("a:other:c")
    assert claim(limit=2) == rows[:2]
    assert claim() == rows[2:]
    assert claim("a:") == others
    assert claim(now=NOW + timedelta(minutes=4)) == []
    assert later[0] in claim(now=NOW + timedelta(hours=1))


def test_a_topic_is_no_pattern(settings: Settings) -> None:
    put("a%b:c:d")
    assert claim("a_") == []
    assert claim("a_b:") == []
    assert len(claim("a%b:")) == 1


def test_what_is_done_stays_done(settings: Settings) -> None:
    rows = put(count=2)
    claim()
    outbox.done(rows, now=NOW)
    outbox.failed(rows[0], retry_at=NOW, payload={"late": True}, now=NOW)
    outbox.release(rows, now=NOW)
    outbox.drop(rows)
    assert claim(now=NOW + timedelta(days=1)) == []
    assert Outbox.objects.filter(done_at=NOW, payload__contains="late").count() == 0
    assert outbox.last_done("a:", now=NOW) == NOW
    assert outbox.last_done("a:", now=NOW - timedelta(seconds=1)) is None


def test_what_failed_comes_back_and_what_is_given_up_does_not(settings: Settings) -> None:
    first, second = put(count=2)
    claim()
    outbox.failed(first, retry_at=NOW + timedelta(hours=1), payload={"why": "x"}, now=NOW)
    outbox.failed(second, retry_at=None, payload={"why": "y"}, now=NOW)
    assert claim(now=NOW + timedelta(minutes=30)) == []
    assert claim(now=NOW + timedelta(hours=1)) == [first]
    assert Outbox.objects.get(pk=second).payload == '{"why":"y"}'


def test_what_was_not_tried_is_given_back(settings: Settings) -> None:
    rows = put(count=2)
    claim()
    outbox.release(rows[:1], now=NOW)
    assert claim() == rows[:1]
    assert Outbox.objects.get(pk=rows[0]).attempts == 1


def test_a_row_is_hastened_unless_it_changed_since_it_was_read(settings: Settings) -> None:
    (row,) = put()
    claim()
    outbox.failed(row, retry_at=NOW + timedelta(hours=1), payload={}, now=NOW)
    read = Outbox.objects.get()
    assert outbox.hasten(read, now=NOW)
    assert claim() == [row]
    # In somebody's hands now, as the reader of a moment ago does not know.
    assert not outbox.hasten(read, now=NOW)
    outbox.done([row], now=NOW)
    assert not outbox.hasten(Outbox.objects.get(), now=NOW)


def test_a_clock_that_ran_ahead_hides_nothing(settings: Settings) -> None:
    rows = put(due_at=NOW + timedelta(days=365))
    assert outbox.bring_back("a:", now=NOW, longest=timedelta(hours=2)) == 1
    assert claim() == rows


def test_what_was_done_is_forgotten_in_time(settings: Settings) -> None:
    old, new, waiting = put(count=3)
    outbox.done([old], now=NOW)
    outbox.done([new], now=NOW + timedelta(hours=2))
    assert outbox.forget_done("a:b:c", before=NOW + timedelta(hours=1)) == 1
    assert set(Outbox.objects.values_list("pk", flat=True)) == {new, waiting}


CLAIMER = """
import sys
from datetime import datetime, timedelta
from pathlib import Path
from seawall import app
from seawall.settings import Settings
app.bind(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))
from seawall.record import outbox
now = datetime.fromisoformat(sys.argv[3])
sys.stdin.readline()
while rows := outbox.claim("a:b:c", now=now, lease=timedelta(minutes=5), limit=3):
    for row in rows:
        print(row.pk, flush=True)
    outbox.done([row.pk for row in rows], now=now)
"""


def test_two_processes_share_the_rows_between_them(settings: Settings) -> None:
    rows = put(count=60)
    arguments = [sys.executable, "-c", CLAIMER, str(settings.data_dir), settings.database_url, NOW.isoformat()]
    both = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(2)
    ]
    for one in both:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60)[0].split() for one in both]
    assert all(one.returncode == 0 for one in both)
    # Whatever the scheduler did: each row once. SQLite may let one of them wait while the other takes all.
    assert sorted(said[0] + said[1]) == sorted(rows)
