"""One worker process, seen from outside."""

import os
import signal
import subprocess
import sys
import time

from seawall.signals.jail.boundary import MAX_ANSWER, MAX_CODE, JailDied, JailRefused, JailTimeout, plain
from seawall.signals.jail.channel import Channel, ChannelBroken, ChannelEnded
from seawall.signals.jail.messages import EXIT_MEMORY, Answer, Begun, Ready, Request, Setup

#: Seconds for a worker to import its libraries, on a machine that is busy and has to read them from disk.
_START_DEADLINE = 60.0

#: Seconds for a process to leave after it closed its channel, before it is killed.
_LEAVE_DEADLINE = 2.0

#: All that a worker sees of the environment. One thread each for the numerical libraries: their stacks would eat the
#: memory limit, and the other processor is for the other worker. glibc keeps freed blocks for the next picture instead
#: of returning them, which saves a page fault for each page of the next picture.
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 1024 * 1024),
}

_COMMAND = ("-I", "-B", "-X", "utf8", "-W", "ignore", "-m", "seawall.signals.jail.worker")


class NeverStarted(Exception):
    """The worker was gone before it could have begun on this file: another one may take it."""


class Worker:
    """A process of its own session, with one channel to it. Used by one thread at a time, except for `kill`."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._channel, theirs = Channel.pair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_COMMAND, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_ready(self) -> None:
        """Returns once the worker is locked in. Raises JailDied(reason="start"); the worker is reaped then."""
        until = time.monotonic() + _START_DEADLINE
        try:
            self._channel.send(self._setup, until=until)
            ready, _ = self._channel.receive(Ready, until=until)
            problem = ready.problem
        except (TimeoutError, ChannelEnded, ChannelBroken) as error:
            problem = f"it said nothing ({type(error).__name__}); is Seawall installed for {sys.executable}?"
        if problem:
            self.reap()
            raise JailDied(f"a decode worker could not start: {problem}", reason="start")

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, function: str, payload: bytes, deadline: float) -> tuple[bytes, bool]:
        """The function's answer, and whether the worker may be asked again. After any other end: reap it.

        Raises JailTimeout, JailDied, JailRefused (this worker is still good then), NeverStarted.
        """
        until = time.monotonic() + deadline
        try:
            self._hand_over(Request(function=function, deadline=deadline), payload, until)
            answer, body = self._channel.receive(Answer, max_body=MAX_ANSWER, until=until)
        except TimeoutError as error:
            raise JailTimeout(f"not done within {deadline:g} seconds") from error
        except ChannelEnded as error:
            raise self._death() from error
        except ChannelBroken as error:
            raise JailDied("the decode worker sent something that is no answer", reason="answer") from error
        return _unpack(answer, body)

    def _hand_over(self, request: Request, payload: bytes, until: float) -> None:
        try:
            self._channel.send(request, payload, until=until)
            self._channel.receive(Begun, until=until)
        except ChannelEnded as error:
            death = self._death()
            if isinstance(death, JailDied) and death.reason == "memory":
                raise death from error
            raise NeverStarted from error

    def _death(self) -> JailDied | JailTimeout:
        """What ended the process, once its channel is closed."""
        try:
            status = self._process.wait(_LEAVE_DEADLINE)
        except subprocess.TimeoutExpired:
            return JailDied("the decode worker closed its channel", reason="exit")
        if status == -signal.SIGXCPU:
            return JailTimeout("used up its processor time")
        if status == EXIT_MEMORY:
            return JailDied("the decode worker ran out of memory", reason="memory", status=status)
        if status < 0:
            return JailDied(f"the decode worker was killed by {_name(-status)}", reason="signal", signal=-status)
        return JailDied(f"the decode worker left with status {status}", reason="exit", status=status)

    def kill(self) -> None:
        """Ends the process and whatever it may have started. May be called from any thread, and twice."""
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self._process.kill()

    def reap(self) -> None:
        """Kills the process if it still runs, collects it, and closes the channel."""
        self.kill()
        self._process.wait()
        self._channel.close()


def _unpack(answer: Answer, body: bytes) -> tuple[bytes, bool]:
    if answer.outcome == "refused":
        raise JailRefused(plain(answer.code)[:MAX_CODE], plain(answer.text))
    if answer.outcome == "memory":
        raise JailDied("the decode worker ran out of memory", reason="memory")
    if answer.outcome == "raised":
        raise JailDied(f"the decoder failed with {plain(answer.text)}", reason="raised")
    return body, not answer.leaving


def _name(number: int) -> str:
    """A signal by its name; of the real-time signals only the first and the last have one."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
