"""What `web` hands to this door with each request, since doors do not know each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse

from seawall.doors.api.answers import ScreeningNow
from seawall.members.keys import KeyRecord

#: Where it stands in the ASGI scope.
SCOPE_KEY = "seawall.api"


class Refuse(Protocol):
    """Makes the problem of a code and a detail."""

    def __call__(self, code: str, detail: str, *, error_id: str | None = None) -> HttpResponse: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiContext:
    """`read` gives a screening by its id, or None."""

    keys: Callable[[], Mapping[str, KeyRecord]]
    refuse: Refuse
    read: Callable[[str], ScreeningNow | None]
    document: Mapping[str, Any]


def context_of(request: HttpRequest) -> ApiContext:
    """The context of this request. Every request comes through `web`, so it is always there."""
    scope: Mapping[str, Any] = vars(request)["scope"]
    context = scope[SCOPE_KEY]
    assert isinstance(context, ApiContext)  # noqa: S101 - put there by our own code
    return context
