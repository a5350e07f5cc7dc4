"""The ledger of one data directory: where everything of it lies, and how one screening is read."""

from collections.abc import Iterator
from contextlib import contextmanager

from seawall.screening.ledger.held import HeldBytes
from seawall.screening.ledger.keys import KeyRing
from seawall.screening.ledger.model import LedgerEntry, LedgerSettings, Partition, partitions_of_id, row_id
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
