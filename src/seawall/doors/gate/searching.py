"""Searches all signals of a request in one pass of the kernel, for everything that then asks one by one."""

from collections.abc import Iterable, Sequence
from typing import Self

from seawall.matching.model import Hit
from seawall.screening.gate_state import LoadedState
from seawall.screening.policy import search_radius
from seawall.signals.model import Signal

#: Fewer than this are as quickly asked one by one.
WORTH_A_PASS = 4


class SearchedOnce:
    """Answers `search` from what one pass over the index found. A `flow.Searchable`."""

    def __init__(self, found: dict[tuple[str, str], list[Hit]], loaded: LoadedState) -> None:
        self._found = found
        self._index = loaded.index

    @classmethod
    def of(cls, signals: Sequence[Signal], loaded: LoadedState) -> Self:
        found: dict[tuple[str, str], list[Hit]] = {}
        if len(signals) >= WORTH_A_PASS:
            radius = search_radius(loaded.state.policy)
            for kind, values in _by_type(signals).items():
                hits = loaded.index.search_many(kind, values, radius)
                found.update(((kind, value), one) for value, one in zip(values, hits, strict=True))
        return cls(found, loaded)

    def search(self, type: str, value: str, radius: int) -> Sequence[Hit]:  # noqa: A002 - DESIGN §10 names it so
        known = self._found.get((type, value))
        return self._index.search(type, value, radius) if known is None else known


def _by_type(signals: Iterable[Signal]) -> dict[str, list[str]]:
    """The values of each type, each once."""
    values: dict[str, dict[str, None]] = {}
    for signal in signals:
        values.setdefault(signal.type, {})[signal.value] = None
    return {kind: list(ordered) for kind, ordered in values.items()}
