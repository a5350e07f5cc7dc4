from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from seawall.doors.console.access import page, person_of
from seawall.doors.console.context import context_of
from seawall.doors.console.saying import drawn, say
from seawall.doors.console.surfaces.forms import AUDIENCES, EXPIRIES, FAIL_MODES, STORING, SurfaceForm, filled, words
from seawall.members.roles import Right
from seawall.screening.model import Surface
from seawall.screening.policies import SurfaceError, list_surfaces, save_surface

#: A platform has a handful; a list of more goes on.
ON_A_PAGE = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A surface in words."""

    surface: Surface
    audience: str
    fail_mode: str
    hold_expiry: str
    storing: str


@page(Right.CONFIGURE)
def surfaces(request: HttpRequest) -> HttpResponse:
    after = request.GET.get("after", "")
    found = [one for one in list_surfaces() if one.name > after]
    shown = [_shown(one) for one in found[:ON_A_PAGE]]
    following = found[ON_A_PAGE - 1].name if len(found) > ON_A_PAGE else ""
    return drawn(
        request, "console/surfaces/surfaces.html", {"surfaces": shown, "following": following, "first": not after}
    )


@page(Right.CONFIGURE)
def new_surface(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        form = SurfaceForm(initial={"appeal_days": 183})
        return drawn(request, "console/surfaces/surface.html", {"form": form, "name": ""})
    form = SurfaceForm(request.POST)
    if form.is_valid() and _find(form.cleaned_data["name"]) is not None:
        form.add_error("name", _("There is a surface of this name already. Choose another name, or change that one."))
    return _saved(request, form, "")


@page(Right.CONFIGURE)
def surface(request: HttpRequest, name: str) -> HttpResponse:
    one = _find(name)
    if one is None:
        raise Http404
    if request.method != "POST":
        form = SurfaceForm(initial=filled(one), fixed_name=one.name)
        return drawn(request, "console/surfaces/surface.html", {"form": form, "name": one.name})
    return _saved(request, SurfaceForm(request.POST, fixed_name=one.name), one.name)


def _saved(request: HttpRequest, form: SurfaceForm, name: str) -> HttpResponse:
    """The surface saved and the list after it, or the form with what is wrong."""
    if form.is_valid():
        try:
            made = form.surface()
            save_surface(made, by=person_of(request).id, now=context_of(request).clock())
        except SurfaceError as error:
            form.add_error(None, str(error))
        else:
            say(request, _("Surface {name} is saved. It takes effect within a second.").format(name=made.name))
            return redirect("surfaces")
    return drawn(request, "console/surfaces/surface.html", {"form": form, "name": name}, status=422)


def _find(name: str) -> Surface | None:
    return next((one for one in list_surfaces() if one.name == name), None)


def _shown(one: Surface) -> Shown:
    return Shown(
        surface=one,
        audience=words(AUDIENCES, one.audience),
        fail_mode=words(FAIL_MODES, one.fail_mode),
        hold_expiry=words(EXPIRIES, one.hold_expiry),
        storing=words(STORING, "yes" if one.store_unmatched else "no"),
    )
