"""Ledger and log: every batch's digest goes into the transparency log, and the ledger is checked against it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

import msgspec
from django.db import transaction

from seawall.record.events import BatchRecorded, DayDropped
from seawall.record.journal import read, record
from seawall.record.models import Event as EventRow
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import Batch, LedgerFamily, Partition, Row, moment, rows_digest
from seawall.screening.ledger.storage import Storage, StorageFailed
from seawall.screening.model import Surface
from seawall.screening.models import Hold, LedgerDay, SurfaceRow

#: Batches recorded in one transaction: other writers of the database wait no longer than it lasts.
BATCHES_AT_ONCE = 500
#: A partition that is this old and fully logged gets no more rows, so that it need not be looked at each second.
SETTLED_AFTER = timedelta(days=2)
#: Source references asked for at once.
EVENTS_AT_ONCE = 500


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
    """Record an event for every batch that has none yet, and open its holds; returns how many batches.

    May be called again after a crash at any point, and from several processes. `only` limits it to one partition.

    Raises:
        StorageFailed: a partition cannot be read; all others were done.
    """
    count, failure = 0, None
    with ledger.opened() as storage:
        for partition in storage.partitions() if only is None else [only]:
            if partition in ledger.settled:
                continue
            try:
                count += _append_partition(ledger, storage, partition, now)
            except StorageFailed as error:
                # One damaged day must not keep the others out of the log.
                failure = error
                continue
            if partition.day < (now - SETTLED_AFTER).date():
                ledger.settled.add(partition)
    if failure is not None:
        raise failure
    return count


def source_ref(partition: Partition, batch: int) -> str:
    return f"ledger:{partition.day.isoformat()}:{partition.family}:{batch}"


def _append_partition(ledger: Ledger, storage: Storage, partition: Partition, now: datetime) -> int:
    day = LedgerDay.objects.filter(day=partition.day, family=partition.family).first()
    done, count = day.logged_batches if day else 0, 0
    while batches := storage.batches(partition, after=done, limit=BATCHES_AT_ONCE):
        last = batches[-1].number
        held = storage.holds(partition, after=done, last=last)
        with transaction.atomic():
            for batch in batches:
                record(_event(partition, batch), now=now, source_ref=source_ref(partition, batch.number))
            _open_holds(ledger, partition, held)
            LedgerDay.objects.get_or_create(day=partition.day, family=partition.family)
            mark = LedgerDay.objects.select_for_update().get(day=partition.day, family=partition.family)
            # Another process may have come further meanwhile.
            mark.logged_batches = max(mark.logged_batches, last)
            mark.save(update_fields=["logged_batches"])
        done, count = last, count + len(batches)
    return count


def _event(partition: Partition, batch: Batch) -> BatchRecorded:
    return BatchRecorded(
        by="system",
        day=partition.day.isoformat(),
        family=str(partition.family),
        batch=batch.number,
        rows=batch.rows,
        digest=batch.digest.hex(),
    )


def _open_holds(ledger: Ledger, partition: Partition, held: Sequence[Row]) -> None:
    if not held:
        return
    surfaces = SurfaceRow.objects.filter(name__in={row.surface for row in held})
    expiry = {one.name: str(msgspec.json.decode(one.body, type=Surface).hold_expiry) for one in surfaces}
    holds = [
        Hold(
            screening_id=row.screening_id,
            surface=row.surface,
            day=partition.day,
            held_at=moment(row.screened_at),
            expires_at=None if row.hold_expires_at is None else moment(row.hold_expires_at),
            on_expiry=expiry.get(row.surface, ""),
            has_preview=ledger.held.present(row.screening_id),
        )
        for row in held
    ]
    Hold.objects.bulk_create(holds, ignore_conflicts=True)


def verify_batches(ledger: Ledger) -> Iterator[LedgerProblem]:
    """Recompute every stored batch and compare it with the log; nothing in memory grows with the number of rows.

    A day that the log says was dropped may be absent; one that vanished otherwise may not.
    """
    dropped = {_partition_of(event) for event in _events(DayDropped)}
    newest: dict[Partition, int] = {}
    with ledger.opened() as storage:
        for partition in storage.partitions():
            batches = storage.batches(partition)
            newest[partition] = len(batches)
            yield from _verify_rows(storage, partition, batches)
            yield from _verify_events(partition, batches)
    for event in _events(BatchRecorded):
        partition = _partition_of(event)
        if isinstance(event, BatchRecorded) and partition not in dropped and event.batch > newest.get(partition, 0):
            text = f"{event.rows} rows are in the log and no longer in the ledger; restore the day from a backup"
            yield LedgerProblem(partition=partition, batch=event.batch, text=text)


def _verify_rows(storage: Storage, partition: Partition, batches: Sequence[Batch]) -> Iterator[LedgerProblem]:
    expected = {batch.number: batch for batch in batches}
    if sorted(expected) != list(range(1, len(batches) + 1)):
        yield LedgerProblem(partition=partition, batch=None, text="the numbers of its batches have gaps")
    for number, rows in groupby(storage.rows(partition), key=lambda row: row.batch):
        counted = _Counted(rows)
        digest = rows_digest(counted)
        batch = expected.pop(number, None)
        if batch is None:
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
    for start in range(0, len(batches), EVENTS_AT_ONCE):
        chunk = batches[start : start + EVENTS_AT_ONCE]
        references = [source_ref(partition, batch.number) for batch in chunk]
        rows = {row.source_ref: row for row in EventRow.objects.filter(source_ref__in=references)}
        for batch, reference in zip(chunk, references, strict=True):
            row = rows.get(reference)
            if row is None:
                if batch.number <= logged:
                    yield LedgerProblem(partition=partition, batch=batch.number, text="its event is not in the log")
                continue
            event = read(row)
            if isinstance(event, BatchRecorded) and (event.rows, event.digest) != (batch.rows, batch.digest.hex()):
                text = "it is not what the log says was written"
                yield LedgerProblem(partition=partition, batch=batch.number, text=text)


def _events(kind: type[BatchRecorded] | type[DayDropped]) -> Iterator[BatchRecorded | DayDropped]:
    for row in EventRow.objects.filter(name=kind.name).order_by("serial").iterator(chunk_size=1000):
        event = read(row)
        if isinstance(event, kind):
            yield event


def _partition_of(event: BatchRecorded | DayDropped) -> Partition:
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
