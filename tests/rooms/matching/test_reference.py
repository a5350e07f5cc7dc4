"""The obvious index is right: it agrees with counting bits one pair at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.matching.reference import ReferenceHammingIndex

HASH = st.binary(min_size=32, max_size=32)


def as_rows(hashes: list[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), 32)


def by_hand(hashes: list[bytes], query: bytes, radius: int) -> list[tuple[int, int]]:
    wanted = int.from_bytes(query, "big")
    distances = [(int.from_bytes(each, "big") ^ wanted).bit_count() for each in hashes]
    return sorted((distance, position) for position, distance in enumerate(distances) if distance <= radius)


@st.composite
def near(draw: st.DrawFn, query: bytes) -> bytes:
    flips = draw(st.sets(st.integers(0, 255), max_size=70))
    return (int.from_bytes(query, "big") ^ sum(1 << bit for bit in flips)).to_bytes(32, "big")


@settings(max_examples=80, deadline=None)
@given(data=st.data(), radius=st.integers(0, 64), query=HASH)
def test_it_agrees_with_counting_bits(data: st.DataObject, radius: int, query: bytes) -> None:
    hashes = data.draw(st.lists(st.one_of(near(query), HASH), max_size=20))
    hashes += hashes[:3]  # Duplicates are all reported.
    index = ReferenceHammingIndex(as_rows(hashes))
    positions, distances = index.search(query, radius)
    assert list(zip(distances.tolist(), positions.tolist(), strict=True)) == by_hand(hashes, query, radius)
    assert positions.dtype == np.uint32
    assert distances.dtype == np.uint16


@settings(max_examples=30, deadline=None)
@given(hashes=st.lists(HASH, max_size=8), queries=st.lists(HASH, max_size=5), radius=st.integers(0, 64))
def test_many_queries_are_searched_in_turn(hashes: list[bytes], queries: list[bytes], radius: int) -> None:
    index = ReferenceHammingIndex(as_rows(hashes))
    offsets, positions, distances = index.search_many(as_rows(hashes[:2] + queries), radius)
    assert offsets.dtype == np.int64
    assert offsets[0] == 0
    assert offsets[-1] == len(positions) == len(distances)
    for i, query in enumerate(hashes[:2] + queries):
        here = slice(offsets[i], offsets[i + 1])
        found = list(zip(distances[here].tolist(), positions[here].tolist(), strict=True))
        assert found == by_hand(hashes, query, radius)


def test_it_knows_its_size_and_keeps_its_own_copy() -> None:
    hashes = np.ones((5, 32), np.uint8)
    index = ReferenceHammingIndex(hashes)
    hashes[:] = 0
    assert len(index) == 5
    assert index.memory_bytes == 5 * 32
    assert len(index.search(b"\x01" * 32, 0)[0]) == 5


@pytest.mark.parametrize("radius", [-1, 65])
def test_a_radius_out_of_range_is_refused(radius: int) -> None:
    with pytest.raises(ValueError, match="between 0 and 64"):
        ReferenceHammingIndex(np.zeros((1, 32), np.uint8)).search(bytes(32), radius)
