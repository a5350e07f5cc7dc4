"""The ledger on SQLite: one file per UTC day and family, written by the recorder alone."""

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from seawall.record.durable import sync_directory
from seawall.screening.ledger.model import Batch, LedgerFamily, Partition, Row, rows_digest
from seawall.screening.ledger.statements import read_statements
from seawall.screening.ledger.storage import DuplicateRow, RowCount, StorageFailed

SQL = read_statements("sqlite")

#: The command line may record while `serve` does; its transactions are short.
BUSY_SECONDS = 5.0
#: Yesterday and today, both families. A scan over all days keeps no more open than this.
OPEN_FILES = 4
#: Rows fetched at once when all are read.
FETCH = 1000

_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})(\.matched)?\.sqlite3")


class SqliteStorage:
    """See `Storage`. Connections stay open between calls, for the few partitions that were used last."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connections: dict[Partition, sqlite3.Connection] = {}

    def path(self, partition: Partition) -> Path:
        infix = ".matched" if partition.family is LedgerFamily.MATCHED else ""
        return self._directory / f"{partition.day.isoformat()}{infix}.sqlite3"

    def partitions(self) -> list[Partition]:
        found = []
        for path in self._directory.glob("*.sqlite3"):
            name = _FILE.fullmatch(path.name)
            # A day that no calendar has is somebody else's file.
            with contextlib.suppress(ValueError):
                if name:
                    family = LedgerFamily.MATCHED if name[2] else LedgerFamily.UNMATCHED
                    found.append(Partition(day=date.fromisoformat(name[1]), family=family))
        return sorted(found)

    def exists(self, partition: Partition) -> bool:
        return self.path(partition).exists()

    def append(self, partition: Partition, rows: Sequence[Row], *, committed_at: int) -> Batch:
        with self._using(partition, create=True) as connection:
            if connection is None:
                raise StorageFailed(f"{self.path(partition)} cannot be created")
            connection.execute("BEGIN IMMEDIATE")
            number, position = connection.execute(SQL["last_batch"]).fetchone() or (0, 0)
            batch = Batch(number=number + 1, committed_at=committed_at, rows=len(rows), digest=rows_digest(rows))
            connection.executemany(SQL["insert_row"], _columns(rows, batch.number, position))
            keyed = [(place, row.request_key, row.request_digest) for place, row in enumerate(rows, position + 1)]
            connection.executemany(SQL["insert_request"], [one for one in keyed if one[1] is not None])
            last = position + len(rows)
            connection.execute(SQL["insert_batch"], (batch.number, committed_at, len(rows), last, batch.digest))
            connection.execute("COMMIT")
            return batch

    def find(self, partition: Partition, row_id: UUID) -> Row | None:
        with self._using(partition) as connection:
            found = connection and connection.execute(SQL["find"], (row_id.bytes,)).fetchone()
            return _row(found) if found else None

    def find_many(self, partition: Partition, row_ids: Sequence[UUID]) -> list[Row]:
        with self._using(partition) as connection:
            if connection is None:
                return []
            found = (connection.execute(SQL["find"], (row_id.bytes,)).fetchone() for row_id in row_ids)
            return [_row(columns) for columns in found if columns]

    def find_requests(self, partition: Partition, keys: Sequence[bytes]) -> list[Row]:
        with self._using(partition) as connection:
            if connection is None:
                return []
            found = (connection.execute(SQL["find_request"], (key,)).fetchone() for key in keys)
            return [_row(columns) for columns in found if columns]

    def batches(self, partition: Partition, *, after: int = 0, limit: int | None = None) -> list[Batch]:
        with self._using(partition) as connection:
            if connection is None:
                return []
            found = connection.execute(SQL["batches"], (after, -1 if limit is None else limit)).fetchall()
            return [Batch(number=one[0], committed_at=one[1], rows=one[2], digest=one[3]) for one in found]

    def rows(self, partition: Partition) -> Iterator[Row]:
        with self._using(partition) as connection:
            if connection is None:
                return
            cursor = connection.execute(SQL["rows"])
            while found := cursor.fetchmany(FETCH):
                yield from map(_row, found)

    def holds(self, partition: Partition, *, after: int, last: int) -> list[Row]:
        with self._using(partition) as connection:
            return [] if connection is None else list(map(_row, connection.execute(SQL["holds"], (after, last))))

    def counts(self, partition: Partition, *, after: int, last: int) -> list[RowCount]:
        with self._using(partition) as connection:
            found = () if connection is None else connection.execute(SQL["counts"], (after, last))
            return [RowCount(surface, verdict, bool(degraded), rows) for surface, verdict, degraded, rows in found]

    def drop(self, partition: Partition) -> None:
        self._close(partition)
        path = self.path(partition)
        try:
            # The database file last: while it is there, the partition is, and dropping is tried again.
            for suffix in ("-wal", "-shm", "-journal", ""):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            sync_directory(self._directory)
        except OSError as error:
            raise StorageFailed(f"{path.name} cannot be deleted: {error}") from error

    def close(self) -> None:
        for partition in list(self._connections):
            self._close(partition)

    def connect(self, partition: Partition, *, create: bool = False) -> sqlite3.Connection | None:
        """The partition's connection, or None where there is no such file."""
        connection = self._connections.pop(partition, None)
        if connection is None:
            if not create and not self.exists(partition):
                return None
            while len(self._connections) >= OPEN_FILES:
                self._close(next(iter(self._connections)))
            connection = _open(self.path(partition), create=create)
        # Last in the dict means used last.
        self._connections[partition] = connection
        return connection

    def _close(self, partition: Partition) -> None:
        connection = self._connections.pop(partition, None)
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def _using(self, partition: Partition, *, create: bool = False) -> Iterator[sqlite3.Connection | None]:
        """Turn SQLite's errors into ours. After one, the connection is closed, which also rolls back."""
        try:
            yield self.connect(partition, create=create)
        except sqlite3.IntegrityError as error:
            self._close(partition)
            raise DuplicateRow(f"{partition}: {error}") from error
        except (sqlite3.Error, OSError) as error:
            self._close(partition)
            raise StorageFailed(f"{self.path(partition).name}: {error}") from error
        except BaseException:
            self._close(partition)
            raise


def _open(path: Path, *, create: bool) -> sqlite3.Connection:
    if create and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite would make it readable for the group.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_directory(path.parent)
    # Only `create` makes a file: a reader must not bring back a day that is being dropped.
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(SQL["connect"])
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {SQL['create']} COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _columns(rows: Sequence[Row], batch: int, position: int) -> Iterator[tuple[object, ...]]:
    for place, row in enumerate(rows, position + 1):
        clear = (place, row.id.bytes, row.screened_at, row.surface, row.verdict, row.degraded)
        yield (*clear, batch, row.hold_expires_at, row.sealed)


def _row(columns: Sequence[Any]) -> Row:
    position, row_id, screened_at, surface, verdict, degraded, batch, expires, sealed, key, digest = columns
    return Row(
        id=UUID(bytes=row_id),
        screened_at=screened_at,
        surface=surface,
        verdict=verdict,
        degraded=bool(degraded),
        hold_expires_at=expires,
        sealed=sealed,
        request_key=key,
        request_digest=digest,
        batch=batch,
        position=position,
    )
