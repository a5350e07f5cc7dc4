from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from seawall.doors.console.access import page
from seawall.doors.console.banks.forms import FindForm
from seawall.doors.console.banks.words import (
    ACTION_NAMES,
    ACTIONS,
    KIND_NAMES,
    KINDS,
    cut,
    lines,
    names_of,
    source_of,
)
from seawall.doors.console.context import context_of
from seawall.doors.console.numbers import number
from seawall.doors.console.saying import drawn
from seawall.matching.banks import find_bank
from seawall.matching.browse import find_import, imports_of, listed_by_import, listed_by_people
from seawall.matching.checks import BankError
from seawall.matching.model import BankKind
from seawall.matching.models import Bank, Import
from seawall.members.roles import Right
from seawall.screening.policies import rules_naming

#: Banks, imported lists and retired banks on one page.
BANKS_AT_ONCE = 25
IMPORTS_AT_ONCE = 8
RETIRED_SHOWN = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A bank in the list."""

    bank: Bank
    kind: str
    action: str
    source: str
    signals: str


@page(Right.LOOK)
def banks(request: HttpRequest) -> HttpResponse:
    after = request.GET.get("after", "").replace("\0", "")
    found = list(Bank.objects.filter(retired_at=None, name__gt=after).order_by("name")[: BANKS_AT_ONCE + 1])
    return drawn(
        request,
        "console/banks/banks.html",
        {
            "banks": [_shown(one) for one in found[:BANKS_AT_ONCE]],
            "following": found[BANKS_AT_ONCE - 1].name if len(found) > BANKS_AT_ONCE else "",
            "first": not after,
            "retired": Bank.objects.filter(retired_at__isnull=False).order_by("-retired_at")[:RETIRED_SHOWN],
        },
    )


@page(Right.LOOK)
def bank(request: HttpRequest, name: str) -> HttpResponse:
    return bank_page(request, bank_called(name))


def bank_page(
    request: HttpRequest, one: Bank, *, find: FindForm | None = None, status: int = 200, **more: Any
) -> HttpResponse:
    """A bank's own page; a search that found nothing or several stands on it too."""
    now = context_of(request).clock()
    before, older = request.GET.get("before") or None, request.GET.get("imports") or None
    looks = one.kind != BankKind.NO_LOOK
    try:
        signals = listed_by_people(one, before=before) if looks else None
        imports = imports_of(one, before=older, limit=IMPORTS_AT_ONCE)
    except BankError as error:
        raise Http404 from error
    shown = {
        "bank": one,
        "looks": looks,
        "about": about(one),
        "signals": lines(one, signals.rows, now) if signals else [],
        "following": signals.following if signals else None,
        "first": before is None and older is None,
        "imports": [_import_line(row) for row in imports.rows],
        "older_imports": imports.following,
        "find": find or FindForm(),
        "rules": rules_naming(one.name),
    }
    return drawn(request, "console/banks/bank.html", {**shown, **more}, status=status)


@page(Right.LOOK)
def imported(request: HttpRequest, name: str, import_id: str) -> HttpResponse:
    one = bank_called(name)
    try:
        row = find_import(one, import_id)
        before = request.GET.get("before") or None
        signals = listed_by_import(row, before=before) if one.kind != BankKind.NO_LOOK else None
    except BankError as error:
        raise Http404 from error
    shown = {
        "bank": one,
        "looks": signals is not None,
        "one": _import_line(row),
        "by": names_of([row.started_by])[row.started_by],
        "signals": lines(one, signals.rows, context_of(request).clock()) if signals else [],
        "following": signals.following if signals else None,
        "first": before is None,
    }
    return drawn(request, "console/banks/imported.html", shown)


def bank_called(name: str) -> Bank:
    """Http404 where no bank in use is called so."""
    try:
        return find_bank(name)
    except BankError as error:
        raise Http404 from error


def about(one: Bank) -> dict[str, Any]:
    """What a bank declares, in words."""
    known = names_of(filter(None, [one.trusted_by, one.created_by]))
    return {
        "kind": KINDS[BankKind(one.kind)],
        "kind_name": KIND_NAMES[BankKind(one.kind)],
        "action": ACTIONS[one.default_action],
        "action_name": ACTION_NAMES[one.default_action],
        "source": source_of(one),
        "signals": number(one.active_signals),
        "trusted_by": known.get(one.trusted_by, ""),
        "created_by": known.get(one.created_by, ""),
        "decides": one.kind == BankKind.LISTED,
    }


def _shown(one: Bank) -> Shown:
    return Shown(
        bank=one,
        kind=str(KIND_NAMES[BankKind(one.kind)]),
        action=str(ACTION_NAMES[one.default_action]),
        source=cut(source_of(one)),
        signals=number(one.active_signals),
    )


def _import_line(row: Import) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.visible_at,
        "source": cut(row.source),
        "added": number(row.added),
        "duplicates": number(row.duplicates),
        "errors": number(row.errors),
        "digest": row.digest,
    }
