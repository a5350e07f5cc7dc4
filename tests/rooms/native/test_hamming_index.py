"""The kernel's HammingIndex finds exactly what comparing with every hash finds, at every radius, among any hashes."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seawall.matching.reference import ReferenceHammingIndex

kernel = pytest.importorskip("seawall_native", reason="the compiled kernel is not built")

Hashes = NDArray[np.uint8]

# Above 8 192 hashes the kernel builds tables and probes them where that pays; below it compares with every hash.
SMALL = st.integers(0, 300)
LARGE = st.integers(8_000, 24_000)


def flipped(hashes: Hashes, flips: int, rng: np.random.Generator) -> Hashes:
    """Each hash with exactly this many of its bits flipped, chosen anew for each."""
    bits = np.unpackbits(hashes, axis=1)
    chosen = np.argsort(rng.random(bits.shape), axis=1)[:, :flips]
    np.put_along_axis(bits, chosen, 1 - np.take_along_axis(bits, chosen, axis=1), axis=1)
    return np.packbits(bits, axis=1)


def uniform(count: int, rng: np.random.Generator) -> Hashes:
    return rng.integers(0, 256, (count, 32), dtype=np.uint8)


def clustered(count: int, rng: np.random.Generator) -> Hashes:
    """Near-copies of a few pictures."""
    centres = uniform(5, rng)
    return flipped(centres[rng.integers(0, 5, count)], int(rng.integers(0, 20)), rng)


def crowded(count: int, rng: np.random.Generator) -> Hashes:
    """Few bits set, so that all hashes crowd into few buckets."""
    return uniform(count, rng) & uniform(count, rng) & uniform(count, rng) & uniform(count, rng)


def identical(count: int, rng: np.random.Generator) -> Hashes:
    return np.repeat(uniform(1, rng), count, axis=0)


def half_alike(count: int, rng: np.random.Generator) -> Hashes:
    """The first half of the bits is the same in all."""
    hashes = uniform(count, rng)
    hashes[:, :16] = 0x5A
    return hashes


SETS = {made.__name__: made for made in (uniform, clustered, crowded, identical, half_alike)}


def queries_near(hashes: Hashes, rng: np.random.Generator) -> Hashes:
    """Queries at distances 0 to 70 from hashes of the set, and a few from nowhere."""
    near = [
        flipped(hashes[rng.integers(0, len(hashes), 1)], int(flips), rng)
        for flips in rng.integers(0, 71, 12)
        if len(hashes)
    ]
    return np.concatenate([*near, uniform(2, rng), np.zeros((1, 32), np.uint8), np.full((1, 32), 255, np.uint8)])


def assert_same_hits(hashes: Hashes, queries: Hashes, radius: int) -> int:
    index, twin = kernel.HammingIndex(hashes), ReferenceHammingIndex(hashes)
    offsets, positions, distances = index.search_many(queries, radius)
    expected = twin.search_many(queries, radius)
    np.testing.assert_array_equal(offsets, expected[0], strict=True)
    np.testing.assert_array_equal(positions, expected[1], strict=True)
    np.testing.assert_array_equal(distances, expected[2], strict=True)
    for i, query in enumerate(queries):
        one_positions, one_distances = index.search(query.tobytes(), radius)
        np.testing.assert_array_equal(one_positions, positions[offsets[i] : offsets[i + 1]])
        np.testing.assert_array_equal(one_distances, distances[offsets[i] : offsets[i + 1]])
    return len(positions)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(SETS)),
    count=st.one_of(SMALL, LARGE),
    radius=st.integers(0, 64),
    seed=st.integers(0, 2**32 - 1),
)
def test_kernel_and_twin_find_the_same(kind: str, count: int, radius: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = SETS[kind](count, rng)
    assert_same_hits(hashes, queries_near(hashes, rng), radius)


@pytest.mark.parametrize("radius", range(65))
def test_every_planted_hash_is_found_at_every_radius(radius: int) -> None:
    """Recall is exactly 1: around a query lie 10 hashes at each distance from 0 to 64, among 12 000 others."""
    rng = np.random.default_rng(radius)
    query = uniform(1, rng)
    planted = [flipped(np.repeat(query, 10, axis=0), distance, rng) for distance in range(65)]
    hashes = np.concatenate([uniform(6_000, rng), *planted, uniform(6_000, rng)])
    positions, distances = kernel.HammingIndex(hashes).search(query.tobytes(), radius)
    wanted = np.arange(10 * (radius + 1)) + 6_000
    np.testing.assert_array_equal(positions[: len(wanted)], wanted)
    np.testing.assert_array_equal(distances[: len(wanted)], np.arange(len(wanted)) // 10)
    assert assert_same_hits(hashes, query, radius) == len(positions)


def test_differences_gathered_in_a_few_bytes_are_found() -> None:
    """Differences bunched together strain a few bands and spare the others."""
    rng = np.random.default_rng(3)
    query = uniform(1, rng)
    near = np.repeat(query, 3_000, axis=0)
    for row in near:
        start, length = rng.integers(0, 225), rng.integers(1, 32)
        bits = np.unpackbits(row)
        bits[start : start + length] ^= 1
        row[:] = np.packbits(bits)
    hashes = np.concatenate([near, uniform(60_000, rng)])
    assert assert_same_hits(hashes, query, 31) == 3_000


def test_many_near_copies_of_one_picture_are_all_found() -> None:
    """So many candidates that comparing with every hash is quicker: the kernel changes over and loses none."""
    rng = np.random.default_rng(4)
    centre = uniform(1, rng)
    copies = flipped(np.repeat(centre, 20_000, axis=0), 6, rng)
    hashes = np.concatenate([uniform(20_000, rng), copies])
    queries = np.concatenate([centre, uniform(3, rng), copies[:3]])
    assert assert_same_hits(hashes, queries, 31) >= 4 * 20_000


@pytest.mark.parametrize("count", [0, 1, 2, 8_191, 8_192, 8_193])
def test_sizes_and_duplicates(count: int) -> None:
    hashes = identical(count, np.random.default_rng(5))
    index = kernel.HammingIndex(hashes)
    assert len(index) == count
    assert index.memory_bytes >= 32 * count
    query = hashes[0].tobytes() if count else bytes(32)
    positions, distances = index.search(query, 0)
    np.testing.assert_array_equal(positions, np.arange(count, dtype=np.uint32))
    assert not distances.any()


def test_the_hashes_are_copied() -> None:
    hashes = uniform(10, np.random.default_rng(6))
    index = kernel.HammingIndex(hashes)
    query = hashes[3].tobytes()
    hashes[:] = 0
    assert index.search(query, 0)[0].tolist() == [3]
    del hashes
    assert index.search(query, 0)[0].tolist() == [3]


def test_no_queries_give_no_hits() -> None:
    offsets, positions, distances = kernel.HammingIndex(np.zeros((9_000, 32), np.uint8)).search_many(
        np.zeros((0, 32), np.uint8), 31
    )
    assert offsets.tolist() == [0]
    assert len(positions) == len(distances) == 0


def test_results_outlive_the_index() -> None:
    index = kernel.HammingIndex(np.zeros((100, 32), np.uint8))
    positions, distances = index.search(bytes(32), 0)
    del index
    positions += 1  # They belong to the caller, who may write to them.
    assert positions.tolist() == list(range(1, 101))
    assert not distances.any()


def test_many_threads_may_search_at_once() -> None:
    rng = np.random.default_rng(8)
    hashes = uniform(20_000, rng)
    queries = queries_near(hashes, rng)
    index = kernel.HammingIndex(hashes)
    expected = [part.tolist() for part in index.search_many(queries, 31)]
    found: list[list[list[int]]] = []

    def search() -> None:
        found.extend([part.tolist() for part in index.search_many(queries, 31)] for _ in range(20))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 80


NO_HASHES: list[tuple[str, Any, type[Exception]]] = [
    ("none", None, TypeError),
    ("list", [[0] * 32], TypeError),
    ("uint64", np.zeros((4, 32), np.uint64), TypeError),
    ("int8", np.zeros((4, 32), np.int8), TypeError),
    ("flat", np.zeros(32, np.uint8), ValueError),
    ("short", np.zeros((4, 31), np.uint8), ValueError),
    ("long", np.zeros((4, 33), np.uint8), ValueError),
    ("empty rows", np.zeros((4, 0), np.uint8), ValueError),
    ("three axes", np.zeros((4, 32, 1), np.uint8), ValueError),
    ("strided", np.zeros((8, 32), np.uint8)[::2], ValueError),
    ("reversed", np.zeros((8, 32), np.uint8)[:, ::-1], ValueError),
    ("fortran", np.asfortranarray(np.zeros((8, 32), np.uint8)), ValueError),
    ("too many", np.broadcast_to(np.zeros((1, 32), np.uint8), (2**32, 32)), ValueError),
]


@pytest.mark.parametrize(("hashes", "error"), [pytest.param(*case[1:], id=case[0]) for case in NO_HASHES])
def test_what_are_no_hashes_is_refused(hashes: Any, error: type[Exception]) -> None:
    for kind in (kernel.HammingIndex, ReferenceHammingIndex):
        with pytest.raises(error):
            kind(hashes)
        with pytest.raises(error):
            kind(np.zeros((3, 32), np.uint8)).search_many(hashes, 31)


@pytest.mark.parametrize("query", [b"", bytes(31), bytes(33), bytes(64)])
def test_a_query_of_another_length_is_refused(query: bytes) -> None:
    for kind in (kernel.HammingIndex, ReferenceHammingIndex):
        with pytest.raises(ValueError, match="exactly 32 bytes"):
            kind(np.zeros((3, 32), np.uint8)).search(query, 31)


@pytest.mark.parametrize("query", [None, "0" * 32, 7, np.zeros(32, np.uint8), bytearray(32)])
def test_a_query_that_is_not_bytes_is_refused(query: Any) -> None:
    for kind in (kernel.HammingIndex, ReferenceHammingIndex):
        with pytest.raises(TypeError):
            kind(np.zeros((3, 32), np.uint8)).search(query, 31)


@pytest.mark.parametrize("radius", [-1, 65, 256, -(2**31), 2**31 - 1])
def test_a_radius_out_of_range_is_refused(radius: int) -> None:
    for kind in (kernel.HammingIndex, ReferenceHammingIndex):
        index = kind(np.zeros((3, 32), np.uint8))
        with pytest.raises(ValueError, match="between 0 and 64"):
            index.search(bytes(32), radius)
        with pytest.raises(ValueError, match="between 0 and 64"):
            index.search_many(np.zeros((1, 32), np.uint8), radius)


@pytest.mark.parametrize("radius", [2**80, -(2**80), 1.5, "31", None])
def test_a_radius_that_is_no_small_number_is_refused(radius: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        kernel.HammingIndex(np.zeros((3, 32), np.uint8)).search(bytes(32), radius)


def test_an_index_never_changes() -> None:
    index = kernel.HammingIndex(np.zeros((3, 32), np.uint8))
    index.__init__(np.zeros((4, 32), np.uint8))
    assert len(index) == 3


def test_an_index_without_hashes_cannot_be_made_or_used() -> None:
    with pytest.raises(TypeError):
        kernel.HammingIndex()
    unmade = kernel.HammingIndex.__new__(kernel.HammingIndex)
    with pytest.warns(RuntimeWarning, match="uninitialized"), pytest.raises(TypeError):
        len(unmade)
