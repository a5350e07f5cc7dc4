"""Where rows are kept: one interface, one file per partition on SQLite, one table partition each on PostgreSQL."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from seawall.screening.ledger.model import Batch, Partition, Row


class StorageFailed(RuntimeError):
    """The storage could not do it and nothing was written; the message holds the database's own words."""


class DuplicateRow(StorageFailed):
    """A row with this id, or with this Idempotency-Key, is already in the partition."""


class RowCount(NamedTuple):
    """How many rows have these plain columns in common."""

    surface: str
    verdict: str
    degraded: bool
    rows: int


class Storage(Protocol):
    """Used by one thread. Every method may raise StorageFailed; the next call connects anew.

    A partition that does not exist has no rows and no batches; only `append` creates one.
    """

    def partitions(self) -> list[Partition]:
        """Every partition there is, oldest first."""

    def exists(self, partition: Partition) -> bool: ...

    def append(self, partition: Partition, rows: Sequence[Row], *, committed_at: int) -> Batch:
        """Write the rows as one batch, in one transaction that is durable on return (times in ms since 1970)."""

    def find(self, partition: Partition, row_id: UUID) -> Row | None: ...

    def find_many(self, partition: Partition, row_ids: Sequence[UUID]) -> list[Row]:
        """Those of the rows that are there, in no order."""

    def find_requests(self, partition: Partition, keys: Sequence[bytes]) -> list[Row]:
        """The rows that were written with these request keys."""

    def batches(self, partition: Partition, *, after: int = 0, limit: int | None = None) -> list[Batch]:
        """The batches numbered above `after`, in order."""

    def rows(self, partition: Partition) -> Iterator[Row]:
        """Every row in order, without holding all of them in memory."""

    def holds(self, partition: Partition, *, after: int, last: int) -> list[Row]:
        """The rows with verdict *hold* of the batches after+1 to last."""

    def counts(self, partition: Partition, *, after: int, last: int) -> list[RowCount]:
        """How many rows the batches after+1 to last have of each kind; reads no other batch."""

    def drop(self, partition: Partition) -> None:
        """Delete the partition whole."""

    def close(self) -> None:
        """Let go of every connection and file. The next call opens them again."""
