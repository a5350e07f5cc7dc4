"""A gate in memory: a published state with three banks, every surface, and keys for the whole cast."""

import asyncio
import functools
import io
import secrets
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from PIL import Image

from seawall.doors.gate import StateHolder
from seawall.matching.index import Index
from seawall.matching.model import Attributes, BankKind, IndexedSignal
from seawall.members.keys import KeyRecord, new_key
from seawall.members.scopes import Scope
from seawall.record.ids import new_id
from seawall.screening.gate_state import GateState, write_state
from seawall.screening.model import Action, Audience, BankRules, FailMode, HoldExpiry, Policy, Rule, Surface
from seawall.screening.recording import IdempotencyConflict, LedgerUnavailable, Recorded, Recording
from seawall.signals.extract import IMAGE_FUNCTION, canonical_signal, extract
from seawall.signals.jail import InProcess
from seawall.signals.model import Kind, Part

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LISTED_TEXT = "The lighthouse keeper counts the gulls at seven."
SAFE_TEXT = "A known-safe sentence about gulls."
NO_LOOK_TEXT = "A made-up sentence in a bank that nobody may look into."
LISTED_URL = "https://listed.example/page"


def picture(seed: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """A JPEG of soft random shapes: detailed enough for a reliable hash, and a different one for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=92)
    return out.getvalue()


LISTED_PICTURE = picture(1)
OTHER_PICTURE = picture(2)


class TestRecorder:
    """Keeps what was recorded; `failing` makes every further commit fail."""

    __test__ = False

    def __init__(self) -> None:
        self.recordings: list[Recording] = []
        self.failing = False
        self._by_key: dict[tuple[str, str], Recording] = {}

    def submit(self, recording: Recording) -> "Future[Recorded]":
        future: Future[Recorded] = Future()
        asked = recording.idempotency
        before = self._by_key.get((asked.api_key_id, asked.key)) if asked else None
        if self.failing:
            future.set_exception(LedgerUnavailable("the disk is full"))
        elif before is not None and before.idempotency is not None and asked is not None:
            if before.idempotency.request_digest != asked.request_digest:
                future.set_exception(IdempotencyConflict("another request"))
            else:
                future.set_result(Recorded(verdict=before.verdict, replayed=True))
        else:
            self.recordings.append(recording)
            if asked:
                self._by_key[asked.api_key_id, asked.key] = recording
            future.set_result(Recorded(verdict=recording.verdict))
        return future


def surface(name: str, audience: Audience = Audience.PUBLIC, **more: Any) -> Surface:
    settings: dict[str, Any] = {"fail_mode": FailMode.HOLD, "hold_expiry": HoldExpiry.REFUSE, **more}
    return Surface(name=name, audience=audience, **settings)


def listed(bank: str, kind: Kind, **content: Any) -> list[IndexedSignal]:
    """The signals of a content, listed in a bank and confirmed here."""
    part = Part(name="x", kind=kind, **content)
    attributes = Attributes(bank=bank, source="the tests", confirmed_by=1, confirmed_here=True)
    with InProcess(functions=(IMAGE_FUNCTION,)) as jail:
        found = extract([part], jail).signals
    return [
        IndexedSignal(
            signal_id=new_id("sig", lambda: NOW),
            type=one.type,
            value=one.value,
            attributes=msgspec.structs.replace(attributes, quality=one.quality),
        )
        for one in found
    ]


@functools.cache
def all_listed() -> tuple[IndexedSignal, ...]:
    return (
        *listed("pictures", Kind.IMAGE, data=LISTED_PICTURE),
        *listed("pictures", Kind.TEXT, text=LISTED_TEXT),
        *listed("pictures", Kind.URL, url=LISTED_URL),
        *listed("careful", Kind.TEXT, text="Held for a person."),
        *listed("careful", Kind.TEXT, text=SAFE_TEXT),
        *listed("safe", Kind.TEXT, text=SAFE_TEXT),
        *listed("no-look", Kind.TEXT, text=NO_LOOK_TEXT),
    )


def policy() -> Policy:
    banks = [
        BankRules(name="pictures", default_action=Action.BLOCK, listed_by="the tests"),
        BankRules(name="careful", default_action=Action.HOLD),
        BankRules(name="safe", kind=BankKind.KNOWN_SAFE),
        BankRules(name="no-look", kind=BankKind.NO_LOOK),
    ]
    surfaces = [
        surface("posts"),
        surface("groups", Audience.GROUP),
        surface("open", fail_mode=FailMode.OPEN, store_unmatched=False),
        surface("closed", fail_mode=FailMode.CLOSED),
        surface("messages", Audience.PRIVATE),
        surface("reported-messages", Audience.PRIVATE, private_basis="the recipient reports the message"),
    ]
    rule = Rule(name="r", action=Action.HOLD, code="x", text="x", public_text="x", labels=("never-used",))
    return Policy(
        id="default",
        version=7,
        rules=(rule,),
        banks={one.name: one for one in banks},
        surfaces={one.name: one for one in surfaces},
    )


@dataclass
class Cast:
    """Keys by who holds them: the text that is sent, and the record."""

    tokens: dict[str, str] = field(default_factory=dict)
    records: dict[str, KeyRecord] = field(default_factory=dict)

    def add(self, who: str, scopes: Sequence[Scope], *, revoked: bool = False, **more: Any) -> None:
        record, token = new_key(
            key_id=new_id("key", lambda: NOW),
            name=who,
            scopes=scopes,
            now=NOW - timedelta(days=9),
            secret=secrets.token_bytes(32),
            **more,
        )
        if revoked:
            record = msgspec.structs.replace(record, revoked_at=NOW - timedelta(days=1))
        self.tokens[who], self.records[record.key_id] = token, record


def cast() -> Cast:
    made = Cast()
    made.add("platform", [Scope.SCREEN, Scope.LOOKUP, Scope.HASH, Scope.READ])
    made.add("poster", [Scope.SCREEN, Scope.READ], surfaces=["posts"])
    made.add("reader", [Scope.READ])
    made.add("expired", [Scope.SCREEN], expires_at=NOW - timedelta(days=1))
    made.add("revoked", [Scope.SCREEN], revoked=True)
    return made


@dataclass
class Api:
    """A client of the gate, in process. Every call runs in a loop of its own."""

    app: Any
    recorder: TestRecorder
    cast: Cast
    directory: Path
    holder: StateHolder

    def call(self, method: str, path: str, *, who: str | None = "platform", **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers.setdefault("authorization", f"Bearer {self.cast.tokens[who]}")
        return self.ask(method, path, headers=headers, **more)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The request exactly as it is given."""

        async def asking() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://seawall.test") as client:
                return await client.request(method, path, **more)

        return asyncio.run(asking())

    def post(self, path: str, form: Any, **more: Any) -> httpx.Response:
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        return self.call("POST", path, content=msgspec.json.encode(form), headers=headers, **more)

    def upload(self, path: str, form: Any, files: dict[str, bytes], **more: Any) -> httpx.Response:
        return self.call("POST", path, data={"request": msgspec.json.encode(form)}, files=files, **more)

    def screen(
        self, *parts: dict[str, Any], surface: str = "posts", who: str = "platform", **more: Any
    ) -> httpx.Response:
        headers = more.pop("headers", {})
        return self.post("/v1/screen", {"surface": surface, "parts": parts, **more}, who=who, headers=headers)


def publish(directory: Path, keys: dict[str, KeyRecord], *, number: int = 1) -> None:
    directory.mkdir(exist_ok=True)
    if not (directory / "index-1.snapshot").exists():
        Index.build(all_listed()).save(directory / "index-1.snapshot")
    state = GateState(number=number, made_at=NOW, snapshot="index-1.snapshot", policy=policy(), keys=keys)
    write_state(directory, state)


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in this response, after checking that it is a whole one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert all(body[field] for field in ("type", "title", "detail", "next_step"))
    return body


def text_signal(text: str) -> dict[str, Any]:
    with InProcess(functions=(IMAGE_FUNCTION,)) as jail:
        [found] = extract([Part(name="x", kind=Kind.TEXT, text=text)], jail).signals
    return {"type": "text", "value": canonical_signal("text", found.value).value}
