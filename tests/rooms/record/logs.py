"""Logs to test with."""

from datetime import UTC, datetime

from django.db import transaction

from seawall.record.events import BatchesRecorded, Event, SignalConfirmed
from seawall.record.journal import record
from seawall.record.signing import new_signing_key

NOW = datetime(2026, 11, 23, 20, 28, tzinfo=UTC)
KEY = new_signing_key(origin="example.org/log", now=NOW, seed=b"\1" * 32)
KEYS = (KEY.verification,)


def confirmed(number: int) -> Event:
    return SignalConfirmed(by="per_1", signal=f"sig_{number}", bank="bnk_1")


def batch(number: int) -> BatchesRecorded:
    return BatchesRecorded(by="system", day="2026-11-23", family="matched", first=number, batches=[(3, "0" * 64)])


def write(count: int, *, first: int = 0) -> None:
    """Record that many events in one transaction, every fifth with a source_ref."""
    with transaction.atomic():
        for number in range(first, first + count):
            if number % 5:
                record(confirmed(number), now=NOW)
            else:
                record(batch(number), now=NOW, source_ref=f"ledger:2026-11-23:matched:{number}")
