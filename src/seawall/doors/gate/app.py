"""The gate as an ASGI application: authenticate → read → screen → make durable → answer."""

import asyncio
import logging
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from seawall.doors.gate import lookup, screen
from seawall.doors.gate.body import ClientGone, Lease, Memory, Receive, content_type, read_json, read_multipart
from seawall.doors.gate.forms import (
    Alive,
    BatchAnswer,
    Failed,
    HashForm,
    LookupAnswer,
    RawLookup,
    Readiness,
    ScreenForm,
)
from seawall.doors.gate.problems import Answer, Refused, key_refused, problem_answer
from seawall.doors.gate.reading import decode, read_parts
from seawall.doors.gate.state import Present, StateHolder
from seawall.matching.index import NATIVE
from seawall.members.keys import KeyMalformed, KeyRecord, KeyRefused, authenticate
from seawall.members.scopes import Scope
from seawall.record.clock import Clock
from seawall.screening.explain import ExplainLinks
from seawall.screening.recording import Recorded, Recorder, Recording
from seawall.settings import Settings
from seawall.signals.jail import Boundary, JailClosed
from seawall.signals.model import Kind, Part

logger = logging.getLogger(__name__)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Result = TypeVar("Result")

#: Below this many comparisons (signals asked, times signals listed) a search takes less than a millisecond, and handing
#: it to a thread would cost more than it saves. Without the compiled kernel each takes ten times as long.
INLINE_COMPARISONS = 200_000 if NATIVE else 20_000
#: What is longer than this is read beside the event loop: 10 000 signals or a thousand addresses take seconds to check,
#: and everybody else would wait for them.
INLINE_BYTES = 16 * 1024
#: Texts this short are normalised in a few milliseconds, whatever characters they are made of.
INLINE_TEXT = 2_000
#: Threads for searching and hashing without a decoder; the kernel and the hash functions let others run meanwhile.
SEARCH_THREADS = 4

#: Seconds that a request waits for a thread. Nobody waits longer for an answer before publication, so that working on
#: it then would only make the next ones late as well.
MOST_WAITING_SECONDS = 30.0

_IDEMPOTENCY_KEY = re.compile(rb"[\x21-\x7e]{1,255}")

