"""The recorder without a disk, for tests and dry runs: the same promises, except that a crash forgets everything."""

import threading
from concurrent.futures import Future

from seawall.screening.ledger.idempotency import answer_again, days_to_search, name_of
from seawall.screening.ledger.model import LedgerFamily, partition_of
from seawall.screening.recording import IdempotencyConflict, LedgerUnavailable, Recorded, Recording


class MemoryRecorder:
    """A `Recorder` whose rows are `recordings`, in the order they were recorded.

    Set `failing` to have every verdict refused, as on a full disk.
    """

    def __init__(self) -> None:
        self.recordings: list[Recording] = []
        self.failing = False
        self._by_key: dict[tuple[str, str], list[Recording]] = {}
        self._lock = threading.Lock()

    @property
    def problem(self) -> str:
        return "it was told to fail" if self.failing else ""

    @property
    def running(self) -> bool:
        return True

    @property
    def alive(self) -> bool:
        return not self.failing

    def submit(self, recording: Recording) -> "Future[Recorded]":
        future: Future[Recorded] = Future()
        future.set_running_or_notify_cancel()
        partition = partition_of(recording.verdict)
        try:
            with self._lock:
                future.set_result(self._record(recording, stored=_is_stored(recording, partition.family)))
        except (IdempotencyConflict, LedgerUnavailable) as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing waits here."""

    def _record(self, recording: Recording, *, stored: bool) -> Recorded:
        if self.failing:
            raise LedgerUnavailable(LedgerUnavailable.__doc__)
        earlier, idempotency = self._earlier(recording), recording.idempotency
        if earlier is not None and earlier.idempotency is not None and idempotency is not None:
            return answer_again(
                earlier.verdict,
                recording,
                earlier_digest=earlier.idempotency.request_digest,
                digest=idempotency.request_digest,
            )
        if stored:
            self.recordings.append(recording)
            if recording.idempotency is not None:
                self._by_key.setdefault(name_of(recording.idempotency), []).append(recording)
        return Recorded(verdict=recording.verdict)

    def _earlier(self, recording: Recording) -> Recording | None:
        if recording.idempotency is None:
            return None
        days = days_to_search(partition_of(recording.verdict).day)
        same_key = self._by_key.get(name_of(recording.idempotency), [])
        return next((one for one in same_key if partition_of(one.verdict).day in days), None)


def _is_stored(recording: Recording, family: LedgerFamily) -> bool:
    return recording.store or family is LedgerFamily.MATCHED
