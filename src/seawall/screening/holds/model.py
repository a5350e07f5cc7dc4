"""The nouns of holds: the states, what is known of one, a page of them, and the errors."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from seawall.screening.model import Claim, HoldExpiry
from seawall.signals.model import Kind

Item = TypeVar("Item")

#: Who resolves a hold that nobody decided in time.
SYSTEM = "system"

#: How long a decision made in the console can be undone; then it takes effect. Long enough to see that one has pressed
#: the wrong button, short enough that nobody waits for it.
UNDO_SECONDS = 10
UNDO_WINDOW = timedelta(seconds=UNDO_SECONDS)


class HoldOutcome(StrEnum):
    RELEASED = "released"
    REFUSED = "refused"


class HoldPhase(StrEnum):
    """`expired`: nobody decided in time, so the surface's own rule did."""

    WAITING = "waiting"
    RELEASED = "released"
    REFUSED = "refused"
    EXPIRED = "expired"


class HoldOrigin(StrEnum):
    """`screened`: the verdict was hold. `asked`: it was block, and the person concerned asked for a person to look."""

    SCREENED = "screened"
    ASKED = "asked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """A decision that was made and can still be undone, by whoever made it, until it takes effect."""

    outcome: HoldOutcome
    at: datetime
    by: str
    reason: str
    takes_effect_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The person concerned asked for a person to look. `text` is a stranger's and may be hostile: show it as text."""

    at: datetime
    claim: Claim | None
    text: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldState:
    """The present state of a hold.

    `outcome` is None while it waits; it waits until a `pending` decision has taken effect. What happens at `expires_at`
    was promised when it was held (`on_expiry`); where either is None, only a person ends it. `has_preview` says whether
    bytes are kept, `keep_bytes_until` when those of a refused one go.
    """

    screening_id: str
    surface: str
    state: HoldPhase
    outcome: HoldOutcome | None
    held_at: datetime
    expires_at: datetime | None
    on_expiry: HoldExpiry | None
    resolved_at: datetime | None
    resolved_by: str | None
    reason: str
    has_preview: bool
    origin: HoldOrigin
    pending: Pending | None
    asked: Asked | None
    keep_bytes_until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[Item]):
    """Some of a list. `next` is the cursor to give as `after` for what follows; None at the end."""

    items: tuple[Item, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldCounts:
    """How many holds wait, and how many of them somebody asked about. Nobody counts beyond `limit`: show "limit+"."""

    waiting: int
    asked: int
    limit: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedState:
    """What became of asking for a person. `newly` False: somebody had asked before, and that stands."""

    screening_id: str
    asked_at: datetime
    claim: Claim | None
    newly: bool


class ExplainedState(StrEnum):
    HELD = "held"
    BLOCKED = "blocked"
    RELEASED = "released"
    REFUSED = "refused"


class DecidedBy(StrEnum):
    """`expiry`: nobody looked in time, so the surface's own rule did it."""

    PERSON = "person"
    EXPIRY = "expiry"


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """What the person whose upload was stopped may be told, and nothing else: there is no field for how it was found,
    by which list or rule, or who decided.

    `appeal_until` is None while nothing final was said, and for what was released. `can_ask`: asking for a person to
    look would change something.
    """

    screening_id: str
    state: ExplainedState
    public_reason: str
    screened_at: datetime
    decides_at: datetime | None
    decided_at: datetime | None
    decided_by: DecidedBy | None
    asked_at: datetime | None
    can_ask: bool
    appeal_until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Revealed:
    """One part of a held upload as it may be shown. `picture` is a JPEG made here, `text` a text or address as it came;
    both are None where `problems` says why, and for files that nobody can look at.
    """

    number: int
    name: str
    kind: Kind
    size: int
    picture: bytes | None = field(repr=False)
    text: str | None = field(repr=False)
    problems: tuple[str, ...]


class HoldError(ValueError):
    """Nothing was changed. `code` is stable, `next_step` is for the person who asked."""

    def __init__(self, code: str, text: str, next_step: str) -> None:
        super().__init__(f"{text} {next_step}")
        self.code = code
        self.text = text
        self.next_step = next_step
