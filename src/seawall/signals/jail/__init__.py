"""The boundary behind which strangers' files are opened.

In: the dotted name of a function (`seawall.signals.image.decode:extract`) and the bytes of one file. Out: the bytes
that the function answered, or one of three honest failures: JailTimeout, JailDied, JailRefused. Never: opens a file in
the caller's process, knows what an image is, or trusts what a worker answers further than its length.

`Jail` runs worker processes; `InProcess` is its twin without any protection, for tests and for files that are trusted.
Both are a `Boundary` and pass the same contract (tests/contracts/test_jail.py).
"""

from seawall.signals.jail.boundary import (
    MAX_ANSWER,
    MAX_PAYLOAD,
    Boundary,
    JailClosed,
    JailDied,
    JailRefused,
    JailTimeout,
)
from seawall.signals.jail.in_process import InProcess
from seawall.signals.jail.pool import Jail

__all__ = [
    "MAX_ANSWER",
    "MAX_PAYLOAD",
    "Boundary",
    "InProcess",
    "Jail",
    "JailClosed",
    "JailDied",
    "JailRefused",
    "JailTimeout",
]
