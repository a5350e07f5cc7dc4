"""Which release a data directory belongs to: its stamp, and the migrations that its database has seen."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from gettext import gettext as _
from importlib.metadata import version
from pathlib import Path

from seawall.record.durable import replace_durably
from seawall.upkeep.model import UpkeepRefused, release
from seawall.upkeep.postgresql import CONNECT_SECONDS, driver

#: In the data directory; one line.
STAMP = "version"

#: The release that wrote no stamp yet.
FIRST = "0.1.0"

#: A stamp is shorter; what is longer is something else.
LONGEST_STAMP = 100

_APPLIED = "SELECT app, name FROM django_migrations"


def data_version(data_dir: Path) -> str:
    """The release that last brought this directory up to date; UpkeepRefused for a stamp that is none."""
    path = data_dir / STAMP
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_STAMP).decode("ascii", "replace").strip()
        release(text)
    except FileNotFoundError:
        return FIRST
    except ValueError as error:
        raise UpkeepRefused(
            _("{place} does not hold the number of a release").format(place=path),
            _("write the release that last ran here into it, such as {example}, or restore it from a backup").format(
                example=version("seawall")
            ),
        ) from error
    return text


def write_stamp(data_dir: Path) -> None:
    """Say that this release's tables are in the directory. Only once they are."""
    replace_durably(data_dir / STAMP, f"{version('seawall')}\n".encode())


def is_newer(other: str) -> bool:
    """Whether this is the version of a release later than ours; ValueError for what is no version."""
    return release(other) > release(version("seawall"))


def migrations_by_app(database: Path | str) -> dict[str, list[str]]:
    """The names of the applied migrations in a SQLite file, or in the PostgreSQL that the URL names."""
    rows: Iterable[tuple[str, str]]
    if isinstance(database, Path):
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute(_APPLIED).fetchall()
    else:
        with driver().connect(database, connect_timeout=CONNECT_SECONDS) as connection:
            rows = connection.execute(_APPLIED).fetchall()
    found: dict[str, list[str]] = {}
    for app, name in sorted(rows):
        found.setdefault(app, []).append(name)
    return found
