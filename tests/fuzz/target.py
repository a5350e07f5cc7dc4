"""What a target is: good inputs to begin with, and a check that names what became of a mutated one."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path


class Broken(AssertionError):
    """The parser did something that it promises never to do; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """`check` returns a few words for the outcome, and raises anything at all when a promise is broken.

    `repair` makes a mutated input valid again where a checksum would otherwise turn every mutation away.
    `words` are mixed into mutations; `finish` checks what must still hold at the end.
    """

    seeds: Sequence[bytes]
    check: Callable[[bytes], str]
    repair: Callable[[bytes], bytes] | None = None
    words: Sequence[bytes] = ()
    finish: Callable[[], None] = lambda: None


#: Sets a target up in an empty directory and takes it down again.
Opening = Callable[[Path], AbstractContextManager[Target]]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
