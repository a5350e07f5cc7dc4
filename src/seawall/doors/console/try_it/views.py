from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from seawall.doors.console.access import page
from seawall.doors.console.context import context_of
from seawall.doors.console.try_it.forms import TrialForm
from seawall.doors.console.try_it.trial import trial
from seawall.members.roles import Right


@page(Right.LOOK)
@require_http_methods(["GET", "HEAD", "POST"])
def try_it(request: HttpRequest) -> HttpResponse:
    """The form, and under it what would have happened. What was tried is forgotten with the answer."""
    context = context_of(request)
    loaded = context.published()
    surfaces = {} if loaded is None else loaded.state.policy.surfaces
    form = TrialForm(request.POST, request.FILES) if request.method == "POST" else TrialForm()
    shown: dict[str, object] = {"form": form, "surfaces": sorted(surfaces), "is_ready": loaded is not None}
    if request.method != "POST":
        return render(request, "console/try_it/try_it.html", shown)
    if not form.is_valid():
        return render(request, "console/try_it/try_it.html", shown, status=422)
    surface = surfaces.get(form.cleaned_data["surface"])
    if surface is None or loaded is None:
        form.add_error("surface", "")
        return render(request, "console/try_it/try_it.html", shown, status=422)
    shown["trial"] = trial(form.parts(), surface, loaded, context.jail, context.clock())
    return render(request, "console/try_it/try_it.html", shown)
