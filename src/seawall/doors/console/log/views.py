from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from seawall.doors.console.access import page
from seawall.doors.console.context import ConsoleContext, context_of
from seawall.doors.console.log.verification import verify
from seawall.doors.console.log.words import Names, sentence, wordings
from seawall.members.roles import Right
from seawall.record import canonical_json, events, journal
from seawall.record.models import Checkpoint, Event

#: Events on one page.
ON_A_PAGE = 50

#: A small log is verified while the page is made; of a large one the page says that it is being done.
PATIENCE_SECONDS = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One event as it is shown. `said` is None for one whose content was destroyed."""

    at: datetime
    by: str
    said: str | None
    event_id: str
    name: str
    leaf_index: int | None


@page(Right.LOOK)
@require_safe
def log(request: HttpRequest) -> HttpResponse:
    before, kind = _serial(request.GET.get("before", "")), request.GET.get("kind", "")
    rows = Event.objects.order_by("-serial")
    if kind in wordings():
        rows = rows.filter(name=kind)
    if before is not None:
        rows = rows.filter(serial__lt=before)
    found = list(rows[: ON_A_PAGE + 1])
    shown = found[:ON_A_PAGE]
    return render(
        request,
        "console/log/log.html",
        {
            "lines": _lines(shown),
            "older": shown[-1].serial if len(found) > ON_A_PAGE else None,
            "newest": before is None,
            "kind": kind if kind in wordings() else "",
            "kinds": sorted(wordings()),
            "checkpoint": Checkpoint.objects.order_by("-size").first(),
            **_verification(context_of(request)),
        },
    )


@page(Right.LOOK)
@require_http_methods(["GET", "HEAD", "POST"])
def verified(request: HttpRequest) -> HttpResponse:
    """POST begins a verification; GET says how it stands, for the page that waits for it."""
    context = context_of(request)
    if request.method == "POST":
        # One at a time, whoever asks: it reads everything.
        context.verification.start(lambda: verify(context.settings, context.ledger), context.clock)
        context.verification.wait(PATIENCE_SECONDS)
        if not request.headers.get("HX-Request"):
            return HttpResponseRedirect(reverse("log") + "#verified")
    return render(request, "console/log/verified.html", _verification(context))


def _verification(context: ConsoleContext) -> dict[str, object]:
    return {"verifying": context.verification.running, "verified": context.verification.done}


def _lines(rows: list[Event]) -> list[Line]:
    read = [_read(row) for row in rows]
    names = Names.of(event for event in read if event is not None)
    return [
        Line(
            at=row.created_at,
            by="" if event is None else names[event.by],
            said=None if event is None else sentence(event, names),
            event_id=row.event_id,
            name=row.name,
            leaf_index=row.leaf_index,
        )
        for row, event in zip(rows, read, strict=True)
    ]


def _read(row: Event) -> events.Event | None:
    """None for one that was forgotten; a damaged one is no reason to show none: `verify` names it."""
    try:
        return journal.read(row)
    except (events.BadEvent, canonical_json.BadJson, LookupError, TypeError):
        return events.Unrecognised(by="system", written_name=row.name, written_schema=row.schema, extra={})


def _serial(text: str) -> int | None:
    """The number after which older events begin; anything else begins with the newest."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
