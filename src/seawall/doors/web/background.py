"""What the process does beside answering: small jobs in threads of their own, each in its rhythm."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from django.db import close_old_connections, connections

from seawall.doors.delivery.mail import deliver_due
from seawall.doors.delivery.smtp import Hangup, send_letters
from seawall.matching.imports import sweep_imports
from seawall.members.accounts import sweep as sweep_accounts
from seawall.record.clock import Clock
from seawall.record.journal import clear_deleted
from seawall.record.sequencer import sequence
from seawall.record.signing import SigningKey
from seawall.screening import explain, holds
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.ledger.batches import append_batches
from seawall.screening.ledger.retention import drop_expired, links_needed_since
from seawall.screening.publish import Publisher
from seawall.settings import Settings

logger = logging.getLogger(__name__)

#: A change of banks, policies, surfaces or keys takes effect within a second (DESIGN §4).
PUBLISH_SECONDS = 0.1
#: Batches and events are in the log within a second.
LOG_SECONDS = 1.0
#: Holds expire, and days are dropped, within a minute of their time.
KEEP_SECONDS = 60.0
#: A decision takes effect this soon after it can no longer be undone.
SETTLE_SECONDS = 1.0
#: Mail leaves within seconds of what it tells of.
MAIL_SECONDS = 3.0
#: How soon a ledger that can be written again is noticed.
WATCH_SECONDS = 1.0

#: A mail that is being sent when the server stops is cut short, and goes out with the next start. What cannot be cut
#: short, the look-up of a name, is left behind after this long.
LAST_PASS_SECONDS = 3.0

#: A clock that is set by a time server moves by seconds; a machine that slept for longer waits an hour in vain.
LEAP_SECONDS = 86_400.0
LEAP_PATIENCE_SECONDS = 3_600.0

#: Enough to fail on a full disk like a commit would.
PROBE_BYTES = 64 * 1024


class Repeated:
    """Runs a job again and again in a thread until stopped. A failing pass is logged and does not end the job."""

    def __init__(
        self,
        name: str,
        job: Callable[[], object],
        *,
        every: float,
        at_once: bool = False,
        interrupt: Callable[[], object] | None = None,
    ) -> None:
        """`interrupt` ends a pass that waits for somebody else, when we are to stop."""
        self._name = name
        self._interrupt = interrupt
        self._at_once = at_once
        self._job = job
        self._every = every
        self._stop = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"seawall-{name}", daemon=True)

    @property
    def warning(self) -> str:
        """What an operator should see to; empty when the last pass went well."""
        return f"{self._name} fails since its last try; the log says why" if self._failing else ""

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """No further pass; does not wait for the one that runs."""
        self._stop.set()
        if self._interrupt is not None:
            self._interrupt()

    def stop(self) -> None:
        """Waits for the pass that runs, but not for one that waits for the outside and cannot be interrupted."""
        self.end()
        self._thread.join(None if self._interrupt is None else LAST_PASS_SECONDS)

    def _run(self) -> None:
        try:
            if self._at_once:
                self._pass()
            while not self._stop.wait(self._every):
                self._pass()
        finally:
            connections.close_all()

    def _pass(self) -> None:
        try:
            self._job()
        except Exception:
            # Said once, not ten times a second; its end is said too.
            if not self._failing:
                logger.exception("%s failed and will be tried again", self._name)
            self._failing = True
            close_old_connections()
        else:
            if self._failing:
                logger.info("%s works again", self._name)
            self._failing = False


class Background:
    """All jobs together, as a context: started inside, stopped at its end."""

    def __init__(self, jobs: Iterable[Repeated]) -> None:
        self._jobs = tuple(jobs)

    def __enter__(self) -> Self:
        for job in self._jobs:
            job.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # All are told before any is waited for.
        for job in self._jobs:
            job.end()
        for job in self._jobs:
            job.stop()


class ClockWatch:
    """Whether the clock may be believed where something is destroyed or decided by it alone.

    One that is years ahead for a minute would have every hold expire and every day deleted, keys and all. After a leap
    it gets an hour in which somebody, or the time server, can set it right; `stopwatch` knows no leaps.
    """

    def __init__(self, clock: Clock, *, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stopwatch = stopwatch
        self._apart = self._difference()
        self._leapt_at: float | None = None

    def is_steady(self) -> bool:
        """To be asked more often than the clock can go wrong by itself."""
        apart, at = self._difference(), self._stopwatch()
        leapt = apart - self._apart > LEAP_SECONDS
        if leapt and self._leapt_at is None:
            days = (apart - self._apart) / 86_400
            logger.error("the clock leapt ahead by %.1f days: nothing expires or is deleted for an hour", days)
            self._leapt_at = at
        if leapt and self._leapt_at is not None and at - self._leapt_at < LEAP_PATIENCE_SECONDS:
            return False
        # Set right again, believed by now, or moved by little.
        self._apart, self._leapt_at = apart, None
        return True

    def _difference(self) -> float:
        return self._clock().timestamp() - self._stopwatch()


class LedgerWatch:
    """Whether verdicts can be recorded. After a failed commit it asks the disk or database itself: without requests
    (a balancer sends none to a server that is not ready) no commit would ever show that all is well again.
    """

    def __init__(self, ledger: Ledger, recorder: LedgerRecorder) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._reason = ""

    def problem(self) -> str:
        """Why no verdict can be recorded; empty when all is well."""
        found = self._recorder.problem
        # Of a commit that failed, our own look since then says more; a thread that has ended does not come back.
        return self._reason if found and self._recorder.running else found

    def look(self) -> None:
        """Ask the disk or database, if the last commit failed."""
        if self._recorder.alive:
            self._reason = ""
            return
        try:
            with self._ledger.opened() as storage:
                storage.partitions()
            about = self._ledger.settings
            for directory in (about.ledger_dir, about.holds_dir, about.keys_dir):
                _probe(directory)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the operator must know
            if not self._reason:
                logger.warning("the screening ledger cannot be written: %s", error)
            # Anybody may ask /readyz, and an error's text may name files, hosts and users: that is for the log.
            why = getattr(error, "strerror", None) or type(error).__name__
            said = f"the screening ledger cannot be written ({why}; the log says more)"
            self._reason = f"{said}: check free space, rights and database"
        else:
            self._reason = ""


def _probe(directory: Path) -> None:
    """Raises OSError where nothing can be written."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = directory / ".probe"
    try:
        place.write_bytes(b"\0" * PROBE_BYTES)
    finally:
        place.unlink(missing_ok=True)


