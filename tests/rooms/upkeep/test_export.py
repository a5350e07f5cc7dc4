"""The export: everything the owner has, readable without Seawall, and nothing that lets a reader act as somebody."""

import base64
import hashlib
import json
import re
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from seawall.matching.banks import create_bank
from seawall.matching.imports import import_list
from seawall.matching.models import Bank, ListedSignal
from seawall.record import merkle
from seawall.record.checkpoint import read
from seawall.record.models import Checkpoint, Event
from seawall.record.signing import load_verification_keys
from seawall.screening.ledger import Ledger
from seawall.screening.ledger.batches import append_batches
from seawall.screening.ledger.model import LedgerEntry
from seawall.settings import Settings
from seawall.upkeep.export import write
from seawall.upkeep.export.write import LEFT_OUT, SECRET, export, label, secret_columns
from seawall.upkeep.model import UpkeepRefused
from seawall.upkeep.tables import columns_of, rows_of, tables
from tests.rooms.screening.recordings import NOW
from tests.rooms.upkeep.scene import HELD, Lived, require_private


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def exported(lived: Lived, tmp_path: Path, **options: Any) -> Path:
    return export(lived.settings, tmp_path / "export", now=NOW, **options).path


def test_every_table_is_exported_or_left_out_for_a_reason(lived: Lived, tmp_path: Path) -> None:
    place = exported(lived, tmp_path)
    labels = {label(model): model for model in tables()}
    assert LEFT_OUT.keys() <= labels.keys() | {"record.Outbox"}, "a table that is left out is not there any more"
    for name, model in labels.items():
        if name in LEFT_OUT:
            assert LEFT_OUT[name]
            continue
        file = write.NAMES.get(name, f"tables/{model._meta.db_table}")
        assert len(lines(place / f"{file}.jsonl")) == rows_of(model).count(), name
    require_private(place)


#: Names of columns that may hold something to act as somebody with. Each one that is shown was looked at.
SUSPICIOUS = re.compile(r"key|secret|token|password|credential|private|salt|nonce|code|hash|cipher|otp")
LOOKED_AT = {
    "auth.Permission.codename",
    "matching.Bank.id",
    "record.Checkpoint.key_id",
    "sessions.Session.session_key",
}


def test_no_secret_is_shown() -> None:
    """A new column whose name says so is either withheld by its name, or somebody looked at it."""
    shown = {
        f"{label(model)}.{column.attname}"
        for model in tables()
        if label(model) not in LEFT_OUT
        for column in columns_of(model)
        if column.attname not in secret_columns(model) and SUSPICIOUS.search(column.attname)
    }
    assert shown <= LOOKED_AT, "withhold it by its name (SECRET), or look at it and add it here"
    assert SECRET.search("secret_hash")
    assert not SECRET.search("hashes")


def test_no_secret_is_anywhere_in_it(lived: Lived, tmp_path: Path) -> None:
    place = exported(lived, tmp_path, with_held_content=True)
    together = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    # swk_, 32 hex digits, _, and the secret itself, which may have such characters too.
    secret = lived.secret[37:]
    raw = base64.urlsafe_b64decode(f"{secret}=")
    for hidden in (lived.secret, secret, hashlib.sha256(raw).hexdigest()):
        assert hidden.encode() not in together
    for path in lived.settings.keys_dir.rglob("*.key"):
        held = path.read_bytes()
        for form in (held, held.hex().encode(), base64.b64encode(held)):
            assert form not in together, path
    assert b"secret_hash" not in b"".join(path.read_bytes() for path in place.glob("*.jsonl"))


def test_banks_can_be_imported_again(lived: Lived, tmp_path: Path) -> None:
    place = exported(lived, tmp_path)
    create_bank("again", by="per_test", now=NOW)
    done = import_list("again", place / "banks" / "forum.jsonl", by="per_test", clock=lambda: NOW)
    assert (done.added, done.errors) == (3, 0)
    columns = ("type", "value", "quality", "labels", "source", "confidence", "note")
    of = {
        name: sorted(
            ListedSignal.objects.filter(bank__name=name).exclude(status="withdrawn").values_list(*columns), key=repr
        )
        for name in ("forum", "again")
    }
    assert of["forum"] == of["again"] != []
    withdrawn = {row["value"] for row in lines(place / "signals.jsonl") if row["status"] == "withdrawn"}
    assert withdrawn
    assert not withdrawn & {row["value"] for row in lines(place / "banks" / "forum.jsonl")}


