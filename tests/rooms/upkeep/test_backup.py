"""Backing up and restoring, on both databases: what was lived with is there again, whole, private, and verified."""

import os
import socket
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import msgspec
import pyrage
import pytest
from django.db import connections

from seawall.app import bind
from seawall.record.models import Event
from seawall.screening.ledger import Ledger, LedgerFamily, Partition
from seawall.settings import Settings, load_settings
from seawall.upkeep import postgresql
from seawall.upkeep.backup import make
from seawall.upkeep.backup.make import LEFT_OUT, MANIFEST, MEMBERS, POSTGRESQL, SQLITE, Locks, back_up
from seawall.upkeep.backup.restore import check, restore
from seawall.upkeep.drafts import lock
from seawall.upkeep.model import Manifest, MemberRecord, UpkeepRefused
from seawall.upkeep.tables import table_of, tables
from tests.postgresql import PostgresServer
from tests.rooms.screening.recordings import NOW, allow, hold
from tests.rooms.upkeep.scene import Lived, integrity, record, require_private, require_same


def backed_up(lived: Lived, tmp_path: Path, name: str = "backup.tar", locks: Locks | None = None) -> Path:
    return back_up(lived.settings, tmp_path / name, now=NOW, locks=locks).path


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def held_in(path: Path, name: str) -> bytes:
    with tarfile.open(path) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def test_what_is_restored_is_what_was_backed_up(lived: Lived, elsewhere: Settings, tmp_path: Path) -> None:
    events = Event.objects.count()
    seen: list[tuple[int, int]] = []
    path = back_up(lived.settings, tmp_path / "backup.tar", now=NOW, progress=lambda *step: seen.append(step)).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert seen[-1][0] == seen[-1][1] > 0
    found = restore(elsewhere, path)
    require_same(lived, elsewhere)
    assert Event.objects.count() == events
    require_private(elsewhere.data_dir)
    assert (found.manifest.database == "postgresql") is elsewhere.on_postgresql
    assert not list(tmp_path.glob(".*"))
    assert not list((lived.settings.data_dir / "backups").iterdir())
    # Life goes on in it.
    record(elsewhere, allow(), hold(data=b"another harmless picture"))


def test_it_says_what_it_is(lived: Lived, tmp_path: Path) -> None:
    path = backed_up(lived, tmp_path)
    inside = names(path)
    database = POSTGRESQL if lived.settings.on_postgresql else SQLITE
    assert inside[:2] == [MANIFEST, database]
    assert inside[-1] == MEMBERS
    manifest = msgspec.json.decode(held_in(path, MANIFEST), type=Manifest)
    listed = msgspec.json.decode(held_in(path, MEMBERS), type=list[MemberRecord])
    assert [one.name for one in listed] == inside[:-1]
    assert manifest.created_at == "2026-11-23T12:00:00.000Z"
    assert manifest.log_origin.startswith("seawall.invalid/log/")
    assert {"record", "members", "matching", "screening"} <= manifest.migrations.keys()


def test_keys_come_last_and_those_of_holds_before_their_bytes(lived: Lived, tmp_path: Path) -> None:
    inside = names(backed_up(lived, tmp_path))[:-1]
    at = {name: number for number, name in enumerate(inside)}
    key = f"keys/holds/{lived.held}.key"
    bytes_of_hold = [number for name, number in at.items() if name.startswith(f"holds/{lived.held}/")]
    ledger = [number for name, number in at.items() if name.startswith("ledger/")]
    others = [number for name, number in at.items() if name.startswith("keys/") and not name.startswith("keys/holds/")]
    assert max(ledger, default=1) < at[key] < min(bytes_of_hold)
    assert others
    assert others == list(range(len(inside) - len(others), len(inside)))


