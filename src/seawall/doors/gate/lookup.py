"""Signals and matches without a verdict: `/v1/lookup` and `/v1/hash`. Nothing is recorded; only counters move."""

from collections.abc import Sequence
from datetime import datetime

from seawall.doors.gate.forms import (
    Failed,
    HashAnswer,
    ListedMatch,
    Matches,
    PartSignals,
    RawLookup,
    SignalForm,
    SignalFound,
)
from seawall.doors.gate.problems import FieldError, Refused
from seawall.doors.gate.reading import decode, read_signal
from seawall.doors.gate.searching import SearchedOnce
from seawall.matching.model import BankKind
from seawall.screening.flow import Found, find_matches, set_aside_known_safe
from seawall.screening.gate_state import LoadedState
from seawall.screening.model import Degradation
from seawall.signals.extract import extract
from seawall.signals.jail import Boundary
from seawall.signals.model import BadSignal, Extraction, Part, Signal


def read_signals(form: RawLookup) -> list[Signal | Refused]:
    """Every signal, or what is wrong with it."""
    read: list[Signal | Refused] = []
    for number, raw in enumerate(form.signals):
        try:
            read.append(read_signal(decode(raw, SignalForm)))
        except Refused as refused:
            read.append(refused.within(f"/signals/{number}"))
        except BadSignal as error:
            at = FieldError(pointer=f"/signals/{number}", detail=str(error))
            read.append(Refused("bad_signal", f"{error}.", errors=[at]))
    return read


def look_up(
    signals: Sequence[Signal | Refused], max_distance: int | None, loaded: LoadedState, now: datetime
) -> list[Matches | Failed]:
    """What `/v1/screen` would match for each signal alone."""
    index = SearchedOnce.of([one for one in signals if isinstance(one, Signal)], loaded)
    return [_look_up_one(one, max_distance, index, loaded, now) for one in signals]


def hash_parts(parts: Sequence[Part], jail: Boundary) -> HashAnswer:
    """The signals of each part, and what could not be looked at. Runs in a thread: it decodes and hashes."""
    found = extract(parts, jail)
    return HashAnswer(parts=tuple(_of_part(part.name, found) for part in parts))


def _look_up_one(
    signal: Signal | Refused, max_distance: int | None, index: SearchedOnce, loaded: LoadedState, now: datetime
) -> Matches | Failed:
    if isinstance(signal, Refused):
        return Failed(error=signal.problem())
    hits = find_matches([signal], index, loaded.state.policy, now)
    if not hits:
        return Matches(matches=())
    found, _ = set_aside_known_safe(hits)
    near = [one for one in found if max_distance is None or one.hit.distance <= max_distance]
    if any(one.bank.kind is BankKind.NO_LOOK for one in near):
        return Failed(error=Refused("no_look", "This signal is listed where nobody may look.").problem())
    return Matches(matches=tuple(_match(one) for one in near))


def _match(found: Found) -> ListedMatch:
    attributes = found.hit.attributes
    return ListedMatch(
        type=found.signal.type,
        distance=found.hit.distance,
        max_distance=found.bank.max_distance,
        bank=found.bank.name,
        signal=found.hit.signal_id,
        labels=tuple(dict.fromkeys((*attributes.labels, *found.bank.labels))),
        source=attributes.source,
        opinion=attributes.opinion,
        confirmed_by=attributes.confirmed_by,
    )


def _of_part(name: str, found: Extraction) -> PartSignals:
    return PartSignals(
        part=name,
        signals=tuple(
            SignalFound(type=one.type, version=one.version, value=one.value, quality=one.quality)
            for one in found.signals
            if one.part == name
        ),
        degraded_reasons=tuple(
            Degradation(part=gap.part, code=gap.code, text=gap.text) for gap in found.gaps if gap.part == name
        ),
    )
