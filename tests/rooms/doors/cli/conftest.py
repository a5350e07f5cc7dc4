"""A command line to type on, and a furnished data directory to type about."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import connections

from seawall import app
from seawall.app import furnish
from seawall.doors.cli.root import root
from seawall.record.clock import system_clock
from seawall.settings import Settings

PICTURES = Path(__file__).parents[4] / "src" / "seawall" / "doors" / "cli" / "demo"


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class CommandLine:
    """Types commands about one data directory. A traceback instead of a message is an error of the test itself."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, *words: str | Path, code: int | None = 0, stdin: str | bytes | None = None) -> Said:
        where = ["--data-dir", str(self.settings.data_dir), "--database-url", self.settings.database_url]
        result = CliRunner(env={"SEAWALL_DECODERS": "1"}).invoke(root, [*where, *map(str, words)], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        said = Said(result.exit_code, result.stdout, result.stderr)
        assert code is None or said.code == code, said
        assert "Traceback" not in said.err
        return said

    def json(self, *words: str | Path, code: int | None = 0, stdin: str | bytes | None = None) -> list[Any]:
        return self("--json", *words, code=code, stdin=stdin).lines

    def refused(self, *words: str | Path, stdin: str | bytes | None = None) -> str:
        """The two lines of a failure, whose second says what to do."""
        said = self(*words, code=1, stdin=stdin)
        first, second = said.err.splitlines()[-2:]
        assert first.startswith("seawall: ")
        assert second.startswith("  next: ")
        assert len(second) > len("  next: ")
        return said.err


@pytest.fixture(scope="session")
def furnished_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("furnished") / "data"
    shutil.copytree(sqlite_template, data_dir)
    app.bind(Settings(data_dir=data_dir))
    furnish(system_clock())
    connections["default"].close()
    return data_dir


@pytest.fixture
def seawall(tmp_path: Path, furnished_template: Path) -> Iterator[CommandLine]:
    """A command line about a furnished data directory on SQLite."""
    data_dir = tmp_path / "data"
    shutil.copytree(furnished_template, data_dir)
    settings = Settings(data_dir=data_dir, decoders=1)
    app.bind(settings)
    yield CommandLine(settings)
    connections["default"].close()


@pytest.fixture
def nowhere(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line about a directory that does not exist."""
    yield CommandLine(Settings(data_dir=tmp_path / "data"))
    connections["default"].close()


@pytest.fixture
def on_both(settings: Settings) -> CommandLine:
    """A command line about a migrated, unfurnished directory, on SQLite and on PostgreSQL."""
    return CommandLine(settings)


@pytest.fixture
def picture() -> Callable[[str], Path]:
    return lambda name: PICTURES / f"{name}.jpg"
