"""What upkeep needs of PostgreSQL: its own client's dump and restore, and whether a database is empty."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from gettext import gettext as _
from pathlib import Path
from typing import Any

from seawall.settings import without_password
from seawall.upkeep.model import UpkeepRefused

#: Everything that somebody made here; what an extension brought along is not theirs.
_OBJECTS = """
    SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
      AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
"""

#: Seconds; a server that does not answer is told of, not waited for.
CONNECT_SECONDS = 10

#: Lines of a failing client that are shown; the first ones say what happened.
SHOWN_LINES = 3


def dump(database_url: str, target: Path) -> None:
    """Write everything in the database into `target`, as of one moment, in pg_dump's custom format."""
    _run("pg_dump", database_url, ["--format=custom", f"--file={target}"])


def load(database_url: str, source: Path) -> None:
    """Put a dump into an empty database: all of it, or nothing."""
    arguments = ["--single-transaction", "--exit-on-error", str(source)]
    _run("pg_restore", database_url, arguments)


def has_client() -> bool:
    return shutil.which("pg_dump") is not None


def require_reachable_and_empty(database_url: str) -> None:
    """UpkeepRefused unless the database can be connected to and holds nothing."""
    psycopg = driver()
    shown = without_password(database_url)
    try:
        with psycopg.connect(database_url, connect_timeout=CONNECT_SECONDS) as connection:
            [objects] = connection.execute(_OBJECTS).fetchone()
    except psycopg.Error as error:
        raise UpkeepRefused(
            _("{database} cannot be connected to: {error}").format(database=shown, error=" ".join(str(error).split())),
            _("check that PostgreSQL runs, that the database was created (createdb), and user and password"),
        ) from error
    if objects:
        raise UpkeepRefused(
            _("{database} is not empty: there are {count} tables and other objects in it").format(
                database=shown, count=objects
            ),
            _("give an empty database; what an interrupted attempt left is removed with `dropdb NAME; createdb NAME`"),
        )


def size(database_url: str) -> int:
    """Bytes of the database on the server's disk; a dump of it is smaller."""
    with driver().connect(database_url, connect_timeout=CONNECT_SECONDS) as connection:
        return int(connection.execute("SELECT pg_database_size(current_database())").fetchone()[0])


def driver() -> Any:
    """The driver, which only those who use PostgreSQL have installed."""
    try:
        import psycopg
    except ImportError as error:
        raise UpkeepRefused(
            _("the driver for PostgreSQL is not installed"),
            _("install it where Seawall is installed: pip install 'psycopg[binary]>=3.3,<4'"),
        ) from error
    return psycopg


def _run(program: str, database_url: str, arguments: list[str]) -> None:
    if shutil.which(program) is None:
        raise UpkeepRefused(
            _("{program}, which comes with PostgreSQL's client, is not installed").format(program=program),
            _(
                "install it (Debian: apt-get install postgresql-client); an upgrade can go on without a backup: "
                "`seawall upgrade --without-backup`"
            ),
        )
    connection, environment = _connection(database_url)
    owners = ["--no-owner", "--no-privileges", "--no-password", f"--dbname={connection}"]
    done = subprocess.run(
        [program, *owners, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise _failed(program, done.stderr)


def _connection(database_url: str) -> tuple[str, Mapping[str, str]]:
    """What may stand in the list of processes, and what may only stand in the environment."""
    psycopg = driver()
    given = psycopg.conninfo.conninfo_to_dict(database_url)
    environment = {"LC_ALL": "C", "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS)}
    if "sslpassword" in given:
        raise UpkeepRefused(
            _("PostgreSQL's client takes the password of a TLS key only where everybody on this machine can read it"),
            _("use a key file without a password (0600), or back the database up with your own tools"),
        )
    if password := given.pop("password", None):
        environment["PGPASSWORD"] = str(password)
    return psycopg.conninfo.make_conninfo(**given), environment


def _failed(program: str, said: str) -> UpkeepRefused:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = _("{program} failed: {error}").format(program=program, error=" ".join(lines[:SHOWN_LINES]))
    if "version mismatch" in said or "unsupported version" in said:
        return UpkeepRefused(text, _("install the PostgreSQL client of the server's version, or a newer one"))
    if "No space left" in said:
        return UpkeepRefused(text, _("free some space, or give a place on another disk, and run it again"))
    return UpkeepRefused(text, _("check that PostgreSQL runs and that this user may read and write every table"))
