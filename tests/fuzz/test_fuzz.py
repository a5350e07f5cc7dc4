"""The fuzzer sees crashes, broken promises and hangs for what they are; and each target holds for a moment."""

from pathlib import Path
from random import Random

import pytest

from tests.fuzz import running
from tests.fuzz.__main__ import TARGETS
from tests.fuzz.mutation import LONGEST, mutated
from tests.fuzz.planted import PLANTED, SEED
from tests.fuzz.running import Ran, run_apart


@pytest.fixture(autouse=True)
def failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FAILURES", tmp_path / "failures")


def planted(name: str) -> Ran:
    assert name in PLANTED
    return run_apart(name, seconds=0.2, seed=1, program="tests.fuzz.planted")


@pytest.mark.slow
def test_a_target_that_holds_has_no_problem() -> None:
    ran = planted("well")
    assert ran.problem == ""
    assert ran.iterations > 100


@pytest.mark.slow
def test_a_crash_is_seen_with_its_input() -> None:
    ran = planted("crashes")
    assert "SIGSEGV" in ran.problem
    assert ran.kept is not None
    assert ran.kept.read_bytes() != SEED


@pytest.mark.slow
def test_a_broken_promise_is_seen_with_its_input_and_reason() -> None:
    ran = planted("breaks")
    assert "the gulls are gone" in ran.problem
    assert ran.kept is not None
    assert b"gulls" not in ran.kept.read_bytes()


@pytest.mark.slow
def test_an_input_that_hangs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GRACE", 15.0)
    ran = planted("hangs")
    assert "hangs" in ran.problem
    assert ran.kept is not None
    assert ran.kept.read_bytes() != SEED


def test_the_same_seed_gives_the_same_mutations() -> None:
    def some(seed: int) -> list[bytes]:
        random = Random(seed)
        return [mutated([SEED, b"", bytes(300)], [b"word"], random) for _ in range(300)]

    assert some(1) == some(1) != some(2)
    assert len(set(some(1))) > 200
    assert max(map(len, some(1))) <= LONGEST


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_each_target_holds_for_a_moment(name: str) -> None:
    ran = run_apart(name, seconds=0.5, seed=20_261_123)
    assert ran.problem == ""
    assert ran.outcomes > 1
