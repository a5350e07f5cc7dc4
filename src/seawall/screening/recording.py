"""The port between the gate and the ledger: a verdict goes in, and comes back once it is durable."""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from seawall.screening.model import CODE_NO_LOOK, Action, Context, HoldExpiry, Outcome, Verdict
from seawall.signals.model import Kind, Part


class LedgerUnavailable(RuntimeError):
    """The verdict could not be made durable, so it must not be answered: 503, and the caller's own mode applies."""


class IdempotencyConflict(ValueError):
    """This Idempotency-Key was used within a day with another request; use a new key for a new request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Idempotency:
    """An Idempotency-Key belongs to the API key that sent it; `request_digest` is SHA-256 of the whole request."""

    api_key_id: str
    key: str = field(repr=False)
    request_digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldPart:
    """The bytes of one part of a held upload: kept encrypted while somebody may have to decide about it."""

    name: str
    kind: Kind
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One answer about to be given. `uploader` is turned into a pseudonym before it is stored; `held_parts` are
    used only when the verdict is a hold; `store=False` skips the row of an unmatched allow (a surface's choice).
    `hold_expiry` is what the surface promised at that moment; a hold without one is never settled without a person.
    `context` is what the uploader said for whoever looks; of a hold it is kept.
    """

    verdict: Verdict
    uploader: str | None = field(default=None, repr=False)
    idempotency: Idempotency | None = None
    held_parts: tuple[HeldPart, ...] = ()
    store: bool = True
    hold_expiry: HoldExpiry | None = None
    context: Context | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What may now be answered: the verdict given, or the one an equal earlier request got (`replayed`)."""

    verdict: Verdict
    replayed: bool = False


class Recorder(Protocol):
    """Thread-safe. The future resolves after the commit, or fails with LedgerUnavailable or IdempotencyConflict."""

    def submit(self, recording: Recording) -> "Future[Recorded]": ...


def held_parts(parts: Iterable[Part], outcome: Outcome) -> tuple[HeldPart, ...]:
    """What a person will look at: only of what is held, and never of what nobody may look at."""
    if outcome.verdict is not Action.HOLD or any(reason.code == CODE_NO_LOOK for reason in outcome.reasons):
        return ()
    held = []
    for part in parts:
        words = part.url if part.text is None else part.text
        data = part.data if words is None else words.encode("utf-8", "surrogatepass")
        if data is not None:
            held.append(HeldPart(name=part.name, kind=part.kind, data=data))
    return tuple(held)
