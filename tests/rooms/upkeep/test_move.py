"""Moving to PostgreSQL: every row and every screening is there, counted and verified; interrupted, nothing changed."""

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connections, transaction

from seawall.app import bind
from seawall.members.models import ApiKey
from seawall.record.events import OwnerCreated
from seawall.record.journal import record as write_event
from seawall.record.models import Event
from seawall.settings import Settings, load_settings
from seawall.upkeep import move
from seawall.upkeep.model import UpkeepRefused
from seawall.upkeep.move import move_to_postgresql
from seawall.upkeep.tables import rows_of, table_of, tables
from seawall.upkeep.upgrade import bring_up_to_date
from tests.rooms.screening.recordings import NOW, allow, block, hold
from tests.rooms.upkeep.conftest import on
from tests.rooms.upkeep.scene import Lived, record, require_same, screenings, verified

pytestmark = pytest.mark.postgresql


@pytest.fixture
def target(lived_sqlite: Lived, empty_database: str) -> Iterator[Settings]:
    yield on(lived_sqlite.settings, empty_database)
    connections["default"].close()


def rows() -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, in order of keys, of the database Django is bound to."""
    return {
        table_of(model): [tuple(map(plain, row)) for row in rows_of(model).order_by("pk").values_list()]
        for model in tables()
    }


def plain(value: object) -> object:
    """PostgreSQL keeps JSON's keys in an order of its own."""
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True)
    return bytes(value) if isinstance(value, memoryview) else value


def test_everything_is_there_as_it_was(lived_sqlite: Lived, target: Settings) -> None:
    settings = lived_sqlite.settings
    (settings.data_dir / "seawall.toml").write_text("# mine\nport = 9000\n")
    before = rows()
    assert sum(map(len, before.values())) > 50
    root = verified(settings).root
    seen: list[tuple[int, int]] = []
    done = move_to_postgresql(settings, target, progress=lambda *step: seen.append(step))
    assert done.rows == sum(map(len, before.values()))
    assert done.tables == len(before)
    assert done.screenings == len(lived_sqlite.screenings)
    assert done.unknown == ()
    assert seen[-1][0] == seen[-1][1]
    assert rows() == before
    found = load_settings({"data_dir": str(settings.data_dir)}, {})
    assert (found.database_url, found.port) == (target.database_url, 9000)
    require_same(lived_sqlite, found)
    assert verified(found).root == root
    assert not settings.database_path.exists()
    assert {path.name for path in done.left} >= {"seawall.sqlite3.moved"}
    assert not list(settings.ledger_dir.glob("*.sqlite3"))


def test_life_goes_on_there(lived_sqlite: Lived, target: Settings) -> None:
    """Numbers that are given automatically, the ledger's and the log's go on where they were."""
    move_to_postgresql(lived_sqlite.settings, target)
    size = verified(target).size
    record(target, allow(), block(), hold(data=b"another harmless picture"))
    with transaction.atomic():
        write_event(OwnerCreated(by="per_test", person="per_test"), now=NOW)
    assert verified(target).size > size
    assert len(screenings(target)) == len(lived_sqlite.screenings) + 3


def test_one_can_go_back(lived_sqlite: Lived, target: Settings) -> None:
    done = move_to_postgresql(lived_sqlite.settings, target)
    for path in done.left:
        for part in path.parent.glob(f"{path.name}*"):
            part.rename(part.with_name(part.name.replace(".moved", "")))
    (lived_sqlite.settings.data_dir / "seawall.toml").unlink()
    require_same(lived_sqlite, lived_sqlite.settings)


def test_a_target_that_is_not_empty(lived_sqlite: Lived, target: Settings) -> None:
    with psycopg.connect(target.database_url) as connection:
        connection.execute("CREATE SEQUENCE mine")
    with pytest.raises(UpkeepRefused, match="not empty") as caught:
        move_to_postgresql(lived_sqlite.settings, target)
    assert "dropdb" in caught.value.next_step
    require_unchanged(lived_sqlite)


def test_a_target_that_cannot_be_reached(lived_sqlite: Lived) -> None:
    away = on(lived_sqlite.settings, "postgresql://me:secret@127.0.0.1:1/x")
    with pytest.raises(UpkeepRefused, match="cannot be connected to") as caught:
        move_to_postgresql(lived_sqlite.settings, away)
    assert "secret" not in str(caught.value)
    require_unchanged(lived_sqlite)


def test_a_directory_that_moved_already(lived_sqlite: Lived, target: Settings) -> None:
    move_to_postgresql(lived_sqlite.settings, target)
    with pytest.raises(UpkeepRefused, match="on PostgreSQL already"):
        move_to_postgresql(target, target)


