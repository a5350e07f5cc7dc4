"""What the person whose upload was stopped may be told."""

from datetime import datetime

from seawall.record.ids import BadId
from seawall.screening.holds.model import SYSTEM, DecidedBy, Explained, ExplainedState, HoldOutcome, HoldPhase
from seawall.screening.holds.rows import appeal_window, later, may_be_looked_at
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import KeyDestroyed, LedgerDamaged
from seawall.screening.model import Action, Verdict
from seawall.screening.models import Hold

#: Where the verdict has no words for the public.
NO_REASON = "This upload was stopped by an automatic check."


def explained(ledger: Ledger, screening_id: str, now: datetime) -> Explained | None:
    """What the uploader's page shows; None where there is nothing to explain: allowed, unknown, or no longer kept.

    Copied field by field from what is public, so that nothing else can come along. A decision that can still be undone
    has not been made yet.
    """
    try:
        entry = ledger.read(screening_id)
    except (BadId, LedgerDamaged, KeyDestroyed):
        return None
    if entry is None or entry.verdict.verdict is Action.ALLOW:
        return None
    verdict = entry.verdict
    hold = Hold.objects.filter(screening_id=verdict.id).first()
    state = _state(verdict, hold)
    until = _appeal_until(verdict, hold, state)
    return Explained(
        screening_id=verdict.id,
        state=state,
        public_reason=verdict.public_reason or NO_REASON,
        screened_at=verdict.screened_at,
        decides_at=_decides_at(verdict, hold) if state is ExplainedState.HELD else None,
        decided_at=None if hold is None else hold.resolved_at,
        decided_by=_decided_by(hold),
        asked_at=None if hold is None else hold.asked_at,
        can_ask=may_be_looked_at(verdict) and _can_ask(hold, state) and (until is None or now <= until),
        appeal_until=until,
    )


def _state(verdict: Verdict, hold: Hold | None) -> ExplainedState:
    if hold is None:
        return ExplainedState.BLOCKED if verdict.verdict is Action.BLOCK else ExplainedState.HELD
    if hold.state == HoldPhase.WAITING:
        return ExplainedState.HELD
    return ExplainedState.RELEASED if hold.outcome == HoldOutcome.RELEASED else ExplainedState.REFUSED


def _decides_at(verdict: Verdict, hold: Hold | None) -> datetime | None:
    """When it is decided without a person; None where only a person decides."""
    if hold is None:
        return verdict.hold_expires_at
    return hold.expires_at if hold.on_expiry else None


def _decided_by(hold: Hold | None) -> DecidedBy | None:
    if hold is None or hold.resolved_at is None:
        return None
    return DecidedBy.EXPIRY if hold.resolved_by == SYSTEM else DecidedBy.PERSON


def _can_ask(hold: Hold | None, state: ExplainedState) -> bool:
    if state is ExplainedState.REFUSED:
        return _decided_by(hold) is DecidedBy.EXPIRY
    return state is not ExplainedState.RELEASED and (hold is None or hold.asked_at is None)


def _appeal_until(verdict: Verdict, hold: Hold | None, state: ExplainedState) -> datetime | None:
    """The end of the appeal window: it begins with the refusal, of a block with the screening."""
    if state is ExplainedState.BLOCKED:
        return later(verdict.screened_at, appeal_window(verdict.surface))
    if state is ExplainedState.REFUSED and hold is not None and hold.resolved_at is not None:
        return later(hold.resolved_at, appeal_window(hold.surface))
    return None
