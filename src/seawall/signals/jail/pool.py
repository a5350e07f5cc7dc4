"""The jail: a fixed number of worker processes, replaced as they fall."""

import os
import threading
import time
from collections.abc import Sequence
from typing import Self

from seawall.signals.jail.boundary import (
    DEADLINE,
    MEMORY,
    JailClosed,
    JailDied,
    JailRefused,
    JailTimeout,
    require_known,
    require_payload,
)
from seawall.signals.jail.messages import Setup
from seawall.signals.jail.process import NeverStarted, Worker

#: Seconds that a call waits for a free worker. Longer than any queue that a server with limits lets grow.
PATIENCE = 60.0

#: A call whose worker was gone before it began goes to another one. More in a row means that the machine is in trouble.
_MAX_FALSE_STARTS = 3

#: Seconds between attempts to start a worker when the last one failed: a full machine is not helped by haste.
_START_AGAIN = 0.5

#: With no worker left and this many failed starts in a row, waiting calls are told instead of kept.
_HOPELESS = 3


class Jail:
    """Runs named functions on strangers' files in processes with limits. Share it among threads; a context manager.

    `functions`: dotted paths like `package.module:name`. `workers`: how many processes. `deadline`: seconds per call.
    `memory`: bytes of address space per worker. `import_paths`: directories to find the functions in, beside the
    installed packages. Returns from the constructor when all workers are ready; raises JailDied(reason="start").
    """

    def __init__(
        self,
        *,
        functions: Sequence[str],
        workers: int,
        deadline: float = DEADLINE,
        memory: int = MEMORY,
        import_paths: Sequence[str] = (),
        patience: float = PATIENCE,
    ) -> None:
        if not functions or workers < 1:
            raise ValueError("a jail needs at least one function and one worker")
        self._functions = tuple(functions)
        self._setup = Setup(functions=self._functions, memory=memory, import_paths=tuple(import_paths))
        self._deadline = deadline
        self._patience = patience
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._fallen: list[Worker] = []
        self._missing = 0
        self._failed_starts = 0
        self._closed = False
        self._owner = os.getpid()
        self._idle = _start(self._setup, workers)
        self._keeper = threading.Thread(target=self._keep, name="seawall-jail-keeper", daemon=True)
        self._keeper.start()

    def call(self, function: str, payload: bytes, *, deadline: float | None = None) -> bytes:
        """See `Boundary.call`. Waits for a free worker; JailTimeout when none comes free for `patience` seconds."""
        require_known(function, self._functions)
        require_payload(payload)
        if os.getpid() != self._owner:
            raise JailClosed("this jail belongs to the parent process: open one after the fork")
        for _ in range(_MAX_FALSE_STARTS):
            worker = self._take()
            try:
                return self._ask(worker, function, payload, self._deadline if deadline is None else deadline)
            except NeverStarted:
                continue
        raise JailDied("decode workers end before they begin; see the machine's memory", reason="start")

    def _ask(self, worker: Worker, function: str, payload: bytes, deadline: float) -> bytes:
        """Asks, and gives the worker back if and only if it is known to be good, whatever interrupts this thread."""
        good = False
        try:
            answer, good = worker.ask(function, payload, deadline)
        except JailRefused:
            good = True
            raise
        except (JailDied, JailTimeout, NeverStarted) as error:
            if self._closed:
                raise JailClosed("this jail was closed during the call") from error
            raise
        finally:
            self._give_back(worker, good=good)
        return answer

    def _take(self) -> Worker:
        until = time.monotonic() + self._patience
        with self._changed:
            while not self._closed:
                while self._idle:
                    worker = self._idle.pop()
                    if worker.is_alive():
                        self._busy.add(worker)
                        return worker
                    self._let_fall(worker)
                if self._failed_starts >= _HOPELESS and not self._busy:
                    raise JailDied("no decode worker can be started; see the machine's memory", reason="start")
                if not self._changed.wait(until - time.monotonic()) and time.monotonic() >= until:
                    raise JailTimeout(f"no decode worker came free for {self._patience:g} seconds: add workers")
        raise JailClosed("this jail has been closed: open a new one")

    def _give_back(self, worker: Worker, *, good: bool) -> None:
        if not good:
            worker.kill()
        with self._changed:
            self._busy.discard(worker)
            if good and not self._closed:
                self._idle.append(worker)
            else:
                self._let_fall(worker)
            self._changed.notify_all()

    def _let_fall(self, worker: Worker) -> None:
        """Under the lock: the keeper collects this worker and starts another one."""
        self._fallen.append(worker)
        self._missing += 1
        self._changed.notify_all()

    def _keep(self) -> None:
        """The keeper's thread: collects the fallen and replaces them."""
        while True:
            with self._changed:
                while not (self._closed or self._fallen or self._missing):
                    self._changed.wait()
                fallen, self._fallen = self._fallen, []
                wanted = 0 if self._closed else self._missing
            for worker in fallen:
                worker.reap()
            if self._closed:
                return
            self._replace(wanted)

    def _replace(self, wanted: int) -> None:
        try:
            fresh = _start(self._setup, wanted)
        except (JailDied, OSError):
            fresh = []
        with self._changed:
            self._missing -= len(fresh)
            self._failed_starts = 0 if fresh or not wanted else self._failed_starts + 1
            (self._fallen if self._closed else self._idle).extend(fresh)
            self._changed.notify_all()
            if wanted and not fresh:
                self._changed.wait_for(lambda: self._closed, _START_AGAIN)

    def close(self) -> None:
        """Kills all workers, also busy ones (their callers get JailClosed), and collects them.

        In a forked child it does nothing: the workers are the parent's, who still needs them.
        """
        if os.getpid() != self._owner:
            return
        with self._changed:
            self._closed = True
            for worker in self._busy:
                worker.kill()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy, self._patience)
        self._keeper.join()
        with self._changed:
            for worker in (*self._idle, *self._fallen):
                worker.reap()
            self._idle, self._fallen = [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _start(setup: Setup, count: int) -> list[Worker]:
    """Starts all at once, then waits for each: they load their libraries side by side. All or none."""
    started: list[Worker] = []
    try:
        for _ in range(count):
            started.append(Worker(setup))  # noqa: PERF401 - those before a failing one must be known to be reaped
        for worker in started:
            worker.await_ready()
    except BaseException:
        for worker in started:
            worker.reap()
        raise
    return started
