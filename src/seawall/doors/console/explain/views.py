from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from seawall.doors.console.access import place_of, public
from seawall.doors.console.context import context_of
from seawall.doors.console.explain.words import told
from seawall.screening import holds
from seawall.screening.explain import load, open_link
from seawall.screening.holds import Explained, HoldError
from seawall.screening.holds.asking import LONGEST_TEXT
from seawall.screening.model import Claim


def claims() -> dict[str, str]:
    """What an upload may be for, in the uploader's words."""
    return {
        Claim.JOURNALISM: _("It is journalism, or reports on events"),
        Claim.RESEARCH: _("It is research or education"),
        Claim.ARCHIVE: _("It is part of an archive"),
        Claim.ART: _("It is art or satire"),
        Claim.COUNTER_SPEECH: _("It speaks against it"),
    }


@public
@require_http_methods(["GET", "HEAD", "POST"])
def explain(request: HttpRequest, token: str) -> HttpResponse:
    """Why an upload was stopped, and the request for a person. Every link that opens nothing looks the same."""
    found = _explained(request, token)
    if request.method != "POST":
        return _page(request, token, found)
    claim, text = request.POST.get("claim", ""), request.POST.get("text", "").strip()
    # A browser sends line ends as two characters; they count as one.
    text = text.replace("\r\n", "\n")
    try:
        holds.ask_for_person(
            context_of(request).ledger,
            found.screening_id,
            claim=Claim(claim) if claim in claims() else None,
            text=text,
            now=context_of(request).clock(),
        )
    except HoldError as problem:
        return _page(request, token, found, problem=told(problem), text=text, claim=claim, status=422)
    return HttpResponseRedirect(reverse("explain", args=[token]))


def _explained(request: HttpRequest, token: str) -> Explained:
    context = context_of(request)
    keys = load(context.settings.keys_dir, skip_damaged=True)
    screening_id = None if keys is None else open_link(token, keys)
    found = None if screening_id is None else holds.explained(context.ledger, screening_id, context.clock())
    if found is None:
        raise Http404
    return found


def _page(
    request: HttpRequest,
    token: str,
    found: Explained,
    *,
    problem: HoldError | None = None,
    text: str = "",
    claim: str = "",
    status: int = 200,
) -> HttpResponse:
    shown = {
        "token": token,
        "found": found,
        "platform": place_of(request).name,
        "claims": claims(),
        "problem": problem,
        "text": text,
        "claim": claim,
        "longest": LONGEST_TEXT,
        "now": context_of(request).clock(),
    }
    return render(request, "console/explain/explain.html", shown, status=status)
