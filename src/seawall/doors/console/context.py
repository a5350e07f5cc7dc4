"""What `web` hands to the console with each request: what a page shows and the tables do not know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from seawall.doors.console.behind import Behind
from seawall.record.clock import Clock
from seawall.screening.gate_state import LoadedState
from seawall.screening.ledger import Ledger
from seawall.settings import Settings
from seawall.signals.jail import Boundary

#: Where it stands in the ASGI scope.
SCOPE_KEY = "seawall.console"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsoleContext:
    """The running server as the console sees it."""

    settings: Settings
    ledger: Ledger
    clock: Clock
    #: Opens untrusted media for previews and trials.
    jail: Boundary
    #: What the screening API answers from at this moment; None before anything was published.
    published: Callable[[], LoadedState | None]
    #: Why no verdict can be recorded; empty when all is well.
    ledger_problem: Callable[[], str]
    #: What an operator should see to, in words.
    warnings: Callable[[], tuple[str, ...]]
    #: What takes longer than a page may: the check of the whole log, and the doctor's look.
    verification: Behind[Any] = field(default_factory=Behind)
    examination: Behind[Any] = field(default_factory=Behind)


def context_of(request: HttpRequest) -> ConsoleContext:
    """The context of this request. Every request comes through `web`, so it is always there."""
    scope: Mapping[str, Any] = vars(request)["scope"]
    context = scope[SCOPE_KEY]
    assert isinstance(context, ConsoleContext)  # noqa: S101 - put there by our own code
    return context
