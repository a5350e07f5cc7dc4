"""The ledger and the transparency log: every batch is in it once, and no row can be changed unseen."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from seawall.record.events import BatchesRecorded
from seawall.record.journal import read
from seawall.record.models import Event
from seawall.screening.holds import HoldOutcome, resolve
from seawall.screening.ledger import Ledger, LedgerFamily, LedgerRecorder, Partition, StorageFailed, batches
from seawall.screening.ledger.batches import append_batches, source_ref, verify_batches
from seawall.screening.ledger.model import Row
from seawall.screening.ledger.retention import drop_expired
from seawall.screening.ledger.sqlite import SqliteStorage
from seawall.screening.models import Hold, LedgerDay
from seawall.screening.recording import Recording
from seawall.settings import Settings
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, declare, hold, key

MATCHED = Partition(day=NOW.date(), family=LedgerFamily.MATCHED)


def record(ledger: Ledger, *recordings: Recording) -> None:
    """Each in a batch of its own."""
    with LedgerRecorder(ledger) as recorder:
        for recording in recordings:
            recorder.submit(recording).result(PATIENCE)


def change(settings: Settings, statement: str, *values: object) -> None:
    """Do to the matched rows of the day what somebody with a database tool could do."""
    if settings.on_postgresql:
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            names = {
                "screening": "ledger_matched",
                "batch": "ledger_matched_batch",
                "request": "ledger_matched_request",
            }
            for name, table in names.items():
                statement = statement.replace(f"{{{name}}}", table)
            assert connection.execute(statement.replace("?", "%s").encode(), values).rowcount == 1
        return
    for name in ("screening", "batch", "request"):
        statement = statement.replace(f"{{{name}}}", name)
    with closing(sqlite3.connect(SqliteStorage(settings.ledger_dir).path(MATCHED))) as file:
        assert file.execute(statement, values).rowcount == 1
        file.commit()


def test_every_batch_is_recorded_once(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, allow(), block(), block())
    assert append_batches(ledger, now=NOW) == 3
    assert append_batches(ledger, now=NOW) == 0
    # Another process that knows nothing of the first.
    assert append_batches(Ledger(settings), now=NOW) == 0
    record(ledger, block())
    assert append_batches(ledger, now=NOW) == 1
    references = set(Event.objects.filter(name=BatchesRecorded.name).values_list("source_ref", flat=True))
    assert references == {
        "ledger:2026-11-23:unmatched:1",
        "ledger:2026-11-23:matched:1",
        "ledger:2026-11-23:matched:3",
    }
    said = [read(row) for row in Event.objects.filter(name=BatchesRecorded.name).order_by("source_ref")]
    assert [(one.first, len(one.batches)) for one in said if isinstance(one, BatchesRecorded)] == [
        (1, 2),
        (3, 1),
        (1, 1),
    ]
    assert list(verify_batches(ledger)) == []


def test_a_crash_between_event_and_mark_is_made_good(settings: Settings) -> None:
    declare()
    ledger = Ledger(settings)
    record(ledger, hold(), block())
    append_batches(ledger, now=NOW)
    LedgerDay.objects.update(logged_batches=0)
    Hold.objects.all().delete()
    assert append_batches(Ledger(settings), now=NOW + timedelta(seconds=5)) == 2
    assert Event.objects.filter(name=BatchesRecorded.name).count() == 1
    assert Hold.objects.count() == 1


def test_old_days_are_settled_once_and_then_left_alone(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, block())
    append_batches(ledger, now=NOW)
    assert ledger.settled == set()
    append_batches(ledger, now=NOW + timedelta(days=3))
    assert ledger.settled == {MATCHED}


def test_a_damaged_day_does_not_keep_the_others_out_of_the_log(sqlite_settings: Settings) -> None:
    ledger = Ledger(sqlite_settings)
    record(ledger, block())
    (sqlite_settings.ledger_dir / "2026-11-22.sqlite3").write_bytes(b"damaged" * 100)
    with pytest.raises(StorageFailed, match=r"2026-11-22\.sqlite3"):
        append_batches(ledger, now=NOW)
    assert Event.objects.filter(name=BatchesRecorded.name).count() == 1


def test_a_batch_not_logged_yet_is_no_problem(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, block())
    assert list(verify_batches(ledger)) == []


#: Each column of a row, changed by one bit or one step.
CHANGES = {
    "sealed": "UPDATE {screening} SET sealed = ? WHERE position = 2",
    "surface": "UPDATE {screening} SET surface = 'postt' WHERE position = 2",
    "verdict": "UPDATE {screening} SET verdict = 'allow' WHERE position = 2",
    "screened_at": "UPDATE {screening} SET screened_at = screened_at + 1 WHERE position = 2",
    "hold_expires_at": "UPDATE {screening} SET hold_expires_at = 1 WHERE position = 2",
    "batch": "UPDATE {screening} SET batch = 1 WHERE position = 2",
    "unknown batch": "UPDATE {screening} SET batch = 99 WHERE position = 2",
    "request": "UPDATE {request} SET digest = ? WHERE position = 2",
    "request key": "UPDATE {request} SET key = ? WHERE position = 2",
    "deleted request": "DELETE FROM {request} WHERE position = 2",
    "deleted row": "DELETE FROM {screening} WHERE position = 2",
    "deleted batch": "DELETE FROM {batch} WHERE number = 2",
    "deleted last batch": "DELETE FROM {batch} WHERE number = 3",
    "batch digest": "UPDATE {batch} SET digest = ? WHERE number = 2",
    "batch rows": "UPDATE {batch} SET rows = 2 WHERE number = 2",
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_one_change_to_any_row_is_found(settings: Settings, what: str) -> None:
    ledger = Ledger(settings)
    record(ledger, block(), block(idempotency=key()), block())
    append_batches(ledger, now=NOW)
    with ledger.opened() as storage:
        row = list(storage.rows(MATCHED))[1]
        batch = storage.batches(MATCHED)[1]
    assert list(verify_batches(ledger)) == []
    original = {"sealed": row.sealed, "request": row.request_digest, "request key": row.request_key}.get(what)
    original = batch.digest if what == "batch digest" else original
    values = [] if original is None else [bytes([original[0] ^ 1, *original[1:]])]
    change(settings, CHANGES[what], *values)
    problems = list(verify_batches(ledger))
    assert problems
    assert all(str(problem).startswith("ledger 2026-11-23.matched") for problem in problems)


def test_a_change_with_a_fitting_digest_still_disagrees_with_the_log(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, block())
    append_batches(ledger, now=NOW)
    change(settings, "UPDATE {screening} SET surface = 'other' WHERE position = 1")
    from seawall.screening.ledger.model import rows_digest

    with ledger.opened() as storage:
        digest = rows_digest(storage.rows(MATCHED))
    change(settings, "UPDATE {batch} SET digest = ? WHERE number = 1", digest)
    [problem] = verify_batches(ledger)
    assert (problem.batch, problem.text) == (1, "it is not what the log says was written")


def test_a_batch_whose_event_is_gone_is_found(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, block(), block())
    append_batches(ledger, now=NOW)
    record(ledger, block())
    append_batches(ledger, now=NOW)
    Event.objects.filter(source_ref=source_ref(MATCHED, 1)).delete()
    assert [problem.batch for problem in verify_batches(ledger)] == [1, 2]


def test_a_day_that_vanished_is_found(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, block(), block())
    append_batches(ledger, now=NOW)
    with ledger.opened() as storage:
        storage.drop(MATCHED)
    assert [problem.batch for problem in verify_batches(ledger)] == [1, 2]


def test_what_is_recorded_while_we_verify_is_no_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server goes on between the list of batches and the rows, and between the rows and the events."""
    ledger = Ledger(settings)
    record(ledger, block())
    append_batches(ledger, now=NOW)
    kind = type(ledger.open())
    look = kind.rows

    def rows_a_little_later(storage: Any, partition: Partition) -> Iterator[Row]:
        record(ledger, block(), block())
        append_batches(ledger, now=NOW)
        return look(storage, partition)

    monkeypatch.setattr(kind, "rows", rows_a_little_later)
    assert list(verify_batches(Ledger(settings))) == []


