"""Searches all signals of a request in few passes of the kernel, for everything that then asks one by one."""

from collections.abc import Iterable, Sequence
from typing import Self

from seawall.doors.gate.problems import Refused
from seawall.matching.model import Hit
from seawall.screening.gate_state import LoadedState
from seawall.screening.policy import search_radius
from seawall.signals.model import Signal

#: Fewer than this are as quickly asked one by one.
WORTH_A_PASS = 4

#: Signals in one pass. More would hardly be faster, and what they find has to fit into memory before it is counted.
ONE_PASS = 256

#: Matches in one answer: 20 MB of JSON, and a second or two. Lists of video frames hold thousands of near-duplicates,
#: so that without this a short request could find more than any machine has memory for.
MOST_MATCHES = 100_000


class SearchedOnce:
    """Answers `search` from what was found beforehand. A `flow.Searchable`.

    Raises:
        Refused: `too_many_matches`, when all answers together would be more than MOST_MATCHES.
    """

    def __init__(self, loaded: LoadedState) -> None:
        self._found: dict[tuple[str, str], list[Hit]] = {}
        self._index = loaded.index
        self._answered = 0

    @classmethod
    def of(cls, signals: Sequence[Signal], loaded: LoadedState) -> Self:
        searched = cls(loaded)
        if len(signals) >= WORTH_A_PASS:
            searched._search_all(signals, search_radius(loaded.state.policy))
        return searched

    def search(self, type: str, value: str, radius: int) -> Sequence[Hit]:  # noqa: A002 - DESIGN §10 names it so
        known = self._found.get((type, value))
        hits = self._index.search(type, value, radius) if known is None else known
        self._answered += len(hits)
        _require_few(self._answered)
        return hits

    def _search_all(self, signals: Sequence[Signal], radius: int) -> None:
        total = 0
        for kind, values in _by_type(signals).items():
            for at in range(0, len(values), ONE_PASS):
                some = values[at : at + ONE_PASS]
                hits = self._index.search_many(kind, some, radius)
                total += sum(len(one) for one in hits)
                _require_few(total)
                self._found.update(((kind, value), one) for value, one in zip(some, hits, strict=True))


def _require_few(matches: int) -> None:
    if matches > MOST_MATCHES:
        raise Refused(
            "too_many_matches", f"These signals match more than {MOST_MATCHES} times, the limit of an answer."
        )


def _by_type(signals: Iterable[Signal]) -> dict[str, list[str]]:
    """The values of each type, each once."""
    values: dict[str, dict[str, None]] = {}
    for signal in signals:
        values.setdefault(signal.type, {})[signal.value] = None
    return {kind: list(ordered) for kind, ordered in values.items()}
