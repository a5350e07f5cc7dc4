"""Lists of holds, page by page: each page costs the same, however many holds there are."""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime

import msgspec
from django.db.models import F, QuerySet

# Comparing pairs is what lets an index begin a page in the middle; the ORM has it for composite keys.
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan

from seawall.screening.holds.model import HoldCounts, HoldError, HoldPhase, HoldState, Page
from seawall.screening.holds.rows import state_of
from seawall.screening.ledger.ledger import Ledger
from seawall.screening.ledger.model import LedgerEntry
from seawall.screening.model import Verdict
from seawall.screening.models import Hold

#: What is more than a screenful is another page.
LARGEST_PAGE = 200

#: Nobody needs to know whether 1 000 or 40 000 wait, and counting all of them would take ever longer.
COUNTED = 1_000


class _Cursor(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Where the page before ended: in which list, and there at which row. `at` None: among those without a deadline."""

    list: str
    at: datetime | None
    id: str


def waiting(*, limit: int = 100) -> list[HoldState]:
    """The holds a person should look at, those that expire first at the top."""
    return list(waiting_page(limit=limit).items)


def waiting_page(
    *, after: str | None = None, limit: int = 50, surface: str | None = None, asked_only: bool = False
) -> Page[HoldState]:
    """The holds that wait: those that expire first at the top, those without a deadline at the end.

    With `asked_only` those that somebody asked about, whoever asked first at the top. Two queries at most.

    Raises:
        HoldError: bad_cursor, when `after` is not the `next` of such a page.
    """
    cursor = _read(after, "asked" if asked_only else "waiting")
    holds = _on(Hold.objects.filter(state=HoldPhase.WAITING), surface)
    limit = _within(limit)
    if asked_only:
        asked = _following(holds.filter(asked_at__isnull=False), "asked_at", cursor)
        return _page(list(asked[: limit + 1]), limit, "asked", "asked_at")
    found: list[Hold] = []
    if cursor is None or cursor.at is not None:
        found = list(_following(holds.filter(expires_at__isnull=False), "expires_at", cursor)[: limit + 1])
        cursor = None
    if len(found) <= limit:
        endless = holds.filter(expires_at__isnull=True)
        if cursor is not None:
            endless = endless.filter(screening_id__gt=cursor.id)
        found += endless.order_by("expires_at", "screening_id")[: limit + 1 - len(found)]
    return _page(found, limit, "waiting", "expires_at")


def decided_page(*, after: str | None = None, limit: int = 50, surface: str | None = None) -> Page[HoldState]:
    """The holds that were decided, by a person or by their expiry: those decided last at the top. One query.

    Raises:
        HoldError: bad_cursor, when `after` is not the `next` of such a page.
    """
    cursor = _read(after, "decided")
    limit = _within(limit)
    holds = _on(Hold.objects.filter(resolved_at__isnull=False), surface).order_by("-resolved_at", "-screening_id")
    if cursor is not None:
        holds = holds.filter(TupleLessThan((F("resolved_at"), F("screening_id")), (cursor.at, cursor.id)))
    return _page(list(holds[: limit + 1]), limit, "decided", "resolved_at")


def count_waiting(*, limit: int = COUNTED, asked_only: bool = False) -> int:
    """How many holds wait; `limit` when there are that many or more."""
    holds, column = Hold.objects.filter(state=HoldPhase.WAITING), "expires_at"
    if asked_only:
        holds, column = holds.filter(asked_at__isnull=False), "asked_at"
    # In the order of an index: otherwise a planner may read the table instead, and not find enough soon.
    return holds.order_by(column, "screening_id")[:limit].count()


def counts(*, limit: int = COUNTED) -> HoldCounts:
    """Both numbers for the home page, in two queries that read at most `limit` entries of an index each."""
    asked = count_waiting(limit=limit, asked_only=True)
    return HoldCounts(waiting=count_waiting(limit=limit), asked=asked, limit=limit)


def record_of(ledger: Ledger, screening_id: str) -> LedgerEntry | None:
    """What the ledger has of a hold, the uploader's words included; None where it cannot be read (any more)."""
    return ledger.read_many([screening_id]).get(screening_id)


def why(ledger: Ledger, ids: Iterable[str]) -> dict[str, Verdict]:
    """The verdicts of a page's screenings, read in one go for each day. What cannot be read (any more) is left out."""
    return {screening_id: entry.verdict for screening_id, entry in ledger.read_many(ids).items()}


def _following(holds: QuerySet[Hold], column: str, cursor: _Cursor | None) -> QuerySet[Hold]:
    ordered = holds.order_by(column, "screening_id")
    if cursor is None:
        return ordered
    return ordered.filter(TupleGreaterThan((F(column), F("screening_id")), (cursor.at, cursor.id)))


def _on(holds: QuerySet[Hold], surface: str | None) -> QuerySet[Hold]:
    if surface is None:
        return holds
    # PostgreSQL answers a NUL with an error of its own; no surface is called so.
    return holds.none() if "\0" in surface else holds.filter(surface=surface)


def _within(limit: int) -> int:
    return max(1, min(limit, LARGEST_PAGE))


def _page(found: list[Hold], limit: int, kind: str, column: str) -> Page[HoldState]:
    """One row more than the page was asked for: it says whether there is a next one."""
    shown = found[:limit]
    following = None
    if len(found) > limit:
        last = shown[-1]
        following = _write(_Cursor(list=kind, at=getattr(last, column), id=last.screening_id))
    return Page(items=tuple(map(state_of, shown)), next=following)


def _write(cursor: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _read(text: str | None, kind: str) -> _Cursor | None:
    if text is None:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        cursor = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Cursor)
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, RecursionError) as error:
        raise _bad_cursor() from error
    without_moment = cursor.at is None and kind != "waiting"
    if cursor.list != kind or without_moment or "\0" in cursor.id or (cursor.at and cursor.at.tzinfo is None):
        raise _bad_cursor()
    return cursor


def _bad_cursor() -> HoldError:
    return HoldError("bad_cursor", "This is not where a page of this list ends.", "Begin with the first page.")
