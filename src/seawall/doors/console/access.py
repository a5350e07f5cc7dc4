"""Who may see which page: every view of the console stands behind `page`, or says with `public` that it does not."""

import functools
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from seawall.members.accounts import instance, role_of
from seawall.members.models import Account, Instance, Person
from seawall.members.roles import Right, Role

Rest = ParamSpec("Rest")
View = Callable[Concatenate[HttpRequest, Rest], HttpResponse]

#: What a browser may keep of a page for people: nothing.
NO_STORE = "no-store"


def page(right: Right, *, during_setup: bool = False) -> Callable[[View[Rest]], View[Rest]]:
    """A view for signed-in people who have `right`.

    Strangers are sent to sign in, a person without the right gets the answer of an address that does not exist. Until
    the wizard is finished its owner is led back to it, except from its own pages (`during_setup`).
    """

    def decorate(view: View[Rest]) -> View[Rest]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
            person = signed_in(request)
            if person is None:
                return _sign_in_first(request)
            if right not in Role(person.role).rights:
                raise Http404
            if not during_setup and Right.CONFIGURE in Role(person.role).rights and place_of(request).next_step:
                return HttpResponseRedirect(reverse("setup"))
            response = view(request, *args, **kwargs)
            response.setdefault("Cache-Control", NO_STORE)
            return response

        guarded.guard = right  # type: ignore[attr-defined]
        return cast("View[Rest]", guarded)

    return decorate


def public(view: View[Rest]) -> View[Rest]:
    """A view for anybody: sign-in, set-up links, the uploader's page. Said aloud, so that none is open by oversight."""

    @functools.wraps(view)
    def open_to_all(request: HttpRequest, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.setdefault("Cache-Control", NO_STORE)
        return response

    open_to_all.guard = None  # type: ignore[attr-defined]
    return cast("View[Rest]", open_to_all)


def signed_in(request: HttpRequest) -> Person | None:
    """The person of this request; None for strangers and for people who left."""
    account = request.user
    if not isinstance(account, Account):
        return None
    return None if role_of(account) is None else account.person


def person_of(request: HttpRequest) -> Person:
    """The person of a request that came through `page`."""
    person = signed_in(request)
    assert person is not None  # noqa: S101 - `page` saw to it
    return person


def rights_of(request: HttpRequest) -> frozenset[Right]:
    person = signed_in(request)
    return frozenset() if person is None else Role(person.role).rights


def place_of(request: HttpRequest) -> Instance:
    """This installation, asked for once a request."""
    kept: Instance = vars(request).setdefault("seawall_place", None) or instance()
    vars(request)["seawall_place"] = kept
    return kept


def person_and_place(request: HttpRequest) -> dict[str, Any]:
    """What every template knows: `person`, `may` (their rights, as words), the installation's name and the release."""
    person = signed_in(request) if hasattr(request, "user") else None
    return {
        "person": person,
        "may": {str(right) for right in rights_of(request)} if person else set(),
        "place": place_of(request).name if person else "",
        "release": version("seawall"),
    }


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in page and back afterwards; a fragment cannot show that page, so htmx is told to go there."""
    if request.headers.get("HX-Request") == "true":
        response = HttpResponse(status=204)
        response["HX-Redirect"] = reverse("account_login")
        return response
    return redirect_to_login(request.get_full_path() if request.method in {"GET", "HEAD"} else reverse("home"))
