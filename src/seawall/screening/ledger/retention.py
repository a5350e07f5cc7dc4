"""Dropping days whose time has come.

The event comes first, then the key, then the rows: what a crash leaves half done, the next call finishes.
"""

from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Q

from seawall.record.events import DayDropped
from seawall.record.journal import SourceRefTaken, clear_deleted, record
from seawall.screening.ledger.batches import DROPPED, append_batches, source_ref
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import LedgerFamily, Partition
from seawall.screening.ledger.storage import Storage, StorageFailed
from seawall.screening.models import Hold, LedgerDay
from seawall.screening.policies import list_surfaces

#: A commit under way at midnight still ends up in a day that nobody drops.
GRACE = timedelta(hours=1)


def drop_expired(ledger: Ledger, *, now: datetime) -> list[Partition]:
    """Drop every day whose youngest row was kept long enough, whole, with its key; returns what was dropped.

    Unmatched days are kept `keep_unmatched_days`. Matched ones are kept `keep_matched_days`, but never shorter than the
    longest appeal window of a surface, nor while a hold of the day waits or the appeal window of its decision is open.
    Keys of past periods go with the last day that needs them.

    Raises:
        StorageFailed: a day cannot be read or deleted; all others were done.
    """
    appeal_days = max((surface.appeal_days for surface in list_surfaces()), default=0)
    dropped, failures = [], []
    with ledger.opened() as storage:
        present = storage.partitions()
        for partition in present:
            if not _is_old_enough(ledger, partition, appeal_days, now):
                continue
            try:
                # Its last batches and holds must be known before anybody can say that nothing waits.
                append_batches(ledger, now=now, only=partition)
                if not _is_still_needed(partition, appeal_days, now):
                    _drop(ledger, storage, partition, now)
                    dropped.append(partition)
            except (StorageFailed, SourceRefTaken, OSError) as error:
                # The other days' time has come all the same.
                failures.append(error)
    ledger.keys.destroy_old_periods(set(present) - set(dropped), now.date())
    if dropped:
        clear_deleted()
    if failures:
        raise failures[0]
    return dropped


def links_needed_since(ledger: Ledger, *, now: datetime) -> datetime:
    """What was stopped since then may still be asked about: its day is kept, or would be."""
    appeal_days = max((surface.appeal_days for surface in list_surfaces()), default=0)
    kept = _days_before(now, max(ledger.settings.keep_matched_days, appeal_days))
    # By their keys: a database that we were started with by mistake knows nothing of them.
    days = [one.day for one in ledger.keys.partitions() if one.family is LedgerFamily.MATCHED]
    first = max(min([kept, *days]), date.min + timedelta(days=1))
    return datetime.combine(first, time(), tzinfo=UTC) - GRACE


def _is_old_enough(ledger: Ledger, partition: Partition, appeal_days: int, now: datetime) -> bool:
    days = ledger.settings.keep_unmatched_days
    if partition.family is LedgerFamily.MATCHED:
        days = max(ledger.settings.keep_matched_days, appeal_days)
    return partition.day < _days_before(now - GRACE, days)


def _is_still_needed(partition: Partition, appeal_days: int, now: datetime) -> bool:
    if partition.family is LedgerFamily.UNMATCHED:
        return False
    window_began = datetime.combine(_days_before(now, appeal_days), now.timetz())
    # The second is what was promised when it was refused, should the surface's window have become shorter since.
    open_window = Q(resolved_at__gt=window_began) | Q(keep_bytes_until__gt=now)
    return Hold.objects.filter(Q(state="waiting") | open_window, day=partition.day).exists()


def _drop(ledger: Ledger, storage: Storage, partition: Partition, now: datetime) -> None:
    event = DayDropped(by="system", day=partition.day.isoformat(), family=str(partition.family))
    holds = Hold.objects.filter(day=partition.day)
    if partition.family is LedgerFamily.MATCHED:
        for screening_id in holds.values_list("screening_id", flat=True):
            ledger.held.destroy(screening_id)
    with transaction.atomic():
        record(event, now=now, source_ref=source_ref(partition, DROPPED))
        LedgerDay.objects.filter(day=partition.day, family=partition.family).delete()
        if partition.family is LedgerFamily.MATCHED:
            holds.delete()
    ledger.keys.destroy(partition)
    storage.drop(partition)
    ledger.settled.discard(partition)
    ledger.logged.pop(partition, None)


def _days_before(moment: datetime, days: int) -> date:
    """The day that many before; for more days than the calendar has, its first."""
    return date.fromordinal(max(date.min.toordinal(), moment.date().toordinal() - days))
