"""Strangers at the socket: heads without an end, heads that never come, and too many at once."""

import asyncio
import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
import uvicorn

from seawall.doors.web import connections
from seawall.doors.web.connections import MOST_HEAD_BYTES, GuardedProtocol, most_connections
from seawall.doors.web.process import configuration
from seawall.settings import Settings
from tests.stories.serving import free_port, wait_until

GOOD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """Answers with the length of the body; `/slow` takes half a second."""
    if scope["type"] != "http":
        return
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    body = str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    port = free_port()
    config = configuration(Settings(port=port), echo)
    config.lifespan, config.timeout_keep_alive = "off", 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield port
    server.should_exit = True
    thread.join(10)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def ask(port: int, pieces: Iterable[bytes], pause: float = 0.0) -> bytes:
    """Everything that the server says to these pieces, until it closes or one answer is whole."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client, contextlib.suppress(ConnectionError):
        for piece in pieces:
            client.sendall(piece)
            time.sleep(pause)
        while not said.endswith((b"\r\n\r\n", b"\r\n\r\n0", b"\r\n\r\n5")):
            piece = client.recv(4096)
            if not piece:
                break
            said += piece
    return said


def sent_until_closed(port: int, start: bytes, piece: bytes) -> int:
    """How many bytes of an endless request go out before the connection is closed; at most 60 MB."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        try:
            client.sendall(start)
            while sent < 60_000_000:
                client.sendall(piece)
                sent += len(piece)
        except ConnectionError:
            pass
    return sent


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n" * 10_000),
        (b"GET /", b"a" * 65_536),
        (b"GET / HTTP/1.1\r\n" + b"a" * 20_000, b"a" * 65_536),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", b"A: b\r\n" * 10_000),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: ", b"a" * 65_536),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"a" * 65_536),
    ],
    ids=["header", "headers", "address", "name", "trailers", "trailer", "chunk extension"],
)
def test_what_has_no_end_is_cut_off(port: int, start: bytes, piece: bytes) -> None:
    # What is in the sockets' buffers has been sent although nobody read it.
    assert sent_until_closed(port, start, piece) < 15_000_000
    assert ask(port, [GOOD]).startswith(b"HTTP/1.1 200")


def test_it_is_said(port: int) -> None:
    head = b"GET / HTTP/1.1\r\nX: " + b"a" * (MOST_HEAD_BYTES + 1)
    assert ask(port, [head]).startswith(b"HTTP/1.1 431")


def test_a_head_within_the_limit_is_read_however_it_is_cut(port: int) -> None:
    head = b"GET / HTTP/1.1\r\nX: " + b"a" * (MOST_HEAD_BYTES - 100) + b"\r\n\r\n"
    assert ask(port, [head]).startswith(b"HTTP/1.1 200")
    assert ask(port, [head[:10], head[10:20_000], head[20_000:]], 0.02).startswith(b"HTTP/1.1 200")


def test_bodies_of_any_size_and_cut_are_no_head(port: int) -> None:
    body = b"x" * 500_000
    head = f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    assert ask(port, [head + body]).endswith(b"500000")
    assert ask(port, [head, *[body[at : at + 100_000] for at in range(0, len(body), 100_000)]], 0.1).endswith(b"500000")
    chunks = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert ask(port, [chunked + chunks]).endswith(b"100000")


@pytest.mark.parametrize("pieces", [[], [b"GET / HT"], [b"GET / HTTP/1.1\r\n", *[b"A: b\r\n"] * 100]])
def test_a_head_that_does_not_come_is_given_up(port: int, pieces: list[bytes]) -> None:
    began = time.monotonic()
    assert ask(port, pieces, 0.05) == b""
    assert time.monotonic() - began < 8


def test_the_next_requests_of_a_connection_have_the_same_limit(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        for _ in range(3):
            client.sendall(GOOD)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            time.sleep(0.1)
        client.sendall(b"GET / HT")
        assert client.recv(4096) == b""


def test_a_request_that_takes_longer_than_a_head_may_is_answered(port: int) -> None:
    slow = GOOD.replace(b"GET /", b"GET /slow")
    assert ask(port, [slow]).startswith(b"HTTP/1.1 200")
    assert ask(port, [slow, b"GET / HT"], 0.05).startswith(b"HTTP/1.1 200"), "half of a next one does not end it"


def test_too_many_connections_are_closed_and_the_others_stay(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardedProtocol, "most_connections", 3)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 5)
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(3)]
        time.sleep(0.2)
        assert ask(port, [GOOD]) == b""
        kept[0].sendall(GOOD)
        assert kept[0].recv(4096).startswith(b"HTTP/1.1 200")
    time.sleep(0.2)
    assert ask(port, [GOOD]).startswith(b"HTTP/1.1 200")


def test_descriptors_are_left_for_the_ledger() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1_024, hard), hard))
        most = most_connections()
        now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert now >= min(1_024, hard)
        assert most <= now - connections.SPARE_DESCRIPTORS
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