def test_a_day_dropped_while_we_verify_is_no_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(settings)
    record(ledger, block())
    append_batches(ledger, now=NOW)
    kind = type(ledger.open())
    listed = kind.partitions

    def drop_after_a_look(storage: Any) -> list[Partition]:
        found = listed(storage)
        monkeypatch.setattr(kind, "partitions", listed)
        assert drop_expired(ledger, now=NOW + timedelta(days=200)) == found
        return found

    monkeypatch.setattr(kind, "partitions", drop_after_a_look)
    assert list(verify_batches(Ledger(settings))) == []


def test_a_clock_that_was_ahead_for_a_moment_does_not_settle_today(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, block())
    append_batches(ledger, now=NOW + timedelta(days=30))
    record(ledger, hold())
    assert append_batches(ledger, now=NOW) == 1
    assert Hold.objects.count() == 1


def test_a_dropped_day_does_not_come_back_between_its_event_and_its_last_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is kept by another thread than the one that drops days."""
    ledger = Ledger(settings)
    recording = hold()
    record(ledger, recording)
    append_batches(ledger, now=NOW)
    resolve(ledger, recording.verdict.id, HoldOutcome.RELEASED, by="per_1", now=NOW)
    kind = type(ledger.open())
    drop = kind.drop

    def keep_the_log_first(storage: Any, partition: Partition) -> None:
        assert append_batches(Ledger(settings), now=NOW + timedelta(days=200)) == 0
        drop(storage, partition)

    monkeypatch.setattr(kind, "drop", keep_the_log_first)
    assert drop_expired(ledger, now=NOW + timedelta(days=200)) == [MATCHED]
    assert not Hold.objects.exists()
    assert not LedgerDay.objects.exists()


def test_many_batches_become_few_events_and_none_twice(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCHES_AT_ONCE", 7)
    monkeypatch.setattr(batches, "ROWS_AT_ONCE", 5)
    ledger = Ledger(settings)
    record(ledger, *[block() for _ in range(12)])
    assert append_batches(ledger, now=NOW) == 12
    said = [read(row) for row in Event.objects.filter(name=BatchesRecorded.name).order_by("serial")]
    assert [(one.first, len(one.batches)) for one in said if isinstance(one, BatchesRecorded)] == [
        (1, 5),
        (6, 5),
        (11, 2),
    ]
    assert list(verify_batches(ledger)) == []


def test_two_who_keep_the_log_at_once_record_each_batch_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes between our look at the ledger and our transaction."""
    ledger, other = Ledger(settings), Ledger(settings)
    record(ledger, block(), block())
    kind = type(ledger.open())
    look = kind.holds

    def after_the_other(storage: Any, partition: Partition, *, after: int, last: int) -> list[Row]:
        monkeypatch.setattr(kind, "holds", look)
        record(ledger, block())
        assert append_batches(other, now=NOW) == 3
        return look(storage, partition, after=after, last=last)

    monkeypatch.setattr(kind, "holds", after_the_other)
    assert append_batches(ledger, now=NOW) == 0
    assert Event.objects.filter(name=BatchesRecorded.name).count() == 1
    assert list(verify_batches(ledger)) == []


def test_a_hold_whose_row_cannot_be_read_waits_and_keeps_nothing_out_of_the_log(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, hold(), block())
    (settings.keys_dir / "ledger" / "2026-11-23.matched.key").unlink()
    assert append_batches(Ledger(settings), now=NOW) == 2
    assert Hold.objects.get().on_expiry == ""
