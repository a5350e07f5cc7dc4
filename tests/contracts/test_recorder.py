"""What every recorder promises, the one in memory and the ledger's on both databases."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from seawall.record.ids import BadId
from seawall.screening.ledger import Ledger, LedgerRecorder, MemoryRecorder
from seawall.screening.model import Action
from seawall.screening.recording import IdempotencyConflict, LedgerUnavailable, Recorded, Recording
from seawall.settings import Settings
from tests.postgresql import PostgresServer
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, hold, key, seen, verdict


class Subject(Protocol):
    @property
    def alive(self) -> bool: ...
    @property
    def problem(self) -> str: ...
    def submit(self, recording: Recording) -> "Future[Recorded]": ...
    def close(self) -> None: ...


Stored = Callable[[str], bool]


@pytest.fixture(scope="module")
def shared_database(postgres: PostgresServer) -> Iterator[str]:
    """One database for all these tests: each has keys of its own, so that none can find another's rows."""
    postgres.create("recorder_contract", template="seawall_template")
    yield postgres.url("recorder_contract")
    postgres.drop("recorder_contract")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Subject, Stored]]:
    if request.param == "memory":
        memory = MemoryRecorder()
        yield memory, lambda wanted: wanted in [one.verdict.id for one in memory.recordings]
        return
    url = request.getfixturevalue("shared_database") if request.param == "postgresql" else ""
    ledger = Ledger(Settings(data_dir=tmp_path / "data", database_url=url))
    with LedgerRecorder(ledger) as recorder:
        yield recorder, lambda wanted: ledger.read(wanted) is not None


def test_the_verdict_comes_back_once_it_is_recorded(subject: tuple[Subject, Stored]) -> None:
    recorder, stored = subject
    for recording in (allow(), block(), hold(), hold(data=b"a picture")):
        answer = recorder.submit(recording).result(PATIENCE)
        assert answer == Recorded(verdict=recording.verdict)
        assert stored(recording.verdict.id)
    assert recorder.alive
    assert recorder.problem == ""


def test_a_surface_that_stores_no_unmatched_rows_leaves_none(subject: tuple[Subject, Stored]) -> None:
    recorder, stored = subject
    unmatched = allow(store=False)
    future = recorder.submit(unmatched)
    assert future.done()
    assert future.result(0) == Recorded(verdict=unmatched.verdict)
    assert not stored(unmatched.verdict.id)
    matched = msgspec.structs.replace(verdict(), matches=block().verdict.matches)
    for kept in (matched, verdict(Action.BLOCK, matches=()), verdict(Action.HOLD, matches=())):
        recorder.submit(Recording(verdict=kept, store=False)).result(PATIENCE)
        assert stored(kept.id)


def test_an_equal_request_gets_the_earlier_answer(subject: tuple[Subject, Stored]) -> None:
    recorder, stored = subject
    first, second = block(idempotency=key()), allow(idempotency=key())
    recorder.submit(first).result(PATIENCE)
    again = recorder.submit(second).result(PATIENCE)
    assert again.replayed
    assert again.verdict == first.verdict
    assert not stored(second.verdict.id)


def test_the_repeated_answer_keeps_the_signals_of_the_request(subject: tuple[Subject, Stored]) -> None:
    recorder, _ = subject
    private = verdict(signals=(seen("text_exact", "a" * 64, None), seen()))
    recorder.submit(Recording(verdict=private, idempotency=key())).result(PATIENCE)
    again = recorder.submit(Recording(verdict=verdict(signals=private.signals), idempotency=key())).result(PATIENCE)
    assert again.verdict == private


def test_the_same_key_with_another_request_is_a_conflict(subject: tuple[Subject, Stored]) -> None:
    recorder, stored = subject
    recorder.submit(block(idempotency=key())).result(PATIENCE)
    other = allow(idempotency=key(request=b"another"))
    with pytest.raises(IdempotencyConflict, match="new key"):
        recorder.submit(other).result(PATIENCE)
    assert not stored(other.verdict.id)


def test_keys_belong_to_who_sent_them(subject: tuple[Subject, Stored]) -> None:
    recorder, stored = subject
    mine, yours = allow(idempotency=key(owner="key_1")), allow(idempotency=key(owner="key_2", request=b"another"))
    for recording in (mine, yours):
        assert not recorder.submit(recording).result(PATIENCE).replayed
        assert stored(recording.verdict.id)
    # Two names that run together must not become one.
    tricky = allow(idempotency=key(owner="key", name="_1\0k", request=b"third"))
    assert not recorder.submit(tricky).result(PATIENCE).replayed


