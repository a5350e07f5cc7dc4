"""The screening ledger: what was answered, kept for as long as someone may ask why, and no longer.

In: verdicts about to be given. Out: the same verdicts once they are durable; one screening by its id; the digest of
every group of rows, for the transparency log. Never: answers from a signal or an uploader to screenings, keeps a text,
an address or an uploader's name, or outlives the key of its day.

    ledger = Ledger(settings)
    with LedgerRecorder(ledger) as recorder:
        recorder.submit(recording).result()
    ledger.read(screening_id)

What touches tables is imported from its own file: `batches` (append_batches, verify_batches), `retention`
(drop_expired) and `screening.holds`.
"""

from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.memory import MemoryRecorder
from seawall.screening.ledger.model import (
    KeyDestroyed,
    LedgerDamaged,
    LedgerEntry,
    LedgerFamily,
    LedgerSettings,
    Partition,
)
from seawall.screening.ledger.recorder import LedgerRecorder
from seawall.screening.ledger.storage import StorageFailed

__all__ = [
    "KeyDestroyed",
    "Ledger",
    "LedgerDamaged",
    "LedgerEntry",
    "LedgerFamily",
    "LedgerRecorder",
    "LedgerSettings",
    "MemoryRecorder",
    "Partition",
    "StorageFailed",
]
