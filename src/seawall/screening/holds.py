"""Holds: uploads that are not published until a person has looked, and what becomes of them."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from django.db import transaction

from seawall.record.clock import rfc3339
from seawall.record.events import BadEvent, HoldResolved
from seawall.record.ids import BadId, id_time
from seawall.record.journal import record
from seawall.screening.ledger.batches import append_batches
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import KeyDestroyed, LedgerDamaged, LedgerFamily, Partition
from seawall.screening.ledger.storage import StorageFailed
from seawall.screening.model import HoldExpiry
from seawall.screening.models import Hold
from seawall.screening.recording import HeldPart

#: Held bytes this young may belong to a verdict that is just being recorded.
IN_FLIGHT = timedelta(hours=1)

#: What an event accepts as a reason.
_CODE = re.compile(r"[a-z0-9_.:-]{0,100}")

#: Who resolves a hold that nobody decided in time.
SYSTEM = "system"


class HoldOutcome(StrEnum):
    RELEASED = "released"
    REFUSED = "refused"


class HoldPhase(StrEnum):
    """`expired`: nobody decided in time, so the surface's own rule did."""

    WAITING = "waiting"
    RELEASED = "released"
    REFUSED = "refused"
    EXPIRED = "expired"


#: What the event says for each end of a hold.
_EVENT_OUTCOMES: dict[HoldPhase, Literal["released", "refused", "expired"]] = {
    HoldPhase.RELEASED: "released",
    HoldPhase.REFUSED: "refused",
    HoldPhase.EXPIRED: "expired",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldState:
    """The present state of a hold. `outcome` is None while it waits; `has_preview` says whether bytes were kept."""

    screening_id: str
    surface: str
    state: HoldPhase
    outcome: HoldOutcome | None
    held_at: datetime
    expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    reason: str
    has_preview: bool


class HoldError(ValueError):
    """A hold was not resolved. `code` is stable, `next_step` is for the person who asked."""

    def __init__(self, code: str, text: str, next_step: str) -> None:
        super().__init__(f"{text} {next_step}")
        self.code = code
        self.text = text
        self.next_step = next_step


def resolve(
    ledger: Ledger, screening_id: str, outcome: HoldOutcome, *, by: str, reason: str = "", now: datetime
) -> HoldState:
    """Release or refuse a hold; its bytes are destroyed.

    A `reason` that is a code goes into the event too; free text stays with the hold and goes with its day.

    Raises:
        HoldError: unknown_screening, not_a_hold, already_resolved or bad_actor; nothing was changed.
    """
    if state(screening_id) is None:
        _catch_up(ledger, screening_id, now)
    with transaction.atomic():
        hold = Hold.objects.select_for_update().filter(screening_id=screening_id).first()
        if hold is None:
            raise _no_hold(ledger, screening_id)
        if hold.state != HoldPhase.WAITING:
            raise _already_resolved(hold)
        _settle(hold, HoldPhase(outcome), outcome, by=by, reason=reason, now=now)
    # After the commit: should we be killed here, `sweep` destroys the bytes.
    ledger.held.destroy(screening_id)
    return _state_of(hold)


def expire_due(ledger: Ledger, *, now: datetime) -> int:
    """Apply each surface's hold expiry to the holds whose time is over; returns how many."""
    due = Hold.objects.filter(state=HoldPhase.WAITING, expires_at__lte=now, on_expiry__in=list(HoldExpiry))
    count = 0
    for screening_id in list(due.values_list("screening_id", flat=True)):
        with transaction.atomic():
            hold = Hold.objects.select_for_update().get(screening_id=screening_id)
            if hold.state != HoldPhase.WAITING:
                continue
            released = hold.on_expiry == HoldExpiry.RELEASE
            outcome = HoldOutcome.RELEASED if released else HoldOutcome.REFUSED
            _settle(hold, HoldPhase.EXPIRED, outcome, by=SYSTEM, reason=f"expiry_{outcome}", now=now)
        ledger.held.destroy(screening_id)
        count += 1
    return count


def state(screening_id: str) -> HoldState | None:
    """The hold of a screening, or None when it is not one (or was recorded less than a second ago)."""
    hold = Hold.objects.filter(screening_id=screening_id).first()
    return None if hold is None else _state_of(hold)


def waiting(*, limit: int = 100) -> list[HoldState]:
    """The holds a person should look at, those that expire first at the top."""
    found = Hold.objects.filter(state=HoldPhase.WAITING).order_by("expires_at", "screening_id")[:limit]
    return [_state_of(hold) for hold in found]


def parts(ledger: Ledger, screening_id: str) -> tuple[HeldPart, ...]:
    """The held upload, deciphered, for the person who decides; empty for a hash-only hold, or once it was decided."""
    return ledger.held.parts(screening_id)


def sweep(ledger: Ledger, *, now: datetime) -> int:
    """Destroy bytes that belong to no waiting hold (a crash left them); returns for how many holds."""
    ledger.keys.sweep(now=now)
    count = 0
    ledger.held.sweep(now=now)
    for screening_id in ledger.held.ids():
        found = state(screening_id)
        if found is None:
            unneeded = now - id_time("scr", screening_id) > IN_FLIGHT and not _may_have_row(ledger, screening_id)
        else:
            unneeded = found.state is not HoldPhase.WAITING
        if unneeded:
            ledger.held.destroy(screening_id)
            count += 1
    return count


def _may_have_row(ledger: Ledger, screening_id: str) -> bool:
    """A row that cannot be read is a row: its bytes stay, and do not keep others from being swept."""
    try:
        return ledger.read(screening_id) is not None
    except (LedgerDamaged, KeyDestroyed, StorageFailed):
        return True


def _catch_up(ledger: Ledger, screening_id: str, now: datetime) -> None:
    """Open the holds of that day which the ledger has and the tables do not have yet."""
    try:
        day = id_time("scr", screening_id).date()
    except BadId as error:
        raise HoldError("unknown_screening", str(error), "Copy the id from the verdict.") from error
    append_batches(ledger, now=now, only=Partition(day=day, family=LedgerFamily.MATCHED))


def _settle(hold: Hold, phase: HoldPhase, outcome: HoldOutcome, *, by: str, reason: str, now: datetime) -> None:
    hold.state, hold.outcome = str(phase), str(outcome)
    hold.resolved_at, hold.resolved_by, hold.reason = now, by, reason
    hold.save(update_fields=["state", "outcome", "resolved_at", "resolved_by", "reason"])
    event = HoldResolved(by=by, screening=hold.screening_id, outcome=_EVENT_OUTCOMES[phase], reason=_as_code(reason))
    try:
        record(event, now=now)
    except BadEvent as error:
        text = f"{by[:80]!r} does not say who decides: {error}."
        raise HoldError("bad_actor", text, "Give a person's or key's id, such as per_….") from error


def _as_code(reason: str) -> str:
    """The reason where it is a short code; events carry no sentences."""
    return reason if _CODE.fullmatch(reason) else ""


def _no_hold(ledger: Ledger, screening_id: str) -> HoldError:
    entry = ledger.read(screening_id)
    if entry is None:
        text = f"There is no screening {screening_id} in the ledger; it may have been dropped with its day."
        return HoldError("unknown_screening", text, "Check the id, and the data directory you are using.")
    text = f"{screening_id} was answered with {entry.verdict.verdict}, so there is nothing to release or refuse."
    return HoldError("not_a_hold", text, "Only a screening whose verdict is hold can be resolved.")


def _already_resolved(hold: Hold) -> HoldError:
    when = "" if hold.resolved_at is None else f" on {rfc3339(hold.resolved_at)}"
    text = f"{hold.screening_id} was {hold.outcome} already{when} by {hold.resolved_by} ({hold.state})."
    return HoldError("already_resolved", text, "A decision stands; the person concerned can appeal against it.")


def _state_of(hold: Hold) -> HoldState:
    return HoldState(
        screening_id=hold.screening_id,
        surface=hold.surface,
        state=HoldPhase(hold.state),
        outcome=HoldOutcome(hold.outcome) if hold.outcome else None,
        held_at=hold.held_at,
        expires_at=hold.expires_at,
        resolved_at=hold.resolved_at,
        resolved_by=hold.resolved_by or None,
        reason=hold.reason,
        has_preview=hold.has_preview,
    )
