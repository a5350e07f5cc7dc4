"""One trial: the same extraction, search and decision as for an upload, and what other thresholds would make of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from seawall.doors.console.try_it.drawing import Grid, Ruler, grid_of, ruler_of
from seawall.matching.model import BankKind, Hit
from seawall.matching.models import ListedSignal
from seawall.screening.flow import screen_signals
from seawall.screening.gate_state import LoadedState
from seawall.screening.model import Action, Outcome, Policy, Surface
from seawall.signals.extract import extract
from seawall.signals.jail import Boundary
from seawall.signals.model import Extraction, Part, Signal

#: Distances at which a person may set a threshold; 31 is the default, at 64 a quarter of the bits differ.
THRESHOLDS = (0, 8, 16, 24, 31, 40, 48, 64)
WIDEST = THRESHOLDS[-1]

#: Listed pictures that are drawn, the nearest first.
MOST_DRAWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Near:
    """A listed picture within the widest threshold, and how it differs. `is_near`: near enough for its bank.

    `muted_until` is a time to come, until which it matches nothing however near it is. `grid` is None where the listed
    value is gone meanwhile.
    """

    bank: str
    source: str
    labels: tuple[str, ...]
    distance: int
    max_distance: int
    quality: int | None
    is_near: bool
    muted_until: datetime | None
    grid: Grid | None
    ruler: Ruler


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """What the verdict would be if every bank had this largest distance."""

    distance: int
    verdict: Action


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """`near` are the nearest listed pictures, `thresholds` is empty where nothing was compared by distance."""

    outcome: Outcome
    near: tuple[Near, ...]
    thresholds: tuple[Threshold, ...]


def trial(parts: Sequence[Part], surface: Surface, loaded: LoadedState, jail: Boundary, now: datetime) -> Trial:
    found = extract(parts, jail)
    policy = loaded.state.policy
    outcome = _outcome(found, surface, loaded, policy, now)
    pictures = [signal for signal in found.signals if signal.type == "pdq"]
    near = [(signal, hit) for signal in pictures for hit in loaded.index.search("pdq", signal.value, WIDEST)]
    in_use = [(signal, hit) for signal, hit in near if _may_be_told(hit, policy)]
    in_use.sort(key=lambda pair: pair[1].distance)
    return Trial(
        outcome=outcome,
        near=tuple(_near(in_use[:MOST_DRAWN], policy, now)),
        thresholds=tuple(
            Threshold(distance=one, verdict=_outcome(found, surface, loaded, at_distance(policy, one), now).verdict)
            for one in THRESHOLDS
            if in_use
        ),
    )


def at_distance(policy: Policy, distance: int) -> Policy:
    """The policy as it would be with this largest distance in every bank and rule; no-look banks stay as they are."""
    banks = {
        name: bank if bank.kind is BankKind.NO_LOOK else msgspec.structs.replace(bank, max_distance=distance)
        for name, bank in policy.banks.items()
    }
    rules = tuple(
        rule if rule.max_distance is None else msgspec.structs.replace(rule, max_distance=distance)
        for rule in policy.rules
    )
    return msgspec.structs.replace(policy, banks=banks, rules=rules)


def _outcome(found: Extraction, surface: Surface, loaded: LoadedState, policy: Policy, now: datetime) -> Outcome:
    return screen_signals(found.signals, surface, None, loaded.index, policy, now, found.gaps)


def _may_be_told(hit: Hit, policy: Policy) -> bool:
    """Not of a no-look bank: whoever is told how near they are finds the way to what it lists, step by step."""
    bank = policy.banks.get(hit.attributes.bank)
    return bank is not None and bank.kind is not BankKind.NO_LOOK


def _near(pairs: Iterable[tuple[Signal, Hit]], policy: Policy, now: datetime) -> Iterable[Near]:
    pairs = list(pairs)
    ids = [hit.signal_id.partition("_")[2] for _, hit in pairs]
    listed = {row.signal_id: row for row in ListedSignal.objects.filter(id__in=ids)}
    for signal, hit in pairs:
        rules, row = policy.banks[hit.attributes.bank], listed.get(hit.signal_id)
        muted_until = hit.attributes.muted_until
        yield Near(
            bank=rules.name,
            source=rules.listed_by,
            labels=hit.attributes.labels,
            distance=hit.distance,
            max_distance=rules.max_distance,
            quality=None if row is None else row.quality,
            is_near=hit.distance <= rules.max_distance,
            muted_until=muted_until if muted_until is not None and now < muted_until else None,
            grid=None if row is None else grid_of(signal.value, row.value),
            ruler=ruler_of(hit.distance, rules.max_distance, WIDEST),
        )
