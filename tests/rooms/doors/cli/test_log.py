"""`seawall log verify` through the command line: whatever was altered, it exits 1 and names it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import transaction

from seawall.app import furnish
from seawall.record.clock import system_clock
from seawall.record.journal import forget
from seawall.record.models import Checkpoint, Event, LogTile
from seawall.screening.ledger import Ledger
from seawall.screening.ledger.retention import drop_expired
from seawall.settings import Settings
from tests.rooms.doors.cli.conftest import CommandLine


@pytest.fixture
def recorded(seawall: CommandLine) -> CommandLine:
    seawall("surface", "create", "posts", "--audience", "public", "--fail-mode", "hold", "--hold-expiry", "refuse")
    seawall("screen", "--text", "something", "--record", "--surface", "posts")
    return seawall


def test_a_whole_record(recorded: CommandLine) -> None:
    (line,) = recorded.json("log", "verify")
    assert line["ok"] is True
    assert line["leaves"] == Event.objects.count()
    assert line["checkpoints"] > 0
    said = recorded("log", "verify")
    assert f"{line['leaves']} leaves" in said.out
    assert "whole" in said.out


def test_a_flipped_byte_of_an_event_is_named(recorded: CommandLine) -> None:
    event = Event.objects.filter(leaf_index=1).get()
    body = bytearray(event.body or b"")
    body[7] ^= 1
    Event.objects.filter(leaf_index=1).update(body=bytes(body))
    assert event.event_id in recorded.refused("log", "verify")
    assert recorded.json("log", "verify", code=1)[0]["ok"] is False


def test_a_flipped_byte_of_a_tile_is_named(recorded: CommandLine) -> None:
    tile = LogTile.objects.get(level=0, index=0)
    hashes = bytearray(tile.hashes)
    hashes[40] ^= 1
    LogTile.objects.filter(level=0, index=0).update(hashes=bytes(hashes))
    assert "tile" in recorded.refused("log", "verify")


def test_a_changed_row_of_the_ledger_is_named(recorded: CommandLine) -> None:
    (path,) = recorded.settings.ledger_dir.glob("*.sqlite3")
    with sqlite3.connect(path) as ledger:
        (table,) = [
            name
            for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if "sealed" in {row[1] for row in ledger.execute(f"PRAGMA table_info({name})")}
        ]
        ledger.execute(f"UPDATE {table} SET surface = 'other'")
    ledger.close()
    said = recorded.refused("log", "verify")
    assert "screening ledger, " in said
    assert "backup" in said


def test_an_empty_directory_has_an_empty_log(on_both: CommandLine) -> None:
    assert on_both.json("log", "verify")[0]["leaves"] == 0


@pytest.fixture
def recorded_on_both(on_both: CommandLine) -> CommandLine:
    """A log with several checkpoints, and a ledger with two rows of one day, in a batch each."""
    furnish(system_clock())
    on_both("surface", "create", "posts", "--audience", "public", "--fail-mode", "hold", "--hold-expiry", "refuse")
    for text in ("something", "something else"):
        on_both("screen", "--text", text, "--record", "--surface", "posts")
    assert on_both.json("log", "verify")[0]["ok"] is True
    return on_both


def flipped(value: bytes | str) -> bytes | str:
    """One bit of a byte in the middle changed."""
    data = bytearray(value.encode() if isinstance(value, str) else bytes(value))
    data[len(data) // 2] ^= 1
    return data.decode() if isinstance(value, str) else bytes(data)


def in_event(column: str) -> Callable[[Settings], object]:
    def alter(_: Settings) -> object:
        row = Event.objects.get(leaf_index=1)
        return Event.objects.filter(pk=row.pk).update(**{column: flipped(getattr(row, column))})

    return alter


def in_tile(_: Settings) -> object:
    row = LogTile.objects.get(level=0, index=0)
    return LogTile.objects.filter(pk=row.pk).update(hashes=flipped(bytes(row.hashes)))


def in_checkpoint(column: str) -> Callable[[Settings], object]:
    def alter(_: Settings) -> object:
        row = Checkpoint.objects.order_by("size")[0]
        return Checkpoint.objects.filter(pk=row.pk).update(**{column: flipped(getattr(row, column))})

    return alter


def in_ledger(statement: str, *, reads: str = "") -> Callable[[Settings], object]:
    """`statement` about the tables {rows} and {batches}; its one parameter is the flipped value that `reads` finds."""

    def alter(settings: Settings) -> object:
        if settings.on_postgresql:
            names = {"rows": "ledger_unmatched", "batches": "ledger_unmatched_batch"}
            with psycopg.connect(settings.database_url, autocommit=True) as server:
                return _alter(server, statement.replace("?", "%s").format(**names), reads.format(**names))
        names = {"rows": "screening", "batches": "batch"}
        with closing(sqlite3.connect(_day_file(settings), isolation_level=None)) as file:
            return _alter(file, statement.format(**names), reads.format(**names))

    return alter


def _alter(connection: Any, statement: str, reads: str) -> object:
    values = (flipped(bytes(connection.execute(reads).fetchone()[0])),) if reads else ()
    return connection.execute(statement, values).rowcount


def _day_file(settings: Settings) -> Path:
    (path,) = settings.ledger_dir.glob("*.sqlite3")
    return path


def delete_the_day(settings: Settings) -> int:
    """As a file on SQLite, as tables on PostgreSQL; no event says so."""
    with Ledger(settings).opened() as storage:
        (partition,) = storage.partitions()
        storage.drop(partition)
    return 1


ALTERED: dict[str, tuple[Callable[[Settings], object], str]] = {
    "event body": (in_event("body"), "record_event evt_"),
    "event salt": (in_event("salt"), "record_event evt_"),
    "event commitment": (in_event("commitment"), "record_event evt_"),
    "event emptied": (lambda _: Event.objects.filter(leaf_index=1).update(salt=None, body=None), "record_event evt_"),
    "tile": (in_tile, "record_logtile, level 0, tile 0"),
    "checkpoint note": (in_checkpoint("note"), "record_checkpoint, size"),
    "checkpoint root": (in_checkpoint("root"), "record_checkpoint, size"),
    "ledger row": (
        in_ledger(
            "UPDATE {rows} SET sealed = ? WHERE position = 1", reads="SELECT sealed FROM {rows} WHERE position = 1"
        ),
        "screening ledger, ",
    ),
    "ledger batch": (
        in_ledger(
            "UPDATE {batches} SET digest = ? WHERE number = 1", reads="SELECT digest FROM {batches} WHERE number = 1"
        ),
        "screening ledger, ",
    ),
    "deleted ledger row": (in_ledger("DELETE FROM {rows} WHERE position = 1"), "screening ledger, "),
    "deleted batch": (in_ledger("DELETE FROM {batches} WHERE number = 2"), "screening ledger, "),
    "deleted day": (delete_the_day, "screening ledger, "),
}


@pytest.mark.parametrize("what", ALTERED)
def test_one_alteration_is_found_and_named(recorded_on_both: CommandLine, what: str) -> None:
    alter, named = ALTERED[what]
    assert alter(recorded_on_both.settings) == 1
    said = recorded_on_both.refused("log", "verify")
    assert named in said
    assert recorded_on_both.json("log", "verify", code=1)[0]["ok"] is False


def test_a_row_and_its_batch_and_all_their_rows_gone_are_found(recorded_on_both: CommandLine) -> None:
    """Whoever deletes the youngest batch whole leaves a ledger that agrees with itself; the log does not."""
    for statement in ("DELETE FROM {rows} WHERE batch = 2", "DELETE FROM {batches} WHERE number = 2"):
        assert in_ledger(statement)(recorded_on_both.settings) == 1
    assert ", batch 2: " in recorded_on_both.refused("log", "verify")


def test_what_was_deleted_lawfully_is_no_finding(recorded_on_both: CommandLine) -> None:
    now = system_clock()
    event = Event.objects.get(leaf_index=1)
    with transaction.atomic():
        assert forget(event.event_id, by="per_test", now=now)
    assert len(drop_expired(Ledger(recorded_on_both.settings), now=now + timedelta(days=40))) == 1
    (line,) = recorded_on_both.json("log", "verify")
    assert (line["ok"], line["forgotten"]) == (True, 1)


def test_a_kept_checkpoint_shows_that_the_log_was_cut(recorded: CommandLine, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(recorded("log", "checkpoint").out)
    assert recorded.json("log", "checkpoint")[0]["note"] == kept.read_text()
    recorded("log", "verify", "--kept", kept)
    last, before = Checkpoint.objects.order_by("-size")[:2]
    Event.objects.filter(leaf_index__gte=before.size).delete()
    LogTile.objects.update(hashes=bytes(LogTile.objects.get().hashes)[: before.size * 32])
    last.delete()
    assert f"states {last.size} events" in recorded.refused("log", "verify", "--kept", kept)
    kept.write_bytes(b"\xff nonsense")
    assert "kept checkpoint 1" in recorded.refused("log", "verify", "--kept", kept)
    recorded("log", "verify", "--kept", tmp_path / "none", code=2)


def test_an_empty_log_has_no_checkpoint(on_both: CommandLine) -> None:
    assert "serve" in on_both.refused("log", "checkpoint")
