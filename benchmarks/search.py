"""K1: every match within 31 bits among a million PDQ hashes, one call at a time from Python, on one core."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from benchmarks import hashes, peers
from benchmarks.model import Goal, Part, Row, Size, WrongAnswer
from benchmarks.rounds import Round, interleave, one_core, rates, ratios, say, seconds_per_call
from seawall import Attributes, Index, IndexedSignal

RADIUS = 31
SEED = 20_170_626

KERNEL = "seawall_native.HammingIndex.search"
LIBRARY = "seawall.Index.search"
MULTI_HASH = "faiss IndexBinaryMultiHash 11 x 23 bits, nflip 2"
FLAT = "faiss IndexBinaryFlat"
THREATEXCHANGE = "faiss IndexBinaryMultiHash 16 x 16 bits, nflip 1 (threatexchange's)"

GOALS: Mapping[str, Goal | None] = {
    MULTI_HASH: Goal(least=40, beyond=100),
    FLAT: Goal(least=80),
    THREATEXCHANGE: Goal(least=120),
}

#: (row, distance) of every hit, sorted.
Found = list[tuple[int, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    listed: int
    questions: int
    seconds: float
    rounds: int


SCALES = {
    Size.TINY: Scale(listed=10_000, questions=200, seconds=0.02, rounds=5),
    Size.SMALL: Scale(listed=1_000_000, questions=1_000, seconds=0.5, rounds=5),
    Size.FULL: Scale(listed=1_000_000, questions=4_000, seconds=2.0, rounds=9),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One way to search: `ask` is what is timed, with arguments made ready before; `read` makes its answers alike."""

    arguments: Sequence[Any]
    ask: Callable[[Any], Any]
    read: Callable[[Any], Found]


def run(size: Size) -> Row:
    scale = SCALES[size]
    say(f"K1: making {scale.listed:,} hashes")
    rows = hashes.listed(scale.listed, SEED)
    asked = hashes.questions(rows, scale.questions, SEED + 1)
    with one_core():
        subjects = {name: build(rows, asked) for name, build in _builders() if _built(name)}
        checked = _check(subjects, asked)
        measured = interleave("K1", {name: _round(one, scale.seconds) for name, one in subjects.items()}, scale.rounds)
    return Row(
        name="K1",
        work=f"all matches within {RADIUS} bits among {scale.listed:,} PDQ hashes, one call at a time, one core",
        command=f"python -m benchmarks K1 --size {size}",
        parts=(
            Part(
                name=f"{scale.listed:,} hashes",
                figures=rates(measured, "searches/s"),
                ratios=ratios(measured, KERNEL, GOALS if size != Size.TINY else dict.fromkeys(GOALS))
                + ratios(measured, LIBRARY, dict.fromkeys(GOALS)),
            ),
        ),
        checks=checked,
        notes=(f"half of the {scale.questions:,} questions lie 0 to 33 bits from a listed hash; seed {SEED}",),
        missing=tuple(name for name in ("faiss", "seawall_native") if peers.find(name) is None),
    )


def _built(name: str) -> bool:
    say(f"K1: building {name}")
    return True


def _builders() -> Iterator[tuple[str, Callable[[hashes.Hashes, hashes.Questions], Subject]]]:
    if peers.find("seawall_native") is not None:
        yield KERNEL, _kernel
    yield LIBRARY, _library
    faiss = peers.find("faiss")
    if faiss is not None:
        faiss.omp_set_num_threads(1)
        yield MULTI_HASH, lambda rows, asked: _faiss(_multi_hash(faiss, 11, 23, 2), rows, asked)
        yield FLAT, lambda rows, asked: _faiss(faiss.IndexBinaryFlat(hashes.BITS), rows, asked)
        yield THREATEXCHANGE, lambda rows, asked: _faiss(_multi_hash(faiss, 16, 16, 1), rows, asked)


def _kernel(rows: hashes.Hashes, asked: hashes.Questions) -> Subject:
    native = peers.find("seawall_native")
    assert native is not None
    index = native.HammingIndex(rows)
    return Subject(
        arguments=[value.tobytes() for value in asked.values],
        ask=lambda value: index.search(value, RADIUS),
        read=lambda answer: sorted(zip(answer[0].tolist(), answer[1].tolist(), strict=True)),
    )


def _library(rows: hashes.Hashes, asked: hashes.Questions) -> Subject:
    shared = Attributes(bank="benchmark")
    index = Index.build(
        IndexedSignal(signal_id=f"sig_{UUID(int=number)}", type="pdq", value=row.tobytes().hex(), attributes=shared)
        for number, row in enumerate(rows)
    )
    return Subject(
        arguments=[value.tobytes().hex() for value in asked.values],
        ask=lambda value: index.search("pdq", value, RADIUS),
        read=lambda answer: sorted((UUID(hit.signal_id.removeprefix("sig_")).int, hit.distance) for hit in answer),
    )


def _multi_hash(faiss: Any, bands: int, bits: int, flips: int) -> Any:
    index = faiss.IndexBinaryMultiHash(hashes.BITS, bands, bits)
    index.nflip = flips
    return index


def _faiss(index: Any, rows: hashes.Hashes, asked: hashes.Questions) -> Subject:
    started = time.perf_counter()
    index.add(rows)
    say(f"K1: faiss built in {time.perf_counter() - started:.1f} s")
    return Subject(
        arguments=[np.ascontiguousarray(value[None, :]) for value in asked.values],
        # faiss gives what is nearer than its radius; Seawall's radius is included.
        ask=lambda value: index.range_search(value, RADIUS + 1),
        read=lambda answer: sorted(zip(answer[2].tolist(), map(int, answer[1]), strict=True)),
    )


def _round(subject: Subject, seconds: float) -> Round:
    return lambda: seconds_per_call(subject.ask, subject.arguments, seconds)


def _check(subjects: Mapping[str, Subject], asked: hashes.Questions) -> tuple[str, ...]:
    """Every subject answers every question alike, and every planted match within the radius is among the answers."""
    say(f"K1: comparing the answers to {len(asked.values):,} questions")
    answers = {
        name: [subject.read(subject.ask(argument)) for argument in subject.arguments]
        for name, subject in subjects.items()
    }
    within = [(question, row, distance) for question, row, distance in asked.planted if distance <= RADIUS]
    for name, found in answers.items():
        lost = [question for question, row, distance in within if (row, distance) not in found[question]]
        if lost:
            raise WrongAnswer(f"{name} lost {len(lost)} of {len(within)} planted matches (first: question {lost[0]})")
    first, *others = answers
    for name in others:
        if answers[name] != answers[first]:
            raise WrongAnswer(f"{name} and {first} give different answers")
    return (
        f"recall 1.0: each of {len(within):,} planted matches within {RADIUS} bits was found by every subject",
        f"all {len(subjects)} subjects gave identical answers to all {len(asked.values):,} questions",
    )