def test_nothing_in_the_directory_is_forgotten(lived: Lived, tmp_path: Path) -> None:
    """Whatever a room puts there is in it, unless it is known to be made again."""
    (lived.settings.data_dir / "something-new").mkdir()
    (lived.settings.data_dir / "something-new" / "file").write_text("x")
    (lived.settings.data_dir / "seawall.toml").write_text("decoders = 1\n")
    (lived.settings.state_dir / "gate-state.json").write_text("derived")
    inside = set(names(backed_up(lived, tmp_path))) - {MANIFEST, MEMBERS, POSTGRESQL}
    present = {
        str(path.relative_to(lived.settings.data_dir))
        for path in lived.settings.data_dir.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }
    assert {"something-new/file", "seawall.toml"} <= inside
    assert inside == {
        name for name in present if name.split("/")[0] not in LEFT_OUT and (name != SQLITE or SQLITE in inside)
    }


def test_sockets_links_and_drafts_are_no_data(
    lived_sqlite: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = lived_sqlite.settings.data_dir
    monkeypatch.chdir(data_dir)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("recorder.sock")
        (data_dir / ".draft").write_text("half")
        (data_dir / "keys" / "ledger" / ".new.key.1.abcd").write_text("half")
        (data_dir / "dangling").symlink_to("nowhere")
        os.mkfifo(data_dir / "pipe")
        inside = names(backed_up(lived_sqlite, tmp_path))
    assert not {name for name in inside if "draft" in name or ".new" in name} | (
        {"recorder.sock", "dangling", "pipe"} & set(inside)
    )


def test_rooms_that_lie_on_another_disk_are_in_it(lived_sqlite: Lived, tmp_path: Path) -> None:
    data_dir = lived_sqlite.settings.data_dir
    (data_dir / "ledger").rename(tmp_path / "large-disk")
    (data_dir / "ledger").symlink_to(tmp_path / "large-disk")
    path = backed_up(lived_sqlite, tmp_path)
    other = Settings(data_dir=tmp_path / "other")
    restore(other, path)
    require_same(lived_sqlite, other)
    assert not other.ledger_dir.is_symlink()


def test_a_copy_of_sqlite_is_one_whole_file(lived_sqlite: Lived, tmp_path: Path) -> None:
    """What is only in the write-ahead log is in it too, and nothing beside it is needed."""
    Event.objects.all().update(schema=7)
    assert lived_sqlite.settings.database_path.with_name("seawall.sqlite3-wal").stat().st_size > 0
    assert make.copy_sqlite(lived_sqlite.settings.database_path, tmp_path / "copy", check=True)
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy"]
    assert integrity(tmp_path / "copy") == "ok"
    other = Settings(data_dir=tmp_path / "x")
    other.data_dir.mkdir()
    (tmp_path / "copy").rename(other.database_path)
    bind(other)
    assert set(Event.objects.values_list("schema", flat=True)) == {7}


def test_every_table_of_the_database_is_one_we_know(settings: Settings) -> None:
    """A table outside the registry would be in a backup, and in no move and no export."""
    known = {table_of(model) for model in tables()} | {"django_migrations"}
    present = set(connections["default"].introspection.table_names())
    ledger = {name for name in present if name.startswith("ledger_")}
    assert present - ledger == known
    assert bool(ledger) is settings.on_postgresql


@pytest.mark.parametrize("name", ["backup.tar", "backup.tar.age"])
def test_encrypted_backups(lived_sqlite: Lived, tmp_path: Path, name: str) -> None:
    identity = pyrage.x25519.Identity.generate()
    locks = Locks(recipients=[identity.to_public()]) if name.endswith("age") else Locks(passphrase="six harmless words")
    path = backed_up(lived_sqlite, tmp_path, name, locks)
    data = path.read_bytes()
    assert b"SQLite format 3" not in data
    assert b"private_key" not in data
    other = Settings(data_dir=tmp_path / "other")
    restore(other, path, passphrase=lambda: "six harmless words", identities=[identity])
    require_same(lived_sqlite, other)


def test_a_day_dropped_meanwhile_makes_it_begin_again(
    lived_sqlite: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(lived_sqlite.settings)
    with ledger.opened() as storage:
        storage.append(Partition(day=NOW.date().replace(year=2020), family=LedgerFamily.UNMATCHED), [], committed_at=0)
        old = storage.partitions()[0]
    real, attempts = make.copy_sqlite, []

    def dropping(source: Path, target: Path, *, check: bool = False) -> bool:
        if check:
            attempts.append(source)
        elif len(attempts) == 1:
            with ledger.opened() as storage:
                storage.drop(old)
        return real(source, target, check=check)

    monkeypatch.setattr(make, "copy_sqlite", dropping)
    path = backed_up(lived_sqlite, tmp_path)
    assert len(attempts) == 2
    assert not [name for name in names(path) if "2020" in name]
    assert check(path).members == len(names(path)) - 1


def test_days_that_never_stay_are_told_of(lived_sqlite: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(*_: object) -> None:
        raise make._DayDropped

    monkeypatch.setattr(make, "_fill", vanish)
    with pytest.raises(UpkeepRefused, match="vanish"):
        backed_up(lived_sqlite, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_bytes_of_a_hold_whose_key_came_later_stay_out(lived_sqlite: Lived, tmp_path: Path) -> None:
    (lived_sqlite.settings.keys_dir / "holds" / f"{lived_sqlite.held}.key").unlink()
    assert not [name for name in names(backed_up(lived_sqlite, tmp_path)) if lived_sqlite.held in name]


def test_places_that_are_refused(lived_sqlite: Lived, tmp_path: Path) -> None:
    data_dir = lived_sqlite.settings.data_dir
    (tmp_path / "there").write_text("mine")
    for target, said in (
        (tmp_path / "there", "is there already"),
        (tmp_path / "no" / "place", "no directory"),
        (data_dir / "inside.tar", "inside the data directory"),
        (data_dir / "ledger" / "inside.tar", "inside the data directory"),
    ):
        with pytest.raises(UpkeepRefused, match=said) as caught:
            back_up(lived_sqlite.settings, target, now=NOW)
        assert caught.value.next_step
    assert (tmp_path / "there").read_text() == "mine"


def test_too_little_space_is_said_before_anything_is_copied(
    lived_sqlite: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "MARGIN_BYTES", 1 << 60)
    with pytest.raises(UpkeepRefused, match="MiB are free"):
        backed_up(lived_sqlite, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


#: The kernel lets no file grow beyond the limit, as a full disk would not.
LIMITED = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from seawall.settings import Settings
from seawall.upkeep.backup.make import Locks, back_up
from seawall.upkeep.backup.sealing import recipients_of
from seawall.upkeep.model import UpkeepRefused
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
locks = Locks(recipients=recipients_of(sys.argv[4:]))
try:
    back_up(Settings(data_dir=Path(sys.argv[1])), Path(sys.argv[2]), now=datetime.now(UTC), locks=locks)
except UpkeepRefused as refused:
    print(refused.text, "|", refused.next_step)
    sys.exit(1)
"""


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_disk_that_fills_up_leaves_nothing_and_says_what_to_do(
    lived_sqlite: Lived, tmp_path: Path, share: float, sealed: bool
) -> None:
    connections["default"].close()
    whole = back_up(lived_sqlite.settings, tmp_path / "whole.tar", now=NOW).size
    recipients = [str(pyrage.x25519.Identity.generate().to_public())] if sealed else []
    words = [lived_sqlite.settings.data_dir, tmp_path / "full.tar", int(whole * share), *recipients]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "the disk filled up" in done.stdout
    assert "on another disk" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "whole.tar"]
    assert not list((lived_sqlite.settings.data_dir / "backups").iterdir())


def test_what_a_killed_backup_left_is_removed_by_the_next(lived_sqlite: Lived, tmp_path: Path) -> None:
    (tmp_path / ".backup.tar.0123abcd.partial").write_text("half")
    # Each night has a name of its own, and so has each attempt at an upgrade.
    (tmp_path / ".seawall-20261122T030000Z.tar.age.0123abcd.partial").write_text("half")
    staging = lived_sqlite.settings.data_dir / "backups" / ".staging-0123abcd"
    staging.mkdir(parents=True)
    (staging / "copy").write_text("half")
    (staging.parent / ".before-0.2.0-20261122T030000Z.tar.0123abcd.partial").write_text("half")
    at_work = tmp_path / ".seawall-20261123T030000Z.tar.0123abcd.partial"
    with at_work.open("wb") as other:
        lock(other.fileno())
        backed_up(lived_sqlite, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [at_work.name, "backup.tar", "data"]
    assert not list(staging.parent.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can back up what another user owns")
def test_root_leaves_nothing_that_the_owner_cannot_use(lived_sqlite: Lived, tmp_path: Path) -> None:
    """A line in root's crontab beside a service of its own user, whose next upgrade backs up into the same place."""
    connections["default"].close()
    data_dir, nobody = lived_sqlite.settings.data_dir, 65_534
    for path in (data_dir, *data_dir.rglob("*")):
        os.chown(path, nobody, nobody)
    backed_up(lived_sqlite, tmp_path)
    assert (data_dir / "backups").is_dir()
    assert {path.stat().st_uid for path in (data_dir, *data_dir.rglob("*"))} == {nobody}


def test_a_damaged_database_is_no_backup(lived_sqlite: Lived, tmp_path: Path) -> None:
    connections["default"].close()
    data = bytearray(lived_sqlite.settings.database_path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    lived_sqlite.settings.database_path.write_bytes(data)
    with pytest.raises(UpkeepRefused, match="cannot be copied whole"):
        backed_up(lived_sqlite, tmp_path)
    lived_sqlite.settings.database_path.unlink()
    with pytest.raises(UpkeepRefused, match="no database"):
        backed_up(lived_sqlite, tmp_path)


def test_a_file_whose_name_no_backup_can_hold_is_named(lived_sqlite: Lived, tmp_path: Path) -> None:
    (lived_sqlite.settings.data_dir / ("long-" * 30)).write_text("x")
    with pytest.raises(UpkeepRefused, match="long-") as caught:
        backed_up(lived_sqlite, tmp_path)
    assert "move" in caught.value.next_step


@pytest.mark.parametrize("now", ["1969-12-31T23:59:59+00:00", "9999-12-31T23:59:59+00:00"])
def test_a_wrong_clock_makes_a_backup_all_the_same(lived_sqlite: Lived, tmp_path: Path, now: str) -> None:
    from datetime import datetime

    path = back_up(lived_sqlite.settings, tmp_path / "backup.tar", now=datetime.fromisoformat(now)).path
    assert check(path).manifest.created_at[:4] == now[:4]


@pytest.mark.postgresql
def test_without_the_client_of_postgresql(
    lived_sqlite: Lived, empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    on_postgresql = msgspec.structs.replace(lived_sqlite.settings, database_url=empty_database)
    with pytest.raises(UpkeepRefused, match="pg_dump") as caught:
        postgresql.dump(on_postgresql.database_url, tmp_path / "dump")
    assert "--without-backup" in caught.value.next_step


@pytest.mark.postgresql
def test_what_the_client_says_is_passed_on(postgres: PostgresServer, tmp_path: Path) -> None:
    with pytest.raises(UpkeepRefused, match=r"pg_dump failed: .*does not exist"):
        postgresql.dump(postgres.url("nowhere"), tmp_path / "dump")


@pytest.mark.postgresql
def test_passwords_never_stand_in_the_list_of_processes() -> None:
    pytest.importorskip("psycopg")
    connection, environment = postgresql._connection(
        "postgresql://me:top%20secret@db.example:5433/seawall?sslmode=require"
    )
    assert "secret" not in connection
    assert environment["PGPASSWORD"] == "top secret"
    assert {"host=db.example", "port=5433", "dbname=seawall", "user=me", "sslmode=require"} == set(connection.split())
    with pytest.raises(UpkeepRefused, match="TLS key"):
        postgresql._connection("postgresql://me@db.example/seawall?sslpassword=secret")


def test_the_settings_of_the_operator_come_along(lived: Lived, elsewhere: Settings, tmp_path: Path) -> None:
    toml = lived.settings.data_dir / "seawall.toml"
    toml.write_text(f'# mine\nport = 9000\ndatabase_url = "{lived.settings.database_url}"\n')
    restore(elsewhere, backed_up(lived, tmp_path))
    found = load_settings({"data_dir": str(elsewhere.data_dir)}, {})
    assert found.port == 9000
    assert found.database_url == elsewhere.database_url
    assert "# mine" in (elsewhere.data_dir / "seawall.toml").read_text()
