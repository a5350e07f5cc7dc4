"""The wizard's test: the harmless test card goes through the screening API as any upload does, and is stopped."""

import http.client
import json
import secrets
import time
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from seawall.doors.console.access import page
from seawall.doors.console.context import context_of
from seawall.doors.console.sign_in import shown_once
from seawall.doors.console.wizard.snippets import ways_in
from seawall.doors.console.wizard.steps import KEY, draw, first_surface, go_on, step
from seawall.matching import testcard
from seawall.members.roles import Right
from seawall.record.ids import BadId
from seawall.screening.ledger.model import KeyDestroyed, LedgerDamaged
from seawall.screening.model import Verdict
from seawall.screening.totals import totals

#: The session's word for the screening that the button came to.
SCREENING = "test-screening"

#: A new key and a new surface take effect within a second; a machine that is busy may need some more.
PATIENCE_SECONDS = 5.0
TRY_EVERY_SECONDS = 0.25
ANSWER_SECONDS = 15.0

#: The page looks by itself for a quarter of an hour. For ever, a page that somebody forgot would keep them signed in.
MOST_LOOKS = 450


class NotSent(Exception):
    """The test card did not come through the screening API; the message says why, for the owner."""


@step("test")
def test(request: HttpRequest) -> HttpResponse:
    """Send the test card from here, or with one's own program; the page tells what came of it."""
    trouble = ""
    shown = shown_once.look(request, KEY)
    if request.method == "POST":
        if "go_on" in request.POST:
            return go_on("test")
        try:
            request.session[SCREENING] = send_test_card(request, shown, first_surface())
        except NotSent as error:
            trouble = str(error)
        else:
            return HttpResponseRedirect(reverse("setup_test"))
    curl = ways_in(
        context_of(request).settings.base_url, shown or "YOUR-KEY", first_surface(), file=testcard.PICTURE_NAME
    )[0]
    told = {"trouble": trouble, "has_key": bool(shown), "verdict": _verdict(request), "curl": curl}
    return draw(request, "test", {**told, **_seen(request)})


@page(Right.CONFIGURE, during_setup=True)
def seen(request: HttpRequest) -> HttpResponse:
    """The part of the page that asks again and again whether an upload of one's own program arrived."""
    return render(request, "console/wizard/seen.html", _seen(request))


@page(Right.CONFIGURE, during_setup=True)
def picture(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view
    """The test card, to be sent by one's own program."""
    response = HttpResponse(testcard.picture(), content_type="image/png")
    response["Content-Disposition"] = f'attachment; filename="{testcard.PICTURE_NAME}"'
    return response


def send_test_card(request: HttpRequest, key: str, surface: str) -> str:
    """The id of the screening. The request goes to the very socket that this one came in at, and nowhere else.

    Raises:
        NotSent: it was not answered with a verdict.
    """
    host, port = vars(request)["scope"]["server"]
    if port is None:
        raise NotSent(_("This server does not know its own port. Send the picture with curl, as shown below."))
    content_type, body = _upload(surface)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": content_type}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        status, answer = _post(host, port, body, headers)
        if status == http.client.OK:
            return str(answer["id"])
        if time.monotonic() > deadline:
            raise NotSent(
                _("The screening API did not answer with a verdict: {title} {next_step}").format(
                    title=answer.get("title", status), next_step=answer.get("next_step", "")
                )
            )
        time.sleep(TRY_EVERY_SECONDS)


def _post(host: str, port: int, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", "/v1/screen", body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        text = _("The screening API cannot be reached from here. Send the picture with curl, as shown below.")
        raise NotSent(text) from error
    finally:
        connection.close()
    return response.status, answer


def _upload(surface: str) -> tuple[str, bytes]:
    """The form that any program sends: what is asked, and the picture."""
    boundary = secrets.token_hex(16)
    asked = json.dumps({"surface": surface, "parts": [{"kind": "image", "file": "upload"}]})
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="request"\r\n\r\n{asked}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="upload"; filename="{testcard.PICTURE_NAME}"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    return (
        f"multipart/form-data; boundary={boundary}",
        head.encode() + testcard.picture() + f"\r\n--{boundary}--\r\n".encode(),
    )


def _verdict(request: HttpRequest) -> Verdict | None:
    """What the ledger has of the screening that the button came to."""
    found = request.session.get(SCREENING)
    try:
        entry = context_of(request).ledger.read(found) if found else None
    except (BadId, LedgerDamaged, KeyDestroyed):
        return None
    return entry.verdict if entry else None


def _seen(request: HttpRequest) -> dict[str, object]:
    """What arrived at the first surface since the page was opened: counts that are a second behind."""
    today = context_of(request).clock().date()
    # From yesterday, so that midnight in between changes nothing.
    days = totals(today - timedelta(days=1), today).days
    surface = first_surface()
    funnels = [one.funnel for one in days if one.surface == surface]
    now = (sum(one.uploads for one in funnels), sum(one.blocked for one in funnels))
    looks = _number(request.GET.get("n", ""), else_=0)
    before = tuple(_number(request.GET.get(name, ""), else_=count) for name, count in zip("ub", now, strict=True))
    return {
        "before": f"u={before[0]}&b={before[1]}",
        "looks": looks + 1,
        "looks_on": looks < MOST_LOOKS,
        "arrived": now[0] > before[0],
        "stopped": now[1] > before[1],
    }


def _number(text: str, *, else_: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else else_
