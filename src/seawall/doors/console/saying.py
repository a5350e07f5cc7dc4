"""What the last form came to, said once on the page that follows it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

#: Where it waits in the session. Words of ours only: nothing of an upload, and never a key.
SAID = "said"


def say(request: HttpRequest, text: str) -> None:
    """Say this on the next page that is drawn with `drawn`."""
    request.session[SAID] = text


def drawn(
    request: HttpRequest, template: str, more: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """The page, with what is to be said on it; a page that refuses something keeps it for the next.

    `template` stands in the folder of its page, which is marked as the present one in the navigation.
    """
    said = request.session.pop(SAID, "") if status == 200 else ""
    return render(request, template, {"page": template.split("/")[1], "said": said, **(more or {})}, status=status)