NO_STORE = (b"cache-control", b"no-store")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request on its way: its headers, its body still to come, and the state it is answered by."""

    headers: Mapping[bytes, bytes]
    repeated: frozenset[bytes]
    receive: Receive
    lease: Lease


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    method: str
    answer: Callable[[Exchange], Awaitable[Answer]]


class Gate:
    """The screening API. `ledger_problem` says why nothing can be recorded at the moment, empty when all is well;
    `warnings` says what else the operator should see to.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        holder: StateHolder,
        recorder: Recorder,
        jail: Boundary,
        clock: Clock,
        openapi: bytes,
        decoders: int = 1,
        ledger_problem: Callable[[], str] = str,
        warnings: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._settings = settings
        self._holder = holder
        self._recorder = recorder
        self._jail = jail
        self._clock = clock
        self._openapi = openapi
        self._ledger_problem = ledger_problem
        self._warnings = warnings
        self._links = ExplainLinks(settings.keys_dir, base_url=settings.base_url, now=clock())
        self._memory = Memory()
        self._waiting = 0
        self._decoding = ThreadPoolExecutor(max_workers=decoders, thread_name_prefix="seawall-decode")
        self._searching = ThreadPoolExecutor(max_workers=SEARCH_THREADS, thread_name_prefix="seawall-search")
        self.routes = {
            "/v1/screen": Route(method="POST", answer=self._screen),
            "/v1/screen/batch": Route(method="POST", answer=self._screen_batch),
            "/v1/lookup": Route(method="POST", answer=self._lookup),
            "/v1/hash": Route(method="POST", answer=self._hash),
            "/livez": Route(method="GET", answer=self._livez),
            "/readyz": Route(method="GET", answer=self._readyz),
            "/openapi.json": Route(method="GET", answer=self._openapi_json),
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers one HTTP request; the client going away is the only way to get no answer."""
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        await send_answer(answer, send, head=scope["method"] == "HEAD")

    def close(self) -> None:
        """Ends the threads; requests still running are finished first."""
        self._decoding.shutdown(wait=True)
        self._searching.shutdown(wait=True)

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> Answer:
        with Lease(self._memory) as lease:
            try:
                route = self._route(scope)
                if isinstance(route, Answer):
                    return route
                return await route.answer(_exchange(scope, receive, lease))
            except Refused as refused:
                return problem_answer(refused)
            except JailClosed:
                return problem_answer(Refused("not_ready", "This server is stopping."))
            except ClientGone:
                raise
            except Exception as error:  # noqa: BLE001 - nothing about the inside may leave
                return problem_answer(_unexpected(error, scope))

    def _route(self, scope: Mapping[str, Any]) -> Route | Answer:
        route = self.routes.get(scope["path"])
        if route is None:
            raise Refused("not_found", "There is nothing at this address.")
        method = scope["method"]
        allowed = "GET, HEAD, OPTIONS" if route.method == "GET" else "POST, OPTIONS"
        allow = (b"allow", allowed.encode())
        if method == "OPTIONS":
            return Answer(status=204, body=b"", headers=(allow,))
        if method != route.method and not (method == "HEAD" and route.method == "GET"):
            raise Refused("method_not_allowed", f"This address takes {allowed}.", headers=[allow])
        return route

    async def _screen(self, exchange: Exchange) -> Answer:
        present, key = self._enter(exchange, Scope.SCREEN)
        idempotency_key = _idempotency_key(exchange)
        body, files = await self._read(exchange)
        loaded = present.loaded
        request = await self._read_form(
            body,
            lambda: screen.read_request(decode(body, ScreenForm), files, key, loaded.state.policy, idempotency_key),
        )
        recording = await self._run(
            body, request.parts, present, lambda: screen.screen(request, loaded, self._jail, self._clock, self._links)
        )
        recorded = await screen.record(self._recorder, recording)
        headers = ((b"idempotency-replayed", b"true"),) if recorded.replayed else ()
        return Answer(status=200, body=screen.encode(recorded.verdict), headers=headers)

    async def _screen_batch(self, exchange: Exchange) -> Answer:
        present, key = self._enter(exchange, Scope.SCREEN)
        idempotency_key = _idempotency_key(exchange)
        body = await self._read_json(exchange)
        loaded = present.loaded

        def judge() -> list[Recording | Refused]:
            requests = screen.read_batch(body, key, loaded.state.policy, idempotency_key)
            return screen.screen_batch(requests, loaded, self._jail, self._clock, self._links)

        judged = await self._in_thread(self._searching, judge)
        recorded = iter(await screen.record_all(self._recorder, [one for one in judged if isinstance(one, Recording)]))
        results = [one if isinstance(one, Refused) else next(recorded) for one in judged]
        replayed = all(isinstance(one, Recorded) and one.replayed for one in results)
        return Answer(
            status=200,
            body=msgspec.json.encode(BatchAnswer(results=[_in_batch(one) for one in results])),
            headers=((b"idempotency-replayed", b"true"),) if replayed else (),
        )

    async def _lookup(self, exchange: Exchange) -> Answer:
        present, _ = self._enter(exchange, Scope.LOOKUP)
        body = await self._read_json(exchange)
        form = await self._read_form(body, lambda: decode(body, RawLookup))
        now = self._clock()

        def find() -> bytes:
            signals = lookup.read_signals(form)
            results = lookup.look_up(signals, form.max_distance, present.loaded, now)
            return msgspec.json.encode(LookupAnswer(results=list(results)))

        if len(body) <= INLINE_BYTES and len(form.signals) * present.signals <= INLINE_COMPARISONS:
            return Answer(status=200, body=find())
        return Answer(status=200, body=await self._in_thread(self._searching, find))

    async def _hash(self, exchange: Exchange) -> Answer:
        present, _ = self._enter(exchange, Scope.HASH)
        body, files = await self._read(exchange)
        parts = await self._read_form(body, lambda: read_parts(decode(body, HashForm).parts, files))
        found = await self._run(body, parts, present, lambda: lookup.hash_parts(parts, self._jail))
        return Answer(status=200, body=msgspec.json.encode(found))

    async def _livez(self, _: Exchange) -> Answer:
        return Answer(status=200, body=msgspec.json.encode(Alive()))

    async def _readyz(self, _: Exchange) -> Answer:
        readiness = self._readiness()
        return Answer(status=200 if readiness.ready else 503, body=msgspec.json.encode(readiness))

    async def _openapi_json(self, _: Exchange) -> Answer:
        return Answer(status=200, body=self._openapi)

    def _readiness(self) -> Readiness:
        """An unusable newer state is a warning: the older one still protects, and no answer would protect nobody."""
        present, ledger = self._holder.present, self._ledger_problem()
        problems = [] if present else [self._holder.problem]
        problems += [ledger] if ledger else []
        stale = (self._holder.problem,) if present and self._holder.problem else ()
        state = present.loaded.state if present else None
        return Readiness(
            ready=not problems,
            problems=tuple(problems),
            warnings=(*stale, *self._warnings()),
            state=state.number if state else None,
            state_made_at=state.made_at if state else None,
            state_age_seconds=round((self._clock() - state.made_at).total_seconds(), 1) if state else None,
            signals=present.signals if present else None,
        )

    def _enter(self, exchange: Exchange, scope: Scope) -> tuple[Present, KeyRecord]:
        """The state to answer by, and the caller's key. Before anything of the body is read."""
        present = self._holder.present
        if present is None:
            raise Refused("not_ready", f"This server cannot screen yet: {self._holder.problem}.")
        keys = present.loaded.state.keys
        if b"authorization" in exchange.repeated:
            # A proxy may have looked at the other one.
            raise key_refused(KeyMalformed())
        try:
            return present, authenticate(bearer(exchange.headers), keys, self._clock(), scope)
        except KeyRefused as refusal:
            raise key_refused(refusal) from refusal

    async def _read(self, exchange: Exchange) -> tuple[bytes, dict[str, bytes]]:
        """The JSON of the request, and its files. With a full queue nothing is read at all."""
        if self._waiting >= self._settings.queue_limit:
            raise self._busy()
        kind, _ = content_type(exchange.headers)
        if kind != "multipart/form-data":
            return await self._read_json(exchange), {}
        most = self._settings.max_body_bytes
        return await read_multipart(exchange.receive, exchange.headers, most=most, lease=exchange.lease)

    async def _read_form(self, body: bytes, read: Callable[[], Result]) -> Result:
        return read() if len(body) <= INLINE_BYTES else await self._in_thread(self._searching, read)

    async def _read_json(self, exchange: Exchange) -> bytes:
        kind, _ = content_type(exchange.headers)
        if kind != "application/json":
            said = f"The content type {kind[:80]!r} is not taken here." if kind else "The request has no Content-Type."
            raise Refused("unsupported_media_type", said)
        most = self._settings.max_body_bytes
        return await read_json(exchange.receive, exchange.headers, most=most, lease=exchange.lease)

    async def _run(self, body: bytes, parts: tuple[Part, ...], present: Present, work: Callable[[], Result]) -> Result:
        """Do the work where it delays nobody: at once when tiny, else in a thread, beside a decoder if it needs one."""
        if len(body) <= INLINE_BYTES and _is_tiny(parts, present):
            return work()
        decodes = any(part.kind is Kind.IMAGE and part.data is not None for part in parts)
        return await self._in_thread(self._decoding if decodes else self._searching, work)

    async def _in_thread(self, threads: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        if self._waiting >= self._settings.queue_limit:
            raise self._busy()
        latest = time.monotonic() + MOST_WAITING_SECONDS

        def work_in_time() -> Result:
            if time.monotonic() > latest:
                raise Refused("busy", f"No thread came free for it within {MOST_WAITING_SECONDS:.0f} seconds.")
            return work()

        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work_in_time)
        finally:
            self._waiting -= 1

    def _busy(self) -> Refused:
        return Refused("busy", f"{self._settings.queue_limit} requests are waiting already, which is the limit.")


def bearer(headers: Mapping[bytes, bytes]) -> str | None:
    """The text after `Authorization: Bearer`; None when there is no such header."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def send_answer(answer: Answer, send: Send, *, head: bool = False) -> None:
    headers = [(b"content-length", str(len(answer.body)).encode()), NO_STORE, *answer.headers]
    if answer.body:
        headers.append((b"content-type", answer.content_type))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


def _exchange(scope: Mapping[str, Any], receive: Receive, lease: Lease) -> Exchange:
    headers: dict[bytes, bytes] = {}
    repeated = set()
    for name, value in scope["headers"]:
        lowered = bytes(name).lower()
        if lowered in headers:
            repeated.add(lowered)
        headers[lowered] = bytes(value)
    return Exchange(headers=headers, repeated=frozenset(repeated), receive=receive, lease=lease)


def _idempotency_key(exchange: Exchange) -> str | None:
    value = exchange.headers.get(b"idempotency-key")
    if value is None:
        return None
    if b"idempotency-key" in exchange.repeated or not _IDEMPOTENCY_KEY.fullmatch(value):
        raise Refused("bad_idempotency_key", "The Idempotency-Key header cannot be used.")
    return value.decode("ascii")


def _is_tiny(parts: tuple[Part, ...], present: Present) -> bool:
    if any(part.data is not None for part in parts) or sum(len(part.text or "") for part in parts) > INLINE_TEXT:
        return False
    return sum(len(part.signals or ()) for part in parts) * present.signals <= INLINE_COMPARISONS


def _in_batch(one: Recorded | Refused) -> Any:
    return Failed(error=one.problem()) if isinstance(one, Refused) else one.verdict


def _unexpected(error: Exception, scope: Mapping[str, Any]) -> Refused:
    """Logs where it happened, never what with: an exception's text may quote somebody's content."""
    error_id = secrets.token_hex(8)
    places = "".join(traceback.format_tb(error.__traceback__))
    logger.error("error %s: %s at %s %s\n%s", error_id, type(error).__name__, scope["method"], scope["path"], places)
    return Refused("internal_error", "This is a fault of the server, not of your request.", error_id=error_id)
