"""Upgrading the data directory of the release before, on both databases, killed at every step; and no way back."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
from django.db import connection, connections, transaction
from django.db.migrations.recorder import MigrationRecorder

from seawall import app
from seawall.record.events import OwnerCreated
from seawall.record.journal import record as write_event
from seawall.settings import Settings
from seawall.upkeep import upgrade
from seawall.upkeep.backup.make import BACKUPS
from seawall.upkeep.backup.restore import check, restore
from seawall.upkeep.examine import Health, check_database
from seawall.upkeep.model import UpkeepRefused, release
from seawall.upkeep.upgrade import BACKUPS_KEPT, BEGUN, bring_up_to_date, require_current, standing
from seawall.upkeep.version import FIRST, STAMP, data_version, migrations_by_app, write_stamp
from tests.rooms.upkeep.scene import OLD_RELEASE, migrate_as_0_1_0, old_directory, screenings, verified

NOW = datetime(2026, 12, 24, 18, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """The directory that 0.1.0 left; on PostgreSQL its tables without rows."""
    if request.param == "sqlite":
        made = old_directory(tmp_path / "data")
    else:
        database_url = request.getfixturevalue("empty_database")
        made = Settings(data_dir=tmp_path / "data", database_url=database_url, decoders=1)
        migrate_as_0_1_0(made)
    app.bind(made)
    yield made
    connections["default"].close()


def backups(settings: Settings) -> list[Path]:
    return sorted((settings.data_dir / BACKUPS).glob("before-*.tar"))


def require_upgraded(settings: Settings) -> None:
    app.bind(settings)
    require_current(settings)
    assert data_version(settings.data_dir) == version("seawall")
    assert not (settings.data_dir / BACKUPS / BEGUN).exists()
    verified(settings)
    if not settings.on_postgresql:
        assert len(screenings(settings)) == 7


def test_the_release_before_is_opened(old: Settings) -> None:
    with pytest.raises(UpkeepRefused, match=r"0\.1\.0") as caught:
        require_current(old)
    assert "seawall upgrade" in caught.value.next_step
    steps: list[str] = []
    done = bring_up_to_date(old, NOW, steps=steps.append)
    assert (done.before, done.now) == (FIRST, version("seawall"))
    assert done.migrations
    assert [one for one in steps if not one.startswith(("apply_", "render_"))] == [
        *["look", "backup", "begin", "prepare", "stamp", "tidy"]
    ]
    assert sum(one.startswith("apply_success") for one in steps) == len(done.migrations)
    require_upgraded(old)
    assert done.backup == backups(old)[0]
    assert done.backup.name == f"before-{version('seawall')}-20261224T180000Z.tar"


@pytest.mark.slow  # two upgrades
def test_the_backup_before_it_is_of_the_old_tables(old: Settings, tmp_path: Path) -> None:
    done = bring_up_to_date(old, NOW)
    assert done.backup is not None
    manifest = check(done.backup).manifest
    assert manifest.data_version == FIRST
    assert manifest.migrations == migrations_by_app(OLD_RELEASE / "seawall.sqlite3")
    if not old.on_postgresql:
        other = Settings(data_dir=tmp_path / "other")
        restore(other, done.backup)
        app.bind(other)
        assert standing(other).pending == done.migrations
        bring_up_to_date(other, NOW)
        require_upgraded(other)


def test_when_there_is_nothing_to_do_nothing_is_done(old: Settings) -> None:
    bring_up_to_date(old, NOW)
    before = {path: path.stat().st_mtime_ns for path in old.data_dir.rglob("*") if path.is_file()}
    steps: list[str] = []
    again = bring_up_to_date(old, NOW, steps=steps.append)
    assert again.migrations == ()
    assert again.backup is None
    assert steps == ["look", "tidy"]
    after = {path: path.stat().st_mtime_ns for path in old.data_dir.rglob("*") if path.is_file()}
    assert {path.name for path in before if before[path] != after.get(path)} <= {"seawall.sqlite3-shm"}


def test_a_fresh_directory_is_stamped_and_nothing_backed_up(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    app.bind(settings)
    done = bring_up_to_date(settings, NOW)
    assert (done.migrations, done.backup) == ((), None)
    assert (settings.data_dir / STAMP).read_text() == f"{version('seawall')}\n"
    require_current(settings)
    assert not (settings.data_dir / BACKUPS).exists()
    connections["default"].close()


def test_a_directory_without_a_stamp_gets_one(sqlite_settings: Settings) -> None:
    bring_up_to_date(sqlite_settings, NOW)
    (sqlite_settings.data_dir / STAMP).unlink()
    assert data_version(sqlite_settings.data_dir) == FIRST
    require_current(sqlite_settings)
    bring_up_to_date(sqlite_settings, NOW)
    assert data_version(sqlite_settings.data_dir) == version("seawall")


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from seawall.settings import load_settings
from seawall import app
settings = load_settings({"data_dir": sys.argv[1], "database_url": sys.argv[2]}, {})
app.bind(settings)
from seawall.upkeep.upgrade import bring_up_to_date
OURS = {"record", "members", "matching", "screening"}
seen = Path(sys.argv[3])
def step(name):
    library = name.startswith(("apply_", "render_")) and name.split()[-1].split(".")[0] not in OURS
    if not library and name not in seen.read_text().splitlines():
        with seen.open("a") as out:
            out.write(name + "\\n")
        os.kill(os.getpid(), signal.SIGKILL)
bring_up_to_date(settings, datetime.now(UTC), steps=step)
"""


