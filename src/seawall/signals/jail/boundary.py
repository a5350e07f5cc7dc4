"""What callers and jailed functions agree on: the call, its limits, and the ways it can fail."""

import importlib
from collections.abc import Callable
from typing import Protocol

#: A jailed function takes the bytes of one file and answers bytes whose form its own module declares.
Jailed = Callable[[bytes], bytes]

#: The gate takes bodies of up to 100 MB; this leaves room above it and still fits twice into a worker's memory.
MAX_PAYLOAD = 256 * 1024 * 1024

#: Signals and gaps are small: those of a whole animation take 30 kB. A worker that answers more than this has been
#: taken over or has gone astray.
MAX_ANSWER = 1024 * 1024

#: A refusal's sentence says what to do next, and its code is a word; both end up in verdicts and in the ledger.
MAX_TEXT = 500
MAX_CODE = 40

#: Seconds of wall clock for one call: a photograph takes hundredths of one, and the largest picture that is opened
#: takes most of it on a slow processor. Somebody waits for the answer.
DEADLINE = 10.0

#: Bytes of address space per worker: an 80-megapixel picture in three forms at once, with the libraries beside it.
MEMORY = 2 * 1024**3


class JailTimeout(Exception):
    """The work was not done in time. The worker has been killed; raise the deadline only if you trust the file."""


class JailDied(Exception):
    """The worker ended without an answer. `reason` is a stable code, the message says what is known.

    `memory`: it hit its memory limit. `signal`: it was killed by `signal` (a number). `exit`: it left with `status`.
    `raised`: the function raised an error it had not declared. `answer`: what it sent is not an answer. `start`: no
    worker could be started.
    """

    def __init__(self, text: str, *, reason: str, signal: int | None = None, status: int | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.signal = signal
        self.status = status


class JailRefused(Exception):
    """The jailed function declined this file: a stable `code`, and plain words in `text`.

    Jailed functions raise it themselves; it crosses the boundary as it is, except that `text` is cut and cleaned.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class JailClosed(RuntimeError):
    """This jail has been closed: open a new one."""


class Boundary(Protocol):
    """The port: something that runs a named function on the bytes of one file. Safe to call from many threads."""

    def call(self, function: str, payload: bytes, *, deadline: float | None = None) -> bytes:
        """The function's answer. Raises JailTimeout, JailDied, JailRefused, or JailClosed.

        `deadline` is in seconds from the moment a worker starts on it. ValueError for a function that was not named
        when the jail was opened.
        """
        ...

    def close(self) -> None:
        """Ends the work; every later call raises JailClosed. Closing twice is harmless."""
        ...


def load(function: str) -> Jailed:
    """Imports the function named by a dotted path with a colon, like `package.module:name`."""
    module, colon, name = function.partition(":")
    if not colon or not name:
        raise ValueError(f"{function!r} names no function: write it as package.module:name")
    found: object = getattr(importlib.import_module(module), name)
    if not callable(found):
        raise TypeError(f"{function!r} is not a function")
    return found


def run(jailed: Jailed, payload: bytes) -> bytes:
    """The function's answer, once it is known to be one. Whatever the function raises passes through."""
    answer: object = jailed(payload)
    if not isinstance(answer, bytes):
        raise TypeError(f"a jailed function answers bytes, not {type(answer).__name__}")
    if len(answer) > MAX_ANSWER:
        raise OverflowError(f"an answer of {len(answer)} bytes, above the limit of {MAX_ANSWER}")
    return answer


def plain(text: str) -> str:
    """A worker's words, as they may stand in a verdict, a log or a terminal: it may have been taken over."""
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_TEXT])


def require_known(function: str, functions: tuple[str, ...]) -> None:
    if function not in functions:
        raise ValueError(f"{function!r} was not named when this jail was opened; it knows {', '.join(functions)}")


def require_payload(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD:
        raise JailRefused(
            "too_large",
            f"The file has {len(payload)} bytes, and at most {MAX_PAYLOAD} are opened: send a smaller file.",
        )
