import hashlib
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import transaction

from seawall.record import canonical_json, models, outbox
from seawall.record.events import BadEvent, BankRetired, BatchesRecorded, EventForgotten
from seawall.record.journal import (
    NotInTransaction,
    SourceRefTaken,
    Unforgettable,
    UnknownEvent,
    clear_deleted,
    forget,
    new_salt,
    read,
    record,
)
from seawall.settings import Settings

NOW = datetime(2026, 11, 23, 20, 28, 0, 123456, tzinfo=UTC)
RETIRED = BankRetired(by="per_1", bank="bnk_1")
REF = "ledger:2026-11-23:matched:17"


def batch(rows: int) -> BatchesRecorded:
    return BatchesRecorded(by="system", day="2026-11-23", family="matched", first=17, batches=[(rows, "0" * 64)])


def test_an_event_is_stored_with_its_commitment_and_no_leaf(settings: Settings) -> None:
    salt = new_salt()
    with transaction.atomic():
        record(RETIRED, now=NOW, salt=salt)
    row = models.Event.objects.get()
    assert (row.name, row.schema, row.leaf_index, row.source_ref) == ("matching:bank:retired", 1, None, None)
    assert bytes(row.salt or b"") == salt
    assert hashlib.sha256(salt + bytes(row.body or b"")).digest() == bytes(row.commitment)
    assert canonical_json.decode(bytes(row.body or b"")) == {
        "at": "2026-11-23T20:28:00.123Z",
        "id": row.event_id,
        "name": "matching:bank:retired",
        "schema": 1,
        "source_ref": None,
        "event": {"by": "per_1", "bank": "bnk_1"},
    }
    assert row.created_at == NOW.replace(microsecond=123000)
    assert read(row) == RETIRED


def test_what_is_rolled_back_never_happened(settings: Settings) -> None:
    with transaction.atomic():
        record(RETIRED, now=NOW)
        outbox.put("bank", {"bank": "bnk_1"}, now=NOW)
        transaction.set_rollback(True)
    assert not models.Event.objects.exists()
    assert not models.Outbox.objects.exists()


def test_nothing_is_written_outside_a_transaction(sqlite_settings: Settings) -> None:
    with pytest.raises(NotInTransaction, match=r"transaction\.atomic"):
        record(RETIRED, now=NOW)
    with pytest.raises(NotInTransaction, match=r"transaction\.atomic"):
        forget("evt_1", by="per_1", now=NOW)


def test_equal_events_have_different_commitments(sqlite_settings: Settings) -> None:
    with transaction.atomic():
        first, second = record(RETIRED, now=NOW), record(RETIRED, now=NOW)
    assert first.commitment != second.commitment
    assert first.event_id != second.event_id


@pytest.mark.parametrize("salt", [b"", b"x" * 31, b"x" * 33])
def test_a_salt_of_another_length_is_refused(sqlite_settings: Settings, salt: bytes) -> None:
    with pytest.raises(ValueError, match="new_salt"), transaction.atomic():
        record(RETIRED, now=NOW, salt=salt)


def test_the_same_source_ref_is_recorded_once(settings: Settings) -> None:
    with transaction.atomic():
        first = record(batch(3), now=NOW, source_ref=REF)
    with transaction.atomic():
        again = record(batch(3), now=NOW + timedelta(seconds=1), source_ref=REF)
    assert again.event_id == first.event_id
    assert models.Event.objects.count() == 1
    with pytest.raises(SourceRefTaken, match="says something else"), transaction.atomic():
        record(batch(4), now=NOW, source_ref=REF)
    with pytest.raises(SourceRefTaken, match="screening:batches:recorded"), transaction.atomic():
        record(RETIRED, now=NOW, source_ref=REF)
    assert models.Event.objects.count() == 1


