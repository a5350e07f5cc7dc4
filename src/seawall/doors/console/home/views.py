from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from seawall.doors.console.access import page, person_of
from seawall.doors.console.context import context_of
from seawall.doors.console.home.needs import needs
from seawall.matching.sources import sources as all_sources
from seawall.matching.summary import protection
from seawall.members.roles import Right
from seawall.screening import holds
from seawall.screening.totals import Funnel, totals

#: What the page counts, in days with today.
PERIODS = {"today": 1, "week": 7, "month": 30}


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of the way of uploads. `share` is its part of the first step, in 0..100, for the bar."""

    name: str
    means: str
    count: int
    share: float


@page(Right.LOOK)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    context = context_of(request)
    now = context.clock()
    protects = protection(now)
    period = request.GET.get("period", "week")
    period = period if period in PERIODS else "week"
    counted = totals((now - timedelta(days=PERIODS[period] - 1)).date(), now.date())
    waiting = holds.counts()
    return render(
        request,
        "console/home/home.html",
        {
            "is_up": context.published() is not None and not context.ledger_problem(),
            "ledger_problem": context.ledger_problem(),
            "warnings": context.warnings(),
            "needs": needs(context, person_of(request), protects, waiting),
            "protection": protects,
            "steps": _steps(counted.funnel),
            "funnel": counted.funnel,
            "not_counted": counted.not_counted,
            "period": period,
            "periods": {"today": _("today"), "week": _("7 days"), "month": _("30 days")},
        },
    )


@page(Right.LOOK)
@require_safe
def sources(request: HttpRequest) -> HttpResponse:
    return render(request, "console/home/sources.html", {"sources": all_sources()})


def _steps(funnel: Funnel) -> tuple[Step, ...]:
    first = max(funnel.uploads, 1)
    named = (
        (_("Uploads"), _("that your platform asked about"), funnel.uploads),
        (
            _("Screened"),
            _("completely; of the others it was said that something could not be checked"),
            funnel.screened,
        ),
        (
            _("Matched"),
            _("with a listed item, the test card too, or held or blocked because screening failed"),
            funnel.matched,
        ),
        (_("Blocked"), _("at once, as your rules say"), funnel.blocked),
        (_("Held"), _("for a person"), funnel.held),
        (_("Decided"), _("by a person, or by the rule when the time ran out"), funnel.decided),
    )
    return tuple(Step(name=name, means=means, count=count, share=100 * count / first) for name, means, count in named)
