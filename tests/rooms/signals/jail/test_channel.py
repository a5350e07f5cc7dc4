"""Messages arrive whole or not at all, whatever the other end writes."""

import os
import resource
import struct
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.signals.jail import JailRefused, worker
from seawall.signals.jail.channel import Channel, ChannelBroken, ChannelEnded
from seawall.signals.jail.messages import Answer, Begun, Request

Ends = tuple[Channel, Channel]


@pytest.fixture
def ends() -> Iterator[Ends]:
    pair = Channel.pair()
    yield pair
    for end in pair:
        end.close()


def raw(ends: Ends, data: bytes) -> None:
    os.write(ends[1].fileno(), data)


def soon() -> float:
    return time.monotonic() + 5


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=50), st.text(max_size=50), st.binary(max_size=5_000))
def test_what_is_sent_arrives(code: str, text: str, body: bytes) -> None:
    ours, theirs = Channel.pair()
    sent = Answer(outcome="refused", code=code, text=text)
    for until in (None, soon()):
        theirs.send(sent, body, until=until)
        assert ours.receive(Answer, max_body=5_000, until=until) == (sent, body)
    ours.close()
    theirs.close()


def test_a_body_larger_than_any_buffer(ends: Ends) -> None:
    body = os.urandom(8_000_000)
    for until in (None, soon()):
        sender = threading.Thread(target=ends[1].send, args=(Begun(), body))
        sender.start()
        assert ends[0].receive(Begun, max_body=len(body), until=until)[1] == body
        sender.join()


@pytest.mark.parametrize(
    "prefix",
    [
        struct.pack(">IQ", 65_537, 0),
        struct.pack(">IQ", 2**32 - 1, 0),
        struct.pack(">IQ", 1, 101),
        struct.pack(">IQ", 1, 2**64 - 1),
    ],
)
def test_lengths_are_checked_before_memory_is_reserved(ends: Ends, prefix: bytes) -> None:
    raw(ends, prefix)
    with pytest.raises(ChannelBroken, match="above the limit"):
        ends[0].receive(Answer, max_body=100, until=soon())


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xc1",
        b"\x80",
        msgspec.msgpack.encode({"outcome": "victory"}),
        msgspec.msgpack.encode({"outcome": 1}),
        msgspec.msgpack.encode({"outcome": "done", "extra": 1}),
        msgspec.msgpack.encode(["done"]),
        b"\x91" * 60_000,
        b"\xdd\xff\xff\xff\xff",
    ],
)
def test_a_header_of_another_form_is_broken(ends: Ends, header: bytes) -> None:
    raw(ends, struct.pack(">IQ", len(header), 0) + header)
    with pytest.raises(ChannelBroken):
        ends[0].receive(Answer, until=soon())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_an_honest_error(rubbish: bytes) -> None:
    ours, theirs = Channel.pair()
    os.write(theirs.fileno(), rubbish)
    theirs.close()
    with pytest.raises((ChannelBroken, ChannelEnded)):
        ours.receive(Answer, max_body=100, until=soon())
    ours.close()


@pytest.mark.parametrize("until", [None, 5.0])
@pytest.mark.parametrize("part", [b"", b"\x00", struct.pack(">IQ", 10, 10), struct.pack(">IQ", 1, 10) + b"\x80abc"])
def test_a_message_that_breaks_off(ends: Ends, part: bytes, until: float | None) -> None:
    os.write(ends[1].fileno(), part)
    ends[1].close()
    with pytest.raises(ChannelEnded):
        ends[0].receive(Begun, max_body=10, until=until and time.monotonic() + until)


def test_nobody_waits_longer_than_said(ends: Ends) -> None:
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        ends[0].receive(Begun, until=before + 0.1)
    with pytest.raises(TimeoutError):
        ends[0].send(Begun(), bytes(50_000_000), until=time.monotonic() + 0.1)
    with pytest.raises(TimeoutError):
        ends[0].receive(Begun, until=before)
    assert time.monotonic() - before < 10


def test_a_slow_drip_does_not_stretch_the_deadline(ends: Ends) -> None:
    stop = threading.Event()

    def drip() -> None:
        ends[1].send(Begun())
        while not stop.wait(0.02):
            raw(ends, b"\x00")

    ends[1].send(Begun())
    ends[0].receive(Begun)
    dripping = threading.Thread(target=drip)
    raw(ends, struct.pack(">IQ", 1, 1_000))
    dripping.start()
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        ends[0].receive(Begun, max_body=1_000, until=before + 0.3)
    stop.set()
    dripping.join()
    assert time.monotonic() - before < 10


def test_sending_to_nobody(ends: Ends) -> None:
    ends[1].close()
    with pytest.raises(ChannelEnded):
        ends[0].send(Begun(), bytes(1_000_000))


def test_a_lower_limit_of_the_machines_owner_stays() -> None:
    """In a child, because limits cannot be raised again."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (10, 10))
            worker._lower(resource.RLIMIT_CORE, 100)
            kept = resource.getrlimit(resource.RLIMIT_CORE)
            worker._lower(resource.RLIMIT_CORE, 5)
            os._exit(7 if (kept, resource.getrlimit(resource.RLIMIT_CORE)) == ((10, 10), (5, 5)) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


class TestWorker:
    """The worker's loop, run here with a channel of our own and without its limits."""

    @pytest.fixture(autouse=True)
    def _no_limits_for_the_tests_themselves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(worker, "_limit_processor", lambda _deadline: None)

    def _ask(self, ends: Ends, answer: object) -> tuple[Answer, bytes, bool]:
        def function(payload: bytes) -> bytes:
            if isinstance(answer, BaseException):
                raise answer
            return payload

        ends[0].send(Request(function="f", deadline=1), b"file")
        stays = worker._answer_one(ends[1], {"f": function})
        ends[0].receive(Begun)
        return *ends[0].receive(Answer, max_body=100), stays

    def test_a_worker_that_has_worked_long_enough_leaves(self, ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self._ask(ends, None) == (Answer(outcome="done"), b"file", True)
        monkeypatch.setattr(worker, "_PROCESSOR_LIFETIME", -1)
        assert self._ask(ends, None) == (Answer(outcome="done", leaving=True), b"file", False)

    def test_a_refusal_keeps_the_worker_and_is_cut(self, ends: Ends) -> None:
        answer, _, stays = self._ask(ends, JailRefused("c" * 10_000, "t" * 100_000))
        assert (len(answer.code), len(answer.text), stays) == (40, 500, True)

    @pytest.mark.parametrize("error", [MemoryError(), ValueError("quotes the file"), RecursionError()])
    def test_any_other_error_ends_the_worker(self, ends: Ends, error: Exception) -> None:
        answer, _, stays = self._ask(ends, error)
        assert answer.outcome == ("memory" if isinstance(error, MemoryError) else "raised")
        assert (answer.leaving, stays, "quotes" in answer.text) == (True, False, False)
