"""What ends a hold: a person's decision, at once or after a few seconds in which it can be undone, or its time."""

import re
from datetime import datetime
from typing import Literal

from django.db import transaction

from seawall.record.clock import rfc3339
from seawall.record.events import HoldResolved
from seawall.record.journal import record
from seawall.screening.holds.model import (
    SYSTEM,
    UNDO_SECONDS,
    UNDO_WINDOW,
    HoldError,
    HoldOutcome,
    HoldPhase,
    HoldState,
)
from seawall.screening.holds.rows import (
    appeal_window,
    catch_up,
    later,
    locked,
    no_hold,
    require_actor,
    require_id,
    state_of,
    storable,
)
from seawall.screening.ledger.counting import count_decision
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.model import HoldExpiry
from seawall.screening.models import Hold

#: What an event accepts as a reason.
_CODE = re.compile(r"[a-z0-9_.:-]{0,100}")

#: What the event says for each end of a hold.
_EVENT_OUTCOMES: dict[HoldPhase, Literal["released", "refused", "expired"]] = {
    HoldPhase.RELEASED: "released",
    HoldPhase.REFUSED: "refused",
    HoldPhase.EXPIRED: "expired",
}


def resolve(
    ledger: Ledger, screening_id: str, outcome: HoldOutcome, *, by: str, reason: str = "", now: datetime
) -> HoldState:
    """Release or refuse a hold, at once and for good; see `decide` for what can be undone.

    The bytes of a released upload are destroyed: nobody has a use for them any more. Those of a refused one stay,
    encrypted, until its appeal window ends, because whoever decides about an appeal has to see what it is about.

    A `reason` that is a code goes into the event too; free text stays with the hold and goes with its day.

    Raises:
        HoldError: unknown_screening, not_a_hold, already_resolved, already_decided (a decision that can still be undone
            waits to take effect) or bad_actor; nothing was changed.
    """
    phase, reason = HoldPhase(outcome), storable(reason)
    catch_up(ledger, screening_id, now)
    require_actor(_event(screening_id, phase, by=by, reason=reason))
    with transaction.atomic():
        hold = _waiting(ledger, screening_id, now)
        if not isinstance(hold, HoldError):
            _end(hold, phase, outcome, by=by, reason=reason, now=now)
    # After the commit: should we be killed here, `sweep` destroys the bytes.
    return _state_after(ledger, screening_id, hold)


def decide(
    ledger: Ledger, screening_id: str, outcome: HoldOutcome, *, by: str, reason: str, now: datetime
) -> HoldState:
    """Release or refuse a hold, to take effect 10 seconds from now unless the same person undoes it before.

    Until `settle_due` makes it so the hold waits, for the platform too; it no longer expires. Saying the same twice
    (a double click) is once.

    Raises:
        HoldError: as `resolve`.
    """
    reason = storable(reason)
    catch_up(ledger, screening_id, now)
    require_actor(_event(screening_id, HoldPhase(outcome), by=by, reason=reason))
    with transaction.atomic():
        hold = _waiting(ledger, screening_id, now, again=(outcome, by, reason))
        if not isinstance(hold, HoldError) and hold.decided_at is None:
            hold.decided_outcome, hold.decided_at = str(outcome), now
            hold.decided_by, hold.decided_reason = by, reason
            hold.save(update_fields=_DECIDED)
    return _state_after(ledger, screening_id, hold)


def undo(screening_id: str, *, by: str, now: datetime) -> HoldState:
    """Take back one's own decision within its 10 seconds: the hold waits as before, its deadline too.

    Raises:
        HoldError: unknown_screening, not_decided, too_late, or bad_actor (somebody else decided); nothing was changed.
    """
    require_id(screening_id)
    with transaction.atomic():
        hold = locked(screening_id)
        if hold is None:
            text = f"There is no hold {screening_id[:80]}."
            raise HoldError("unknown_screening", text, "It may have been dropped with its day.")
        if hold.state != HoldPhase.WAITING or (hold.decided_at is not None and _is_due(hold.decided_at, now)):
            text = f"This decision has taken effect: a decision can be undone for {UNDO_SECONDS} seconds."
            raise HoldError("too_late", text, "It stands now; the person concerned can appeal against it.")
        if hold.decided_at is None:
            raise HoldError("not_decided", "Nobody has decided about this hold.", "There is nothing to undo.")
        if hold.decided_by != by:
            text = "Somebody else made this decision, and only they can undo it."
            raise HoldError("bad_actor", text, "Talk to them, within the seconds there are.")
        _clear_decision(hold)
        hold.save(update_fields=_DECIDED)
    return state_of(hold)


def settle_due(ledger: Ledger, *, now: datetime) -> int:
    """Make those decisions take effect whose time to be undone is over; returns how many.

    To be called each second, and first thing after a start: what a killed process had pending is settled then. When the
    clock was set back, a decision takes effect at most 20 seconds after this is seen, and never early.
    """
    pending = Hold.objects.filter(state=HoldPhase.WAITING, decided_at__isnull=False).order_by("decided_at")
    count = 0
    for screening_id, decided_at in list(pending.values_list("screening_id", "decided_at")):
        if decided_at is not None and decided_at > later(now, UNDO_WINDOW):
            # Made by a clock that was ahead: its 10 seconds begin anew, so that it neither comes early nor never.
            pending.filter(screening_id=screening_id, decided_at=decided_at).update(decided_at=now)
        elif decided_at is not None and _is_due(decided_at, now):
            count += _settle(ledger, screening_id, now)
    return count


