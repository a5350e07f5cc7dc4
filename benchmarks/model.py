"""The nouns of a benchmark run."""

import statistics
from collections.abc import Sequence
from enum import StrEnum
from typing import Self

import msgspec


class Size(StrEnum):
    """TINY shows that the code works, SMALL takes minutes, FULL is what is published."""

    TINY = "tiny"
    SMALL = "small"
    FULL = "full"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What one subject did: median, lowest and highest of all rounds, in `unit`."""

    subject: str
    unit: str
    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, subject: str, unit: str, values: Sequence[float]) -> Self:
        return cls(
            subject=subject,
            unit=unit,
            median=statistics.median(values),
            low=min(values),
            high=max(values),
            rounds=len(values),
        )


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """How many times a peer's speed is promised, and where we are going."""

    least: float
    beyond: float | None = None


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as fast as a peer, round by round: each round's own two figures are divided.

    `low` and `high` are the worst and the best round. Without a goal the ratio is there for information.
    """

    subject: str
    peer: str
    median: float
    low: float
    high: float
    goal: Goal | None = None

    @property
    def result(self) -> str:
        if self.goal is None:
            return ""
        if self.goal.beyond is not None and self.median >= self.goal.beyond:
            return "beyond"
        return "met" if self.median >= self.goal.least else "missed"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a row measured by itself, such as one picture size."""

    name: str
    figures: tuple[Figure, ...]
    ratios: tuple[Ratio, ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the goals. `checks` says what was verified in this run, `missing` which peers were not installed."""

    name: str
    work: str
    command: str
    parts: tuple[Part, ...]
    checks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures depend on."""

    processor: str
    features: tuple[str, ...]
    cores: int
    memory_gib: float
    system: str
    load_before: float
    versions: dict[str, str]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    size: Size
    started: str
    machine: Machine
    rows: tuple[Row, ...]


class WrongAnswer(AssertionError):
    """Two subjects disagree, or a planted match was not found: the figures would mean nothing."""
