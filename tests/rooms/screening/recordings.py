"""Verdicts and recordings made up for the tests of the ledger. Every word and value is invented."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from seawall.record.ids import new_id
from seawall.screening.model import (
    Action,
    Audience,
    FailMode,
    HoldExpiry,
    Match,
    PolicyName,
    Reason,
    SignalSeen,
    Surface,
    Verdict,
)
from seawall.screening.recording import HeldPart, Idempotency, Recording
from seawall.signals import Kind

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PDQ = "f8f8f0cce0f4e84d0e370a22028f67f0b36e2ed596621e1d33e6339c4e9c9b22"
#: Long enough for anything on a loaded machine, short enough that a dead recorder fails the test.
PATIENCE = 30.0


def clock_at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def seen(kind: str = "pdq", value: str = PDQ, quality: int | None = 90) -> SignalSeen:
    return SignalSeen(part="image", type=kind, version=1, value=value, quality=quality)


def match() -> Match:
    return Match(
        part="image",
        type="pdq",
        distance=6,
        max_distance=31,
        bank="forum",
        signal=new_id("sig", clock_at(NOW)),
        labels=("demo",),
        source="forum",
        opinion="positive",
        confirmed_by=1,
    )


def verdict(
    action: Action = Action.ALLOW,
    *,
    now: datetime = NOW,
    surface: str = "posts",
    content_id: str | None = "post-1",
    signals: tuple[SignalSeen, ...] = (),
    matches: tuple[Match, ...] | None = None,
    hold_hours: int = 24,
    screening_id: str | None = None,
) -> Verdict:
    if matches is None:
        matches = () if action is Action.ALLOW else (match(),)
    return Verdict(
        id=screening_id or new_id("scr", clock_at(now)),
        verdict=action,
        surface=surface,
        content_id=content_id,
        screened_at=now,
        degraded=False,
        degraded_reasons=(),
        hold_expires_at=now + timedelta(hours=hold_hours) if action is Action.HOLD else None,
        policy=PolicyName(id="default", version=7),
        reasons=(Reason(rule="r", code="c", text="t"),) if matches else (),
        public_reason="p" if matches else None,
        signals=signals or (seen(),),
        matches=matches,
    )


def allow(now: datetime = NOW, *, store: bool = True, idempotency: Idempotency | None = None) -> Recording:
    return Recording(verdict=verdict(now=now), uploader="u-1", store=store, idempotency=idempotency)


def block(now: datetime = NOW, *, idempotency: Idempotency | None = None) -> Recording:
    return Recording(verdict=verdict(Action.BLOCK, now=now), uploader="u-1", idempotency=idempotency)


def hold(
    now: datetime = NOW,
    *,
    surface: str = "posts",
    data: bytes = b"",
    hours: int = 24,
    expiry: HoldExpiry | None = HoldExpiry.REFUSE,
) -> Recording:
    parts = (HeldPart(name="image", kind=Kind.IMAGE, data=data),) if data else ()
    made = verdict(Action.HOLD, now=now, surface=surface, hold_hours=hours)
    return Recording(verdict=made, uploader="u-1", held_parts=parts, hold_expiry=expiry)


def key(name: str = "k", request: bytes = b"request", owner: str = "key_1") -> Idempotency:
    return Idempotency(api_key_id=owner, key=name, request_digest=hashlib.sha256(request).digest())


def declare(
    name: str = "posts", expiry: HoldExpiry = HoldExpiry.REFUSE, *, appeal_days: int = 1, now: datetime = NOW
) -> None:
    # Child processes that only record have no Django.
    from seawall.screening.policies import save_surface

    surface = Surface(
        name=name, audience=Audience.PUBLIC, fail_mode=FailMode.HOLD, hold_expiry=expiry, appeal_days=appeal_days
    )
    save_surface(surface, by="per_test", now=now)
