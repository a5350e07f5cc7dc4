"""The client of S2: sends the same pictures to either server, over and over, and notes how long each answer took.

    python -m benchmarks.client ASK.json

It runs in a process of its own, so that it can be kept off the server's core. What it prints is an `Answered`.
"""

import http.client
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

BOUNDARY = "----benchmark-boundary"

#: Answers in the first part of a round are not counted: connections open and caches fill.
WARM_UP = 0.15


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is `seawall` or `stand-in`. Picture `i` is a listed one if its name begins with `listed`."""

    kind: str
    port: int
    key: str
    pictures: tuple[str, ...]
    seconds: float
    connections: int


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds for each answer, all connections together, and how long the counted part took."""

    latencies: tuple[float, ...]
    seconds: float
    #: All requests, those before the counted part included.
    sent: int
    wrong: tuple[str, ...]
    #: One id that Seawall gave, so that its row in the ledger can be asked for.
    last_id: str = ""


class _Sender:
    """One connection: kept open where the server allows it."""

    def __init__(self, ask: Ask, bodies: list[tuple[bool, bytes]], first: int) -> None:
        self._ask = ask
        self._bodies = bodies
        self._at = first
        self._connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=60)
        self.latencies: list[tuple[float, float]] = []
        self.wrong: list[str] = []
        self.last_id = ""

    def run(self, until: float) -> None:
        while time.perf_counter() < until:
            is_listed, body = self._bodies[self._at % len(self._bodies)]
            self._at += 1
            began = time.perf_counter()
            problem = self._send(body, is_listed)
            ended = time.perf_counter()
            self.latencies.append((ended, ended - began))
            if problem:
                self.wrong.append(problem)
                return

    def _send(self, body: bytes, is_listed: bool) -> str:  # noqa: FBT001 - private, and named at its one call
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        if self._ask.key:
            headers["authorization"] = f"Bearer {self._ask.key}"
        path = "/v1/screen" if self._ask.kind == "seawall" else "/match"
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status != http.client.OK:
            return f"{response.status}: {text[:300]!r}"
        answer = msgspec.json.decode(text)
        self.last_id = answer.get("id", "")
        if answer.get("degraded"):
            return f"degraded: {answer['degraded_reasons']}"
        found = answer["verdict"] != "allow" if self._ask.kind == "seawall" else bool(answer["matches"])
        return "" if found == is_listed else f"listed {is_listed}, but the answer was {text[:300]!r}"


def run(ask: Ask) -> Answered:
    bodies = [(Path(name).name.startswith("listed"), _body(ask.kind, Path(name))) for name in ask.pictures]
    # Each connection begins with another picture.
    senders = [_Sender(ask, bodies, number * 7) for number in range(ask.connections)]
    began = time.perf_counter()
    until = began + ask.seconds * (1 + WARM_UP)
    threads = [threading.Thread(target=_guarded(sender, until)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted_from = began + ask.seconds * WARM_UP
    done = [(ended, took) for sender in senders for ended, took in sender.latencies if counted_from <= ended <= until]
    return Answered(
        latencies=tuple(took for _, took in done),
        seconds=until - counted_from,
        sent=sum(len(sender.latencies) for sender in senders),
        wrong=tuple(problem for sender in senders for problem in sender.wrong),
        last_id=next((sender.last_id for sender in senders if sender.last_id), ""),
    )


def _guarded(sender: _Sender, until: float) -> Callable[[], None]:
    def send() -> None:
        try:
            sender.run(until)
        except (OSError, http.client.HTTPException) as error:
            sender.wrong.append(f"no answer: {error!r}")

    return send


def _body(kind: str, picture: Path) -> bytes:
    if kind != "seawall":
        return _form({"photo": picture.read_bytes()})
    request = {"surface": "posts", "content_id": picture.name, "parts": [{"kind": "image", "file": "photo"}]}
    return _form({"request": msgspec.json.encode(request), "photo": picture.read_bytes()})


def _form(fields: dict[str, bytes]) -> bytes:
    body = b""
    for name, content in fields.items():
        file_name = '; filename="photo.jpg"' if name == "photo" else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


if __name__ == "__main__":
    asked = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Ask)
    sys.stdout.write(msgspec.json.encode(run(asked)).decode() + "\n")
