"""Timing: all subjects in turn, round after round, so that a busy moment of the machine meets each of them."""

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from benchmarks.model import Figure, Goal, Ratio

Argument = TypeVar("Argument")

#: One round of one subject: seconds for each piece of work.
Round = Callable[[], float]
Rounds = dict[str, list[float]]

#: The clock is read once in so many calls, so that reading it does not count.
_BLOCK = 8


def say(text: str) -> None:
    """A progress line: to standard error, so that the table stays alone on standard output."""
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def seconds_per_call(call: Callable[[Argument], object], arguments: Sequence[Argument], seconds: float) -> float:
    """Calls with each argument in turn, over and over, for about this long; at least one block."""
    calls, at, started = 0, 0, time.perf_counter()
    while True:
        for argument in arguments[at : at + _BLOCK]:
            call(argument)
        calls += len(arguments[at : at + _BLOCK])
        at = at + _BLOCK if at + _BLOCK < len(arguments) else 0
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return elapsed / calls


def interleave(name: str, subjects: Mapping[str, Round], rounds: int) -> Rounds:
    """Every subject once a round. Each round begins with another subject, so that none always follows the same one."""
    measured: Rounds = {subject: [] for subject in subjects}
    order = list(subjects)
    for number in range(rounds):
        first = number % len(order)
        for subject in order[first:] + order[:first]:
            gc.collect()
            measured[subject].append(subjects[subject]())
        say(f"{name}: round {number + 1} of {rounds}")
    return measured


def rates(measured: Rounds, unit: str) -> tuple[Figure, ...]:
    """Figures a second."""
    return tuple(Figure.of(subject, unit, [1 / value for value in values]) for subject, values in measured.items())


def milliseconds(measured: Rounds) -> tuple[Figure, ...]:
    return tuple(Figure.of(subject, "ms", [1000 * value for value in values]) for subject, values in measured.items())


def ratios(measured: Rounds, subject: str, peers: Mapping[str, Goal | None]) -> tuple[Ratio, ...]:
    """How many times as fast as each peer that was measured."""
    return tuple(
        _ratio(subject, measured[subject], peer, measured[peer], goal)
        for peer, goal in peers.items()
        if peer in measured and subject in measured
    )


def _ratio(subject: str, ours: Sequence[float], peer: str, theirs: Sequence[float], goal: Goal | None) -> Ratio:
    each = [slow / fast for fast, slow in zip(ours, theirs, strict=True)]
    return Ratio(subject=subject, peer=peer, median=statistics.median(each), low=min(each), high=max(each), goal=goal)


@contextmanager
def one_core() -> Iterator[None]:
    """This process on one core only: no subject gains from threads of its own, and none moves between caches."""
    if not hasattr(os, "sched_setaffinity"):  # macOS
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