def test_policies_can_be_saved_again(lived: Lived, tmp_path: Path) -> None:
    from seawall.screening.policies import parse_rules

    (file,) = (exported(lived, tmp_path) / "policies").iterdir()
    assert file.name == "default-1.json"
    assert parse_rules(file.read_bytes())


def test_the_log_can_be_checked_without_seawall(lived: Lived, tmp_path: Path) -> None:
    log = exported(lived, tmp_path) / "log"
    leaves = []
    for event in lines(log / "events.jsonl"):
        commitment = hashlib.sha256(bytes.fromhex(event["salt"]) + event["body"].encode()).digest()
        assert commitment.hex() == event["commitment"]
        assert json.loads(event["body"])["name"] == event["name"]
        leaves.append((event["leaf"], hashlib.sha256(b"\0" + commitment).digest()))
    assert [leaf for leaf, _ in leaves] == list(range(len(leaves)))
    state, _key = read((log / "checkpoint").read_text(), load_verification_keys(lived.settings.keys_dir))
    assert state.size == len(leaves)
    assert merkle.root_of([hash_ for _, hash_ in leaves]) == state.root
    tile = log / "tile" / "0" / f"000.p/{len(leaves)}"
    assert tile.read_bytes() == b"".join(hash_ for _, hash_ in leaves)
    (key,) = (log / "keys.txt").read_text().splitlines()
    assert key.startswith(state.origin)
    assert len(lines(log / "checkpoints.jsonl")) == Checkpoint.objects.count()


def test_forgotten_events_keep_their_place(lived: Lived, tmp_path: Path) -> None:
    Event.objects.filter(serial=1).update(salt=None, body=None)
    first = lines(exported(lived, tmp_path) / "log" / "events.jsonl")[0]
    assert (first["salt"], first["body"]) == (None, None)
    assert len(first["commitment"]) == 64


def test_the_ledger_is_readable_as_far_as_its_keys_are(lived: Lived, tmp_path: Path) -> None:
    place = exported(lived, tmp_path)
    found = [row for path in (place / "ledger").iterdir() for row in lines(path)]
    assert sorted(row["verdict"]["id"] for row in found) == list(lived.screenings)
    assert {row["verdict"]["verdict"] for row in found} == {"allow", "block", "hold"}
    assert all(len(row["pseudonym"]) == 64 for row in found)
    known = {one.name for one in fields(LedgerEntry)} - {"partition"}
    assert all(set(row) == known for row in found), "whatever a row has is exported"
    for path in (lived.settings.keys_dir / "ledger").glob("*.unmatched.key"):
        path.unlink()
    again = export(lived.settings, tmp_path / "again", now=NOW).path
    rows = lines(next((again / "ledger").glob("*.unmatched.jsonl")))
    assert len(rows) == 2
    assert all("missing" in row["unreadable"] and row["id"] in lived.screenings for row in rows)


