"""The recorder under bad conditions: killed, without space, without rights, closed, flooded."""

import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.ledger import recorder as recorder_module
from seawall.screening.ledger.batches import append_batches, verify_batches
from seawall.screening.recording import LedgerUnavailable, Recorded
from seawall.settings import Settings
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, hold, key

#: The directory that `tests` is imported from, in a child process too.
ROOT = Path(__file__).parents[3]

#: Records for ever; writes each acknowledged id to a file, which outlives the process.
RECORD_FOR_EVER = """
import os, sys
from pathlib import Path
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.settings import Settings
from tests.rooms.screening.recordings import allow, block, hold, key

settings = Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2])
acknowledged = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def acknowledge(future):
    os.write(acknowledged, future.result().verdict.id.encode() + b"\\n")

with LedgerRecorder(Ledger(settings)) as recorder:
    number = 0
    while True:
        number += 1
        made = [allow(), block(), allow(idempotency=key(f"{os.getpid()}-{number}")), hold(data=b"harmless" * 100)]
        waiting = [recorder.submit(one) for one in made[: 4 if number % 20 == 0 else 3]]
        for future in waiting:
            future.add_done_callback(acknowledge)
        if number % 50 == 0:
            waiting[-1].result()
"""


def run_and_kill(settings: Settings, acknowledged: Path, seconds: float) -> None:
    arguments = [str(settings.data_dir), settings.database_url, str(acknowledged)]
    child = subprocess.Popen([sys.executable, "-c", RECORD_FOR_EVER, *arguments], cwd=ROOT)
    try:
        deadline = time.monotonic() + PATIENCE
        before = acknowledged.stat().st_size if acknowledged.exists() else 0
        while not acknowledged.exists() or acknowledged.stat().st_size == before:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(seconds)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def kill_rounds(settings: Settings, tmp_path: Path, rounds: int) -> None:
    acknowledged = tmp_path / "acknowledged"
    chance = random.Random(rounds)
    checked = 0
    for _ in range(rounds):
        run_and_kill(settings, acknowledged, chance.uniform(0, 0.3))
        ledger = Ledger(settings)
        ids = acknowledged.read_text().split("\n")[:-1]
        # Read in full: looking up each of thousands of ids opens the files thousands of times.
        with ledger.opened() as storage:
            stored = {row.screening_id: row.verdict for one in storage.partitions() for row in storage.rows(one)}
        assert set(ids[checked:]) <= set(stored)
        for screening_id in [one for one in ids[checked:] if stored[one] == "hold"]:
            assert ledger.held.parts(screening_id)[0].data == b"harmless" * 100
        assert ids[checked:]
        assert ledger.read(ids[-1]) is not None
        checked = len(ids)
        append_batches(ledger, now=NOW)
    assert list(verify_batches(Ledger(settings))) == []


def test_whatever_was_acknowledged_survives_kill_9(settings: Settings, tmp_path: Path) -> None:
    kill_rounds(settings, tmp_path, 3)


@pytest.mark.kill
@pytest.mark.timeout(600)
def test_whatever_was_acknowledged_survives_twenty_kills(settings: Settings, tmp_path: Path) -> None:
    kill_rounds(settings, tmp_path, 20)


#: A real "file too large" from the kernel, which SQLite meets exactly as it meets a full disk.
FULL_DISK = """
import logging, resource, sys
from pathlib import Path
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.recording import LedgerUnavailable
from seawall.settings import Settings
from tests.rooms.screening.recordings import PATIENCE, allow, block, hold

logging.disable()
ledger = Ledger(Settings(data_dir=Path(sys.argv[1])))
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
with LedgerRecorder(ledger) as recorder:
    recorder.submit(allow()).result(PATIENCE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), unlimited[1]))
    answered, refused, reasons = [], [], set()
    for round in range(25):
        made = [allow() if number % 3 else block() for number in range(20)] + [hold(data=bytes(5_000))]
        for one, future in [(one, recorder.submit(one)) for one in made]:
            error = future.exception(PATIENCE)
            assert error is None or isinstance(error, LedgerUnavailable), error
            (refused if error else answered).append(one.verdict.id)
            reasons.add(str(error))
    # Closing the files after an error empties the write-ahead log, so that answers may go on for a while.
    assert refused and answered
    assert all("free space" in reason for reason in reasons - {"None"}), reasons
    large = hold(data=bytes(2_000_000))
    assert recorder.submit(large).exception(PATIENCE)
    assert recorder.problem
    assert not ledger.held.present(large.verdict.id)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    last = [allow(), block(), large]
    for one in last:
        recorder.submit(one).result(PATIENCE)
    assert recorder.alive
for one in answered + [one.verdict.id for one in last]:
    assert ledger.read(one) is not None, one
for one in refused:
    assert ledger.read(one) is None, one
    assert not ledger.held.present(one)
print(len(answered), len(refused))
"""


@pytest.mark.parametrize("limit", [60_000, 150_000])
def test_a_full_disk_gives_no_verdict_and_goes_on_when_there_is_space(sqlite_settings: Settings, limit: int) -> None:
    arguments = [str(sqlite_settings.data_dir), str(limit)]
    command = [sys.executable, "-c", FULL_DISK, *arguments]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    answered, refused = map(int, child.stdout.split())
    assert answered + refused == 25 * 21
    assert list(verify_batches(Ledger(sqlite_settings))) == []


