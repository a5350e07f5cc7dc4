"""The ledger of one data directory: where everything of it lies, and how one screening is read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from seawall.screening.ledger.held import HeldBytes
from seawall.screening.ledger.keys import KeyRing
from seawall.screening.ledger.model import (
    KeyDestroyed,
    LedgerDamaged,
    LedgerEntry,
    LedgerFamily,
    LedgerSettings,
    Partition,
    partitions_of_id,
    row_id,
)
from seawall.screening.ledger.sealing import unseal
from seawall.screening.ledger.sqlite import SqliteStorage
from seawall.screening.ledger.storage import Storage


class Ledger:
    """Thread-safe: it holds no connection, every call opens what it needs. One per process is enough."""

    def __init__(self, settings: LedgerSettings) -> None:
        self.settings = settings
        self.keys = KeyRing(settings.keys_dir / "ledger")
        self.held = HeldBytes(settings.holds_dir, keys_dir=settings.keys_dir / "holds")
        #: Old partitions whose batches this process has seen logged to the last; see `batches`.
        self.settled: set[Partition] = set()
        #: The batch up to which each partition was logged when this process last looked, so that it need not ask.
        self.logged: dict[Partition, int] = {}
        #: Of how many holds there are bytes that the database does not know; see `holds.sweep`.
        self.foreign_bytes = 0

    def open(self) -> Storage:
        """A storage for the use of one thread; close it."""
        if not self.settings.database_url:
            return SqliteStorage(self.settings.ledger_dir)
        # Only those who use PostgreSQL need its driver.
        from seawall.screening.ledger.postgresql import PostgresStorage

        return PostgresStorage(self.settings.database_url)

    @contextmanager
    def opened(self) -> Iterator[Storage]:
        storage = self.open()
        try:
            yield storage
        finally:
            storage.close()

    def read(self, screening_id: str) -> LedgerEntry | None:
        """The screening with this id, or None when there is none (any more).

        Raises:
            BadId: the text is no screening id.
            LedgerDamaged: the row is there but not as it was written, or its key is missing.
            StorageFailed: the database cannot be reached.
        """
        with self.opened() as storage:
            for partition in partitions_of_id(screening_id):
                row = storage.find(partition, row_id(screening_id))
                if row is not None:
                    return unseal(row, partition, self.keys)
        return None

    def read_many(self, screening_ids: Iterable[str]) -> dict[str, LedgerEntry]:
        """Those of these screenings that can be read, by their ids: one look into each day and family they are in.

        A row that is damaged, or whose key was destroyed, is left out: the others are wanted all the same.

        Raises:
            BadId: one of the texts is no screening id.
            StorageFailed: the database cannot be reached.
        """
        wanted: dict[Partition, list[UUID]] = {}
        for screening_id in dict.fromkeys(screening_ids):
            for partition in partitions_of_id(screening_id):
                wanted.setdefault(partition, []).append(row_id(screening_id))
        found: dict[str, LedgerEntry] = {}
        with self.opened() as storage:
            # What people ask about mostly matched, so that the other family is hardly ever opened.
            for partition in sorted(wanted, key=lambda one: (one.family is LedgerFamily.UNMATCHED, one.day)):
                left = [one for one in wanted[partition] if f"scr_{one}" not in found]
                for row in storage.find_many(partition, left) if left else ():
                    with suppress(LedgerDamaged, KeyDestroyed):
                        found[row.screening_id] = unseal(row, partition, self.keys)
        return found
