"""The jail holds: workers die, overrun, grow and lie, and the server goes on."""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

import msgspec
import pytest

from seawall.signals.jail import MAX_ANSWER, Jail, JailClosed, JailDied, JailRefused, JailTimeout
from seawall.signals.jail.boundary import MAX_CODE, MAX_TEXT
from seawall.signals.jail.process import Worker
from tests.rooms.signals.jail import prisoners
from tests.rooms.signals.jail.prisoners import HERE, ROOT, named

FUNCTIONS = named(
    prisoners.echo,
    prisoners.leave,
    prisoners.die,
    prisoners.hog,
    prisoners.spin,
    prisoners.sleep,
    prisoners.spin_in_many_threads,
    prisoners.beget_and_spin,
    prisoners.circumstances,
    prisoners.write_file,
    prisoners.open_files,
    prisoners.chatter,
    prisoners.write_nonsense,
)


class Seen(TypedDict):
    limits: dict[str, list[int]]
    environment: dict[str, str]
    directory: str
    descriptors: dict[str, str]
    ignores: bool
    oom: str


Opener = Callable[..., Jail]

#: Enough for functions that load no picture library.
MEMORY = 512 * 1024**2


@pytest.fixture
def open_jail() -> Iterator[Opener]:
    opened: list[Jail] = []

    def open_one(*, workers: int = 1, deadline: float = 10.0, memory: int = MEMORY, patience: float = 30.0) -> Jail:
        jail = Jail(
            functions=FUNCTIONS,
            workers=workers,
            deadline=deadline,
            memory=memory,
            import_paths=[ROOT],
            patience=patience,
        )
        opened.append(jail)
        return jail

    yield open_one
    for jail in opened:
        jail.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Jail]:
    with Jail(functions=FUNCTIONS, workers=2, import_paths=[ROOT], memory=MEMORY) as jail:
        yield jail


