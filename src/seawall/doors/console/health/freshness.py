"""How fresh the index is that uploads are compared with."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from seawall.record.generation import generations
from seawall.screening.gate_state import LoadedState


@dataclass(frozen=True, kw_only=True, slots=True)
class Freshness:
    """`is_newest`: every change of banks, policy, surfaces and keys is in it. `signals` counts the test card too."""

    made_at: datetime
    age: timedelta
    is_newest: bool
    signals: int


def freshness(loaded: LoadedState | None, now: datetime) -> Freshness | None:
    """None before anything was published. One query."""
    if loaded is None:
        return None
    return Freshness(
        made_at=loaded.state.made_at,
        age=max(timedelta(), now - loaded.state.made_at),
        is_newest=loaded.state.generations == generations(),
        signals=len(loaded.index),
    )
