"""The fixtures every room uses: a fresh, migrated data directory on SQLite and on a throw-away PostgreSQL."""

import importlib.util
import os
import shutil
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.db import connections

from seawall import app
from seawall.settings import BUILD_VARIABLES, PREFIX, Settings
from tests.postgresql import PostgresServer, find_binaries

# What somebody has set for a Seawall of their own is not for the tests.
for _name in [name for name in os.environ if name.startswith(PREFIX) and name not in BUILD_VARIABLES]:
    del os.environ[_name]

# Modules with tables can only be imported once Django is set up. No connection is made before a fixture binds anew.
app.bind(Settings(data_dir=Path("no-data-directory")))

pytest_plugins = ["tests.plenty"]

# A slow machine is no wrong answer; and what CI runs should be the same each time.
hypothesis.settings.register_profile("seawall", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("seawall")

BACK_ENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]

#: Set by `make check-all`: there a missing counterpart is a failure. Data outside the project stays optional, and what
#: only root can do is tested in the part of it that runs as root.
COUNTERPARTS_REQUIRED = os.environ.get("REQUIRE_COUNTERPARTS") == "1"
OPTIONAL = ("../shared", *(["only root can"] if os.geteuid() else []))

STORIES = Path(__file__).parent / "stories"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories start real servers, so they stay out of the quick gate; they are in `make test`."""
    for item in items:
        if STORIES in item.path.parents:
            item.add_marker("story")


def pytest_sessionstart() -> None:
    """The kernel's tests skip as whole files where it is not built; that must not pass for a green run."""
    if COUNTERPARTS_REQUIRED and importlib.util.find_spec("seawall_native") is None:
        pytest.exit("the compiled kernel is not installed: make setup", returncode=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if COUNTERPARTS_REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if not any(optional in reason for optional in OPTIONAL):
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be: {reason}"
    return report


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated data directory, copied for each test: migrating takes a second, copying a millisecond."""
    data_dir = tmp_path_factory.mktemp("template") / "data"
    app.prepare(Settings(data_dir=data_dir))
    connections["default"].close()
    return data_dir


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and postgres are not installed: apt-get install postgresql")
    server = PostgresServer(binaries)
    try:
        template = Settings(
            data_dir=tmp_path_factory.mktemp("pg") / "data", database_url=server.url("seawall_template")
        )
        server.create("seawall_template")
        app.prepare(template)
        connections["default"].close()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=BACK_ENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> Iterator[Settings]:
    """Settings of a fresh, migrated data directory; Django is bound to it. Runs on both databases."""
    data_dir = tmp_path / "data"
    shutil.copytree(sqlite_template, data_dir)
    if request.param == "sqlite":
        made = Settings(data_dir=data_dir, decoders=1)
        app.bind(made)
        yield made
        connections["default"].close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"t{uuid.uuid4().hex}"
    server.create(name, template="seawall_template")
    made = Settings(data_dir=data_dir, database_url=server.url(name), decoders=1)
    app.bind(made)
    yield made
    connections["default"].close()
    server.drop(name)


@pytest.fixture
def sqlite_settings(tmp_path: Path, sqlite_template: Path) -> Iterator[Settings]:
    """The same, on SQLite only, for what does not touch the database's dialect."""
    data_dir = tmp_path / "data"
    shutil.copytree(sqlite_template, data_dir)
    made = Settings(data_dir=data_dir, decoders=1)
    app.bind(made)
    yield made
    connections["default"].close()
