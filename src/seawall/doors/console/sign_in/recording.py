"""Second factors that come and go are put on record: whoever took over a session would add one of their own first."""

from typing import Any

from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from seawall.doors.console.context import context_of
from seawall.members.accounts import record_sign_in_change
from seawall.members.models import Account


def connect() -> None:
    """Once, when the app is ready. A factor that ends with its whole account has that one's event."""
    signals.authenticator_added.connect(_added)
    signals.authenticator_removed.connect(_removed)
    signals.authenticator_reset.connect(_reset)


def _added(request: HttpRequest, user: Account, authenticator: Authenticator, **_more: Any) -> None:
    _record(request, user, f"{authenticator.type}_added")


def _removed(request: HttpRequest, user: Account, authenticator: Authenticator, **_more: Any) -> None:
    _record(request, user, f"{authenticator.type}_removed")


def _reset(request: HttpRequest, user: Account, authenticator: Authenticator, **_more: Any) -> None:
    _record(request, user, f"{authenticator.type}_reset")


def _record(request: HttpRequest, account: Account, what: str) -> None:
    record_sign_in_change(account, what, now=context_of(request).clock())