def warnings_of(jobs: Iterable[Repeated]) -> tuple[str, ...]:
    return tuple(job.warning for job in jobs if job.warning)


def keep_log(ledger: Ledger, signing_key: SigningKey, clock: Clock) -> None:
    """Batches become events, events become leaves."""
    try:
        append_batches(ledger, now=clock())
    finally:
        # One damaged day of the ledger must not keep everything else out of the log.
        sequence(clock(), signing_key)


def keep_house(ledger: Ledger, clock: Clock) -> None:
    """Holds whose time is over are settled, days that were kept long enough are dropped, remains are swept, and the
    keys of the uploader's links are renewed.

    Each is done whatever became of the others; the first failure is raised at the end.
    """
    failures = []
    keys_dir = ledger.settings.keys_dir
    for step in (
        lambda: holds.expire_due(ledger, now=clock()),
        lambda: drop_expired(ledger, now=clock()),
        lambda: holds.sweep(ledger, now=clock()),
        lambda: explain.renew(keys_dir, needed_since=links_needed_since(ledger, now=clock()), now=clock()),
        lambda: sweep_imports(clock()),
        lambda: sweep_accounts(clock()),
        clear_deleted,
    ):
        try:
            step()
        except Exception as error:  # noqa: BLE001 - a duty to delete does not wait for another one's disk
            failures.append(error)
    if failures:
        raise failures[0]


def jobs(
    settings: Settings,
    *,
    ledger: Ledger,
    publisher: Publisher,
    signing_key: SigningKey,
    watch: LedgerWatch,
    clock: Clock,
) -> list[Repeated]:
    hangup, steady = Hangup(), ClockWatch(clock)
    send = partial(send_letters, hangup=hangup)
    return [
        Repeated("publishing", lambda: publisher.publish_if_changed(clock()), every=PUBLISH_SECONDS),
        Repeated("keeping the log", lambda: keep_log(ledger, signing_key, clock), every=LOG_SECONDS),
        Repeated("settling", lambda: holds.settle_due(ledger, now=clock()), every=SETTLE_SECONDS, at_once=True),
        # In a thread of its own, as all of them: a mail server that hangs keeps nothing else waiting.
        Repeated(
            "sending mail",
            lambda: deliver_due(settings, now=clock(), send=send),
            every=MAIL_SECONDS,
            interrupt=hangup.hang_up,
        ),
        Repeated(
            "housekeeping",
            lambda: keep_house(ledger, clock) if steady.is_steady() else None,
            every=KEEP_SECONDS,
            at_once=True,
        ),
        Repeated("watching the ledger", watch.look, every=WATCH_SECONDS),
    ]