def _children() -> set[int]:
    """Processes whose parent we are, the dead that nobody collected included."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(status.parent.name))
    return found


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestDeaths:
    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGBUS])
    def test_a_signal_is_named(self, shared: Jail, number: signal.Signals) -> None:
        with pytest.raises(JailDied, match=number.name) as died:
            shared.call(f"{HERE}:die", str(int(number)).encode())
        assert (died.value.reason, died.value.signal) == ("signal", number)

    def test_a_signal_without_a_name_is_a_death_too(self, shared: Jail) -> None:
        with pytest.raises(JailDied, match="signal 40") as died:
            shared.call(f"{HERE}:die", b"40")
        assert (died.value.reason, died.value.signal) == ("signal", 40)

    def test_a_gigantic_answer_is_refused_before_it_is_read(self, open_jail: Opener) -> None:
        jail = open_jail()
        words = b"\x81\xa7outcome\xa4done"
        with pytest.raises(JailDied, match="no answer"):
            jail.call(f"{HERE}:write_nonsense", struct.pack(">IQ", len(words), MAX_ANSWER + 1) + words)

    def test_a_refusals_words_are_cut_and_cannot_forge_a_line(self, open_jail: Opener) -> None:
        lie = {"outcome": "refused", "code": "c" * 9_000, "text": "t\n\x1b" + "t" * 50_000}
        words = msgspec.msgpack.encode(lie)
        with pytest.raises(JailRefused) as refused:
            open_jail().call(f"{HERE}:write_nonsense", struct.pack(">IQ", len(words), 0) + words)
        assert (len(refused.value.code), len(refused.value.text)) == (MAX_CODE, MAX_TEXT)
        assert refused.value.text.isprintable()

    @pytest.mark.parametrize("status", [0, 1, 3, 255])
    def test_leaving_is_a_death_whatever_the_status(self, shared: Jail, status: int) -> None:
        with pytest.raises(JailDied, match=f"status {status}") as died:
            shared.call(f"{HERE}:leave", str(status).encode())
        assert (died.value.reason, died.value.status) == ("exit", status)

    def test_memory_is_limited_and_named(self, shared: Jail) -> None:
        with pytest.raises(JailDied, match="memory") as died:
            shared.call(f"{HERE}:hog", b"")
        assert died.value.reason == "memory"
        assert shared.call(f"{HERE}:echo", b"next") == b"next"

    def test_a_file_that_does_not_fit_into_the_memory_is_a_memory_death(self, open_jail: Opener) -> None:
        jail = open_jail(memory=200 * 1024**2)
        with pytest.raises(JailDied) as died:
            jail.call(f"{HERE}:echo", bytes(230 * 1024**2))
        assert died.value.reason == "memory"
        assert jail.call(f"{HERE}:echo", b"next") == b"next"

    @pytest.mark.parametrize(
        "nonsense",
        [
            b"\x00" * 64,
            b"\xff" * 64,
            b"\x00\x00\x00\x01" + bytes(8) + b"\xc1",
            b"\x00\x00\x00\x01" + b"\xff" * 8 + b"\x80",
            b"\x00\x00\x00\x0b" + bytes(8) + b"\x81\xa7outcome\xa1\xff",
            b"\x00\x00\x00\x10" + bytes(8) + b"\x81\xa7outcome\xa4done" + b"x" * 2,
        ],
    )
    def test_what_a_worker_says_is_not_trusted(self, open_jail: Opener, nonsense: bytes) -> None:
        jail = open_jail()
        with pytest.raises(JailDied, match="no answer") as died:
            jail.call(f"{HERE}:write_nonsense", nonsense)
        assert died.value.reason == "answer"
        assert jail.call(f"{HERE}:echo", b"next") == b"next"

    def test_a_worker_killed_while_idle_costs_no_call(self, open_jail: Opener) -> None:
        jail = open_jail(workers=2)
        for _ in range(5):
            for pid in [worker.pid for worker in list(jail._idle)]:
                os.kill(pid, signal.SIGKILL)
            assert jail.call(f"{HERE}:echo", b"kept") == b"kept"


class TestDeadlines:
    @pytest.mark.parametrize("function", ["spin", "sleep", "spin_in_many_threads"])
    def test_an_overrun_is_killed_at_its_deadline(self, shared: Jail, function: str) -> None:
        before = time.monotonic()
        with pytest.raises(JailTimeout, match=r"not done within 0\.4 seconds"):
            shared.call(f"{HERE}:{function}", b"60", deadline=0.4)
        assert 0.3 < time.monotonic() - before < 10

    def test_the_jails_own_deadline_counts_where_the_call_names_none(self, open_jail: Opener) -> None:
        jail = open_jail(deadline=0.3)
        with pytest.raises(JailTimeout, match=r"0\.3"):
            jail.call(f"{HERE}:sleep", b"60")
        assert jail.call(f"{HERE}:sleep", b"0.5", deadline=20) == b"slept"

    def test_processor_time_is_limited_when_the_clock_is_not_enough(self, open_jail: Opener) -> None:
        jail = open_jail()
        (worker,) = jail._idle
        with pytest.raises(JailTimeout):
            jail.call(f"{HERE}:spin", b"", deadline=0.3)
        # The same limit set by hand, with nobody left to watch the clock: SIGXCPU ends it and counts as overrun.
        assert _wait_until(lambda: bool(jail._idle))
        assert not _is_running(worker.pid)
        with pytest.raises(JailTimeout, match="processor time"):
            jail.call(f"{HERE}:die", str(int(signal.SIGXCPU)).encode())

    def test_nothing_that_a_worker_started_outlives_it(self, open_jail: Opener) -> None:
        jail, mark = open_jail(), f"mark-{random.getrandbits(64)}"
        with pytest.raises((JailTimeout, JailDied)):
            jail.call(f"{HERE}:beget_and_spin", mark.encode(), deadline=0.5)
        assert _wait_until(lambda: not _marked(mark))

    def test_a_call_that_finds_no_free_worker_is_told_in_the_end(self, open_jail: Opener) -> None:
        jail = open_jail(patience=0.3)
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(jail.call, f"{HERE}:sleep", b"1.5")
            assert _wait_until(lambda: not jail._idle)
            with pytest.raises(JailTimeout, match="add workers"):
                jail.call(f"{HERE}:echo", b"")
            assert busy.result(20) == b"slept"


def _marked(mark: str) -> list[str]:
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in command.read_text(errors="replace"):
                found.append(command.parent.name)
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def seen() -> Seen:
    os.environ["SEAWALL_SECRET_FOR_THIS_TEST"] = "do not inherit"
    try:
        with Jail(functions=FUNCTIONS, workers=1, import_paths=[ROOT], memory=MEMORY) as jail:
            found: Seen = json.loads(jail.call(f"{HERE}:circumstances", b""))
            return found
    finally:
        del os.environ["SEAWALL_SECRET_FOR_THIS_TEST"]


class TestConfinement:
    def test_limits_are_in_force(self, seen: Seen) -> None:
        limits = seen["limits"]
        assert limits["RLIMIT_AS"] == [MEMORY] * 2
        assert limits["RLIMIT_CORE"] == limits["RLIMIT_FSIZE"] == limits["RLIMIT_NPROC"] == [0, 0]
        assert limits["RLIMIT_NOFILE"] == [16, 16]
        assert limits["RLIMIT_CPU"][0] < 20

    def test_no_secret_is_in_the_environment(self, seen: Seen) -> None:
        assert "SEAWALL_SECRET_FOR_THIS_TEST" not in seen["environment"]
        assert "PATH" not in seen["environment"]
        assert "HOME" not in seen["environment"]

    def test_only_the_channel_is_open(self, seen: Seen) -> None:
        targets = [target for target in seen["descriptors"].values() if target != "/dev/null"]
        assert len(targets) == 1
        assert targets[0].startswith("socket:")

    def test_it_stands_first_in_line_when_the_machine_runs_out_of_memory(self, seen: Seen) -> None:
        assert seen["oom"].strip() == "1000"
        assert seen["ignores"] is True
        assert seen["directory"] == "/"

    def test_no_file_grows(self, shared: Jail, tmp_path: Path) -> None:
        with pytest.raises(JailDied, match="OSError"):
            shared.call(f"{HERE}:write_file", str(tmp_path / "dropped").encode())
        assert not (tmp_path / "dropped").exists() or not (tmp_path / "dropped").stat().st_size

    def test_few_files_can_be_opened(self, shared: Jail) -> None:
        with pytest.raises(JailDied, match="OSError"):
            shared.call(f"{HERE}:open_files", b"16")

    def test_what_decoders_print_goes_nowhere(self, shared: Jail, capfd: pytest.CaptureFixture[str]) -> None:
        assert shared.call(f"{HERE}:chatter", b"quiet") == b"quiet"
        assert capfd.readouterr() == ("", "")


class TestTheHouseStaysClean:
    def _rounds(self, jail: Jail, rounds: int) -> None:
        for number in range(rounds):
            function, payload = ("die", str(int(signal.SIGKILL)).encode()) if number % 3 else ("sleep", b"60")
            with pytest.raises((JailDied, JailTimeout)):
                jail.call(f"{HERE}:{function}", payload, deadline=0.05)

    def _no_leak(self, rounds: int) -> None:
        children, descriptors, threads = _children(), _descriptors(), threading.active_count()
        with Jail(functions=FUNCTIONS, workers=2, import_paths=[ROOT]) as jail:
            self._rounds(jail, rounds)
            assert jail.call(f"{HERE}:echo", b"alive") == b"alive"
            assert _wait_until(lambda: len(jail._idle) == 2)
            assert len(_children() - children) == 2
            assert _descriptors() <= descriptors + 2
        assert _children() == children
        assert _descriptors() == descriptors
        assert threading.active_count() == threads

    def test_12_kills_leave_no_zombie_and_no_descriptor(self) -> None:
        self._no_leak(12)

    @pytest.mark.slow
    @pytest.mark.timeout(900)
    def test_300_kills_leave_no_zombie_and_no_descriptor(self) -> None:
        self._no_leak(300)

    def test_no_queued_call_is_lost_while_others_die(self, open_jail: Opener) -> None:
        jail = open_jail(workers=2, patience=60)
        outcomes: Sequence[object]

        def one(number: int) -> object:
            if number % 10 == 0:
                with pytest.raises(JailDied):
                    jail.call(f"{HERE}:die", str(int(signal.SIGSEGV)).encode())
                return number
            return int(jail.call(f"{HERE}:echo", str(number).encode()))

        with ThreadPoolExecutor(12) as pool:
            outcomes = list(pool.map(one, range(60)))
        assert outcomes == list(range(60))

    def test_closing_ends_a_call_under_way(self, open_jail: Opener) -> None:
        jail = open_jail()
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(jail.call, f"{HERE}:sleep", b"60", deadline=60)
            assert _wait_until(lambda: not jail._idle)
            jail.close()
            with pytest.raises(JailClosed):
                busy.result(10)

    def test_a_worker_that_leaves_after_its_answer_is_replaced_and_the_answer_kept(
        self, open_jail: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jail = open_jail()
        (first,) = jail._idle
        ask = Worker.ask
        monkeypatch.setattr(Worker, "ask", lambda *arguments: (ask(*arguments)[0], False))
        assert jail.call(f"{HERE}:echo", b"kept") == b"kept"
        assert _wait_until(lambda: bool(jail._idle))
        assert jail._idle[0].pid != first.pid
        assert not _is_running(first.pid)

    def test_a_forked_child_leaves_its_parents_workers_alone(self, open_jail: Opener) -> None:
        jail = open_jail()
        child = os.fork()
        if child == 0:
            jail.close()
            try:
                jail.call(f"{HERE}:echo", b"")
            except JailClosed:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert jail.call(f"{HERE}:echo", b"alive") == b"alive"

    def test_workers_leave_when_the_server_is_killed(self) -> None:
        script = (
            "import os, signal\nfrom seawall.signals.jail import Jail\n"
            f"jail = Jail(functions={FUNCTIONS!r}, workers=2, import_paths=[{ROOT!r}])\n"
            "print(*[worker.pid for worker in jail._idle], flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == -signal.SIGKILL
        pids = [int(word) for word in ended.stdout.split()]
        assert len(pids) == 2
        assert _wait_until(lambda: not any(_is_running(pid) for pid in pids))

    def test_a_server_that_ends_without_closing_ends_in_silence(self) -> None:
        script = (
            "from seawall.signals.jail import Jail\n"
            f"jail = Jail(functions={FUNCTIONS!r}, workers=1, import_paths=[{ROOT!r}])\n"
            f"print(jail.call('{HERE}:echo', b'bye').decode())\n"
        )
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "bye\n", "")


class TestStarting:
    def test_a_function_that_cannot_be_imported_is_reported_at_once(self) -> None:
        children, descriptors = _children(), _descriptors()
        with pytest.raises(JailDied, match="no_such_module") as died:
            Jail(functions=["no_such_module:anything"], workers=2)
        assert died.value.reason == "start"
        assert (_children(), _descriptors()) == (children, descriptors)

    @pytest.mark.parametrize("function", ["json", "json:", "json:no_such_name", "json:__doc__"])
    def test_a_path_that_names_no_function_is_reported(self, function: str) -> None:
        with pytest.raises(JailDied, match="could not start"):
            Jail(functions=[function], workers=1)

    def test_memory_too_small_to_start_is_reported(self) -> None:
        with pytest.raises(JailDied) as died:
            Jail(functions=FUNCTIONS, workers=1, import_paths=[ROOT], memory=1024**2)
        assert died.value.reason == "start"

    @pytest.mark.parametrize(("functions", "workers"), [([], 1), (FUNCTIONS, 0), (FUNCTIONS, -1)])
    def test_an_empty_jail_is_an_error(self, functions: list[str], workers: int) -> None:
        with pytest.raises(ValueError, match="at least one"):
            Jail(functions=functions, workers=workers)
