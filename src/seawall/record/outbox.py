"""The outbox: what another room or the outside shall be told, and whether it was.

A row is put in the transaction of what it tells of, so that neither exists without the other. Who takes rows claims
them for a while, does what they ask for, and says that it is done; whoever dies meanwhile leaves them to the next. What
is told may therefore arrive twice, never not at all. Each topic has one reader.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from seawall.record import canonical_json, journal
from seawall.record.ids import new_id
from seawall.record.models import Outbox

#: Holds were opened: `{"ids": ["scr_…", …], "surfaces": ["posts", …]}`.
HOLDS_WAITING = "screening:holds:waiting"
#: Somebody whose upload was stopped asked for a person: `{"ids": ["scr_…"], "surfaces": ["posts"]}`.
PERSON_ASKED = "screening:person:asked"

#: Rows changed in one transaction at most (DESIGN §4).
ROWS_AT_ONCE = 5_000


def put(topic: str, payload: canonical_json.Json, *, now: datetime, due_at: datetime | None = None) -> Outbox:
    """Note in the caller's transaction that `payload` is to be told to the reader of `topic`, once due (else at once).

    Raises:
        journal.NotInTransaction: there is none; what is told of and this row belong together.
    """
    journal.require_transaction()
    text = canonical_json.encode(payload).decode()
    return Outbox.objects.create(
        id=new_id("out", lambda: now), topic=topic, payload=text, created_at=now, due_at=due_at or now
    )


def waiting(topic: str) -> QuerySet[Outbox]:
    """The rows of a topic that are not done; of every topic below it where it ends in a colon."""
    return _of(topic).filter(done_at__isnull=True)


def claim(topic: str, *, now: datetime, lease: timedelta, limit: int = 100) -> list[Outbox]:
    """Take due rows of a topic, the longest due first; nobody else gets them before `lease` is over.

    Each claim counts as an attempt. Say `done` or `failed` of every row, or `release` what was not tried.
    """
    due = waiting(topic).filter(due_at__lte=now)
    # Asked before: on SQLite a transaction is a lock on everything, and mostly there is nothing to do.
    if not due.exists():
        return []
    with transaction.atomic():
        rows = list(due.select_for_update(skip_locked=True).order_by("due_at", "id")[:limit])
        Outbox.objects.filter(pk__in=[row.pk for row in rows]).update(due_at=now + lease, attempts=F("attempts") + 1)
    for row in rows:
        row.due_at, row.attempts = now + lease, row.attempts + 1
    return rows


def done(ids: Iterable[str], *, now: datetime) -> None:
    """These were told."""
    Outbox.objects.filter(pk__in=list(ids), done_at__isnull=True).update(done_at=now)


def drop(ids: Iterable[str]) -> None:
    """These need not be told any more; nothing of them stays."""
    Outbox.objects.filter(pk__in=list(ids), done_at__isnull=True).delete()


def failed(row_id: str, *, retry_at: datetime | None, payload: canonical_json.Json, now: datetime) -> None:
    """Telling failed. It is due again at `retry_at`; None gives it up. `payload` takes the place of the old one."""
    text = canonical_json.encode(payload).decode()
    still = Outbox.objects.filter(pk=row_id, done_at__isnull=True)
    if retry_at is None:
        still.update(done_at=now, payload=text)
    else:
        still.update(due_at=retry_at, payload=text)


def release(ids: Iterable[str], *, now: datetime) -> None:
    """Give back what was claimed and not tried: it is due now, and the attempt does not count."""
    rows = Outbox.objects.filter(pk__in=list(ids), done_at__isnull=True, attempts__gt=0)
    rows.update(due_at=now, attempts=F("attempts") - 1)


def hasten(row: Outbox, *, now: datetime) -> bool:
    """Make a row due now, unless somebody claimed, finished or moved it since it was read; whether that was done."""
    unchanged = Outbox.objects.filter(pk=row.pk, attempts=row.attempts, due_at=row.due_at, done_at__isnull=True)
    return unchanged.update(due_at=now) == 1


def last_done(topic: str, *, now: datetime) -> datetime | None:
    """When a row of the topic was done last. What a clock that ran ahead put into the future does not count."""
    return _of(topic).filter(done_at__lte=now).order_by("-done_at").values_list("done_at", flat=True).first()


def bring_back(topic: str, *, now: datetime, longest: timedelta) -> int:
    """Make due what is due later than `longest` from now: only a clock that ran ahead puts it there."""
    return waiting(topic).filter(due_at__gt=now + longest).update(due_at=now)


def forget_done(topic: str, *, before: datetime) -> int:
    """Delete rows that were done before that, up to `ROWS_AT_ONCE`; returns how many."""
    old = list(_of(topic).filter(done_at__lt=before).values_list("pk", flat=True)[:ROWS_AT_ONCE])
    if old:
        Outbox.objects.filter(pk__in=old).delete()
    return len(old)


def _of(topic: str) -> QuerySet[Outbox]:
    if topic.endswith(":"):
        return Outbox.objects.filter(topic__startswith=topic)
    return Outbox.objects.filter(topic=topic)
