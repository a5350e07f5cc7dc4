from collections.abc import Iterator

import pytest

from seawall.members.roles import Role
from seawall.settings import Settings
from tests.rooms.doors.console.browsing import Browser, Console, open_console


@pytest.fixture
def console(settings: Settings) -> Iterator[Console]:
    """On both databases."""
    with open_console(settings) as opened:
        yield opened


@pytest.fixture
def sqlite_console(sqlite_settings: Settings) -> Iterator[Console]:
    with open_console(sqlite_settings) as opened:
        yield opened


@pytest.fixture
def owner(sqlite_console: Console) -> Browser:
    return sqlite_console.browser(Role.OWNER)


@pytest.fixture
def moderator(sqlite_console: Console) -> Browser:
    return sqlite_console.browser(Role.MODERATOR)


@pytest.fixture
def reader(sqlite_console: Console) -> Browser:
    return sqlite_console.browser(Role.READER)


@pytest.fixture
def stranger(sqlite_console: Console) -> Browser:
    return sqlite_console.browser(None)
