import pytest

from seawall.record.models import Event, LogTile
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
    import sqlite3

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
