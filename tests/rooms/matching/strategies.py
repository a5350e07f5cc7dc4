"""Listed signals for property tests."""

import hashlib
from uuid import UUID

from hypothesis import strategies as st

from seawall.matching.model import Attributes, IndexedSignal

ATTRIBUTES = st.builds(
    Attributes,
    bank=st.sampled_from(["own", "forum"]),
    labels=st.sampled_from([(), ("tvec",), ("a", "b")]),
    quality=st.none() | st.integers(0, 100),
    confirmed_by=st.integers(0, 3),
    disputed=st.booleans(),
)


def signal_id(number: int) -> str:
    # Any id will do as long as it is unique; the version digits make it a UUIDv7.
    value = int.from_bytes(hashlib.sha256(b"%d" % number).digest()[:16], "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    return f"sig_{UUID(int=value & ~(0x3 << 62) | (0x2 << 62))}"


def near(base: int, flips: list[int]) -> str:
    """A PDQ value that differs from `base` in these bits."""
    for bit in flips:
        base ^= 1 << bit
    return f"{base:064x}"


#: PDQ values in a few clusters, so that distances of 0 to 64 bits are all common.
PDQ = st.builds(near, st.sampled_from([0, 2**256 - 1, 0x5A5A << 100]), st.lists(st.integers(0, 255), max_size=70))
EXACT = st.integers(0, 5).map(lambda number: f"{number:064x}")


@st.composite
def listed(draw: st.DrawFn, *, min_size: int = 0, max_size: int = 30) -> list[IndexedSignal]:
    """Signals of several types with unique ids; values repeat."""
    one = st.one_of(
        st.tuples(st.just("pdq"), PDQ),
        st.tuples(st.just("sha256"), EXACT),
        st.tuples(st.just("md5"), EXACT.map(lambda value: value[32:])),
        st.tuples(st.just("url"), st.integers(0, 5).map(lambda number: f"https://example.org/{number}")),
    )
    found = draw(st.lists(st.tuples(one, ATTRIBUTES), min_size=min_size, max_size=max_size))
    return [
        IndexedSignal(signal_id=signal_id(number), type=kind, value=value, attributes=attributes)
        for number, ((kind, value), attributes) in enumerate(found)
    ]