@pytest.mark.kill
@pytest.mark.timeout(600)
def test_killed_at_each_step_the_next_attempt_completes_it(old: Settings, tmp_path: Path) -> None:
    """One directory: each attempt is killed at the first step that none before it came to."""
    connections["default"].close()
    seen = tmp_path / "seen"
    seen.write_text("")
    words = [sys.executable, "-c", KILLED, str(old.data_dir), old.database_url, str(seen)]
    for _attempt in range(200):
        done = subprocess.run(words, check=False, capture_output=True)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    else:
        raise AssertionError("it never came to its end")
    steps = set(seen.read_text().splitlines())
    assert {"look", "backup", "begin", "prepare", "stamp", "tidy"} <= steps
    assert sum(one.startswith("apply_success") for one in steps) >= 2
    require_upgraded(old)
    # However often it was killed, the state before is kept: twice where that was just before it was noted down.
    assert len(backups(old)) <= 2
    for path in backups(old):
        assert check(path).manifest.migrations == migrations_by_app(OLD_RELEASE / "seawall.sqlite3")


@pytest.mark.slow  # two upgrades each
@pytest.mark.parametrize(
    "step", ["backup", "begin", "apply_start members.", "apply_success screening.", "prepare", "stamp"]
)
def test_an_error_at_a_step_is_the_same(old: Settings, step: str) -> None:
    def fail(name: str) -> None:
        if name.startswith(step):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bring_up_to_date(old, NOW, steps=fail)
    connection.close()
    bring_up_to_date(old, NOW + timedelta(minutes=1))
    require_upgraded(old)


def test_the_backup_of_an_interrupted_attempt_is_used_again(old: Settings) -> None:
    def fail(name: str) -> None:
        if name.startswith("apply_success"):
            raise ZeroDivisionError

    for minute in range(5):
        with pytest.raises(ZeroDivisionError):
            bring_up_to_date(old, NOW + timedelta(minutes=minute), steps=fail)
        connection.close()
    done = bring_up_to_date(old, NOW + timedelta(minutes=9))
    assert [done.backup] == backups(old)
    assert check(backups(old)[0]).manifest.data_version == FIRST


