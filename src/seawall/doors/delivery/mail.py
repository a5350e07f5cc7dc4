"""Mail: tells people that uploads wait, until the server took the mail or three days have passed.

A row of the outbox is done when the server accepted its mail. Killed between the two, we send that mail again, with the
same Message-ID: it may arrive twice, never not at all.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _

from seawall.doors.delivery.letter import Envelope, Waiting, hello_of, trial_letter, waiting_letter
from seawall.doors.delivery.server import BadMailSettings, MailSettings, check, is_address, load
from seawall.doors.delivery.smtp import Send, send_letters
from seawall.doors.delivery.trouble import MailTrouble, Told, Why, words
from seawall.doors.delivery.waiting import MAIL, drop_all, plan, recipient, waiting_now
from seawall.record import outbox
from seawall.record.ids import new_id
from seawall.record.models import Outbox
from seawall.settings import Settings

#: Longer than a conversation with the server may take (`smtp.CONVERSATION_SECONDS`), the look-up of its name included.
LEASE = timedelta(minutes=5)
#: Mails in one conversation.
MOST_AT_ONCE = 50

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
#: By then somebody looked at the console, which says so all the time; and what waited was decided or has expired.
GIVE_UP_AFTER = timedelta(days=3)

#: One row, which nobody claims: the last mail that was given up, since when no other was accepted.
GAVE_UP = "delivery:gave_up:mail"

#: That a mail was sent is known for so long.
MAILS_KEPT = timedelta(days=7)

_log = logging.getLogger("seawall.mail")


@dataclass(kw_only=True, slots=True)
class Delivered:
    """What one pass did, in mails. `needless` ones were not sent: nothing waited any more, or nobody wants them."""

    planned: int = 0
    sent: int = 0
    needless: int = 0
    failed: int = 0
    given_up: int = 0


class _Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the row of a mail says. `why` and `reply` tell of the last attempt, if it failed."""

    person: str
    kind: str
    why: Why | None = None
    reply: int = 0
    #: The number of that attempt. A row that was claimed since has more.
    attempt: int = 0


@dataclass(kw_only=True, slots=True)
class _Round:
    """One conversation's mails: those not yet settled, by Message-ID."""

    open: dict[str, Outbox] = field(default_factory=dict)
    letters: list[EmailMessage] = field(default_factory=list)


def deliver_due(
    settings: Settings, *, now: datetime, send: Send = send_letters, chance: Callable[[], float] | None = None
) -> Delivered:
    """Plan and send what is due. A server that cannot be reached raises nothing: `mail_problem` tells of it.

    May run in several processes; a mail is in one's hands at a time. `chance` gives numbers from 0 to 1.
    """
    did = Delivered()
    try:
        server = load(settings.keys_dir)
    except BadMailSettings:
        # What waits goes out once the settings can be read again.
        return did
    if server is None:
        drop_all(now=now)
        return did
    did.planned = plan(server.digest_hour, now=now)
    outbox.bring_back(MAIL, now=now, longest=2 * LONGEST_RETRY)
    rows = outbox.claim(MAIL, now=now, lease=LEASE, limit=MOST_AT_ONCE)
    if rows:
        pick = chance or secrets.SystemRandom().random
        _deliver(rows, server, settings, did, now=now, send=send, pick=pick)
        outbox.forget_done(MAIL, before=now - MAILS_KEPT)
    return did


def send_test(
    settings: Settings, to: str, *, now: datetime, server: MailSettings | None = None, send: Send = send_letters
) -> Told:
    """Send one mail now and tell what became of it. `server` is one that was not saved yet; else the one in force."""
    try:
        chosen = server or load(settings.keys_dir)
    except BadMailSettings as error:
        return Told(sent=False, text=str(error))
    if chosen is None:
        return Told(sent=False, text=_("no mail server is set"), next_step=_("Set one first: `seawall mail set`."))
    problems = check(chosen)
    if problems:
        return Told(sent=False, text=_("these settings cannot be used"), next_step=" ".join(problems))
    if not is_address(to):
        text = _("this is no e-mail address that mail can be sent to")
        return Told(sent=False, text=text, next_step=_("Give one plain address, such as you@example.org."))
    envelope = Envelope(server=chosen, to=to, id=new_id("out", lambda: now), site=settings.people_url, now=now)
    try:
        trouble = next(
            (found for _, found in send(chosen, [trial_letter(envelope)], hello_of(settings.base_url))), None
        )
    except MailTrouble as error:
        trouble = error
    if trouble is not None:
        text, next_step = words(trouble.why, trouble.reply)
        return Told(sent=False, text=text, next_step=next_step, said=trouble.said)
    if server is None:
        retry_now(now=now)
    return Told(
        sent=True,
        text=_("the mail server took the mail"),
        next_step=_("Look whether it arrived; if not, look into the folder for unwanted mail."),
    )


def retry_now(*, now: datetime) -> int:
    """Try what failed at the next pass and not when its time has come; call it when settings were changed."""
    later = outbox.waiting(MAIL).filter(attempts__gt=0, due_at__gt=now)
    # Not those that are in the hands of a server just now.
    return sum(outbox.hasten(row, now=now) for row in later if _payload(row).attempt == row.attempts)


