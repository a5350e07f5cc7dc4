"""All addresses that Django answers, and what it says where there is none."""

import logging
import secrets
import sys
import traceback

from django.core.exceptions import RequestDataTooBig
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path

from seawall.app import FORM_BYTES
from seawall.doors.api.context import context_of

logger = logging.getLogger(__name__)

#: Addresses for programs begin so; everything else is for people.
PROGRAMS = "/v1/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    if request.path.startswith(PROGRAMS):
        return context_of(request).refuse("not_found", "There is nothing at this address.")
    return _page(request, "404", 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the error. Logged is where it happened, never what with (as at the gate)."""
    error_id = secrets.token_hex(8)
    kind, _, trace = sys.exc_info()
    places = "".join(traceback.format_tb(trace))
    # The address as this file writes it: the one that was asked for is a stranger's text.
    route = request.resolver_match.route if request.resolver_match else ""
    logger.error("error %s: %s at /%s\n%s", error_id, kind.__name__ if kind else "?", route, places)
    if request.path.startswith(PROGRAMS):
        said = "This is a fault of the server, not of your request."
        return context_of(request).refuse("internal_error", said, error_id=error_id)
    return _page(request, "500", 500, error_id=error_id)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A form that is too large or cannot be read, or an address that cannot."""
    if request.path.startswith(PROGRAMS):
        return context_of(request).refuse("not_found", "This address cannot be read.")
    if isinstance(exception, RequestDataTooBig):
        return _page(request, "413", 413, most=FORM_BYTES)
    return _page(request, "400", 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    return _page(request, "403", 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    """A form that was not made by our own page, or whose page is older than the session."""
    return _page(request, "403", 403)


def _page(request: HttpRequest, name: str, status: int, **more: object) -> HttpResponse:
    """The page of an error. That of a fault is drawn without the database, which may be what is broken; the others say
    who is signed in. Django draws them in a thread whose connection the end of the request does not close, so it is
    looked after here: it would stay open, and after a restart of the database fail for good.
    """
    close_old_connections()
    try:
        response = render(None if status == 500 else request, f"console/errors/{name}.html", more, status=status)
    finally:
        close_old_connections()
    response["Cache-Control"] = "no-store"
    return response


handler400 = bad_request
handler403 = forbidden
handler404 = not_found
handler500 = server_error

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("seawall.doors.api.urls")),
    path("", include("seawall.doors.console.urls")),
]