def test_killed_while_the_old_files_are_put_aside(
    lived_sqlite: Lived, target: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them would stay for good, and no day of theirs would ever be dropped."""
    database = lived_sqlite.settings.database_path

    def killed(settings: Settings) -> tuple[Path, ...]:
        database.rename(database.with_name(f"{database.name}.moved"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(move, "put_aside", killed)
        with pytest.raises(KeyboardInterrupt):
            move_to_postgresql(lived_sqlite.settings, target)
    found = load_settings({"data_dir": str(target.data_dir)}, {})
    assert found.database_url == target.database_url
    assert list(target.ledger_dir.glob("*.sqlite3"))
    done = move_to_postgresql(found, found)
    assert (done.tables, bool(done.left)) == (0, True)
    assert not list(target.data_dir.rglob("*.sqlite3"))
    bind(found)
    require_same(lived_sqlite, found)
    with pytest.raises(UpkeepRefused, match="on PostgreSQL already"):
        move_to_postgresql(found, found)


def test_a_directory_that_was_never_moved_is_left_alone(lived_sqlite: Lived, target: Settings) -> None:
    """Somebody wrote the address down by hand: what they have on SQLite is nobody's leftover."""
    with pytest.raises(UpkeepRefused, match="on PostgreSQL already") as caught:
        move_to_postgresql(target, target)
    assert "SEAWALL_DATABASE_URL" in caught.value.next_step
    assert lived_sqlite.settings.database_path.exists()


def require_unchanged(lived: Lived) -> None:
    """It is as it was, and Django is bound to it."""
    assert connections["default"].vendor == "sqlite"
    assert move.SOURCE not in connections.settings
    assert not (lived.settings.data_dir / "seawall.toml").exists()
    require_same(lived, lived.settings)


@pytest.mark.slow  # migrates twice for each
@pytest.mark.parametrize(
    "name", ["_empty", "_count_on", "_copy_day", "_verify", "with_database_url", "replace_durably"]
)
def test_interrupted_nothing_has_changed(
    lived_sqlite: Lived, target: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(move, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            move_to_postgresql(lived_sqlite.settings, target)
    require_unchanged(lived_sqlite)
    # What it left is in the target alone, which is emptied and taken again.
    with psycopg.connect(target.database_url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    move_to_postgresql(lived_sqlite.settings, target)
    require_same(lived_sqlite, target)


def _lose_a_key() -> None:
    ApiKey.objects.all().delete()


def _alter_an_event() -> None:
    Event.objects.filter(serial=1).update(schema=9)


@pytest.mark.parametrize(
    ("change", "said"), [(_lose_a_key, "members_apikey has 0 rows"), (_alter_an_event, "not what")]
)
def test_a_copy_that_differs_is_noticed(
    lived_sqlite: Lived, target: Settings, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None], said: str
) -> None:
    real = move._count_on

    def altering() -> None:
        real()
        change()

    monkeypatch.setattr(move, "_count_on", altering)
    with pytest.raises(UpkeepRefused, match=said):
        move_to_postgresql(lived_sqlite.settings, target)
    require_unchanged(lived_sqlite)


def test_a_row_that_postgresql_refuses_is_named(lived_sqlite: Lived, target: Settings) -> None:
    ApiKey.objects.update(name="with a NUL \0 character")
    with pytest.raises(UpkeepRefused, match="members_apikey"):
        move_to_postgresql(lived_sqlite.settings, target)
    require_unchanged(lived_sqlite)


def test_tables_that_nobody_knows_are_told_of(lived_sqlite: Lived, target: Settings) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE TABLE somebody_elses (x INTEGER)")
    assert move_to_postgresql(lived_sqlite.settings, target).unknown == ("somebody_elses",)


def test_the_password_is_kept_from_others(lived_sqlite: Lived, target: Settings, tmp_path: Path) -> None:
    toml = lived_sqlite.settings.data_dir / "seawall.toml"
    toml.write_text("port = 1\n")
    toml.chmod(0o644)
    move_to_postgresql(lived_sqlite.settings, target)
    assert toml.stat().st_mode & 0o777 == 0o600
    assert tomllib.loads(toml.read_text())["database_url"] == target.database_url


def test_an_outdated_directory_is_upgraded_first(lived_sqlite: Lived, target: Settings) -> None:
    bring_up_to_date(lived_sqlite.settings, NOW)
    (lived_sqlite.settings.data_dir / "version").write_text("99.0")
    with pytest.raises(UpkeepRefused, match="downgrade refused"):
        move_to_postgresql(lived_sqlite.settings, target)
    bind(lived_sqlite.settings)
