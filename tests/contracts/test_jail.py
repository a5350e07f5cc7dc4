"""One contract, two implementations: the jail and its twin without walls."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from seawall.signals.jail import (
    MAX_PAYLOAD,
    Boundary,
    InProcess,
    Jail,
    JailClosed,
    JailDied,
    JailRefused,
)
from tests.rooms.signals.jail import prisoners
from tests.rooms.signals.jail.prisoners import HERE, ROOT, named

FUNCTIONS = named(
    prisoners.echo,
    prisoners.length,
    prisoners.refuse,
    prisoners.fail,
    prisoners.recurse,
    prisoners.answer_text,
    prisoners.answer_too_much,
)


def _open(which: str) -> Boundary:
    if which == "InProcess":
        return InProcess(functions=FUNCTIONS)
    return Jail(functions=FUNCTIONS, workers=2, import_paths=[ROOT])


@pytest.fixture(scope="module", params=["Jail", "InProcess"])
def boundary(request: pytest.FixtureRequest) -> Iterator[Boundary]:
    opened = _open(request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00" * 70_000, bytes(range(256)) * 4096])
def test_it_answers_with_what_the_function_returned(boundary: Boundary, payload: bytes) -> None:
    assert boundary.call(f"{HERE}:echo", payload) == payload


def test_a_payload_of_50_megabytes_arrives_whole(boundary: Boundary) -> None:
    assert boundary.call(f"{HERE}:length", bytes(50_000_000)) == b"50000000"


def test_a_payload_above_the_limit_is_refused_before_it_is_sent(boundary: Boundary) -> None:
    with pytest.raises(JailRefused, match="send a smaller file") as refused:
        boundary.call(f"{HERE}:length", bytes(MAX_PAYLOAD + 1))
    assert refused.value.code == "too_large"


def test_a_declared_refusal_keeps_its_code_and_text(boundary: Boundary) -> None:
    with pytest.raises(JailRefused) as refused:
        boundary.call(f"{HERE}:refuse", b"bald")
    assert (refused.value.code, refused.value.text) == ("bad_hat", "This file wears no hat: bald")


@pytest.mark.parametrize("function", ["fail", "recurse", "answer_text", "answer_too_much"])
def test_an_undeclared_error_is_a_death_and_does_not_quote_the_file(boundary: Boundary, function: str) -> None:
    with pytest.raises(JailDied) as died:
        boundary.call(f"{HERE}:{function}", b"secret words")
    assert died.value.reason == "raised"
    assert "secret" not in str(died.value)


def test_it_works_on_after_a_death(boundary: Boundary) -> None:
    for _ in range(3):
        with pytest.raises(JailDied):
            boundary.call(f"{HERE}:fail", b"")
        assert boundary.call(f"{HERE}:echo", b"alive") == b"alive"


@pytest.mark.parametrize("function", [f"{HERE}:sleep", "os:system", "", "echo"])
def test_a_function_that_was_not_named_at_the_start_is_never_run(boundary: Boundary, function: str) -> None:
    with pytest.raises(ValueError, match="was not named when this jail was opened"):
        boundary.call(function, b"1")


def test_many_threads_get_their_own_answers(boundary: Boundary) -> None:
    payloads = [str(number).encode() * 1_000 for number in range(200)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda payload: boundary.call(f"{HERE}:echo", payload), payloads)) == payloads


@pytest.mark.parametrize("which", ["Jail", "InProcess"])
def test_after_closing_every_call_says_so(which: str) -> None:
    opened = _open(which)
    opened.close()
    opened.close()
    with pytest.raises(JailClosed, match="open a new one"):
        opened.call(f"{HERE}:echo", b"")


@pytest.mark.parametrize("which", ["Jail", "InProcess"])
def test_closing_from_several_threads_is_harmless(which: str) -> None:
    opened = _open(which)
    threads = [threading.Thread(target=opened.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
