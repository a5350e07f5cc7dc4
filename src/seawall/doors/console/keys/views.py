import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from seawall.doors.console.access import page, person_of
from seawall.doors.console.context import context_of
from seawall.doors.console.keys.forms import KeyForm, RevokeForm
from seawall.doors.console.saying import drawn, say
from seawall.members.issue import NoSuchKey, as_record, issue_key, revoke_key
from seawall.members.keys import BadKey, KeyRecord
from seawall.members.models import ApiKey
from seawall.members.roles import Right
from seawall.members.scopes import Scope
from seawall.screening.policies import list_surfaces

#: A platform has a handful; a list of more goes on.
ON_A_PAGE = 25
#: Keys that ended are of interest for a while.
MOST_REVOKED = 20

#: The SHA-256 of nothing at all: a harmless hash to ask about.
EXAMPLE_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A key in the list. `state` is active, expired or revoked."""

    key: KeyRecord
    state: str


@page(Right.CONFIGURE)
def keys(request: HttpRequest) -> HttpResponse:
    now, before = context_of(request).clock(), request.GET.get("before", "")
    rows = ApiKey.objects.filter(revoked_at=None).order_by("-id")
    found = list(rows.filter(id__lt=before)[: ON_A_PAGE + 1] if _is_cursor(before) else rows[: ON_A_PAGE + 1])
    ended = ApiKey.objects.exclude(revoked_at=None).order_by("-revoked_at")[:MOST_REVOKED]
    return drawn(
        request,
        "console/keys/keys.html",
        {
            "keys": [_shown(row, now) for row in found[:ON_A_PAGE]],
            "revoked": [_shown(row, now) for row in ended],
            "following": found[ON_A_PAGE - 1].id if len(found) > ON_A_PAGE else "",
            "first": not before,
        },
    )


@page(Right.CONFIGURE)
def new_key(request: HttpRequest) -> HttpResponse:
    """The form, and in answer to it the key itself: it is kept nowhere, so that it cannot be shown by a later page."""
    names = [one.name for one in list_surfaces()]
    if request.method != "POST":
        return drawn(request, "console/keys/new.html", {"form": KeyForm(surfaces=names)})
    form = KeyForm(request.POST, surfaces=names)
    if form.is_valid():
        now, days = context_of(request).clock(), form.cleaned_data["days"]
        try:
            made, token = issue_key(
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                by=person_of(request).id,
                now=now,
                expires_at=None if days is None else now + timedelta(days=days),
                surfaces=form.chosen_surfaces(),
            )
        except BadKey as error:
            form.add_error(None, str(error))
        else:
            line = curl(made, (made.surfaces or tuple(names) or ("posts",))[0], context_of(request).settings.base_url)
            return drawn(request, "console/keys/made.html", {"made": made, "token": token, "line": line})
    return drawn(request, "console/keys/new.html", {"form": form}, status=422)


@page(Right.CONFIGURE)
def revoke(request: HttpRequest, key_id: str) -> HttpResponse:
    row = ApiKey.objects.filter(id=key_id).first() if _is_cursor(key_id) else None
    if row is None:
        raise Http404
    form = RevokeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            reason = form.cleaned_data["reason"]
            ended = revoke_key(key_id, by=person_of(request).id, now=context_of(request).clock(), reason=reason)
        except NoSuchKey as error:
            raise Http404 from error
        say(request, _("The key {name} is revoked. It is refused within a second.").format(name=ended.name))
        return redirect("keys")
    shown = _shown(row, context_of(request).clock())
    status = 422 if form.is_bound else 200
    return drawn(request, "console/keys/revoke.html", {"form": form, "one": shown}, status=status)


def curl(key: KeyRecord, surface: str, base_url: str) -> str:
    """A line to try the key with; the key itself is taken from the environment, so that no history keeps it."""
    address, body = {
        Scope.SCREEN: ("/v1/screen", {"surface": surface, "parts": [{"kind": "text", "text": _("Good evening.")}]}),
        Scope.LOOKUP: ("/v1/lookup", {"signals": [{"type": "sha256", "value": EXAMPLE_HASH}]}),
        Scope.HASH: ("/v1/hash", {"parts": [{"kind": "text", "text": _("Good evening.")}]}),
        Scope.READ: ("/v1/screenings/scr_…", None),
    }[next(scope for scope in (Scope.SCREEN, Scope.LOOKUP, Scope.HASH, Scope.READ) if scope in key.scopes)]
    line = f'curl -sS {shlex.quote(base_url + address)} -H "Authorization: Bearer $API_KEY"'
    if body is None:
        return line
    return f"{line} -H 'Content-Type: application/json' -d {shlex.quote(msgspec.json.encode(body).decode())}"


def _shown(row: ApiKey, now: datetime) -> Shown:
    key = as_record(row)
    expired = key.expires_at is not None and key.expires_at <= now
    return Shown(key=key, state="revoked" if key.revoked_at else "expired" if expired else "active")


def _is_cursor(text: str) -> bool:
    """Whether it can be a key's id at all: PostgreSQL answers a NUL with an error of its own."""
    return text.isascii() and text.isprintable() and 0 < len(text) <= 64
