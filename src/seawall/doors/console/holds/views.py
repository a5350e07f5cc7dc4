from dataclasses import dataclass
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from seawall.doors.console.access import page, person_of, rights_of
from seawall.doors.console.context import ConsoleContext, context_of
from seawall.doors.console.holds.forms import DecisionForm, in_words, refuse_reasons, release_reasons
from seawall.doors.console.holds.looking import pressed, seal
from seawall.doors.console.holds.words import told
from seawall.members.models import Person
from seawall.members.roles import Right
from seawall.record.ids import BadId, parse_id
from seawall.screening import holds as room
from seawall.screening.holds import HoldError, HoldState, Revealed
from seawall.screening.ledger.held import HeldName
from seawall.screening.ledger.model import LedgerDamaged
from seawall.screening.model import Verdict

#: Holds on one page of the list.
ON_A_PAGE = 25

LISTS = ("waiting", "asked", "decided")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One hold in the list. `verdict` is None where it cannot be read any more."""

    hold: HoldState
    verdict: Verdict | None
    decided_by: str


@page(Right.LOOK)
@require_safe
def holds(request: HttpRequest) -> HttpResponse:
    context = context_of(request)
    chosen = request.GET.get("list", "waiting")
    chosen = chosen if chosen in LISTS else "waiting"
    after = request.GET.get("after") or None
    try:
        if chosen == "decided":
            found = room.decided_page(after=after, limit=ON_A_PAGE)
        else:
            found = room.waiting_page(after=after, limit=ON_A_PAGE, asked_only=chosen == "asked")
    except HoldError:
        # A cursor of another list, or one that somebody made up: the list is shown from its beginning.
        return HttpResponseRedirect(f"{reverse('holds')}?list={chosen}")
    verdicts = room.why(context.ledger, [hold.screening_id for hold in found.items])
    names = _names(found.items)
    lines = [
        Line(hold=hold, verdict=verdicts.get(hold.screening_id), decided_by=names.get(hold.resolved_by or "", ""))
        for hold in found.items
    ]
    counts = room.counts()
    return render(
        request,
        "console/holds/holds.html",
        {"lines": lines, "next": found.next, "list": chosen, "after": after, "counts": counts, "now": context.clock()},
    )


@page(Right.LOOK)
@require_safe
def hold(request: HttpRequest, screening_id: str) -> HttpResponse:
    return _shown(request, screening_id, DecisionForm())


@page(Right.DECIDE)
@require_POST
def decision(request: HttpRequest, screening_id: str) -> HttpResponse:
    """A decision that takes effect in ten seconds."""
    _known(screening_id)
    context = context_of(request)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _shown(request, screening_id, form, status=422)
    try:
        room.decide(
            context.ledger,
            screening_id,
            form.outcome,
            by=person_of(request).id,
            reason=form.reason,
            now=context.clock(),
        )
    except HoldError as error:
        return _shown(request, screening_id, form, problem=told(error), status=409)
    return HttpResponseRedirect(reverse("hold", args=[screening_id]))


@page(Right.DECIDE)
@require_POST
def undo(request: HttpRequest, screening_id: str) -> HttpResponse:
    _known(screening_id)
    try:
        room.undo(screening_id, by=person_of(request).id, now=context_of(request).clock())
    except HoldError as error:
        return _shown(request, screening_id, DecisionForm(), problem=told(error), status=409)
    return HttpResponseRedirect(reverse("hold", args=[screening_id]))


@page(Right.DECIDE)
@require_POST
def look(request: HttpRequest, screening_id: str, number: int) -> HttpResponse:
    """Somebody pressed the button: the part is shown, grey and blurred unless they asked for it clear.

    A picture is asked for by the page that comes back, with a word that only this press gave.
    """
    _known(screening_id)
    context = context_of(request)
    parts = _parts(context, screening_id)
    if parts is None or not 0 <= number < len(parts):
        raise Http404
    clear = request.POST.get("clear") == "1"
    shown: dict[str, object] = {"number": number, "clear": clear}
    if parts[number].kind == "image":
        word = seal(screening_id, number, clear=clear, by=person_of(request).id)
        shown["picture_address"] = reverse("hold_picture", args=[screening_id, number]) + f"?pressed={word}"
    else:
        shown["revealed"] = _reveal(context, screening_id, number, clear=clear, by=person_of(request))
    if request.headers.get("HX-Request"):
        drawn = {"id": screening_id, "part": parts[number], "number": number, "shown": shown}
        return render(request, "console/holds/part.html", drawn)
    return _shown(request, screening_id, DecisionForm(), looked=shown)


@page(Right.DECIDE)
@require_safe
def hidden(request: HttpRequest, screening_id: str, number: int) -> HttpResponse:
    """The part as it was before the press."""
    _known(screening_id)
    parts = _parts(context_of(request), screening_id)
    if parts is None or not 0 <= number < len(parts):
        raise Http404
    return render(request, "console/holds/part.html", {"id": screening_id, "part": parts[number], "number": number})


@page(Right.DECIDE)
@require_safe
def picture(request: HttpRequest, screening_id: str, number: int) -> HttpResponse:
    """A picture that the server drew anew; nothing of the file itself, and nothing without a press."""
    _known(screening_id)
    by = person_of(request)
    clear = pressed(request.GET.get("pressed", ""), screening_id, number, by=by.id)
    if clear is None:
        raise Http404
    revealed = _reveal(context_of(request), screening_id, number, clear=clear, by=by)
    if revealed.picture is None:
        return HttpResponse("\n".join(revealed.problems), content_type="text/plain; charset=utf-8", status=422)
    response = HttpResponse(revealed.picture, content_type="image/jpeg")
    response["Content-Disposition"] = "inline"
    return response


def _shown(
    request: HttpRequest,
    screening_id: str,
    form: DecisionForm,
    *,
    problem: HoldError | None = None,
    looked: dict[str, object] | None = None,
    status: int = 200,
) -> HttpResponse:
    _known(screening_id)
    context = context_of(request)
    state = room.state(screening_id)
    if state is None:
        raise Http404
    may_decide = Right.DECIDE in rights_of(request)
    parts = _parts(context, screening_id) if may_decide else ()
    entry = room.record_of(context.ledger, screening_id)
    return render(
        request,
        "console/holds/hold.html",
        {
            "id": screening_id,
            "hold": state,
            "verdict": entry and entry.verdict,
            "said": entry and entry.context,
            "parts": parts,
            "damaged": parts is None,
            "may_decide": may_decide,
            "form": form,
            "problem": problem,
            "looked": looked,
            **_decided(state, person_of(request), context.clock()),
            "refuse_reasons": refuse_reasons(),
            "release_reasons": release_reasons(),
            "now": context.clock(),
            "page": "holds",
        },
        status=status,
    )


def _decided(state: HoldState, reader: Person, now: datetime) -> dict[str, object]:
    """Who decided and why, and whether it is still to be undone."""
    names = _names([state])
    return {
        "decided_by": names.get(state.resolved_by or "", ""),
        "pending_by": names.get(state.pending.by, "") if state.pending else "",
        "pending_is_mine": state.pending is not None and state.pending.by == reader.id,
        "reason": in_words(state.reason),
        "seconds": _seconds_left(state, now),
    }


def _reveal(context: ConsoleContext, screening_id: str, number: int, *, clear: bool, by: Person) -> Revealed:
    try:
        return room.reveal(
            context.ledger, screening_id, number, clear=clear, by=by.id, jail=context.jail, now=context.clock()
        )
    except (HoldError, LedgerDamaged) as error:
        raise Http404 from error


def _parts(context: ConsoleContext, screening_id: str) -> tuple[HeldName, ...] | None:
    """What was kept; None where it cannot be read: such a hold can still be decided from its reasons."""
    try:
        return room.names(context.ledger, screening_id)
    except LedgerDamaged:
        return None


def _known(screening_id: str) -> None:
    try:
        parse_id("scr", screening_id)
    except BadId as error:
        raise Http404 from error


def _names(shown: "tuple[HoldState, ...] | list[HoldState]") -> dict[str, str]:
    """Who decided, by id. One query."""
    ids = {hold.resolved_by for hold in shown} | {hold.pending.by for hold in shown if hold.pending}
    return dict(Person.objects.filter(id__in=[one for one in ids if one]).values_list("id", "name"))


def _seconds_left(hold: HoldState, now: datetime) -> int:
    if hold.pending is None:
        return 0
    return max(0, round((hold.pending.takes_effect_at - now).total_seconds()))