def test_work_done_since_is_backed_up_too(old: Settings) -> None:
    """An older release went on with the directory after an attempt was interrupted."""

    def fail(name: str) -> None:
        if name.startswith("apply_start"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bring_up_to_date(old, NOW, steps=fail)
    with transaction.atomic():
        write_event(OwnerCreated(by="per_test", person="per_test"), now=NOW)
    bring_up_to_date(old, NOW + timedelta(minutes=1))
    assert len(backups(old)) == 2


def test_the_last_backups_are_kept_whatever_the_clock_says(sqlite_settings: Settings) -> None:
    place = sqlite_settings.data_dir / BACKUPS
    place.mkdir()
    for number in range(5):
        (place / f"before-0.{number}.tar").write_text("x")
        os.utime(place / f"before-0.{number}.tar", (number, number))
    bring_up_to_date(sqlite_settings, NOW)
    assert [path.name for path in backups(sqlite_settings)] == [f"before-0.{number}.tar" for number in (2, 3, 4)]
    assert BACKUPS_KEPT == 3


def test_without_a_backup_only_when_told(old: Settings) -> None:
    done = bring_up_to_date(old, NOW, with_backup=False)
    assert done.backup is None
    assert backups(old) == []
    require_upgraded(old)


def test_no_backup_no_upgrade(old: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seawall.upkeep.backup.make.MARGIN_BYTES", 1 << 60)
    with pytest.raises(UpkeepRefused, match="MiB are free"):
        bring_up_to_date(old, NOW)
    assert standing(old).pending
    assert data_version(old.data_dir) == FIRST


@pytest.mark.parametrize("also_on_stamp", [True, False])
def test_downgrade_is_refused_with_the_reason(settings: Settings, also_on_stamp: bool) -> None:
    bring_up_to_date(settings, NOW)
    MigrationRecorder(connection).record_applied("members", "0099_from_the_future")
    if also_on_stamp:
        (settings.data_dir / STAMP).write_text("99.1\n")
    (settings.data_dir / BACKUPS).mkdir(exist_ok=True)
    kept = settings.data_dir / BACKUPS / "before-99.1-x.tar"
    kept.write_text("x")
    for refused in (lambda: require_current(settings), lambda: bring_up_to_date(settings, NOW)):
        with pytest.raises(UpkeepRefused, match="downgrade refused") as caught:
            refused()
        assert "members.0099_from_the_future" in caught.value.text
        assert ("99.1" in caught.value.text) is also_on_stamp
        assert str(kept) in caught.value.next_step
        assert "install" in caught.value.next_step
    assert kept.exists()


def test_a_newer_stamp_alone_is_refused_too(sqlite_settings: Settings) -> None:
    (sqlite_settings.data_dir / STAMP).write_text("99.1\n")
    with pytest.raises(UpkeepRefused, match=r"99\.1"):
        require_current(sqlite_settings)


@pytest.mark.parametrize("lost", ["gone", "empty", pytest.param("another", marks=pytest.mark.postgresql)])
def test_a_directory_that_lost_its_database_does_not_begin_anew(
    sqlite_settings: Settings, request: pytest.FixtureRequest, lost: str
) -> None:
    """A disk that is not mounted, a wrong address: an empty Seawall beside the old ledger would bury what was lost."""
    bring_up_to_date(sqlite_settings, NOW)
    connections["default"].close()
    settings, path = sqlite_settings, sqlite_settings.database_path
    if lost == "another":
        url = request.getfixturevalue("empty_database")
        settings = msgspec.structs.replace(sqlite_settings, database_url=url)
        app.bind(settings)
    else:
        path.unlink()
        path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
        if lost == "empty":
            path.touch()
    for refused in (lambda: require_current(settings), lambda: bring_up_to_date(settings, NOW)):
        with pytest.raises(UpkeepRefused, match="has been in use") as caught:
            refused()
        assert "restore a backup" in caught.value.next_step
    assert path.exists() is (lost != "gone")
    (finding,) = check_database(settings)
    assert (finding.health, "has been in use" in finding.text) == (Health.BAD, True)
    (settings.data_dir / STAMP).unlink()
    bring_up_to_date(settings, NOW)
    require_current(settings)


def test_a_migration_that_a_library_dropped_is_no_downgrade(sqlite_settings: Settings) -> None:
    bring_up_to_date(sqlite_settings, NOW)
    MigrationRecorder(connection).record_applied("account", "0001_long_ago")
    require_current(sqlite_settings)


@pytest.mark.parametrize("text", ["", "latest", "1..2", "\xff", "1" * 5_000, "0.1.0\n0.2.0"])
def test_a_damaged_stamp_is_named(sqlite_settings: Settings, text: str) -> None:
    (sqlite_settings.data_dir / STAMP).write_text(text, encoding="latin-1")
    with pytest.raises(UpkeepRefused, match="number of a release") as caught:
        require_current(sqlite_settings)
    assert version("seawall") in caught.value.next_step


def test_versions_in_order() -> None:
    order = [
        "0.1.0",
        "0.1.1",
        "0.2.0.dev0",
        "0.2.0.dev1",
        "0.2.0a1",
        "0.2.0b1",
        "0.2.0rc1",
        "0.2.0rc2",
        "0.2.0",
        "0.10",
    ]
    assert sorted(order, key=release) == order
    assert release("0.2") == release("0.2.0") == release("0.2.0+local.1")
    for bad in ("", "v1", "1.0-final", "1.0.post1", "x" * 10_000):
        with pytest.raises(ValueError, match="no version"):
            release(bad)


def test_a_stamp_is_replaced_whole(tmp_path: Path) -> None:
    write_stamp(tmp_path)
    write_stamp(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [STAMP]
    assert (tmp_path / STAMP).stat().st_mode & 0o777 == 0o600


def test_a_begun_note_that_cannot_be_read_costs_only_a_backup(old: Settings) -> None:
    place = old.data_dir / BACKUPS
    place.mkdir()
    for text in (
        b"",
        b"{}",
        msgspec.json.encode({"version": version("seawall"), "backup": "../x", "newest_event": ""}),
    ):
        (place / BEGUN).write_bytes(text)
        assert upgrade._backed_up(old, NOW, lambda *_: None, lambda _step: None).exists()