def mail_problem(settings: Settings, *, now: datetime) -> str | None:
    """Why mail does not go out, since when, and when it is tried again; None when all is well or mail is off."""
    try:
        if load(settings.keys_dir) is None:
            return None
    except BadMailSettings as error:
        return str(error)
    failing = [row for row in outbox.waiting(MAIL).filter(attempts__gt=0).order_by("due_at") if _payload(row).why]
    if failing:
        text, next_step = _last_words(failing)
        return _("Mail has not gone out since {since} UTC: {text}. {next_step} Next try: {when}.").format(
            since=_moment(min(row.created_at for row in failing)),
            text=text,
            next_step=next_step,
            when=_next_try(failing[0].due_at, now),
        )
    last = outbox.waiting(GAVE_UP).order_by("due_at").last()
    if last is not None:
        text, next_step = _last_words([last])
        return _("A mail of {since} UTC was given up after three days: {text}. {next_step}").format(
            since=_moment(last.created_at), text=text, next_step=next_step
        )
    return None


def _deliver(
    rows: Sequence[Outbox],
    server: MailSettings,
    settings: Settings,
    did: Delivered,
    *,
    now: datetime,
    send: Send,
    pick: Callable[[], float],
) -> None:
    todo = _Round()
    waiting = waiting_now(now)
    for row in rows:
        _prepare(row, waiting, server, settings, todo, did, now=now, pick=pick)
    try:
        for letter, trouble in send(server, todo.letters, hello_of(settings.base_url)) if todo.letters else ():
            row = todo.open.pop(letter["Message-ID"])
            if trouble is None:
                # At once, not at the end: what follows may take long, or kill us.
                _accepted(row, now)
                did.sent += 1
            else:
                _failed(row, trouble, did, now=now, pick=pick)
    except MailTrouble as trouble:
        for row in todo.open.values():
            _failed(row, trouble, did, now=now, pick=pick)
    else:
        outbox.release((row.pk for row in todo.open.values()), now=now)


def _prepare(
    row: Outbox,
    waiting: Waiting,
    server: MailSettings,
    settings: Settings,
    todo: _Round,
    did: Delivered,
    *,
    now: datetime,
    pick: Callable[[], float],
) -> None:
    """Write the letter of a row, with what waits now; a row whose time is over needs none."""
    person = recipient(_payload(row).person)
    if person is not None and not waiting.count and waiting.undoable:
        # All that waited was decided in this moment. Undone, it waits again, and nobody else would be told.
        outbox.release([row.pk], now=now)
    elif person is None or not waiting.count:
        # Not done: a mail that was never sent must not keep the next one back.
        outbox.drop([row.pk])
        did.needless += 1
    elif not is_address(person.email):
        _failed(row, MailTrouble(Why.ADDRESS), did, now=now, pick=pick)
    else:
        envelope = Envelope(server=server, to=person.email, id=row.pk, site=settings.people_url, now=now)
        letter = waiting_letter(waiting, envelope)
        todo.open[letter["Message-ID"]] = row
        todo.letters.append(letter)


def _failed(row: Outbox, trouble: MailTrouble, did: Delivered, *, now: datetime, pick: Callable[[], float]) -> None:
    given_up = now - row.created_at > GIVE_UP_AFTER
    before = _payload(row)
    after = msgspec.structs.replace(before, why=trouble.why, reply=trouble.reply, attempt=row.attempts)
    retry_at = None if given_up else now + retry_after(row.attempts, permanent=trouble.permanent, chance=pick())
    with transaction.atomic():
        outbox.failed(row.pk, retry_at=retry_at, payload=msgspec.to_builtins(after), now=now)
        if given_up:
            _remember(row, msgspec.to_builtins(after), now)
    did.failed += 1
    did.given_up += given_up
    if before.why is not trouble.why or given_up:
        # Once for each kind of trouble, not at each attempt. Neither address nor the server's words.
        what = "is given up" if given_up else "is tried again"
        _log.warning("a mail could not be sent (%s) and %s", trouble, what)


def _accepted(row: Outbox, now: datetime) -> None:
    outbox.done([row.pk], now=now)
    outbox.drop(outbox.waiting(GAVE_UP).values_list("pk", flat=True))


def _remember(row: Outbox, payload: dict[str, Any], now: datetime) -> None:
    """That a mail was given up stays until one is accepted. The newest is enough; it began to wait with its row."""
    outbox.drop(outbox.waiting(GAVE_UP).values_list("pk", flat=True))
    outbox.put(GAVE_UP, payload, now=row.created_at, due_at=now)


def retry_after(attempts: int, *, permanent: bool, chance: float) -> timedelta:
    """How long to wait after the failure of attempt number `attempts`, from 1.

    Half a minute, doubled each time up to an hour, a quarter more or less, so that not all who wait for the same server
    come back together. What takes a person to end it: each hour.
    """
    if permanent:
        return LONGEST_RETRY
    # Beyond an hour doubling means nothing, and soon overflows.
    doublings = min(max(attempts - 1, 0), 7)
    delay = FIRST_RETRY * (1 << doublings)
    return max(FIRST_RETRY, min(delay * (0.75 + chance / 2), LONGEST_RETRY))


def _payload(row: Outbox) -> _Payload:
    return msgspec.json.decode(row.payload, type=_Payload)


def _last_words(rows: Sequence[Outbox]) -> tuple[str, str]:
    """Of the rows that failed, the first that takes a person to end it; else the first."""
    found = [_payload(row) for row in rows]
    chosen = next((one for one in found if one.why and MailTrouble(one.why).permanent), found[0])
    return words(chosen.why or Why.NOT_TAKEN, chosen.reply)


def _next_try(due: datetime, now: datetime) -> str:
    return _("now") if due <= now else _("{when} UTC").format(when=_moment(due))


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
