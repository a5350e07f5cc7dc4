"""Targets that break on purpose, so that the fuzzer itself can be tested: `python -m tests.fuzz.planted`."""

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.__main__ import main
from tests.fuzz.target import Broken, Opening, Target

SEED = b"twenty-one gulls on the lighthouse"


def _target(check: Callable[[bytes], str]) -> Opening:
    @contextmanager
    def opening(_: Path) -> Iterator[Target]:
        yield Target(seeds=[SEED], check=check)

    return opening


def _crashes(data: bytes) -> str:
    if data != SEED:
        ctypes.string_at(1)  # reads an address that nobody owns
    return "well"


def _breaks(data: bytes) -> str:
    if b"gulls" not in data:
        raise Broken("the gulls are gone")
    return "well"


def _hangs(data: bytes) -> str:
    if data != SEED:
        time.sleep(3600)
    return "well"


PLANTED: dict[str, Opening] = {
    "well": _target(lambda _: "well"),
    "crashes": _target(_crashes),
    "breaks": _target(_breaks),
    "hangs": _target(_hangs),
}

if __name__ == "__main__":
    sys.exit(main(targets=PLANTED))
