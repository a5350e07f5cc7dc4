"""The nouns of matching: what a listed signal carries, and what a search finds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

#: PDQ's customary match distance; a bank may set a smaller one (DESIGN §5).
DEFAULT_MAX_DISTANCE = 31

#: No bank may match further than the kernel searches.
LARGEST_DISTANCE = 64


class BankKind(StrEnum):
    """LISTED banks are matched; KNOWN_SAFE ones prevent matches; NO_LOOK ones refuse and show nothing."""

    LISTED = "listed"
    KNOWN_SAFE = "known_safe"
    NO_LOOK = "no_look"


class SignalStatus(StrEnum):
    ACTIVE = "active"
    MUTED = "muted"
    WITHDRAWN = "withdrawn"


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate must know of a listed signal to answer without a database.

    Many signals share one Attributes: an import of a million rows usually has a handful.
    `confirmed_by` counts organisations, this one included; `confirmed_here` says a person here confirmed it.
    """

    bank: str
    labels: tuple[str, ...] = ()
    source: str = ""
    opinion: str = "positive"
    confirmed_by: int = 0
    confirmed_here: bool = False
    disputed: bool = False
    confidence: int | None = None
    #: The signal's own quality where its type has one; below 50 a PDQ match holds but never blocks.
    quality: int | None = None
    #: While muted the signal matches nothing.
    muted_until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedSignal:
    """One row of an index: `value` is canonical."""

    signal_id: str
    type: str
    value: str
    attributes: Attributes


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One listed signal within the searched radius. `distance` is in bits; 0 for exact families."""

    signal_id: str
    distance: int
    attributes: Attributes
