"""What became of the uploads: uploads → screened → matched → held → decided, per day and surface.

Read from counts that the log pass keeps, about a second behind; the ledger itself is not asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from seawall.screening.ledger.model import LedgerFamily
from seawall.screening.models import ScreeningTotals
from seawall.screening.policies import list_surfaces


@dataclass(frozen=True, kw_only=True, slots=True)
class Funnel:
    """Numbers of uploads; each is in every step it reached.

    `uploads` were answered and recorded. `degraded` of them could not be screened completely. `matched` are those in
    the ledger's matched family: with a match, or held or blocked because screening failed, of which `matched_degraded`
    may have no match at all. Matches with the test card and demonstrations are among them: which bank matched is only
    in the sealed part of a row. `held` waited for a person, `blocked` were refused at once; of those held some were
    `released` or `refused` by a person, and for some the time ran out (`expired`).
    """

    uploads: int = 0
    degraded: int = 0
    matched: int = 0
    matched_degraded: int = 0
    held: int = 0
    blocked: int = 0
    released: int = 0
    refused: int = 0
    expired: int = 0

    @property
    def screened(self) -> int:
        """Screened completely."""
        return self.uploads - self.degraded

    @property
    def decided(self) -> int:
        return self.released + self.refused + self.expired

    @property
    def pending(self) -> int:
        """Held and not decided yet."""
        return self.held - self.decided


@dataclass(frozen=True, kw_only=True, slots=True)
class SurfaceDay:
    """One surface on one UTC day: the day the uploads were screened, also for decisions made later."""

    day: date
    surface: str
    funnel: Funnel


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """`since` and `until` are both included. `days` is in order of day and surface, without those that had nothing.

    `not_counted` names the surfaces that are set not to store unmatched uploads: of them only matched, held and blocked
    uploads reach the ledger, so nobody knows how many were screened.
    """

    since: date
    until: date
    funnel: Funnel
    days: tuple[SurfaceDay, ...]
    not_counted: tuple[str, ...]


#: The columns that mean the same in both families; the first two are also what of the matched family is told apart.
_COLUMNS = ("uploads", "degraded", "held", "blocked", "released", "refused", "expired")
_OF_MATCHED = ("matched", "matched_degraded")
_NAMES = (*_COLUMNS, *_OF_MATCHED)


def totals(since: date, until: date) -> Totals:
    """The funnel of these UTC days, both included. Two queries; what they read grows with days and surfaces alone."""
    rows = ScreeningTotals.objects.filter(day__gte=since, day__lte=until).order_by("day", "surface")
    sums: dict[tuple[date, str], list[int]] = {}
    for day, surface, family, *counts in rows.values_list("day", "surface", "family", *_COLUMNS):
        of_matched = counts[: len(_OF_MATCHED)] if family == LedgerFamily.MATCHED else [0] * len(_OF_MATCHED)
        _add(sums.setdefault((day, surface), [0] * len(_NAMES)), [*counts, *of_matched])
    whole = [0] * len(_NAMES)
    for one in sums.values():
        _add(whole, one)
    days = tuple(SurfaceDay(day=day, surface=surface, funnel=_funnel(one)) for (day, surface), one in sums.items())
    silent = tuple(surface.name for surface in list_surfaces() if not surface.store_unmatched)
    return Totals(since=since, until=until, funnel=_funnel(whole), days=days, not_counted=silent)


def _add(to: list[int], counts: Sequence[int]) -> None:
    for place, count in enumerate(counts):
        to[place] += count


def _funnel(counts: Sequence[int]) -> Funnel:
    return Funnel(**dict(zip(_NAMES, counts, strict=True)))
