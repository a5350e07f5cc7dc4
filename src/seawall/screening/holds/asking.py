"""The person whose upload was stopped asks for a person to look: a block becomes a hold."""

from datetime import datetime, timedelta

from django.db import transaction

from seawall.record.events import PersonAsked
from seawall.record.journal import record
from seawall.record.outbox import PERSON_ASKED, put
from seawall.screening.holds.model import AskedState, HoldError, HoldOrigin, HoldOutcome, HoldPhase
from seawall.screening.holds.rows import appeal_window, catch_up, later, locked, may_be_looked_at, storable
from seawall.screening.ledger.counting import count_decision
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import LedgerEntry
from seawall.screening.model import Action, Claim, HoldExpiry, Verdict
from seawall.screening.models import Hold

#: Who asks, as events name them: over the link there is no account, and no id of a person.
UPLOADER = "uploader"

#: Some 150 words: enough to say what a picture is for, too little to hide the point or to fill a disk.
LONGEST_TEXT = 1_000

#: Holds that asking may open on one surface within a day and that still wait. Nobody looks through more than this in a
#: day; whoever uploads blocked things by the thousand must not bury those of the others, or the reviewers.
MOST_ASKED_A_DAY = 1_000
A_DAY = timedelta(days=1)

_WRITE = "Write to the platform where you uploaded it."


def ask_for_person(
    ledger: Ledger, screening_id: str, *, claim: Claim | None, text: str = "", now: datetime
) -> AskedState:
    """Note, once, that the person concerned asks for a person to look, why, and in which words.

    A hold is marked. For a block a hold is opened that has no bytes (blocked ones are not kept) and does not expire, so
    that only a person decides; a hold refused because nobody looked in time waits again in the same way. A second ask
    changes nothing. The errors' words may be shown to the person: they say nothing about list, rule or reviewer.

    Raises:
        HoldError: unknown_screening, not_stopped (it was allowed), no_look (the list it is on forbids that anybody
            looks), already_resolved, too_late (the appeal window is over), text_too_long or too_many_asked; nothing was
            changed.
    """
    if len(text) > LONGEST_TEXT:
        text_long = f"This text has {len(text)} characters, and at most {LONGEST_TEXT} are taken."
        raise HoldError("text_too_long", text_long, "Say it in fewer words.")
    catch_up(ledger, screening_id, now)
    entry = ledger.read(screening_id)
    if entry is None:
        raise HoldError("unknown_screening", "This upload is no longer on record.", _WRITE)
    if entry.verdict.verdict is Action.ALLOW:
        raise HoldError("not_stopped", "This upload was not stopped.", "There is nothing to ask about.")
    if not may_be_looked_at(entry.verdict):
        raise HoldError("no_look", "Nobody here may look at this upload.", _WRITE)
    with transaction.atomic():
        hold = locked(screening_id) or _of_block(entry, now)
        if hold.asked_at is not None and not _nobody_looked(hold):
            return _asked(hold, newly=False)
        opened = _open(hold, entry.verdict, now)
        hold.asked_at, hold.asked_claim, hold.asked_text = now, str(claim or ""), storable(text)
        hold.save()
        record(PersonAsked(by=UPLOADER, screening=screening_id, claim=hold.asked_claim, opened=opened), now=now)
        put(PERSON_ASKED, {"ids": [screening_id], "surfaces": [hold.surface]}, now=now)
    return _asked(hold, newly=True)


def _of_block(entry: LedgerEntry, now: datetime) -> Hold:
    """The row of a block that nobody asked about yet, locked; waiting from now on."""
    verdict = entry.verdict
    if verdict.verdict is not Action.BLOCK:
        # Its day is being dropped: the row went first.
        raise HoldError("unknown_screening", "This upload is no longer on record.", _WRITE)
    Hold.objects.bulk_create(
        [
            Hold(
                screening_id=verdict.id,
                surface=verdict.surface,
                day=entry.partition.day,
                held_at=now,
                has_preview=False,
                origin=HoldOrigin.ASKED,
            )
        ],
        # Another click of the same person may be faster.
        ignore_conflicts=True,
    )
    hold = locked(verdict.id)
    assert hold is not None  # noqa: S101 - made above, in this transaction
    return hold


def _open(hold: Hold, verdict: Verdict, now: datetime) -> bool:
    """Let the hold wait for a person, if it does not wait already; whether it had to be opened.

    Raises:
        HoldError: a person has decided, it is too late, or too many have asked.
    """
    if hold.state == HoldPhase.WAITING and hold.origin == HoldOrigin.SCREENED:
        return False
    if hold.outcome == HoldOutcome.RELEASED:
        raise HoldError("not_stopped", "This upload was released.", "There is nothing to ask about.")
    if hold.state != HoldPhase.WAITING and not _nobody_looked(hold):
        raise HoldError("already_resolved", "A person has looked at this upload already.", _WRITE)
    began = hold.resolved_at or verdict.screened_at
    if now > later(began, appeal_window(hold.surface)):
        raise HoldError("too_late", "The time in which one can ask is over.", _WRITE)
    recent = Hold.objects.filter(state=HoldPhase.WAITING, surface=hold.surface, asked_at__gt=now - A_DAY)
    if recent.order_by("asked_at", "screening_id")[:MOST_ASKED_A_DAY].count() >= MOST_ASKED_A_DAY:
        text = "Too many people have asked for a person to look today."
        step = "Try again tomorrow, or write to the platform where you uploaded it."
        raise HoldError("too_many_asked", text, step)
    if hold.state == HoldPhase.EXPIRED:
        hold.state, hold.outcome = str(HoldPhase.WAITING), ""
        hold.resolved_at, hold.resolved_by, hold.reason = None, "", ""
        hold.expires_at, hold.on_expiry, hold.keep_bytes_until = None, "", None
        count_decision(hold, before=HoldPhase.EXPIRED)
    return True


def _nobody_looked(hold: Hold) -> bool:
    return hold.state == HoldPhase.EXPIRED and hold.on_expiry == HoldExpiry.REFUSE


def _asked(hold: Hold, *, newly: bool) -> AskedState:
    assert hold.asked_at is not None  # noqa: S101 - asked about above
    claim = Claim(hold.asked_claim) if hold.asked_claim else None
    return AskedState(screening_id=hold.screening_id, asked_at=hold.asked_at, claim=claim, newly=newly)
