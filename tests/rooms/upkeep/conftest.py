"""A directory somebody lived in, and an empty place to put it into, on both databases."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from django.db import connections

from seawall import app
from seawall.settings import Settings
from tests.postgresql import PostgresServer
from tests.rooms.upkeep.scene import Lived, live_in


@pytest.fixture
def lived(settings: Settings) -> Lived:
    return live_in(settings)


@pytest.fixture(scope="session")
def lived_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Once, on SQLite: living takes half a second, copying a millisecond."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("lived") / "data", decoders=1)
    shutil.copytree(sqlite_template, settings.data_dir)
    app.bind(settings)
    made = live_in(settings)
    connections["default"].close()
    return made


@pytest.fixture
def lived_sqlite(lived_template: Lived, tmp_path: Path) -> Iterator[Lived]:
    """A copy of it, that Django is bound to."""
    settings = Settings(data_dir=tmp_path / "data", decoders=1)
    shutil.copytree(lived_template.settings.data_dir, settings.data_dir)
    app.bind(settings)
    yield Lived(
        settings=settings,
        screenings=lived_template.screenings,
        held=lived_template.held,
        secret=lived_template.secret,
    )
    connections["default"].close()


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """An absent directory, and an empty database of the same kind as `settings`."""
    place = tmp_path / "elsewhere"
    if not settings.on_postgresql:
        yield Settings(data_dir=place, decoders=1)
        connections["default"].close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"e{uuid.uuid4().hex}"
    server.create(name)
    yield Settings(data_dir=place, decoders=1, database_url=server.url(name))
    connections["default"].close()
    server.drop(name)


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Iterator[str]:
    name = f"m{uuid.uuid4().hex}"
    postgres.create(name)
    yield postgres.url(name)
    connections["default"].close()
    postgres.drop(name)


def on(settings: Settings, database_url: str) -> Settings:
    return msgspec.structs.replace(settings, database_url=database_url)
