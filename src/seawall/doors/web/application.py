"""One ASGI application: the gate's addresses go to the gate, everything else to Django."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from importlib.metadata import version
from typing import Any

import msgspec
from django.core.asgi import get_asgi_application
from django.http import HttpResponse

from seawall.doors.api.answers import HoldNow, ScreeningNow
from seawall.doors.api.context import SCOPE_KEY as API_SCOPE_KEY
from seawall.doors.api.context import ApiContext
from seawall.doors.console.context import SCOPE_KEY as CONSOLE_SCOPE_KEY
from seawall.doors.console.context import ConsoleContext
from seawall.doors.gate import GATE_OPERATIONS, Gate, Operation, Refused, StateHolder, document, problem_answer
from seawall.doors.gate.app import Send, send_answer
from seawall.doors.gate.body import Receive
from seawall.doors.gate.openapi import KEY_CODES
from seawall.doors.web.limits import before_django, limited, named
from seawall.members.keys import KeyRecord
from seawall.members.scopes import Scope
from seawall.record.clock import Clock, system_clock
from seawall.screening.holds import state as hold_state
from seawall.screening.ledger import Ledger
from seawall.screening.model import Action
from seawall.screening.recording import Recorder
from seawall.settings import Settings
from seawall.signals.jail import Boundary

Scope_ = MutableMapping[str, Any]
DjangoApp = Callable[[Any, Any, Any], Awaitable[None]]

#: What a page may load, do and be framed by: our own style, script and pictures; forms to us; nobody. JSON gets the
#: same, at no cost.
CONTENT_POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    b"form-action 'self'; frame-ancestors 'none'"
)

#: Sent with every answer, whichever door it comes from.
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_POLICY),
    (b"x-content-type-options", b"nosniff"),
    # An address of ours may be a signed link; `same-origin` because forms are checked by their origin.
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_OURS = frozenset(name for name, _ in SECURITY_HEADERS)

SCREENING_OPERATION = Operation(
    id="screening",
    method="get",
    path="/v1/screenings/{id}",
    summary="See what a screening came to",
    description=(
        "The verdict as it was given, and what became of its hold. Values that were kept only as keyed hashes (texts, "
        "addresses, exact hashes of files) are null. Unknown, forgotten and foreign ids get the same answer."
    ),
    scope=Scope.READ,
    answer=ScreeningNow,
    answer_means="The screening's present state; `hold` is null where none was opened.",
    codes=(*KEY_CODES, "unknown_screening", "not_ready", "internal_error"),
    path_parameters={"id": "The id of the verdict: `scr_` and a UUIDv7."},
)


class Application:
    """The whole of what listens on one port. Its lifespan follows the gate state and ends the gate's threads."""

    def __init__(
        self, *, gate: Gate, holder: StateHolder, django: DjangoApp, api: ApiContext, console: ConsoleContext
    ) -> None:
        self._gate = gate
        self._holder = holder
        self._django = django
        self._api = api
        self._console = console

    async def __call__(self, scope: Scope_, receive: Receive, send: Send) -> None:
        """One connection's request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            guarded = _guarded(send, head=scope["method"] == "HEAD")
            if scope["path"] in self._gate.routes:
                await self._gate(scope, receive, guarded)
            else:
                await self._to_django(scope, receive, guarded)

    async def _to_django(self, scope: Scope_, receive: Receive, send: Send) -> None:
        answer = await before_django(scope, self._console.settings)
        if answer is not None:
            await send_answer(answer, send)
            return
        scope[API_SCOPE_KEY] = self._api
        scope[CONSOLE_SCOPE_KEY] = self._console
        await self._django(named(scope, self._console.settings), limited(scope, receive), send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.to_thread(self._holder.refresh)
        following = asyncio.create_task(self._holder.follow())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        await asyncio.to_thread(self._gate.close)
        await send({"type": "lifespan.shutdown.complete"})


def build_application(
    settings: Settings,
    recorder: Recorder,
    jail: Boundary,
    *,
    ledger: Ledger | None = None,
    clock: Clock = system_clock,
    decoders: int = 1,
    ledger_problem: Callable[[], str] = str,
    warnings: Callable[[], tuple[str, ...]] = tuple,
) -> Application:
    """The application of a prepared data directory; Django must be bound to it (`app.bind`)."""
    description = document((*GATE_OPERATIONS, SCREENING_OPERATION), version=version("seawall"))
    holder = StateHolder(settings.state_dir)
    gate = Gate(
        settings=settings,
        holder=holder,
        recorder=recorder,
        jail=jail,
        clock=clock,
        openapi=msgspec.json.encode(description),
        decoders=decoders,
        ledger_problem=ledger_problem,
        warnings=warnings,
    )
    kept = ledger or Ledger(settings)
    api = ApiContext(
        keys=lambda: _keys(holder), refuse=_refuse, read=lambda one: read_screening(kept, one), document=description
    )
    console = ConsoleContext(
        settings=settings,
        ledger=kept,
        clock=clock,
        jail=jail,
        published=lambda: holder.present.loaded if holder.present else None,
        ledger_problem=ledger_problem,
        warnings=warnings,
    )
    return Application(gate=gate, holder=holder, django=get_asgi_application(), api=api, console=console)


def read_screening(ledger: Ledger, screening_id: str) -> ScreeningNow | None:
    """A screening as it stands now. A hold of the last second has no row of its own yet: it waits."""
    entry = ledger.read(screening_id)
    if entry is None:
        return None
    found = hold_state(screening_id)
    hold = HoldNow(state="waiting") if entry.verdict.verdict is Action.HOLD else None
    if found is not None:
        hold = HoldNow(
            state=found.state.value,
            resolved_at=found.resolved_at,
            outcome=found.outcome.value if found.outcome else None,
        )
    return ScreeningNow(verdict=entry.verdict, hold=hold)


def _keys(holder: StateHolder) -> Mapping[str, KeyRecord]:
    return holder.present.loaded.state.keys if holder.present else {}


def _refuse(code: str, detail: str, *, error_id: str | None = None) -> HttpResponse:
    """The same problems as the gate's, as Django sends them."""
    answer = problem_answer(Refused(code, detail, error_id=error_id))
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    response = HttpResponse(answer.body, content_type=answer.content_type.decode(), status=answer.status)
    for name, value in {**headers, "Cache-Control": "no-store"}.items():
        response[name] = value
    return response


def _guarded(send: Send, *, head: bool) -> Send:
    """Every answer leaves with the same security headers, and that to a HEAD without its body."""

    async def guarded(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if bytes(name).lower() not in _OURS]
            message = {**message, "headers": [*kept, *SECURITY_HEADERS]}
        elif head:
            message = {**message, "body": b""}
        await send(message)

    return guarded