def expire_due(ledger: Ledger, *, now: datetime) -> int:
    """Apply each surface's hold expiry to the holds whose time is over; returns how many.

    A decision made before, even one that can still be undone, wins over the expiry.
    """
    settle_due(ledger, now=now)
    due = Hold.objects.filter(
        state=HoldPhase.WAITING, expires_at__lte=now, on_expiry__in=list(HoldExpiry), decided_at__isnull=True
    )
    count = 0
    for screening_id in list(due.values_list("screening_id", flat=True)):
        with transaction.atomic():
            hold = locked(screening_id)
            # Asked again under the lock: somebody may have decided or asked meanwhile.
            if hold is None or not _has_expired(hold, now):
                continue
            released = hold.on_expiry == HoldExpiry.RELEASE
            outcome = HoldOutcome.RELEASED if released else HoldOutcome.REFUSED
            _end(hold, HoldPhase.EXPIRED, outcome, by=SYSTEM, reason=f"expiry_{outcome}", now=now)
        _destroy_unneeded(ledger, hold)
        count += 1
    return count


_DECIDED = ["decided_outcome", "decided_at", "decided_by", "decided_reason"]
_ENDED = [*_DECIDED, "state", "outcome", "resolved_at", "resolved_by", "reason", "keep_bytes_until", "has_preview"]


def _waiting(
    ledger: Ledger, screening_id: str, now: datetime, *, again: tuple[HoldOutcome, str, str] | None = None
) -> Hold | HoldError:
    """The locked row of a hold that waits for a decision; or why there is nothing to decide, for after the commit.

    A decision that is due takes effect first: whoever comes after it comes too late, also when no server runs. `again`
    is a decision (outcome, by, reason) that may stand there already.
    """
    hold = locked(screening_id)
    if hold is None:
        return no_hold(ledger, screening_id)
    if hold.decided_at is not None and _is_due(hold.decided_at, now):
        _end_as_decided(hold, now)
    if hold.state != HoldPhase.WAITING:
        return _already_resolved(hold)
    if hold.decided_at is not None and again != (hold.decided_outcome, hold.decided_by, hold.decided_reason):
        return _already_decided(hold)
    return hold


def _settle(ledger: Ledger, screening_id: str, now: datetime) -> int:
    with transaction.atomic():
        hold = locked(screening_id)
        if hold is None or hold.decided_at is None or not _is_due(hold.decided_at, now):
            return 0
        _end_as_decided(hold, now)
    _destroy_unneeded(ledger, hold)
    return 1


def _end_as_decided(hold: Hold, now: datetime) -> None:
    outcome = HoldOutcome(hold.decided_outcome)
    _end(hold, HoldPhase(outcome), outcome, by=hold.decided_by, reason=hold.decided_reason, now=now)


def _end(hold: Hold, phase: HoldPhase, outcome: HoldOutcome, *, by: str, reason: str, now: datetime) -> None:
    """In the caller's transaction: row, event and count together."""
    hold.state, hold.outcome = str(phase), str(outcome)
    hold.resolved_at, hold.resolved_by, hold.reason = now, by, reason
    _clear_decision(hold)
    if outcome is HoldOutcome.RELEASED:
        hold.has_preview = False
    elif hold.has_preview:
        hold.keep_bytes_until = later(now, appeal_window(hold.surface))
    hold.save(update_fields=_ENDED)
    count_decision(hold)
    record(_event(hold.screening_id, phase, by=by, reason=reason), now=now)


def _clear_decision(hold: Hold) -> None:
    hold.decided_outcome, hold.decided_at, hold.decided_by, hold.decided_reason = "", None, "", ""


def _is_due(decided_at: datetime, now: datetime) -> bool:
    return now >= later(decided_at, UNDO_WINDOW)


def _has_expired(hold: Hold, now: datetime) -> bool:
    waiting = hold.state == HoldPhase.WAITING and hold.decided_at is None
    return waiting and hold.expires_at is not None and hold.expires_at <= now


def _state_after(ledger: Ledger, screening_id: str, hold: Hold | HoldError) -> HoldState:
    """What the caller gets once the transaction is over."""
    if isinstance(hold, HoldError):
        # Perhaps because an earlier decision took effect just now.
        ended = Hold.objects.filter(screening_id=screening_id).first()
        if ended is not None:
            _destroy_unneeded(ledger, ended)
        raise hold
    _destroy_unneeded(ledger, hold)
    return state_of(hold)


def _destroy_unneeded(ledger: Ledger, hold: Hold) -> None:
    if hold.outcome == HoldOutcome.RELEASED:
        ledger.held.destroy(hold.screening_id)


def _event(screening_id: str, phase: HoldPhase, *, by: str, reason: str) -> HoldResolved:
    """With the reason where it is a short code; events carry no sentences."""
    code = reason if _CODE.fullmatch(reason) else ""
    return HoldResolved(by=by, screening=screening_id, outcome=_EVENT_OUTCOMES[phase], reason=code)


def _already_resolved(hold: Hold) -> HoldError:
    when = "" if hold.resolved_at is None else f" on {rfc3339(hold.resolved_at)}"
    text = f"{hold.screening_id} was {hold.outcome} already{when} by {hold.resolved_by} ({hold.state})."
    return HoldError("already_resolved", text, "A decision stands; the person concerned can appeal against it.")


def _already_decided(hold: Hold) -> HoldError:
    text = f"{hold.screening_id} was {hold.decided_outcome} a moment ago by {hold.decided_by}."
    step = f"They can undo it for {UNDO_SECONDS} seconds; after that it stands."
    return HoldError("already_decided", text, step)
