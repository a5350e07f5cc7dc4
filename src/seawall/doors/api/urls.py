"""The addresses of this door. Everything that programs send content to is the gate's."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.generic import RedirectView

from seawall.doors.api.context import context_of
from seawall.doors.api.docs import docs, style
from seawall.doors.api.screenings import screening


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    return context_of(request).refuse("not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    return context_of(request).refuse("internal_error", "This is a fault of the server, not of your request.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    return context_of(request).refuse("not_found", "This address cannot be read.")


handler400 = bad_request
handler404 = not_found
handler500 = server_error

urlpatterns = [
    path("", RedirectView.as_view(url="/docs")),
    path("docs", docs),
    path("docs/style.css", style),
    path("v1/screenings/<str:screening_id>", screening),
]
