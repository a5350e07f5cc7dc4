"""Secrets that a page shows once: in this process's memory for as long as they are needed, and never in a table.

A key or a link is known only when it is made; the page that shows it comes after a redirect. Sessions are rows of the
database, so what may not stand there waits here. After a restart it is gone, and a new one has to be made.
"""

import hashlib

from django.core.cache import cache
from django.http import HttpRequest

#: Long enough to go through the wizard's last steps without hurry, in seconds.
KEPT_SECONDS = 60 * 60


def keep(request: HttpRequest, name: str, secret: str) -> None:
    """Keep a secret for this session, under a name of ours."""
    cache.set(_place(request, name), secret, KEPT_SECONDS)


def look(request: HttpRequest, name: str) -> str:
    """The secret; empty when there is none (any more)."""
    return str(cache.get(_place(request, name), ""))


def take(request: HttpRequest, name: str) -> str:
    """The secret, for the last time."""
    secret = look(request, name)
    cache.delete(_place(request, name))
    return secret


def _place(request: HttpRequest, name: str) -> str:
    session = hashlib.sha256(str(request.session.session_key).encode()).hexdigest()
    return f"seawall:shown-once:{name}:{session}"
