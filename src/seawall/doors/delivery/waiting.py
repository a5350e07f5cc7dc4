"""Who is to be told what, and when: from rows that say that uploads wait to one row for each mail."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import Count, QuerySet

from seawall.doors.delivery.letter import Waiting
from seawall.members.models import Person
from seawall.record import outbox
from seawall.screening.models import PENDING, WAITING, Hold

#: The topics that make us tell people. Their rows are ours to finish.
TOLD_OF = (outbox.HOLDS_WAITING, outbox.PERSON_ASKED)
#: Below it one topic for each person who gets mail, `delivery:mail:per_…`; its rows are the mails.
MAIL = "delivery:mail:"

#: A person gets no more than one mail in this time: of ten thousand holds, or of a platform under attack.
AT_MOST_EVERY = timedelta(minutes=15)

#: What told us is kept for a moment, for whoever looks into a problem; then its ids go.
SOURCES_KEPT = timedelta(hours=1)

AT_ONCE = "at_once"
DIGEST = "digest"


def plan(digest_hour: int, *, now: datetime) -> int:
    """Turn what was put into the outbox, and the hour of the day, into mails to send; returns how many.

    One transaction: should we die, everything is still to be planned. Two planners wait for each other at the people.
    """
    news = [topic for topic in TOLD_OF if outbox.waiting(topic).exists()]
    moment = digest_moment(digest_hour, now)
    if not news and not _digest_needed(moment, now):
        return 0
    with transaction.atomic():
        people = list(who_wants_mail().select_for_update().order_by("id"))
        count = sum(_plan_digest(person, moment, now) for person in people if person.notify == DIGEST)
        if _finish(news, now=now):
            count += sum(_plan_at_once(person, now) for person in people if person.notify == AT_ONCE)
    return count


def drop_all(*, now: datetime) -> None:
    """No mail server is set, so nobody is told: neither now nor, of what is long over, when one is."""
    topics = [topic for topic in (*TOLD_OF, MAIL) if outbox.waiting(topic).exists()]
    if topics:
        with transaction.atomic():
            _finish(topics, now=now)


def recipient(person_id: str) -> Person | None:
    """The person of a mail, if they still want mail."""
    return who_wants_mail().filter(pk=person_id).first()


def waiting_now(now: datetime) -> Waiting:
    """What waits just now."""
    found = _undecided()
    surfaces = found.values_list("surface").annotate(holds=Count("pk")).order_by("-holds", "surface")
    counts = tuple((str(name), int(count)) for name, count in surfaces)
    first = found.filter(expires_at__gt=now).order_by("expires_at").first()
    return Waiting(
        count=sum(count for _, count in counts),
        surfaces=counts,
        deadline=first.expires_at if first else None,
        on_expiry=first.on_expiry if first else "",
        asked=found.filter(asked_at__isnull=False).count(),
        undoable=Hold.objects.filter(WAITING, PENDING).exists(),
    )


def digest_moment(hour: int, now: datetime) -> datetime:
    """When digests went out last: today or yesterday at that hour, UTC."""
    today = datetime.combine(now.date(), time(hour), tzinfo=now.tzinfo)
    return today if today <= now else today - timedelta(days=1)


def who_wants_mail() -> QuerySet[Person]:
    """The people who have an address and want to be told."""
    return Person.objects.filter(left_at__isnull=True, notify__in=(AT_ONCE, DIGEST)).exclude(email="")


def _digest_needed(moment: datetime, now: datetime) -> bool:
    people = who_wants_mail().filter(notify=DIGEST)
    return any(_may_get_digest(person, moment, now) for person in people) and _waited_at(moment)


def _plan_digest(person: Person, moment: datetime, now: datetime) -> int:
    if not _may_get_digest(person, moment, now) or not _waited_at(moment):
        return 0
    _put(person, DIGEST, due_at=now, now=now)
    return 1


def _may_get_digest(person: Person, moment: datetime, now: datetime) -> bool:
    """No mail of theirs is on its way, and none went out since the moment."""
    topic = topic_of(person)
    last = outbox.last_done(topic, now=now)
    return (last is None or last < moment) and not outbox.waiting(topic).exists()


def _waited_at(moment: datetime) -> bool:
    """What came later is told with the next digest."""
    return _undecided().filter(held_at__lte=moment).exists()


def _undecided() -> QuerySet[Hold]:
    """What waits for somebody; a decision that can still be undone for some seconds is one."""
    return Hold.objects.filter(WAITING, decided_at__isnull=True)


def _plan_at_once(person: Person, now: datetime) -> int:
    topic = topic_of(person)
    if outbox.waiting(topic).exists():
        # That mail will count these holds too.
        return 0
    last = outbox.last_done(topic, now=now)
    _put(person, AT_ONCE, due_at=now if last is None else max(now, last + AT_MOST_EVERY), now=now)
    return 1


def topic_of(person: Person) -> str:
    """The topic of a person's mails."""
    return f"{MAIL}{person.id}"


def _put(person: Person, kind: str, *, due_at: datetime, now: datetime) -> None:
    outbox.put(topic_of(person), {"person": person.id, "kind": kind}, now=now, due_at=due_at)


def _finish(topics: Iterable[str], *, now: datetime) -> int:
    """Mark what waits there as done, and forget what was done some time ago; returns how many rows."""
    count = 0
    for topic in topics:
        rows = outbox.waiting(topic).select_for_update().order_by("id")
        ids = list(rows.values_list("pk", flat=True)[: outbox.ROWS_AT_ONCE])
        outbox.done(ids, now=now)
        outbox.forget_done(topic, before=now - SOURCES_KEPT)
        count += len(ids)
    return count
