from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from seawall.doors.console.access import page
from seawall.doors.console.context import ConsoleContext, context_of
from seawall.doors.console.health.freshness import freshness
from seawall.doors.delivery.mail import mail_problem
from seawall.members.roles import Right
from seawall.upkeep.examine import findings

#: The doctor starts a decoder and reads the disk: its last word is shown until it is this old.
FRESH = timedelta(seconds=30)

#: What the doctor says this soon is shown at once.
PATIENCE_SECONDS = 0.3


@page(Right.LOOK)
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    return render(request, "console/health/health.html", _health(context_of(request)))


@page(Right.LOOK)
@require_safe
def examined(request: HttpRequest) -> HttpResponse:
    """The part that waits for the doctor."""
    return render(request, "console/health/examined.html", _health(context_of(request)))


def _health(context: ConsoleContext) -> dict[str, object]:
    examination = context.examination
    examination.start_if_older(FRESH, lambda: tuple(findings(context.settings)), context.clock)
    examination.wait(PATIENCE_SECONDS)
    return {
        "examining": examination.running,
        "examined": examination.done,
        "index": freshness(context.published(), context.clock()),
        "ledger_problem": context.ledger_problem(),
        "warnings": context.warnings(),
        "mail_problem": mail_problem(context.settings, now=context.clock()),
    }
