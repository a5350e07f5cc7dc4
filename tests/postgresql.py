"""A throw-away PostgreSQL from the system's binaries, on a Unix socket, as root and as an ordinary user."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

#: PostgreSQL refuses to run as root; the Debian package brings this user.
UNPRIVILEGED = "postgres"


def find_binaries() -> Path | None:
    """The directory that holds initdb and postgres, or None."""
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    return next((path for path in found if (path / "postgres").exists()), None)


class PostgresServer:
    """Started on construction; `stop` ends it and removes everything it wrote.

    `durable=False` switches fsync off, which only the tests that kill things must not do.
    """

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        # Not below pytest's tmp_path: a socket path has at most 107 characters.
        self.root = Path(tempfile.mkdtemp(prefix="swpg", dir="/tmp"))
        self.binaries = binaries
        if self.user:
            shutil.chown(self.root, self.user)
        # Others on the machine have no business here; the server's own user and root do.
        self.root.chmod(0o711 if self.user else 0o700)
        cluster = self.root / "cluster"
        self._run("initdb", "-D", str(cluster), "-U", "seawall", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        command = [str(binaries / "postgres"), "-D", str(cluster), "-k", str(self.root), "-c", "listen_addresses="]
        if not durable:
            command += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen(command, user=self.user, stdout=subprocess.DEVNULL, stderr=log, cwd="/")
        self._wait()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.binaries / program), *arguments], user=self.user, check=True, stdout=subprocess.DEVNULL, cwd="/"
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def url(self, database: str) -> str:
        return f"postgresql://seawall@/{database}?host={quote(str(self.root), safe='/')}"

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, name: str, *, template: str = "template1") -> None:
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))

    def drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        shutil.rmtree(self.root, ignore_errors=True)
