"""The recorder: one thread that commits the verdicts of many requests together, before any of them is answered."""

import contextlib
import logging
import queue
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import product
from types import TracebackType
from typing import Self

from seawall.record.clock import Clock, system_clock
from seawall.screening.ledger.idempotency import answer_again, days_to_search, name_of
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import (
    KeyDestroyed,
    LedgerDamaged,
    LedgerFamily,
    Partition,
    Row,
    millis,
    partition_of,
    partitions_of_day,
)
from seawall.screening.ledger.sealing import KeyedHashes, Sealer, unseal
from seawall.screening.ledger.storage import DuplicateRow
from seawall.screening.model import Action
from seawall.screening.recording import Idempotency, IdempotencyConflict, LedgerUnavailable, Recorded, Recording

#: More rows a commit hardly make it faster, and the first of them would wait for the last.
LARGEST_GROUP = 512
#: Verdicts that wait for the disk; beyond this it is stuck, and people are better told so at once.
LARGEST_QUEUE = 50_000
#: Held bytes are written beside the commits, so that one large picture does not keep other answers waiting.
BYTE_WRITERS = 4
#: After this long without work the files are closed, so that a dropped day's blocks are freed. Seconds. Opening them
#: again costs the next answer some 10 ms, which a quiet platform need not pay each time.
IDLE_SECONDS = 60.0

UNAVAILABLE = (
    "The verdict could not be written to the screening ledger, so it is not given: {reason}. "
    "Check the free space and the rights of the data directory, or the database; screening goes on by itself then."
)

#: What it says of itself when its thread has ended.
STOPPED = "the recorder has stopped; restart the server"

_log = logging.getLogger("seawall.ledger")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Waiting:
    recording: Recording
    partition: Partition
    future: "Future[Recorded]"

    @property
    def stored(self) -> bool:
        return self.recording.store or self.partition.family is LedgerFamily.MATCHED

    @property
    def held(self) -> bool:
        return bool(self.recording.held_parts) and self.recording.verdict.verdict is Action.HOLD