def test_a_directory_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"a file, where a directory should be")
    with LedgerRecorder(Ledger(Settings(data_dir=tmp_path))) as recorder:
        with pytest.raises(LedgerUnavailable, match=r"rights of the data directory"):
            recorder.submit(allow()).result(PATIENCE)
        (tmp_path / "keys").unlink()
        recorder.submit(allow()).result(PATIENCE)


def test_a_database_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=f"postgresql://nobody@/none?host={tmp_path}")
    with LedgerRecorder(Ledger(settings)) as recorder, pytest.raises(LedgerUnavailable, match="PostgreSQL"):
        recorder.submit(allow()).result(PATIENCE)


def test_closing_records_what_waits_and_refuses_what_comes_after(settings: Settings) -> None:
    ledger = Ledger(settings)
    recorder = LedgerRecorder(ledger)
    recordings = [block() for _ in range(2000)] + [hold(data=b"picture") for _ in range(5)]
    futures = [recorder.submit(recording) for recording in recordings]
    recorder.close()
    recorder.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(LedgerUnavailable, match="stopping"):
        recorder.submit(block()).result(0)
    assert not recorder.alive
    assert ledger.read(recordings[-1].verdict.id) is not None


def test_nobody_is_left_waiting_when_many_threads_meet_the_end(sqlite_settings: Settings) -> None:
    recorder = LedgerRecorder(Ledger(sqlite_settings))
    futures: list[Future[Recorded]] = []
    begin = threading.Barrier(5)

    def submit() -> None:
        begin.wait()
        futures.extend(recorder.submit(hold(data=b"x") if number % 50 == 0 else block()) for number in range(300))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    begin.wait()
    time.sleep(0.01)
    recorder.close()
    for thread in threads:
        thread.join()
    errors = [future.exception(PATIENCE) for future in futures]
    assert {type(error) for error in errors} <= {type(None), LedgerUnavailable}
    assert len(errors) == 1200


def test_a_disk_that_is_stuck_is_said_so_instead_of_filling_the_memory(
    sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "LARGEST_QUEUE", 10)
    with LedgerRecorder(Ledger(sqlite_settings)) as recorder:
        recorder.submit(block()).result(PATIENCE)
        from seawall.screening.ledger import LedgerFamily, Partition
        from seawall.screening.ledger.sqlite import SqliteStorage

        # Another writer holds the file, as a disk that hangs would.
        other = SqliteStorage(sqlite_settings.ledger_dir)
        partition = Partition(day=NOW.date(), family=LedgerFamily.MATCHED)
        blocking = other.connect(partition)
        assert blocking is not None
        blocking.execute("BEGIN IMMEDIATE")
        futures = [_after_a_moment(recorder) for _ in range(30)]
        refused = [future for future in futures if future.done() and future.exception(0)]
        assert refused
        assert "waiting for the disk" in str(refused[0].exception(0))
        blocking.execute("ROLLBACK")
        other.close()
        assert all(future.exception(PATIENCE) is None for future in futures if future not in refused)


def test_idle_files_are_closed(sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "IDLE_SECONDS", 0.05)
    with LedgerRecorder(Ledger(sqlite_settings)) as recorder:
        recorder.submit(block()).result(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while any("ledger/" in _target(path) for path in Path("/proc/self/fd").iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        recorder.submit(block(idempotency=key())).result(PATIENCE)


def _after_a_moment(recorder: LedgerRecorder) -> "Future[Recorded]":
    time.sleep(0.002)
    return recorder.submit(block())


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def test_waiting_verdicts_are_committed_together(sqlite_settings: Settings) -> None:
    ledger = Ledger(sqlite_settings)
    with LedgerRecorder(ledger) as recorder:
        for future in [recorder.submit(block()) for _ in range(3000)]:
            future.result(PATIENCE)
    with ledger.opened() as storage:
        batches = [one.rows for partition in storage.partitions() for one in storage.batches(partition)]
    assert sum(batches) == 3000
    assert max(batches) <= recorder_module.LARGEST_GROUP
    assert len(batches) < 300


def test_nobody_waits_for_a_recorder_that_died(sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ended its thread: who waits is refused, who comes later too, and held bytes stay with no one."""
    ledger = Ledger(sqlite_settings)
    recorder = LedgerRecorder(ledger)
    assert recorder.running
    busy, go_on = threading.Event(), threading.Event()

    class Struck(BaseException):
        pass

    def struck(*_: object) -> None:
        busy.set()
        assert go_on.wait(PATIENCE)
        raise Struck

    monkeypatch.setattr(recorder, "_record", struck)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    waiting = [recorder.submit(block())]
    assert busy.wait(PATIENCE)
    waiting += [recorder.submit(block()) for _ in range(3)] + [recorder.submit(hold(data=b"harmless"))]
    go_on.set()
    for future in waiting:
        with pytest.raises(LedgerUnavailable, match="restart"):
            future.result(PATIENCE)
    assert not recorder.running
    assert "stopped" in recorder.problem
    with pytest.raises(LedgerUnavailable, match="restart"):
        recorder.submit(block()).result(PATIENCE)
    with pytest.raises(LedgerUnavailable, match="restart"):
        recorder.submit(hold(data=b"harmless")).result(PATIENCE)
    recorder.close()
    assert ledger.held.ids() == []
