"""The nouns of screening: policy, surfaces and the one verdict (DESIGN §5), as data that can be written and read."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from seawall.matching.model import DEFAULT_MAX_DISTANCE, BankKind

#: Reason codes that the flow itself gives; rules bring their own.
CODE_UNCONFIRMED = "unconfirmed"
CODE_LOW_QUALITY = "low_quality"
CODE_KNOWN_SAFE = "known_safe"
CODE_NO_LOOK = "no_look"
CODE_PERSON_ASKED = "person_asked"
CODE_NOT_SCREENED = "not_screened"
CODE_BANK_DEFAULT = "listed"

#: PDQ below this quality may hold but never block (DESIGN §5).
LOWEST_BLOCKING_QUALITY = 50


class Action(StrEnum):
    """What the gate answers, in order of severity."""

    ALLOW = "allow"
    HOLD = "hold"
    BLOCK = "block"

    @property
    def severity(self) -> int:
        return (Action.ALLOW, Action.HOLD, Action.BLOCK).index(self)


class Audience(StrEnum):
    PUBLIC = "public"
    GROUP = "group"
    PRIVATE = "private"


class FailMode(StrEnum):
    """What happens to content that could not be screened."""

    OPEN = "open"
    HOLD = "hold"
    CLOSED = "closed"


class HoldExpiry(StrEnum):
    RELEASE = "release"
    REFUSE = "refuse"


class Claim(StrEnum):
    """The uploader's own words for why a person should look."""

    JOURNALISM = "journalism"
    ARCHIVE = "archive"
    RESEARCH = "research"
    ART = "art"
    COUNTER_SPEECH = "counter_speech"


class Context(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    claim: Claim
    text: str = ""


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """A place where people publish. Nothing here has a default that decides over somebody's upload."""

    name: str
    audience: Audience
    fail_mode: FailMode
    hold_expiry: HoldExpiry
    #: How long a person has before the expiry applies.
    hold_hours: int = 24
    appeal_days: int = 183
    store_unmatched: bool = True
    #: The owner's recorded legal basis; without one a private surface is refused.
    private_basis: str = ""


class BankRules(msgspec.Struct, frozen=True, kw_only=True):
    """What policy must know of a bank."""

    name: str
    kind: BankKind = BankKind.LISTED
    default_action: Action = Action.HOLD
    max_distance: int = DEFAULT_MAX_DISTANCE
    labels: tuple[str, ...] = ()
    #: The owner's recorded decision to let this bank block although nobody here confirmed its signals.
    trusted_to_block: bool = False
    #: How many organisations must have confirmed a signal before it blocks by itself.
    confirmations_to_block: int = 3
    #: Who the list comes from, as people are told.
    listed_by: str = ""
    #: Test cards and demonstrations match like any bank but count as protection in no figure.
    counts_as_protection: bool = True


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a match is in one of `banks`, carries one of `labels`, lies near enough and is confirmed enough, then
    `action`. Everything that is given must be so; banks, labels or both are. `text` is for the platform, `public_text`
    for the uploader.
    """

    name: str
    action: Action
    code: str
    text: str
    public_text: str
    banks: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    max_distance: int | None = None
    min_confirmed_by: int = 0
    priority: int = 0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The compiled, immutable set of rules, banks and surfaces that one answer is given under."""

    id: str
    version: int
    rules: tuple[Rule, ...]
    banks: dict[str, BankRules]
    surfaces: dict[str, Surface]


class PolicyName(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    version: int


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    rule: str | None
    code: str
    text: str


class Degradation(msgspec.Struct, frozen=True, kw_only=True):
    part: str
    code: str
    text: str


class SignalSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A signal of the content. `value` is null where only a keyed hash of it was kept (DESIGN §5)."""

    part: str
    type: str
    version: int
    value: str | None
    quality: int | None = None


class Match(msgspec.Struct, frozen=True, kw_only=True):
    part: str
    type: str
    distance: int
    max_distance: int
    bank: str
    signal: str
    labels: tuple[str, ...]
    source: str
    opinion: str
    confirmed_by: int
    span: tuple[float, float] | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the flow decided, before it has an id: everything of a Verdict that does not depend on the record."""

    verdict: Action
    degraded: bool
    degraded_reasons: tuple[Degradation, ...]
    hold_expires_at: datetime | None
    policy: PolicyName
    reasons: tuple[Reason, ...]
    public_reason: str | None
    signals: tuple[SignalSeen, ...]
    matches: tuple[Match, ...]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The one answer (DESIGN §5), field for field. Written by the gate, the CLI and every integration alike."""

    schema: Literal[1] = 1
    id: str
    verdict: Action
    surface: str
    content_id: str | None
    screened_at: Annotated[datetime, msgspec.Meta(tz=True)]
    degraded: bool
    degraded_reasons: tuple[Degradation, ...]
    hold_expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None
    policy: PolicyName
    reasons: tuple[Reason, ...]
    public_reason: str | None
    signals: tuple[SignalSeen, ...]
    matches: tuple[Match, ...]
    intervention: None = None
    explain_url: Annotated[
        str | None,
        msgspec.Meta(
            description="Of a hold or block: the address of a page that tells the uploader, without an account, the "
            "public reason and lets them ask for a person. Show it to nobody else: whoever has it may ask. Otherwise "
            "null."
        ),
    ] = None


def verdict_of(outcome: Outcome, *, screening_id: str, surface: str, content_id: str | None, now: datetime) -> Verdict:
    return Verdict(
        id=screening_id,
        surface=surface,
        content_id=content_id,
        screened_at=now,
        **{name: getattr(outcome, name) for name in Outcome.__struct_fields__},
    )
