"""What the banks hold, page by page, for people to look at. Every list is read from an index in its order: a page costs
the same in a bank of ten signals and in one of a million.

A bank's signals come from two sides, each with an order of its own: those that people here listed one by one, and those
of each imported list.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from django.db.models import QuerySet

from seawall.matching.checks import BankError, shown
from seawall.matching.models import Bank, Import, ListedSignal
from seawall.record.ids import BadId, parse_id
from seawall.signals.extract import SIGNAL_TYPES
from seawall.signals.model import BadSignal

Row = TypeVar("Row")

#: Nobody reads more at once.
PAGE = 25


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[Row]):
    """Some rows, newest first. `following` is where the next page begins, None on the last one."""

    rows: tuple[Row, ...]
    following: str | None


def listed_by_people(bank: Bank, *, before: str | None = None, limit: int = PAGE) -> Page[ListedSignal]:
    """The signals that people here put into the bank, withdrawn ones too. BankError when `before` is no signal's id."""
    return _signals(ListedSignal.objects.filter(bank=bank, imported_in__isnull=True), before, limit)


def listed_by_import(one: Import, *, before: str | None = None, limit: int = PAGE) -> Page[ListedSignal]:
    """The signals that came with an imported list. BankError when `before` is no signal's id."""
    return _signals(ListedSignal.objects.filter(imported_in=one), before, limit)


def imports_of(bank: Bank, *, before: str | None = None, limit: int = PAGE) -> Page[Import]:
    """The lists that were imported whole into the bank. BankError when `before` is no import's id."""
    rows = Import.objects.filter(bank=bank, visible_at__isnull=False).order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=_checked("imp", before))
    return _page(rows[: limit + 1], limit, lambda row: row.id)


def find_import(bank: Bank, import_id: str) -> Import:
    """Raises BankError when the bank has no such import, or it is not finished."""
    row = Import.objects.filter(id=_checked("imp", import_id), bank=bank, visible_at__isnull=False).first()
    if row is None:
        raise BankError("unknown_import", f"there is no import {import_id} here", "choose one from the bank's page")
    return row


def look_up(bank: Bank, sought: str) -> list[ListedSignal]:
    """The bank's signals with this very value, whatever their type, or the one with this id. Nothing near it is sought.

    Raises:
        BankError: it is neither an id nor the value of any type.
    """
    sought = sought.strip()
    rows = ListedSignal.objects.filter(bank=bank).select_related("imported_in")
    if sought.startswith("sig_"):
        return _visible(rows.filter(id=UUID(_checked("sig", sought)[4:])))
    wanted = _digests(sought)
    if not wanted:
        raise BankError(
            "bad_value",
            f"{shown(sought)} is neither an id nor a value of {', '.join(SIGNAL_TYPES)}",
            "copy it whole: 64 or 32 hexadecimal characters, a web address with https://, or an id that begins sig_",
        )
    # One query for each: asked for either of several, SQLite reads the whole bank.
    return [row for name, digest in wanted for row in _visible(rows.filter(type=name, digest=digest))]


def signal_in(bank: Bank, signal_id: str) -> ListedSignal:
    """One signal of the bank, to look at. Raises BankError when there is none."""
    rows = ListedSignal.objects.filter(bank=bank, id=UUID(_checked("sig", signal_id)[4:]))
    found = _visible(rows.select_related("imported_in"))
    if not found:
        raise BankError("unknown_signal", f"there is no signal {signal_id} here", "look for it in the other banks")
    return found[0]


def _signals(rows: QuerySet[ListedSignal], before: str | None, limit: int) -> Page[ListedSignal]:
    if before is not None:
        rows = rows.filter(id__lt=UUID(_checked("sig", before)[4:]))
    return _page(rows.order_by("-id")[: limit + 1], limit, lambda row: row.signal_id)


def _page(rows: QuerySet[Row], limit: int, cursor: Callable[[Row], str]) -> Page[Row]:  # type: ignore[type-var]
    found: Sequence[Row] = list(rows)
    return Page(rows=tuple(found[:limit]), following=cursor(found[limit - 1]) if len(found) > limit else None)


def _visible(rows: QuerySet[ListedSignal]) -> list[ListedSignal]:
    """Rows of an import that is still running are nobody's business yet."""
    return [row for row in rows if row.imported_in is None or row.imported_in.visible_at is not None]


def _checked(prefix: str, text: str) -> str:
    try:
        parse_id(prefix, text)
    except BadId as error:
        raise BankError("bad_id", str(error), "copy the id whole") from error
    return text


def _digests(sought: str) -> list[tuple[str, bytes]]:
    """Type and digest of everything that this text may be the value of."""
    found = []
    for name, kind in SIGNAL_TYPES.items():
        with suppress(BadSignal):
            found.append((name, kind.digest(kind.canonical(sought))))
    return found
