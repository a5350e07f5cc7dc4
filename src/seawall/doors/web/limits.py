"""What is refused before Django sees it: foreign host names, methods without a meaning, bodies of strangers."""

import ipaddress
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth import get_user
from django.db import close_old_connections
from django.http import HttpRequest, parse_cookie
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve

from seawall.doors.console.sign_in.sessions import SessionStore
from seawall.doors.gate import Refused, problem_answer
from seawall.doors.gate.body import Receive
from seawall.doors.gate.problems import Answer
from seawall.members.accounts import role_of
from seawall.members.models import Account
from seawall.settings import Settings

Scope = MutableMapping[str, Any]

READING = frozenset({"GET", "HEAD", "OPTIONS"})
ALLOW_READING = (b"allow", b"GET, HEAD, OPTIONS")
ALLOW_FORMS = (b"allow", b"GET, HEAD, OPTIONS, POST")

#: A form that a stranger may send: sign-in, a set-up link, a passkey's answer, a request for a person.
STRANGERS_BODY_BYTES = 64 * 1024

#: Addresses for programs and pictures; nothing there takes a form.
PROGRAMS = ("/v1/", "/docs", "/static/")


#: Shown where the name in the address is not one of ours, as text: nothing of the request is repeated.
MISDIRECTED = (
    "This Seawall is not known by this name, so its pages are not shown under it.\n"
    "Open it at the address it was given, or, if you run it, set SEAWALL_PUBLIC_URL to the address people use.\n"
)


async def before_django(scope: Scope, settings: Settings) -> Answer | None:
    """What needs no page. A signed-in person may upload what a platform may send."""
    path, method = scope["path"], scope["method"]
    for_people = not path.startswith(PROGRAMS)
    if for_people and not _is_ours(dict(scope["headers"]).get(b"host", b""), settings):
        return Answer(status=421, body=MISDIRECTED.encode(), content_type=b"text/plain; charset=utf-8")
    if method in {"GET", "HEAD"}:
        return None
    try:
        resolve(path)
    except Resolver404:
        return problem_answer(Refused("not_found", "There is nothing at this address."))
    allow = ALLOW_FORMS if for_people else ALLOW_READING
    if method == "OPTIONS":
        return Answer(status=204, body=b"", headers=(allow,))
    if method != "POST" or not for_people:
        return problem_answer(Refused("method_not_allowed", "This address does not take this.", headers=[allow]))
    return await _too_large(scope, settings.max_body_bytes)


def _is_ours(host: bytes, settings: Settings) -> bool:
    """Whether pages may be shown under this name: another site's name that leads here must not act in a person's name.

    A number is nobody's name, so that it cannot be made to lead elsewhere; programs are not judged by this at all.
    """
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
        _ = urlsplit(f"//{host.decode('ascii')}").port
    except ValueError:
        return False
    with suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    ours = {"localhost", settings.host.lower(), urlsplit(settings.base_url).hostname}
    return name in ours


def named(scope: Scope, settings: Settings) -> Scope:
    """For Django: programs reach us under any name, so that it is given our own instead of whatever they wrote."""
    if not scope["path"].startswith(PROGRAMS):
        return scope
    kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "headers": [*kept, (b"host", urlsplit(settings.base_url).netloc.encode())]}


def limited(scope: Scope, receive: Receive) -> Receive:
    """For Django: a GET has no body that means anything, and one would be spooled before its address is looked at."""
    return receive if scope["method"] == "POST" else _without_body(receive)


async def _too_large(scope: Scope, largest: int) -> Answer | None:
    """Django reads the whole body before it asks who sent it, so the size is judged here, by what was announced."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers or not headers.get(b"content-length", b"").isdigit():
        return problem_answer(Refused("invalid_request", "A form is sent with its length."))
    length = int(headers[b"content-length"])
    if length <= STRANGERS_BODY_BYTES:
        return None
    if not await _signed_in(headers.get(b"cookie", b"")):
        return await _too_large_page(most=None)
    return await _too_large_page(most=largest) if length > largest else None


async def _too_large_page(*, most: int | None) -> Answer:
    """For whoever drops a film on a page: how many bytes are taken; None for who is not signed in (any more)."""
    page = await sync_to_async(render_to_string)("console/errors/413.html", {"most": most})
    return Answer(status=413, body=page.encode(), content_type=b"text/html; charset=utf-8")


async def _signed_in(cookies: bytes) -> bool:
    # As Django reads them: a cookie of another program on this host, which may look like anything, hides none of ours.
    found = parse_cookie(cookies.decode("latin-1")).get(django_settings.SESSION_COOKIE_NAME, "")
    return bool(found) and await sync_to_async(_has_account)(found)


def _has_account(session_key: str) -> bool:
    """Whether whoever signed in to this session could still open a page: neither left nor signed out elsewhere."""
    request = HttpRequest()
    close_old_connections()
    try:
        request.session = SessionStore(session_key)
        account = get_user(request)
        return isinstance(account, Account) and role_of(account) is not None
    finally:
        close_old_connections()


def _without_body(receive: Receive) -> Receive:
    began = False

    async def nothing() -> MutableMapping[str, Any]:
        nonlocal began
        if not began:
            began = True
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await receive()
        while message["type"] == "http.request":
            message = await receive()
        return message

    return nothing
