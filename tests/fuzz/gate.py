"""Target: request bodies, JSON and multipart, against the gate in process. Whatever is sent, the answer is never a 5xx.

An input is three lines and a body: path, content type, how many bytes arrive at a time. Lines that mutation has spoilt
are replaced by usable ones, so that most inputs reach a parser.
"""

import asyncio
import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from seawall.doors.gate import Gate, StateHolder, document
from seawall.settings import Settings
from seawall.signals.extract import open_jail
from tests.fuzz.target import Broken, Target
from tests.rooms.doors.scene import LISTED_TEXT, LISTED_URL, NOW, TestRecorder, cast, picture, publish

PATHS = ("/v1/screen", "/v1/screen/batch", "/v1/lookup", "/v1/hash")
MULTIPART = "multipart/form-data; boundary=boundary-of-the-form"

_WORDS = (
    b"--boundary-of-the-form", b"--boundary-of-the-form--\r\n", b'Content-Disposition: form-data; name="request"',
    b'filename="', b"Content-Transfer-Encoding: base64", b"\r\n\r\n", b'"file":"a"', b'"text":"', b'"url":"http://x"',
    b'"signals":[', b'{"type":"pdq","value":"', b'"quality":101', b'"context":{"claim":"art"}', b'"kind":"video"',
    b'"surface":"messages"', b'"created_at":"2026-13-01T00:00:00Z"', b'"max_distance":65', b"name*=utf-8''request",
)  # fmt: skip


@contextmanager
def bodies(directory: Path) -> Iterator[Target]:
    # The parser of forms warns of each damaged one; a failure's own traceback must not drown in that.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    people = cast()
    publish(directory / "state", people.records)
    holder = StateHolder(directory / "state")
    if not holder.refresh():
        raise Broken(f"no gate state: {holder.problem}")
    with open_jail(workers=1) as jail:
        gate = Gate(
            settings=Settings(data_dir=directory / "data", max_body_bytes=200_000),
            holder=holder,
            recorder=TestRecorder(),
            jail=jail,
            clock=lambda: NOW,
            openapi=msgspec.json.encode(document(version="0")),
        )
        with asyncio.Runner() as runner:
            token = people.tokens["platform"].encode()

            def check(data: bytes) -> str:
                return runner.run(_ask(gate, token, data))

            yield Target(seeds=_seeds(), words=_WORDS, check=check)
        gate.close()


async def _ask(gate: Gate, token: bytes, data: bytes) -> str:
    path, kind, size, body = _read(data)
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    messages = iter(
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    )
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer " + token), (b"content-type", kind)]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    await gate(scope, receive, send)
    if len(sent) != 2:
        raise Broken(f"{len(sent)} messages were sent instead of one answer")
    status, answer = sent[0]["status"], msgspec.json.decode(sent[1]["body"])
    if not 200 <= status < 500:
        raise Broken(f"{path} answered {status}: {answer}")
    return f"{path} {status} {answer.get('code', '')} {answer.get('verdict', '')}"


def _read(data: bytes) -> tuple[str, bytes, int, bytes]:
    path, _, rest = data.partition(b"\n")
    kind, _, rest = rest.partition(b"\n")
    size, _, body = rest.partition(b"\n")
    known = path.decode("latin-1")
    # Python's server refuses header values with control characters before any application sees them.
    usable = bytes(char for char in kind if 32 <= char < 127) or b"application/json"
    at_once = int(size) if size.isdigit() and len(size) < 7 else 1000
    return (known if known in PATHS else PATHS[0]), usable, max(at_once, 16), body


def _seeds() -> list[bytes]:
    pdq, md5 = "f8" * 32, "0b" * 16
    parts = [
        {"kind": "text", "text": LISTED_TEXT, "name": "body"},
        {"kind": "url", "url": LISTED_URL},
        {"kind": "image", "signals": [{"type": "pdq", "value": pdq, "quality": 80}, {"type": "md5", "value": md5}]},
    ]
    post = {"surface": "posts", "content_id": "a", "uploader": "u", "created_at": "2026-11-23T12:00:00Z"}
    asked = {"context": {"claim": "journalism", "text": "a report"}}
    with_files = [{"kind": "image", "file": "a"}, {"kind": "file", "file": "b"}, {"kind": "text", "file": "c"}]
    files = {"a": picture(1, (64, 48)), "b": b"bytes", "c": LISTED_TEXT.encode()}
    signals = [{"type": "pdq", "value": pdq}, {"type": "url", "value": LISTED_URL}]
    return [
        _as_json("/v1/screen", {**post, **asked, "parts": parts}),
        _as_json("/v1/screen/batch", {"requests": [{**post, "parts": parts[:1]}, {**post, "parts": parts[1:]}]}),
        _as_json("/v1/screen", {**post, "parts": [{"kind": "url", "url": "http://example.org/" + "\u00e4" * 2000}]}),
        _as_json("/v1/lookup", {"signals": signals, "max_distance": 20}),
        _as_json("/v1/hash", {"parts": parts[:2]}),
        _as_form("/v1/screen", {**post, "parts": with_files}, files),
        _as_form("/v1/hash", {"parts": with_files[1:]}, {"b": files["b"], "c": files["c"]}),
    ]


def _as_json(path: str, form: object) -> bytes:
    return f"{path}\napplication/json\n300\n".encode() + msgspec.json.encode(form)


def _as_form(path: str, form: object, files: dict[str, bytes]) -> bytes:
    body = b""
    for name, content in {"request": msgspec.json.encode(form), **files}.items():
        head = f'--boundary-of-the-form\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return f"{path}\n{MULTIPART}\n500\n".encode() + body + b"--boundary-of-the-form--\r\n"
