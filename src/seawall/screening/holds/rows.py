"""Holds as they are stored: finding one, locking one, and saying what it is."""

from datetime import UTC, datetime, timedelta

import msgspec

from seawall.record.events import BadEvent, Event, fields_of
from seawall.record.ids import BadId, id_time, parse_id
from seawall.screening.holds.model import (
    UNDO_WINDOW,
    Asked,
    HoldError,
    HoldOrigin,
    HoldOutcome,
    HoldPhase,
    HoldState,
    Pending,
)
from seawall.screening.ledger.batches import append_batches
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import LedgerFamily, Partition
from seawall.screening.model import CODE_NO_LOOK, Claim, HoldExpiry, Surface, Verdict
from seawall.screening.models import Hold, SurfaceRow
from seawall.screening.policies import list_surfaces

#: The appeal window of holds whose surface nobody declared, where no other surface says more: six months.
FALLBACK_APPEAL_DAYS = 183

_UNKNOWN_STEP = "Check the id, and the data directory you are using."


def state(screening_id: str) -> HoldState | None:
    """The hold of a screening, or None when it is not one (or was recorded less than a second ago)."""
    try:
        parse_id("scr", screening_id)
    except BadId:
        return None
    hold = Hold.objects.filter(screening_id=screening_id).first()
    return None if hold is None else state_of(hold)


def require_id(screening_id: str) -> None:
    """HoldError `unknown_screening` for what is no screening's id; PostgreSQL would fail on some of it."""
    try:
        parse_id("scr", screening_id)
    except BadId as error:
        raise HoldError("unknown_screening", str(error), "Copy the id from the verdict.") from error


def storable(text: str) -> str:
    """The text as every database takes it: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def catch_up(ledger: Ledger, screening_id: str, now: datetime) -> None:
    """Open the holds of that day which the ledger has and the tables do not have yet, if this one is not there.

    Raises:
        HoldError: unknown_screening, for what is no screening's id.
    """
    require_id(screening_id)
    day = id_time("scr", screening_id).date()
    if not Hold.objects.filter(screening_id=screening_id).exists():
        append_batches(ledger, now=now, only=Partition(day=day, family=LedgerFamily.MATCHED))


def locked(screening_id: str) -> Hold | None:
    """The row, locked until the end of the caller's transaction."""
    return Hold.objects.select_for_update().filter(screening_id=screening_id).first()


def no_hold(ledger: Ledger, screening_id: str) -> HoldError:
    """Why there is no hold with this id."""
    entry = ledger.read(screening_id)
    if entry is None:
        text = f"There is no screening {screening_id} in the ledger; it may have been dropped with its day."
        return HoldError("unknown_screening", text, _UNKNOWN_STEP)
    text = f"{screening_id} was answered with {entry.verdict.verdict}, so there is nothing to release or refuse."
    return HoldError("not_a_hold", text, "Only a screening whose verdict is hold can be resolved.")


def may_be_looked_at(verdict: Verdict) -> bool:
    """False for what is on a no-look list: nobody is shown it, and nobody here can decide otherwise (DESIGN §6)."""
    return all(reason.code != CODE_NO_LOOK for reason in verdict.reasons)


def require_actor(event: Event) -> None:
    """Raises HoldError `bad_actor` when the event's `by` is nobody's id."""
    try:
        fields_of(event)
    except BadEvent as error:
        text = f"{event.by[:80]!r} does not say who decides: {error}."
        raise HoldError("bad_actor", text, "Give a person's or key's id, such as per_….") from error


def appeal_window(surface: str) -> timedelta:
    """How long a decision on this surface can be appealed against; on an undeclared one as long as on any."""
    row = SurfaceRow.objects.filter(name=surface).first()
    if row is not None:
        return timedelta(days=msgspec.json.decode(row.body, type=Surface).appeal_days)
    return timedelta(days=max((one.appeal_days for one in list_surfaces()), default=FALLBACK_APPEAL_DAYS))


def later(moment: datetime, by: timedelta) -> datetime:
    """The moment that much later; where the calendar ends, its last."""
    try:
        return moment + by
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def state_of(hold: Hold) -> HoldState:
    return HoldState(
        screening_id=hold.screening_id,
        surface=hold.surface,
        state=HoldPhase(hold.state),
        outcome=HoldOutcome(hold.outcome) if hold.outcome else None,
        held_at=hold.held_at,
        expires_at=hold.expires_at,
        on_expiry=HoldExpiry(hold.on_expiry) if hold.on_expiry else None,
        resolved_at=hold.resolved_at,
        resolved_by=hold.resolved_by or None,
        reason=hold.reason,
        has_preview=hold.has_preview,
        origin=HoldOrigin(hold.origin),
        pending=_pending_of(hold),
        asked=_asked_of(hold),
        keep_bytes_until=hold.keep_bytes_until,
    )


def _pending_of(hold: Hold) -> Pending | None:
    if hold.decided_at is None:
        return None
    return Pending(
        outcome=HoldOutcome(hold.decided_outcome),
        at=hold.decided_at,
        by=hold.decided_by,
        reason=hold.decided_reason,
        takes_effect_at=later(hold.decided_at, UNDO_WINDOW),
    )


def _asked_of(hold: Hold) -> Asked | None:
    if hold.asked_at is None:
        return None
    claim = Claim(hold.asked_claim) if hold.asked_claim else None
    return Asked(at=hold.asked_at, claim=claim, text=hold.asked_text)
