"""Every page of the console with 100 000 holds and a million signals: at most 15 queries, no more of them than in an
almost empty database, and none that reads a large table whole.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from django.db import connections

from seawall import app
from seawall.matching.models import Import
from seawall.members.models import Instance
from seawall.settings import Settings
from tests.plans import Lean, assert_lean
from tests.plenty import Plenty
from tests.postgresql import PostgresServer
from tests.rooms.doors.console.browsing import open_console
from tests.rooms.doors.console.pages import ALL, Page, Populated, populate

#: The first test of each database fills it: minutes on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]

#: Where one bank, import, signal or hold stands in an address, the full database has one among very many.
LARGEST_BANK = "forum"


@dataclass(frozen=True, kw_only=True, slots=True)
class Console:
    """A populated console that Django can be bound to, and how many queries each page took there."""

    settings: Settings
    populated: Populated
    queries: dict[Page, int] = field(default_factory=dict)


def _copied(request: pytest.FixtureRequest, made: Settings, *, database: str, template: str, scratch: Path) -> Settings:
    """The same data in a place of its own, which may be changed."""
    shutil.copytree(made.data_dir, scratch / "data")
    if not made.on_postgresql:
        return Settings(data_dir=scratch / "data", decoders=1)
    postgres: PostgresServer = request.getfixturevalue("postgres")
    postgres.create(database, template=template)
    return Settings(data_dir=scratch / "data", database_url=postgres.url(database), decoders=1)


@pytest.fixture(scope="module", params=DATABASES)
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    plenty: Plenty = request.getfixturevalue(f"plenty_{request.param}")
    connections["default"].close()
    scratch = tmp_path_factory.mktemp("full")
    settings = _copied(request, plenty.settings, database="full_console", template="plenty", scratch=scratch)
    app.bind(settings)
    with open_console(settings) as console:
        populated = populate(console, scratch)
        listed = Import.objects.filter(bank__name=LARGEST_BANK).latest("number")
        values = {"bank": LARGEST_BANK, "import": listed.id, "signal": plenty.signal, "readable": plenty.readable[0]}
        yield Console(settings=settings, populated=replace(populated, values=populated.values | values))
    connections["default"].close()


@pytest.fixture(scope="module")
def few(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[dict[Page, int]]:
    """How many queries each page takes where there is little; asked once, before the full database is there."""
    scratch = tmp_path_factory.mktemp("few")
    shutil.copytree(sqlite_template, scratch / "data")
    settings = Settings(data_dir=scratch / "data", decoders=1)
    app.bind(settings)
    with open_console(settings) as console:
        populated = populate(console, scratch)
        yield {page: len(_asked(populated, page).queries) for page in ALL}
    connections["default"].close()


def _asked(populated: Populated, page: Page) -> Lean[httpx.Response]:
    Instance.objects.update(next_step="done" if page.in_wizard else "")
    browser, path = populated.browsers[page.who], populated.path(page)
    # What is kept in memory after the first look is not counted.
    browser.get(path)
    lean = assert_lean(lambda: browser.get(path))
    assert lean.answer.status_code == page.status, path
    return lean


@pytest.mark.parametrize("page", ALL, ids=str)
def test_a_page_is_lean(few: dict[Page, int], full: Console, page: Page) -> None:
    app.bind(full.settings)
    lean = _asked(full.populated, page)
    assert len(lean.queries) <= few[page], "\n".join(map(str, lean.queries))
