"""Content or signals → verdict, durable before it is answered: `/v1/screen` and `/v1/screen/batch`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from seawall.doors.gate.forms import RawBatch, ScreenForm
from seawall.doors.gate.problems import Refused, key_refused
from seawall.doors.gate.reading import check_screen, decode, read_parts, request_digest
from seawall.doors.gate.searching import SearchedOnce
from seawall.members.keys import KeyRecord, WrongSurface, require_surface
from seawall.record.clock import Clock
from seawall.record.ids import new_id
from seawall.screening.explain import ExplainLinks
from seawall.screening.flow import screen_signals
from seawall.screening.gate_state import LoadedState
from seawall.screening.model import (
    Audience,
    Outcome,
    Policy,
    Surface,
    Verdict,
    verdict_of,
)
from seawall.screening.recording import (
    Idempotency,
    IdempotencyConflict,
    LedgerUnavailable,
    Recorded,
    Recorder,
    Recording,
    held_parts,
)
from seawall.signals.extract import extract
from seawall.signals.jail import Boundary
from seawall.signals.model import Part

#: Between an Idempotency-Key and the number of a request in its batch; no visible character, so that no key looks so.
BATCH_SEPARATOR = "\n"

#: Seconds in which the requests of one batch are begun. A thousand ordinary texts take a fraction of one.
BATCH_SECONDS = 30.0

PRIVATE = (
    "The surface {surface!r} is private communication. In the European Union its confidentiality is protected "
    "(Directive 2002/58/EC, Article 5(1)), and the duty to act against terrorist content covers only what is "
    "disseminated to the public (Regulation (EU) 2021/784, Article 2). No legal basis is recorded for this surface."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One post, read and allowed: nothing about it can fail any more but the screening itself."""

    form: ScreenForm
    parts: tuple[Part, ...]
    surface: Surface
    key_id: str
    idempotency_key: str | None


def allow(form: ScreenForm, key: KeyRecord, policy: Policy) -> Surface:
    """The surface, when this key may screen for it and the law lets us look.

    Raises:
        Refused: `unknown_surface`, `wrong_surface` or `private_communication`.
    """
    surface = policy.surfaces.get(form.surface)
    known = sorted(name for name in policy.surfaces if key.serves(name))
    if surface is None:
        listed = ", ".join(known) or "none yet"
        raise Refused("unknown_surface", f"There is no surface {form.surface!r}; there are: {listed}.")
    try:
        require_surface(key, form.surface)
    except WrongSurface as error:
        raise key_refused(error) from error
    if surface.audience is Audience.PRIVATE and not surface.private_basis.strip():
        raise Refused("private_communication", PRIVATE.format(surface=surface.name))
    return surface


def read_request(
    form: ScreenForm, files: dict[str, bytes], key: KeyRecord, policy: Policy, idempotency_key: str | None
) -> Request:
    check_screen(form)
    surface = allow(form, key, policy)
    parts = read_parts(form.parts, files)
    return Request(form=form, parts=parts, surface=surface, key_id=key.key_id, idempotency_key=idempotency_key)


def read_batch(body: bytes, key: KeyRecord, policy: Policy, idempotency_key: str | None) -> list[Request | Refused]:
    """Every request of the batch, or why it cannot be screened."""
    read: list[Request | Refused] = []
    for number, raw in enumerate(decode(body, RawBatch).requests):
        own_key = None if idempotency_key is None else f"{idempotency_key}{BATCH_SEPARATOR}{number}"
        try:
            read.append(read_request(decode(raw, ScreenForm), {}, key, policy, own_key))
        except Refused as refused:
            read.append(refused.within(f"/requests/{number}"))
    return read


def screen(request: Request, loaded: LoadedState, jail: Boundary, clock: Clock, links: ExplainLinks) -> Recording:
    """The verdict about one post, not yet durable. Runs in a thread: it decodes, hashes and searches."""
    extraction = extract(request.parts, jail)
    now = clock()
    outcome = screen_signals(
        extraction.signals,
        request.surface,
        request.form.context,
        SearchedOnce.of(extraction.signals, loaded),
        loaded.state.policy,
        now,
        extraction.gaps,
    )
    return Recording(
        verdict=_verdict(request, outcome, now, links),
        uploader=request.form.uploader,
        idempotency=_idempotency(request),
        held_parts=held_parts(request.parts, outcome),
        store=request.surface.store_unmatched,
        hold_expiry=request.surface.hold_expiry,
        context=request.form.context,
    )


def screen_batch(
    requests: Sequence[Request | Refused],
    loaded: LoadedState,
    jail: Boundary,
    clock: Clock,
    links: ExplainLinks,
    *,
    stopwatch: Callable[[], float] = time.monotonic,
) -> list[Recording | Refused]:
    """Each request's verdict, or why it has none. Those that come after BATCH_SECONDS (by `stopwatch`) have none."""
    until = stopwatch() + BATCH_SECONDS
    late = Refused("busy", f"The requests before this one took the {BATCH_SECONDS:.0f} seconds that one batch gets.")
    judged: list[Recording | Refused] = []
    for one in requests:
        try:
            if isinstance(one, Refused) or stopwatch() >= until:
                judged.append(one if isinstance(one, Refused) else late)
            else:
                judged.append(screen(one, loaded, jail, clock, links))
        except Refused as refused:
            judged.append(refused)
    return judged


async def record(recorder: Recorder, recording: Recording) -> Recorded:
    """Waits until the verdict is durable.

    Raises:
        Refused: `ledger_unavailable` or `idempotency_conflict`; then there is no verdict.
    """
    try:
        return await asyncio.wrap_future(recorder.submit(recording))
    except LedgerUnavailable as error:
        raise Refused("ledger_unavailable", "The verdict could not be written to the screening ledger.") from error
    except IdempotencyConflict as error:
        raise Refused("idempotency_conflict", str(error) or "This key was used with another request.") from error


async def record_all(recorder: Recorder, recordings: Sequence[Recording]) -> list[Recorded | Refused]:
    """The same for many at once, so that they share a commit; a failure spoils only its own answer."""
    done = await asyncio.gather(*(record(recorder, one) for one in recordings), return_exceptions=True)
    results: list[Recorded | Refused] = []
    for one in done:
        if isinstance(one, BaseException) and not isinstance(one, Refused):
            raise one
        results.append(one)
    return results


def encode(verdict: Verdict) -> bytes:
    return msgspec.json.encode(verdict)


def _verdict(request: Request, outcome: Outcome, now: datetime, links: ExplainLinks) -> Verdict:
    """With a link to the uploader's page for whoever is stopped; it is recorded too, so that a replay says the same."""
    return links.linked(
        verdict_of(
            outcome,
            screening_id=new_id("scr", lambda: now),
            surface=request.surface.name,
            content_id=request.form.content_id,
            now=now,
        )
    )


def _idempotency(request: Request) -> Idempotency | None:
    if request.idempotency_key is None:
        return None
    digest = request_digest(request.form, request.parts)
    return Idempotency(api_key_id=request.key_id, key=request.idempotency_key, request_digest=digest)