@pytest.mark.parametrize("name", ["export", "export.zip"])
def test_what_a_killed_export_left_is_removed_by_the_next(lived_sqlite: Lived, tmp_path: Path, name: str) -> None:
    left = tmp_path / f".{name}.0123abcd.partial"
    left.mkdir()
    (left / "people.jsonl").write_text("half")
    (tmp_path / f".{name}.notes.partial").write_text("somebody else's")
    export(lived_sqlite.settings, tmp_path / name, now=NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{name}.notes.partial", "data", name]


def test_held_content_only_when_asked(lived: Lived, tmp_path: Path) -> None:
    append_batches(Ledger(lived.settings), now=NOW)
    assert not (exported(lived, tmp_path) / "holds").exists()
    Bank.objects.filter(name="forum").update(kind="listed")
    place = export(lived.settings, tmp_path / "with", now=NOW, with_held_content=True).path / "holds" / lived.held
    (about,) = json.loads((place / "parts.json").read_text())
    assert about == {"file": "0000", "name": "image", "kind": "image"}
    assert (place / "0000").read_bytes() == HELD


@pytest.mark.parametrize("why", ["a bank that nobody may look into", "unknown bank", "no row", "no key"])
def test_held_content_that_stays_here(lived: Lived, tmp_path: Path, why: str) -> None:
    if why == "a bank that nobody may look into":
        Bank.objects.filter(name="forum").update(kind="no_look")
    elif why == "unknown bank":
        Bank.objects.filter(name="forum").update(name="renamed")
    elif why == "no key":
        (lived.settings.keys_dir / "holds" / f"{lived.held}.key").unlink()
    else:
        ledger = Ledger(lived.settings)
        with ledger.opened() as storage:
            for partition in storage.partitions():
                storage.drop(partition)
    done = export(lived.settings, tmp_path / "export", now=NOW, with_held_content=True)
    assert lived.held in done.without_content
    assert not (done.path / "holds").exists()


def test_a_zip_holds_the_same(lived_sqlite: Lived, tmp_path: Path) -> None:
    place = exported(lived_sqlite, tmp_path)
    done = export(lived_sqlite.settings, tmp_path / "export.zip", now=NOW)
    files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with zipfile.ZipFile(done.path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
    assert done.path.stat().st_mode & 0o777 == 0o600
    assert done.files == len(files)


def test_the_readme_explains_every_file(lived: Lived, tmp_path: Path) -> None:
    place = exported(lived, tmp_path, with_held_content=True)
    text = (place / "README.txt").read_text()
    for path in place.rglob("*"):
        top = str(path.relative_to(place)).split("/")[0]
        assert top == "README.txt" or top in text, top
    for name in LEFT_OUT:
        assert name in text
    assert "members_apikey.secret_hash" in text
    assert max(map(len, text.split("Left out:")[0].splitlines())) <= 120


def test_places_that_are_refused(lived_sqlite: Lived, tmp_path: Path) -> None:
    data_dir = lived_sqlite.settings.data_dir
    (tmp_path / "there").mkdir()
    for place, said in (
        (tmp_path / "there", "is there already"),
        (tmp_path / "no" / "x", "no directory"),
        (data_dir / "export", "inside the data directory"),
    ):
        with pytest.raises(UpkeepRefused, match=said):
            export(lived_sqlite.settings, place, now=NOW)


@pytest.mark.parametrize("name", ["export", "export.zip"])
def test_an_export_that_fails_leaves_nothing(
    lived_sqlite: Lived, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "_ledger", full)
    with pytest.raises(UpkeepRefused, match="disk filled up"):
        export(lived_sqlite.settings, tmp_path / name, now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_many_rows_go_page_by_page(lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "PAGE", 2)
    seen: list[tuple[int, int]] = []
    place = exported(lived, tmp_path, progress=lambda *step: seen.append(step))
    assert len(lines(place / "log" / "events.jsonl")) == Event.objects.count() > 4
    assert len(lines(place / "signals.jsonl")) == ListedSignal.objects.count() > 4
    assert len(seen) > 4


@pytest.mark.parametrize(("index", "path"), [(0, "000"), (7, "007"), (1234067, "x001/x234/067"), (999, "999")])
def test_tiles_lie_where_other_programs_look(index: int, path: str) -> None:
    from seawall.record.models import LogTile

    assert write._tile_path(LogTile(level=1, index=index, hashes=bytes(256 * 32))) == f"log/tile/1/{path}"
    assert write._tile_path(LogTile(level=1, index=index, hashes=bytes(64))) == f"log/tile/1/{path}.p/2"


def test_an_empty_installation(settings: Settings, tmp_path: Path) -> None:
    done = export(settings, tmp_path / "export", now=NOW)
    assert (done.path / "log" / "keys.txt").read_bytes() == b""
    assert lines(done.path / "signals.jsonl") == []
    connections["default"].close()