def test_two_writers_of_one_source_ref_leave_one_event(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other's row appears between our look and our write."""
    with transaction.atomic():
        first = record(batch(3), now=NOW, source_ref=REF)
        looks = iter([models.Event.objects.none(), models.Event.objects.all()])
        monkeypatch.setattr(models.Event.objects, "filter", lambda **found: next(looks).filter(**found), raising=True)
        again = record(batch(3), now=NOW, source_ref=REF)
    assert again.event_id == first.event_id
    assert models.Event.objects.count() == 1


@pytest.mark.parametrize("ref", ["", "x" * 201, "two\nlines", "naïve", "nul\0"])
def test_a_source_ref_is_short_and_plain(sqlite_settings: Settings, ref: str) -> None:
    with pytest.raises(ValueError, match="source_ref"), transaction.atomic():
        record(batch(1), now=NOW, source_ref=ref)


def test_a_bad_event_leaves_no_row(sqlite_settings: Settings) -> None:
    with pytest.raises(BadEvent), transaction.atomic():
        record(BankRetired(by="per_1", bank="not an id"), now=NOW)
    assert not models.Event.objects.exists()


def test_other_time_zones_are_written_as_utc(sqlite_settings: Settings) -> None:
    with transaction.atomic():
        row = record(RETIRED, now=NOW.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert canonical_json.decode(bytes(row.body or b""))["at"] == "2026-11-23T20:28:00.123Z"


def test_forgetting_takes_salt_and_body_and_nothing_else(settings: Settings) -> None:
    with transaction.atomic():
        kept, gone = record(RETIRED, now=NOW), record(RETIRED, now=NOW)
    with transaction.atomic():
        assert forget(gone.event_id, by="per_2", now=NOW) is True
        assert forget(gone.event_id, by="per_3", now=NOW) is False
    row = models.Event.objects.get(event_id=gone.event_id)
    assert (row.salt, row.body) == (None, None)
    assert bytes(row.commitment) == gone.commitment
    assert read(row) is None
    assert read(models.Event.objects.get(event_id=kept.event_id)) == RETIRED
    told = models.Event.objects.get(name=EventForgotten.name)
    assert read(told) == EventForgotten(by="per_2", event=gone.event_id)
    with pytest.raises(Unforgettable), transaction.atomic():
        forget(told.event_id, by="per_2", now=NOW)
    assert read(told) is not None


def test_what_was_forgotten_is_nowhere_on_the_disk(sqlite_settings: Settings) -> None:
    with transaction.atomic():
        gone = record(BankRetired(by="per_1", bank="bnk_zanzibar4711"), now=NOW)
    assert somewhere(sqlite_settings, b"bnk_zanzibar4711")
    with transaction.atomic():
        forget(gone.event_id, by="per_2", now=NOW)
    assert clear_deleted()
    assert not somewhere(sqlite_settings, b"bnk_zanzibar4711")
    assert not somewhere(sqlite_settings, bytes(gone.salt or b""))


def somewhere(settings: Settings, needle: bytes) -> bool:
    return any(needle in path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file())


def test_clearing_waits_for_nobody_long_and_says_so(sqlite_settings: Settings) -> None:
    with transaction.atomic():
        record(RETIRED, now=NOW)
    with closing(sqlite3.connect(sqlite_settings.database_path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM record_event").fetchone()
        with transaction.atomic():
            record(RETIRED, now=NOW)
        begun = time.monotonic()
        assert not clear_deleted()
        assert time.monotonic() - begun < 5
        reader.execute("COMMIT")
    assert clear_deleted()


@pytest.mark.parametrize("event_id", ["", "evt_", "evt_019ab000-0000-7000-8000-000000000000", "x" * 100_000])
def test_an_unknown_event_cannot_be_forgotten(sqlite_settings: Settings, event_id: str) -> None:
    with pytest.raises(UnknownEvent, match="copy the whole id") as caught, transaction.atomic():
        forget(event_id, by="per_1", now=NOW)
    assert len(str(caught.value)) < 200


def test_a_forgotten_event_still_answers_for_its_source_ref(sqlite_settings: Settings) -> None:
    with transaction.atomic():
        first = record(batch(3), now=NOW, source_ref=REF)
    with transaction.atomic():
        forget(first.event_id, by="per_1", now=NOW)
    with transaction.atomic():
        assert record(batch(3), now=NOW, source_ref=REF).event_id == first.event_id
