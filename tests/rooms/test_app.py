"""Binding rooms to a data directory: modes, its one lock, and both databases as durable as we say."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from seawall.app import DataDirectoryBusy, django_database, is_prepared, prepare, serve_lock, try_lock
from seawall.settings import Settings


def test_a_data_directory_is_private(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "deep" / "data")
    assert not is_prepared(settings)
    prepare(settings)
    prepare(settings)
    assert is_prepared(settings)
    for directory in (settings.data_dir, settings.keys_dir, settings.ledger_dir, settings.holds_dir):
        assert directory.stat().st_mode & 0o777 == 0o700
    connection.close()


def test_the_database_is_as_durable_as_we_say(settings: Settings) -> None:
    with connection.cursor() as cursor:
        if settings.on_postgresql:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("on",)
        else:
            cursor.execute("PRAGMA synchronous")
            assert cursor.fetchone() == (2,)
            cursor.execute("PRAGMA journal_mode")
            assert cursor.fetchone() == ("wal",)


def test_one_serve_per_data_directory(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    holder = "import sys, time; from pathlib import Path; from seawall.app import try_lock\n"
    holder += "with try_lock(Path(sys.argv[1])) as other: print(other, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "None\n"
        with pytest.raises(DataDirectoryBusy, match=rf"process {process.pid}\b"), serve_lock(settings):
            pass
        process.kill()
    with serve_lock(settings), try_lock(tmp_path) as again:
        assert again is not None


def test_a_postgresql_url_keeps_its_parts() -> None:
    url = "postgresql://sea:p%40ss@db.example:5433/wall?sslmode=require"
    database = django_database(Settings(database_url=url))
    assert (database["NAME"], database["USER"], database["PASSWORD"]) == ("wall", "sea", "p@ss")
    assert (database["HOST"], database["PORT"]) == ("db.example", "5433")
    assert database["OPTIONS"] == {"sslmode": "require", "options": "-c synchronous_commit=on"}
