"""`GET /v1/screenings/{id}`: what a screening came to, and what became of its hold."""

import msgspec
from django.http import HttpRequest, HttpResponse

from seawall.doors.api.context import context_of
from seawall.members.keys import KeyRefused, authenticate
from seawall.members.scopes import Scope
from seawall.record.clock import system_clock
from seawall.record.ids import BadId, parse_id

#: One answer for ids that never were, are no longer kept, or belong to surfaces the key does not serve.
UNKNOWN = "There is no screening with this id that this key may see."


def screening(request: HttpRequest, screening_id: str) -> HttpResponse:
    context = context_of(request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    shown = token.strip() if scheme.lower() == "bearer" else None
    try:
        key = authenticate(shown, context.keys(), system_clock(), Scope.READ)
    except KeyRefused as refusal:
        return context.refuse(refusal.code, refusal.text)
    try:
        parse_id("scr", screening_id)
    except BadId:
        return context.refuse("unknown_screening", UNKNOWN)
    found = context.read(screening_id)
    if found is None or not key.serves(found.verdict.surface):
        return context.refuse("unknown_screening", UNKNOWN)
    no_store = {"Cache-Control": "no-store"}
    return HttpResponse(msgspec.json.encode(found), content_type="application/json", headers=no_store)