def test_one_group_with_the_same_key_many_times_is_recorded_once(subject: tuple[Subject, Stored]) -> None:
    recorder, stored = subject
    equal = [allow(idempotency=key()) for _ in range(40)] + [block(idempotency=key()) for _ in range(10)]
    answers = [future.result(PATIENCE) for future in [recorder.submit(one) for one in equal]]
    assert [answer.replayed for answer in answers].count(False) == 1
    assert len({answer.verdict.id for answer in answers}) == 1
    assert [stored(one.verdict.id) for one in equal].count(True) == 1


def test_a_key_without_a_row_binds_nothing_but_still_finds_an_earlier_answer(subject: tuple[Subject, Stored]) -> None:
    recorder, _ = subject
    unstored = [allow(store=False, idempotency=key()) for _ in range(3)]
    assert [recorder.submit(one).result(PATIENCE).replayed for one in unstored] == [False] * 3
    first = block(idempotency=key())
    recorder.submit(first).result(PATIENCE)
    assert recorder.submit(allow(store=False, idempotency=key())).result(PATIENCE).verdict.id == first.verdict.id


@pytest.mark.parametrize(
    ("later", "replayed"),
    [
        (timedelta(seconds=1), True),
        (timedelta(hours=24), True),
        (timedelta(hours=35), True),
        (timedelta(hours=-13), True),
        (timedelta(hours=36), False),
    ],
)
def test_a_key_is_valid_for_at_least_a_day(
    subject: tuple[Subject, Stored], later: timedelta, *, replayed: bool
) -> None:
    recorder, _ = subject
    recorder.submit(block(NOW, idempotency=key())).result(PATIENCE)
    assert recorder.submit(allow(NOW + later, idempotency=key())).result(PATIENCE).replayed is replayed


def test_a_key_holds_across_midnight_and_across_a_key_period(subject: tuple[Subject, Stored]) -> None:
    recorder, _ = subject
    # 2026-11-27 is the last day of its period of 30 days.
    before = datetime(2026, 11, 27, 23, 59, 59, 999000, tzinfo=UTC)
    after = before + timedelta(milliseconds=2)
    first = recorder.submit(allow(before, idempotency=key()))
    second = recorder.submit(block(after, idempotency=key()))
    assert second.result(PATIENCE).verdict.id == first.result(PATIENCE).verdict.id


def test_a_caller_who_has_gone_is_recorded_all_the_same(subject: tuple[Subject, Stored]) -> None:
    recorder, stored = subject
    recording = block()
    future = recorder.submit(recording)
    assert not future.cancel()
    future.result(PATIENCE)
    assert stored(recording.verdict.id)


def test_an_id_without_a_day_is_refused_at_once(subject: tuple[Subject, Stored]) -> None:
    recorder, _ = subject
    for bad in ("", "scr_", "sig_" + verdict().id[4:], "scr_00000000-0000-4000-8000-000000000000", "../x"):
        with pytest.raises(BadId):
            recorder.submit(Recording(verdict=msgspec.structs.replace(verdict(), id=bad)))


def test_many_at_once_all_arrive(subject: tuple[Subject, Stored]) -> None:
    recorder, stored = subject
    recordings = [allow() if number % 3 else block() for number in range(1500)]
    futures = [recorder.submit(recording) for recording in recordings]
    assert not wait(futures, PATIENCE).not_done
    assert [future.result(0).verdict.id for future in futures] == [one.verdict.id for one in recordings]
    assert all(stored(recording.verdict.id) for recording in recordings[::100])


def test_a_failing_ledger_answers_nothing_and_recovers(settings: Settings) -> None:
    """On PostgreSQL the sessions are ended; on SQLite the directory is replaced by a file."""
    ledger = Ledger(settings)
    with LedgerRecorder(ledger) as recorder:
        recorder.submit(allow()).result(PATIENCE)
        if settings.on_postgresql:
            from django.db import connection

            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
        else:
            recorder._storage.close()
            settings.ledger_dir.rename(settings.data_dir / "away")
            settings.ledger_dir.write_bytes(b"")
        with pytest.raises(LedgerUnavailable, match="Check the free space"):
            recorder.submit(allow()).result(PATIENCE)
        assert not recorder.alive
        assert recorder.problem
        if not settings.on_postgresql:
            settings.ledger_dir.unlink()
            (settings.data_dir / "away").rename(settings.ledger_dir)
        last = allow()
        recorder.submit(last).result(PATIENCE)
        assert recorder.alive
        assert ledger.read(last.verdict.id) is not None


def test_the_memory_twin_can_fail_too() -> None:
    recorder = MemoryRecorder()
    recorder.failing = True
    assert not recorder.alive
    with pytest.raises(LedgerUnavailable):
        recorder.submit(block()).result(0)
