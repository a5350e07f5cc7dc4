"""Work that takes longer than a page may: done once, behind the page, for everybody who asks."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from django.db import close_old_connections, connections

from seawall.record.clock import Clock

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done(Generic[Result]):
    """What came of the last run. `result` is None where it failed with `error`, a type's name."""

    at: datetime
    took: timedelta
    result: Result | None
    error: str


class Behind(Generic[Result]):
    """Runs `work` in a thread of its own, one run at a time, and keeps what came of the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._done: Done[Result] | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def done(self) -> Done[Result] | None:
        return self._done

    def start(self, work: Callable[[], Result], clock: Clock) -> None:
        """Begin, unless it is running."""
        with self._lock:
            if not self.running:
                self._thread = threading.Thread(
                    target=self._run, args=(work, clock), name="seawall-behind", daemon=True
                )
                self._thread.start()

    def start_if_older(self, age: timedelta, work: Callable[[], Result], clock: Clock) -> None:
        """Begin, where the last run is older than this or there was none. A clock that was set back counts as old."""
        done = self._done
        if done is None or not timedelta() <= clock() - done.at < age:
            self.start(work, clock)

    def wait(self, seconds: float) -> None:
        """Until the present run ended, or this long: quick work is shown with the very page that asked for it."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _run(self, work: Callable[[], Result], clock: Clock) -> None:
        began = clock()
        result, error = None, ""
        try:
            close_old_connections()
            result = work()
        except Exception as failure:
            # Whatever it was: the page says that it failed, and the log where.
            logger.exception("work behind a page failed")
            error = type(failure).__name__
        finally:
            connections.close_all()
        now = clock()
        self._done = Done(at=now, took=max(timedelta(), now - began), result=result, error=error)