class LedgerRecorder:
    """The `Recorder` of a data directory (see the port in `screening.recording`). Close it to flush what waits."""

    def __init__(self, ledger: Ledger, *, clock: Clock = system_clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._storage = ledger.open()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._writers = ThreadPoolExecutor(BYTE_WRITERS, thread_name_prefix="seawall-held-bytes")
        self._door = threading.Lock()
        self._open = True
        #: Set with the door closed: nothing is taken from the queue any more.
        self._ended = False
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="seawall-recorder", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """Why nothing can be recorded at the moment, as the last attempt found it; empty when all is well."""
        return self._problem if self.running else STOPPED

    @property
    def running(self) -> bool:
        """Whether anything will ever be recorded again; a disk with space is no comfort where this is false."""
        return not self._ended and self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether verdicts are being recorded."""
        return not self.problem

    def submit(self, recording: Recording) -> "Future[Recorded]":
        """See the port. BadId when the verdict has no screening id: its day is read from it."""
        future: Future[Recorded] = Future()
        # An answer nobody waits for any more is recorded all the same.
        future.set_running_or_notify_cancel()
        waiting = _Waiting(recording=recording, partition=partition_of(recording.verdict), future=future)
        if not waiting.stored and recording.idempotency is None:
            future.set_result(Recorded(verdict=recording.verdict))
            return future
        with self._door:
            if not self._open:
                self._refuse(waiting, "the recorder was closed because the server is stopping")
            elif self._ended:
                self._refuse(waiting, STOPPED)
            elif self._queue.qsize() >= LARGEST_QUEUE:
                self._refuse(waiting, f"{LARGEST_QUEUE} verdicts are waiting for the disk already")
            elif waiting.held:
                self._writers.submit(self._keep_bytes, waiting)
            else:
                self._queue.put(waiting)
        return future

    def close(self) -> None:
        """Record everything that was submitted, then stop. May be called twice."""
        with self._door:
            first, self._open = self._open, False
        if first:
            self._writers.shutdown(wait=True)
            self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _keep_bytes(self, waiting: _Waiting) -> None:
        """Make the held bytes durable first: a hold is never answered without them."""
        try:
            self._ledger.held.keep(waiting.recording.verdict.id, waiting.recording.held_parts)
        except Exception as error:  # noqa: BLE001  whatever it was, the caller must hear of it
            self._problem = f"held bytes cannot be kept: {error}"
            _log.error("held bytes cannot be kept: %s", error)
            waiting.future.set_exception(LedgerUnavailable(UNAVAILABLE.format(reason=self._problem)))
            return
        with self._door:
            ended = self._ended
            if not ended:
                self._queue.put(waiting)
        if ended:
            self._refuse(waiting, STOPPED)

    def _run(self) -> None:
        group: list[_Waiting] = []
        try:
            while True:
                try:
                    first = self._queue.get(timeout=IDLE_SECONDS)
                except queue.Empty:
                    self._storage.close()
                    continue
                group, last = self._take(first)
                later = self._record(group)
                while later:
                    later = self._record(later)
                if last:
                    self._storage.close()
                    return
        finally:
            # Whatever ended us: nobody may wait for an answer that will never come.
            self._abandon(group)

    def _abandon(self, group: Sequence[_Waiting]) -> None:
        with self._door:
            self._ended = True
        left = list(group)
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._queue.get_nowait()
                left += [] if waiting is None else [waiting]
        for waiting in left:
            self._refuse(waiting, STOPPED)

    def _take(self, first: _Waiting | None) -> tuple[list[_Waiting], bool]:
        """Everything that waits, up to the largest group; and whether the recorder was told to stop."""
        group: list[_Waiting] = []
        waiting = first
        while waiting is not None:
            group.append(waiting)
            if len(group) == LARGEST_GROUP:
                return group, False
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _record(self, group: Sequence[_Waiting]) -> list[_Waiting]:
        """Answer the group, except those whose Idempotency-Key another of the group brings: they come next."""
        try:
            fresh, later = self._answer_again(group)
        except Exception as error:  # noqa: BLE001  the thread must outlive whatever the database does
            self._fail(group, error)
            return []
        by_partition: dict[Partition, list[_Waiting]] = {}
        for waiting in fresh:
            by_partition.setdefault(waiting.partition, []).append(waiting)
        for partition, members in by_partition.items():
            self._commit(partition, members)
        return later

    def _answer_again(self, group: Sequence[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
        """Answer those whose key was used before. Returns those to record, and those to look at again afterwards."""
        keyed = [waiting for waiting in group if waiting.recording.idempotency is not None]
        earlier = self._find_earlier(keyed) if keyed else {}
        fresh: list[_Waiting] = []
        later: list[_Waiting] = []
        taken: set[tuple[str, str]] = set()
        for waiting in group:
            idempotency = waiting.recording.idempotency
            name = None if idempotency is None else name_of(idempotency)
            found = earlier.get(id(waiting))
            if found is not None and idempotency is not None:
                self._repeat(waiting, idempotency, *found)
            elif name is not None and name in taken:
                later.append(waiting)
            elif waiting.stored:
                fresh.append(waiting)
                taken.update(() if name is None else (name,))
            else:
                waiting.future.set_result(Recorded(verdict=waiting.recording.verdict))
        return fresh, later

    def _find_earlier(self, keyed: Sequence[_Waiting]) -> dict[int, tuple[Partition, Row]]:
        """For each of them (by identity) the row that its key was first used for, where there is one."""
        wanted: dict[Partition, dict[bytes, list[_Waiting]]] = {}
        by_day: dict[date, list[_Waiting]] = {}
        for waiting in keyed:
            for day in days_to_search(waiting.partition.day):
                by_day.setdefault(day, []).append(waiting)
        for day, members in by_day.items():
            present = [one for one in partitions_of_day(day) if self._storage.exists(one)]
            hashes = KeyedHashes(day, self._ledger.keys)
            for partition, waiting in product(present, members):
                if waiting.recording.idempotency is not None:
                    key = hashes.request(waiting.recording.idempotency)
                    wanted.setdefault(partition, {}).setdefault(key, []).append(waiting)
        found = {}
        for partition, by_key in wanted.items():
            for row in self._storage.find_requests(partition, list(by_key)):
                for waiting in by_key[row.request_key or b""]:
                    found[id(waiting)] = (partition, row)
        return found

    def _repeat(self, waiting: _Waiting, idempotency: Idempotency, partition: Partition, row: Row) -> None:
        try:
            entry = unseal(row, partition, self._ledger.keys)
            recorded = answer_again(
                entry.verdict,
                waiting.recording,
                earlier_digest=row.request_digest or b"",
                digest=KeyedHashes(partition.day, self._ledger.keys).request_digest(idempotency),
            )
        except (LedgerDamaged, KeyDestroyed, OSError) as error:
            self._refuse(waiting, str(error))
            return
        except IdempotencyConflict as conflict:
            waiting.future.set_exception(conflict)
        else:
            waiting.future.set_result(recorded)
        if waiting.held and waiting.recording.verdict.id != row.screening_id:
            self._destroy_bytes(waiting)

    def _commit(self, partition: Partition, members: Sequence[_Waiting]) -> None:
        try:
            sealed = self._seal(partition, members)
            if sealed:
                rows = [row for _, row in sealed]
                self._storage.append(partition, rows, committed_at=millis(self._clock()))
        except DuplicateRow as error:
            if len(members) == 1:
                self._fail(members, error)
                return
            # One row that is there already must not take the answers of all the others with it.
            for waiting in members:
                self._commit(partition, [waiting])
        except Exception as error:  # noqa: BLE001  the thread must outlive whatever the database does
            self._fail(members, error)
        else:
            self._problem = ""
            for waiting, _ in sealed:
                waiting.future.set_result(Recorded(verdict=waiting.recording.verdict))

    def _seal(self, partition: Partition, members: Sequence[_Waiting]) -> list[tuple[_Waiting, Row]]:
        """The rows; whose verdict cannot be written at all is refused alone."""
        sealer = Sealer(partition, self._ledger.keys)
        sealed = []
        for waiting in members:
            if waiting.future.done():
                continue
            try:
                sealed.append((waiting, sealer.seal(waiting.recording)))
            except (ValueError, TypeError) as error:
                self._refuse(waiting, f"it cannot be encoded ({error})")
        return sealed

    def _fail(self, members: Iterable[_Waiting], error: Exception) -> None:
        """Nothing of these is answered. The next group begins with fresh connections."""
        self._problem = str(error)
        _log.error("the screening ledger cannot be written: %s", error)
        self._storage.close()
        for waiting in members:
            self._refuse(waiting, str(error))

    def _refuse(self, waiting: _Waiting, reason: str) -> None:
        if waiting.future.done():
            return
        if waiting.held:
            self._destroy_bytes(waiting)
        waiting.future.set_exception(LedgerUnavailable(UNAVAILABLE.format(reason=reason)))

    def _destroy_bytes(self, waiting: _Waiting) -> None:
        try:
            self._ledger.held.destroy(waiting.recording.verdict.id)
        except OSError as error:
            # They are nobody's now: `holds.sweep` tries again.
            _log.warning("held bytes without a verdict cannot be destroyed yet: %s", error)
