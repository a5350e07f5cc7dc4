"""Counts what the ledger gets: per day, family and surface, in the transaction that logs the batches.

So no row is counted twice or missed, whatever crashes. Nothing is deciphered: the plain columns say enough.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from django.db import connection, transaction
from django.db.models import Count, F

from seawall.screening.ledger.model import LedgerFamily, Partition
from seawall.screening.ledger.statements import read_statements
from seawall.screening.ledger.storage import RowCount, Storage
from seawall.screening.model import Action
from seawall.screening.models import Hold, LedgerDay, ScreeningTotals

#: What a hold can come to, each with its own column.
DECIDED = ("released", "refused", "expired")

#: The origin of holds whose verdict was hold.
SCREENED = "screened"

_HELD_AS = {Action.HOLD: "held", Action.BLOCK: "blocked"}


def count_rows(partition: Partition, counts: Sequence[RowCount]) -> None:
    """Add the rows of newly logged batches. One statement for each surface among them, nearly always one or two."""
    by_surface: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in counts:
        sums = by_surface[one.surface]
        sums["uploads"] += one.rows
        if one.degraded:
            sums["degraded"] += one.rows
        if column := _HELD_AS.get(Action(one.verdict)):
            sums[column] += one.rows
    for surface, sums in by_surface.items():
        _add(partition.day, partition.family, surface, sums)


def count_earlier(storage: Storage, partition: Partition) -> None:
    """Count a partition whole that was logged before there were totals; does nothing where they are kept already.

    Raises:
        StorageFailed: the partition cannot be read.
    """
    mine = {"day": partition.day, "family": partition.family}
    mark = LedgerDay.objects.filter(**mine).first()
    if mark is None or not mark.logged_batches or ScreeningTotals.objects.filter(**mine).exists():
        return
    # Read before the lock: a whole day takes longer than other writers should wait.
    counts = storage.counts(partition, after=0, last=mark.logged_batches)
    with transaction.atomic():
        locked = LedgerDay.objects.select_for_update().filter(**mine, logged_batches=mark.logged_batches)
        if not locked.exists() or ScreeningTotals.objects.filter(**mine).exists():
            return
        count_rows(partition, counts)
        if partition.family is LedgerFamily.MATCHED:
            _wait_for_decisions()
            decided = Hold.objects.filter(day=partition.day, state__in=DECIDED, origin=SCREENED).order_by()
            for surface, state, holds in decided.values_list("surface", "state").annotate(holds=Count("*")):
                _add(partition.day, partition.family, surface, {state: holds})


def count_decision(hold: Hold, *, before: str = "waiting") -> None:
    """Count what a hold came to, in the transaction that changes its state from `before`.

    A hold that was opened because somebody asked about a block counts as that block and is not counted again.
    """
    if hold.origin != SCREENED or before == hold.state:
        return
    moved = {before: -1, hold.state: 1}
    changes = {state: F(state) + by for state, by in moved.items() if state in DECIDED}
    if changes:
        mine = ScreeningTotals.objects.filter(day=hold.day, family=LedgerFamily.MATCHED, surface=hold.surface)
        mine.update(**changes)


def _wait_for_decisions() -> None:
    """Until this transaction ends no hold changes: each decision is either read here or counts itself afterwards."""
    if connection.vendor == "postgresql":
        # SQLite has one writer at a time anyway.
        with connection.cursor() as cursor:
            cursor.execute(read_statements("postgresql")["lock_holds"])


def _add(day: date, family: str, surface: str, sums: dict[str, int]) -> None:
    mine = ScreeningTotals.objects.filter(day=day, family=family, surface=surface)
    if not mine.update(**{column: F(column) + rows for column, rows in sums.items()}):
        ScreeningTotals.objects.create(day=day, family=family, surface=surface, **sums)
