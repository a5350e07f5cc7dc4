"""The ledger on PostgreSQL: for each UTC day and family a partition of its rows, its batches and its requests."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from seawall.screening.ledger.model import Batch, LedgerFamily, Partition, Row, rows_digest
from seawall.screening.ledger.statements import read_statements
from seawall.screening.ledger.storage import DuplicateRow, RowCount, StorageFailed

SQL = read_statements("postgresql")

#: Rows fetched at once when all are read.
FETCH = 1000
#: A server that does not answer must not keep uploads waiting for the system's two minutes. Seconds.
CONNECT_SECONDS = 5

COLUMN_TYPES = ("date", "int8", "uuid", "int8", "text", "text", "bool", "int8", "int8", "bytea")

_PARTITION = re.compile(r"ledger_(unmatched|matched)_(\d{4})(\d{2})(\d{2})")


class PostgresStorage:
    """See `Storage`. One connection, made when first needed and again after an error."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None
        #: Partitions that this connection has seen; only `drop` takes one away.
        self._seen: set[Partition] = set()

    def partitions(self) -> list[Partition]:
        with self._using() as connection:
            found = (_PARTITION.fullmatch(name) for (name,) in connection.execute(SQL["partitions"]))
            return sorted(
                Partition(day=date(int(name[2]), int(name[3]), int(name[4])), family=LedgerFamily(name[1]))
                for name in found
                if name
            )

    def exists(self, partition: Partition) -> bool:
        if partition in self._seen:
            return True
        with self._using() as connection:
            row = connection.execute(SQL["exists"], {"name": _table("rows", partition)}).fetchone()
        if row and row[0]:
            self._seen.add(partition)
        return bool(row and row[0])

    def append(self, partition: Partition, rows: Sequence[Row], *, committed_at: int) -> Batch:
        if not self.exists(partition):
            self._create(partition)
        with self._using() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.execute(SQL["lock"], {"name": _table("rows", partition)})
            last = cursor.execute(_statement("last_batch", partition), {"day": partition.day}).fetchone() or (0, 0)
            number, position = last
            batch = Batch(number=number + 1, committed_at=committed_at, rows=len(rows), digest=rows_digest(rows))
            with cursor.copy(_statement("copy_rows", partition)) as copy:
                copy.set_types(COLUMN_TYPES)
                for place, row in enumerate(rows, position + 1):
                    copy.write_row(_columns(partition, row, batch.number, place))
            keyed = [
                (partition.day, place, row.request_key, row.request_digest)
                for place, row in enumerate(rows, position + 1)
                if row.request_key is not None
            ]
            if keyed:
                cursor.executemany(_statement("insert_request", partition), keyed)
            values = (partition.day, batch.number, committed_at, len(rows), position + len(rows), batch.digest)
            cursor.execute(_statement("insert_batch", partition), values)
        return batch

    def find(self, partition: Partition, row_id: UUID) -> Row | None:
        return next(iter(self._rows("find", partition, {"id": row_id})), None)

    def find_many(self, partition: Partition, row_ids: Sequence[UUID]) -> list[Row]:
        return self._rows("find_many", partition, {"ids": list(row_ids)})

    def find_requests(self, partition: Partition, keys: Sequence[bytes]) -> list[Row]:
        return self._rows("find_requests", partition, {"keys": list(keys)})

    def batches(self, partition: Partition, *, after: int = 0, limit: int | None = None) -> list[Batch]:
        values = {"day": partition.day, "after": after, "limit": limit}
        with self._using() as connection:
            found = connection.execute(_statement("batches", partition), values).fetchall()
        return [Batch(number=one[0], committed_at=one[1], rows=one[2], digest=one[3]) for one in found]

    def rows(self, partition: Partition) -> Iterator[Row]:
        with self._using() as connection, connection.transaction(), connection.cursor("ledger_rows") as cursor:
            cursor.itersize = FETCH
            cursor.execute(_statement("rows", partition), {"day": partition.day})
            yield from map(_row, cursor)

    def holds(self, partition: Partition, *, after: int, last: int) -> list[Row]:
        return self._rows("holds", partition, {"after": after, "last": last})

    def counts(self, partition: Partition, *, after: int, last: int) -> list[RowCount]:
        values = {"day": partition.day, "after": after, "last": last}
        with self._using() as connection:
            return [RowCount(*one) for one in connection.execute(_statement("counts", partition), values)]

    def drop(self, partition: Partition) -> None:
        self._seen.discard(partition)
        with self._using() as connection, connection.transaction():
            for kind in _KINDS:
                statement = sql.SQL(SQL["drop_partition"])
                connection.execute(statement.format(partition=sql.Identifier(_table(kind, partition))))

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._seen.clear()
        if connection is not None:
            connection.close()

    def connect(self) -> psycopg.Connection:
        """The connection in use, or a new one."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
            self._connection.execute(SQL["connect"])
        return self._connection

    def _rows(self, name: str, partition: Partition, values: dict[str, Any]) -> list[Row]:
        with self._using() as connection:
            return list(map(_row, connection.execute(_statement(name, partition), values | {"day": partition.day})))

    def _create(self, partition: Partition) -> None:
        with self._using() as connection, connection.transaction():
            connection.execute(SQL["lock"], {"name": "ledger_partitions"})
            for kind in _KINDS:
                statement = sql.SQL(SQL["create_partition"])
                parent = _parent(kind, partition.family)
                connection.execute(
                    statement.format(
                        partition=sql.Identifier(_table(kind, partition)),
                        parent=sql.Identifier(parent),
                        day=sql.Literal(partition.day),
                    )
                )
        self._seen.add(partition)

    @contextmanager
    def _using(self) -> Iterator[psycopg.Connection]:
        """Turn the driver's errors into ours. After one, the connection is closed, which also rolls back."""
        try:
            yield self.connect()
        except psycopg.errors.UniqueViolation as error:
            raise DuplicateRow(
                f"a row of this screening or of this Idempotency-Key exists: {error.diag.constraint_name}"
            ) from error
        except psycopg.Error as error:
            self.close()
            raise StorageFailed(f"PostgreSQL: {error}") from error


_KINDS = {"rows": "", "batches": "_batch", "requests": "_request"}


def _parent(kind: str, family: LedgerFamily) -> str:
    return f"ledger_{family}{_KINDS[kind]}"


def _table(kind: str, partition: Partition) -> str:
    """The partition's own name, such as ledger_matched_20261123 and ledger_matched_20261123_batch."""
    return f"ledger_{partition.family}_{partition.day:%Y%m%d}{_KINDS[kind]}"


def _statement(name: str, partition: Partition) -> sql.Composed:
    """The named statement on the family's own tables."""
    names = {kind: sql.Identifier(_parent(kind, partition.family)) for kind in _KINDS}
    return sql.SQL(SQL[name]).format(**names)


def _columns(partition: Partition, row: Row, batch: int, place: int) -> tuple[object, ...]:
    clear = (partition.day, place, row.id, row.screened_at, row.surface, row.verdict, row.degraded)
    return (*clear, batch, row.hold_expires_at, row.sealed)


def _row(columns: Sequence[Any]) -> Row:
    position, row_id, screened_at, surface, verdict, degraded, batch, expires, sealed, key, digest = columns
    return Row(
        id=row_id,
        screened_at=screened_at,
        surface=surface,
        verdict=verdict,
        degraded=degraded,
        hold_expires_at=expires,
        sealed=sealed,
        request_key=key,
        request_digest=digest,
        batch=batch,
        position=position,
    )
