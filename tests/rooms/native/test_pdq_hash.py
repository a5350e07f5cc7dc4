"""The kernel's PDQ gives the bits and the quality of its numpy twin, and refuses what is no picture."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seawall.signals.image import reference
from tests.rooms.native.pictures import KINDS, Pixels, blobs, boxes, noise

kernel = pytest.importorskip("seawall_native", reason="the compiled kernel is not built")

# Around every limit: 5 (nothing to hash below), 64 (the special size), 128 and 256 (the box grows), primes, thin ones.
SIDES = [1, 2, 4, 5, 6, 7, 31, 63, 64, 65, 127, 128, 129, 131, 191, 255, 256, 257, 384, 385, 509]


def assert_same(picture: Pixels) -> None:
    assert kernel.pdq_hash(picture) == reference.pdq_hash(picture)
    assert kernel.pdq_hash_dihedral(picture) == reference.pdq_hash_dihedral(picture)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    height=st.one_of(st.sampled_from(SIDES), st.integers(1, 400)),
    width=st.one_of(st.sampled_from(SIDES), st.integers(1, 400)),
    seed=st.integers(0, 2**32 - 1),
)
def test_kernel_and_twin_agree(kind: str, height: int, width: int, seed: int) -> None:
    assert_same(KINDS[kind](height, width, np.random.default_rng(seed)))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("shape", [(64, 64), (480, 640), (1024, 1024), (2600, 140), (67, 4111), (5, 3001)])
def test_kernel_and_twin_agree_at_awkward_sizes(kind: str, shape: tuple[int, int]) -> None:
    assert_same(KINDS[kind](*shape, np.random.default_rng(1)))


TALLEST = pytest.param((33001, 129), marks=pytest.mark.slow)


@pytest.mark.parametrize("shape", [(8191, 130), (8193, 130), (129, 33001), TALLEST])
def test_kernel_and_twin_agree_on_very_long_pictures(shape: tuple[int, int]) -> None:
    # Above 8 192 rows the weights of rows no longer fit in a signed byte, above 32 768 not in 16 bits: two other ways.
    picture = boxes(*shape, np.random.default_rng(2))
    assert kernel.pdq_hash(picture) == reference.pdq_hash(picture)


def test_many_pictures_come_back_in_their_order() -> None:
    rng = np.random.default_rng(5)
    pictures = [blobs(70 + i, 90 + i, rng) for i in range(20)]
    expected = [kernel.pdq_hash(picture) for picture in pictures]
    assert len(set(expected)) == 20
    for threads in (1, 2, 64):
        assert kernel.pdq_hash_many(pictures, threads=threads) == expected
    assert kernel.pdq_hash_many([]) == []
    assert kernel.pdq_hash_many(pictures[:1], 256) == expected[:1]


def test_a_read_only_picture_can_be_hashed() -> None:
    picture = noise(100, 100, np.random.default_rng(6))
    expected = kernel.pdq_hash(picture)
    picture.flags.writeable = False
    assert kernel.pdq_hash(picture) == expected


def strided() -> Pixels:
    return np.zeros((20, 40, 3), np.uint8)[:, ::2]


NO_PICTURES: list[tuple[str, Any, type[Exception]]] = [
    ("none", None, TypeError),
    ("text", "picture.jpg", TypeError),
    ("list", [[[1, 2, 3]]], TypeError),
    ("float32", np.zeros((10, 10, 3), np.float32), TypeError),
    ("int8", np.zeros((10, 10, 3), np.int8), TypeError),
    ("bool", np.zeros((10, 10, 3), np.bool_), TypeError),
    ("object", np.zeros((10, 10, 3), object), TypeError),
    ("grey", np.zeros((10, 10), np.uint8), ValueError),
    ("four channels", np.zeros((10, 10, 4), np.uint8), ValueError),
    ("no channels", np.zeros((10, 10, 0), np.uint8), ValueError),
    ("animation", np.zeros((2, 10, 10, 3), np.uint8), ValueError),
    ("scalar", np.array(1, np.uint8), ValueError),
    ("no rows", np.zeros((0, 10, 3), np.uint8), ValueError),
    ("no columns", np.zeros((10, 0, 3), np.uint8), ValueError),
    ("strided", strided(), ValueError),
    ("upside down", np.zeros((10, 10, 3), np.uint8)[::-1], ValueError),
    ("transposed", np.zeros((10, 12, 3), np.uint8).transpose(1, 0, 2), ValueError),
    ("fortran", np.asfortranarray(np.zeros((10, 10, 3), np.uint8)), ValueError),
    ("repeated", np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (1000, 1000, 3)), ValueError),
    ("huge", np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (2**20, 2**20, 3)), ValueError),
]


@pytest.mark.parametrize(("picture", "error"), [pytest.param(*case[1:], id=case[0]) for case in NO_PICTURES])
def test_what_is_no_picture_is_refused(picture: Any, error: type[Exception]) -> None:
    for hashing in (kernel.pdq_hash, kernel.pdq_hash_dihedral, reference.pdq_hash, reference.pdq_hash_dihedral):
        with pytest.raises(error):
            hashing(picture)
    for hashing_many in (kernel.pdq_hash_many, reference.pdq_hash_many):
        with pytest.raises(error):
            hashing_many([np.zeros((10, 10, 3), np.uint8), picture])


@pytest.mark.parametrize("threads", [0, -1, 257, 2**31 - 1])
def test_a_senseless_number_of_threads_is_refused(threads: int) -> None:
    for hashing_many in (kernel.pdq_hash_many, reference.pdq_hash_many):
        with pytest.raises(ValueError, match="between 1 and 256"):
            hashing_many([], threads=threads)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="convert the picture to RGB"):
        kernel.pdq_hash(np.zeros((10, 10), np.uint8))
    with pytest.raises(ValueError, match="ascontiguousarray"):
        kernel.pdq_hash(strided())
    with pytest.raises(TypeError, match="astype"):
        kernel.pdq_hash(np.zeros((10, 10, 3), np.uint16))


def test_the_picture_is_not_changed() -> None:
    picture: NDArray[np.uint8] = noise(300, 200, np.random.default_rng(7))
    before = picture.copy()
    kernel.pdq_hash_dihedral(picture)
    assert (picture == before).all()
