"""The addresses of this door. Everything that programs send content to is the gate's."""

import logging
import secrets
import sys
import traceback

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.generic import RedirectView

from seawall.doors.api.context import context_of
from seawall.doors.api.docs import docs, icon, style
from seawall.doors.api.screenings import screening

logger = logging.getLogger(__name__)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    return context_of(request).refuse("not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the error. Logged is where it happened, never what with (as at the gate)."""
    error_id = secrets.token_hex(8)
    kind, _, trace = sys.exc_info()
    places = "".join(traceback.format_tb(trace))
    # The address as this file writes it: the one that was asked for is a stranger's text.
    route = request.resolver_match.route if request.resolver_match else ""
    logger.error("error %s: %s at /%s\n%s", error_id, kind.__name__ if kind else "?", route, places)
    said = "This is a fault of the server, not of your request."
    return context_of(request).refuse("internal_error", said, error_id=error_id)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    return context_of(request).refuse("not_found", "This address cannot be read.")


handler400 = bad_request
handler404 = not_found
handler500 = server_error

urlpatterns = [
    path("", RedirectView.as_view(url="/docs")),
    path("docs", docs),
    path("docs/style.css", style),
    path("docs/icon.svg", icon),
    path("v1/screenings/<str:screening_id>", screening),
]
