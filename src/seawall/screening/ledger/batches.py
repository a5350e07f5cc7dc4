"""Ledger and log: every batch's digest goes into the transparency log, and the ledger is checked against it."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from django.db import transaction

from seawall.record.events import BatchesRecorded, DayDropped
from seawall.record.journal import SourceRefTaken, read, record
from seawall.record.models import Event as EventRow
from seawall.record.outbox import HOLDS_WAITING, put
from seawall.screening.ledger.counting import count_earlier, count_rows
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import (
    Batch,
    KeyDestroyed,
    LedgerDamaged,
    LedgerFamily,
    Partition,
    Row,
    moment,
    rows_digest,
)
from seawall.screening.ledger.sealing import unseal
from seawall.screening.ledger.storage import Storage, StorageFailed
from seawall.screening.models import Hold, LedgerDay

#: Batches in one event, which then has some 40 KB.
BATCHES_AT_ONCE = 500
#: Rows whose holds may be opened in one transaction (DESIGN §4): other writers wait no longer than it lasts.
ROWS_AT_ONCE = 5_000
#: A partition whose day ended this long ago, and that is fully logged, gets no more rows: it need not be looked at each
#: second.
SETTLED_AFTER = timedelta(days=1)
#: Source references asked for at once.
EVENTS_AT_ONCE = 500
#: Ends the source reference of the event that says that a partition was dropped.
DROPPED = "dropped"

_NOTHING: Sequence[tuple[int, str]] = ()

_log = logging.getLogger("seawall.ledger")


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerProblem:
    """Something in the ledger that is not as the log says. `batch` is None where it concerns the whole partition."""

    partition: Partition
    batch: int | None
    text: str

    def __str__(self) -> str:
        where = f"ledger {self.partition}" if self.batch is None else f"ledger {self.partition}, batch {self.batch}"
        return f"{where}: {self.text}"


def append_batches(ledger: Ledger, *, now: datetime, only: Partition | None = None) -> int:
    """Record every batch that the log does not have yet, and open its holds; returns how many batches.

    May be called again after a crash at any point, and from several processes. `only` limits it to one partition.

    Raises:
        StorageFailed: a partition cannot be read; all others were done.
        SourceRefTaken: somebody changed how far the log had come; all other partitions were done.
    """
    count = 0
    failure: StorageFailed | SourceRefTaken | None = None
    settled_before = (now - SETTLED_AFTER).date()
    with ledger.opened() as storage:
        for partition in storage.partitions() if only is None else [only]:
            # Both: after a clock that was wrong for a moment, today must not stay settled.
            if partition.day < settled_before and partition in ledger.settled:
                continue
            try:
                count += _append_partition(ledger, storage, partition, now)
            except (StorageFailed, SourceRefTaken) as error:
                # One damaged day must not keep the others out of the log.
                failure = error
                continue
            if partition.day < settled_before:
                ledger.settled.add(partition)
    if failure is not None:
        raise failure
    return count


def source_ref(partition: Partition, what: int | str) -> str:
    """The reference of the event that begins with this batch, or says what became of the whole partition."""
    return f"ledger:{partition.day.isoformat()}:{partition.family}:{what}"


def _append_partition(ledger: Ledger, storage: Storage, partition: Partition, now: datetime) -> int:
    if partition not in ledger.logged:
        count_earlier(storage, partition)
    done, count = _logged(ledger, partition), 0
    while batches := _in_one_transaction(storage.batches(partition, after=done, limit=BATCHES_AT_ONCE)):
        last = batches[-1].number
        held = storage.holds(partition, after=done, last=last)
        counts = storage.counts(partition, after=done, last=last)
        with transaction.atomic():
            mark = _locked(partition)
            if mark is None:
                break
            if mark.logged_batches == done:
                reference = source_ref(partition, batches[0].number)
                record(_event(partition, batches), now=now, source_ref=reference)
                Hold.objects.bulk_create(_waiting(ledger, partition, held), ignore_conflicts=True)
                _tell(held, now)
                count_rows(partition, counts)
                LedgerDay.objects.filter(pk=mark.pk).update(logged_batches=last)
                done, count = last, count + len(batches)
            else:
                # Another process came further meanwhile: go on from there.
                done = mark.logged_batches
        ledger.logged[partition] = done
    return count


def _logged(ledger: Ledger, partition: Partition) -> int:
    """How far the log has come. May be out of date; whoever acts on it looks again under the lock."""
    known = ledger.logged.get(partition)
    if known is None:
        day = LedgerDay.objects.filter(day=partition.day, family=partition.family).first()
        known = ledger.logged[partition] = day.logged_batches if day else 0
    return known


def _in_one_transaction(batches: Sequence[Batch]) -> list[Batch]:
    """As many of the first ones as have few enough rows; each may be a hold."""
    taken: list[Batch] = []
    rows = 0
    for batch in batches:
        rows += batch.rows
        if taken and rows > ROWS_AT_ONCE:
            break
        taken.append(batch)
    return taken


def _locked(partition: Partition) -> LedgerDay | None:
    """How far the log has come with the partition, locked for this transaction; None where it was dropped.

    Between its event and its last file a dropped day can still be read, and must not come back with its holds.
    """
    wanted = LedgerDay.objects.select_for_update().filter(day=partition.day, family=partition.family)
    mark = wanted.first()
    if mark is None:
        LedgerDay.objects.get_or_create(day=partition.day, family=partition.family)
        # Looked for under the lock: who drops the day needs it too.
        mark = wanted.first()
        if EventRow.objects.filter(source_ref=source_ref(partition, DROPPED)).exists():
            wanted.delete()
            return None
    return mark


def _event(partition: Partition, batches: Sequence[Batch]) -> BatchesRecorded:
    return BatchesRecorded(
        by="system",
        day=partition.day.isoformat(),
        family=str(partition.family),
        first=batches[0].number,
        batches=[(batch.rows, batch.digest.hex()) for batch in batches],
    )


def _waiting(ledger: Ledger, partition: Partition, held: Sequence[Row]) -> list[Hold]:
    return [
        Hold(
            screening_id=row.screening_id,
            surface=row.surface,
            day=partition.day,
            held_at=moment(row.screened_at),
            expires_at=None if row.hold_expires_at is None else moment(row.hold_expires_at),
            on_expiry=_on_expiry(ledger, partition, row),
            has_preview=ledger.held.present(row.screening_id),
        )
        for row in held
    ]


def _tell(held: Sequence[Row], now: datetime) -> None:
    """One row of the outbox for all of them, so that a flood of holds is no flood of mail."""
    if held:
        ids, surfaces = [row.screening_id for row in held], sorted({row.surface for row in held})
        put(HOLDS_WAITING, {"ids": ids, "surfaces": surfaces}, now=now)


def _on_expiry(ledger: Ledger, partition: Partition, row: Row) -> str:
    """What was promised when it was held; nothing where that cannot be read: then only a person decides."""
    try:
        return str(unseal(row, partition, ledger.keys).hold_expiry or "")
    except (LedgerDamaged, KeyDestroyed) as error:
        _log.error("a hold waits for a person, because its row cannot be read: %s", error)
        return ""


def verify_batches(ledger: Ledger) -> Iterator[LedgerProblem]:
    """Recompute every stored batch and compare it with the log; nothing in memory grows with the number of rows.

    Beside a working server: what is recorded meanwhile is no problem. A day that the log says was dropped may be
    absent; one that vanished otherwise may not.
    """
    newest: dict[Partition, int] = {}
    with ledger.opened() as storage:
        for partition in storage.partitions():
            batches = storage.batches(partition)
            newest[partition] = len(batches)
            yield from _verify_rows(storage, partition, batches)
            yield from _verify_events(partition, batches)
        # Asked after the partitions: a day that was dropped meanwhile has its event first.
        dropped = {_partition_of(event) for event in _events(DayDropped)}
        for event in _events(BatchesRecorded):
            partition = _partition_of(event)
            if partition not in dropped and isinstance(event, BatchesRecorded):
                yield from _verify_present(storage, partition, event, newest)


def _verify_present(
    storage: Storage, partition: Partition, event: BatchesRecorded, newest: dict[Partition, int]
) -> Iterator[LedgerProblem]:
    """Whether the ledger has what the event says, at least as many as `newest` counted."""
    last = event.first + len(event.batches) - 1
    if last <= newest.get(partition, 0):
        return
    # Recorded since we counted, or gone.
    newest[partition] = max((one.number for one in storage.batches(partition)), default=0)
    for number, (rows, _) in enumerate(event.batches, event.first):
        if number > newest[partition]:
            text = f"{rows} rows are in the log and no longer in the ledger; restore the day from a backup"
            yield LedgerProblem(partition=partition, batch=number, text=text)


def _verify_rows(storage: Storage, partition: Partition, batches: Sequence[Batch]) -> Iterator[LedgerProblem]:
    expected = {batch.number: batch for batch in batches}
    if sorted(expected) != list(range(1, len(batches) + 1)):
        yield LedgerProblem(partition=partition, batch=None, text="the numbers of its batches have gaps")
    for number, rows in groupby(storage.rows(partition), key=lambda row: row.batch):
        counted = _Counted(rows)
        digest = rows_digest(counted)
        batch = expected.pop(number, None)
        if batch is None and number > len(batches):
            # Recorded since: batch and rows are one commit, so that it must be there now.
            batch = next(iter(storage.batches(partition, after=number - 1, limit=1)), None)
        if batch is None or batch.number != number:
            yield LedgerProblem(partition=partition, batch=number, text="rows that belong to no recorded batch")
        elif counted.count != batch.rows or digest != batch.digest:
            text = f"its rows were changed: {counted.count} rows where {batch.rows} were written"
            text = text if counted.count != batch.rows else "its rows were changed: they do not give its digest"
            yield LedgerProblem(partition=partition, batch=number, text=text)
    for batch in expected.values():
        yield LedgerProblem(partition=partition, batch=batch.number, text=f"its {batch.rows} rows are gone")


def _verify_events(partition: Partition, batches: Sequence[Batch]) -> Iterator[LedgerProblem]:
    day = LedgerDay.objects.filter(day=partition.day, family=partition.family).first()
    logged = day.logged_batches if day else 0
    first = 0
    said: Sequence[tuple[int, str]] | None = _NOTHING
    for batch, row in _with_events(partition, batches):
        if row is not None:
            event = read(row)
            first, said = batch.number, event.batches if isinstance(event, BatchesRecorded) else None
        if said is None:
            # Its event was forgotten. That its rows are what their batch says was checked all the same.
            continue
        place = batch.number - first
        if place < len(said):
            if said[place] != (batch.rows, batch.digest.hex()):
                text = "it is not what the log says was written"
                yield LedgerProblem(partition=partition, batch=batch.number, text=text)
        elif batch.number <= logged:
            yield LedgerProblem(partition=partition, batch=batch.number, text="its event is not in the log")


def _with_events(partition: Partition, batches: Sequence[Batch]) -> Iterator[tuple[Batch, EventRow | None]]:
    """Each batch, and the event that begins with it."""
    for start in range(0, len(batches), EVENTS_AT_ONCE):
        chunk = batches[start : start + EVENTS_AT_ONCE]
        references = [source_ref(partition, batch.number) for batch in chunk]
        rows = {row.source_ref: row for row in EventRow.objects.filter(source_ref__in=references)}
        yield from ((batch, rows.get(reference)) for batch, reference in zip(chunk, references, strict=True))


def _events(kind: type[BatchesRecorded] | type[DayDropped]) -> Iterator[BatchesRecorded | DayDropped]:
    for row in EventRow.objects.filter(name=kind.name).order_by("serial").iterator(chunk_size=1000):
        event = read(row)
        if isinstance(event, kind):
            yield event


def _partition_of(event: BatchesRecorded | DayDropped) -> Partition:
    return Partition(day=date.fromisoformat(event.day), family=LedgerFamily(event.family))


class _Counted(Iterable[Row]):
    """Counts what passes through."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row
