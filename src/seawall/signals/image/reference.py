"""PDQ in plain numpy: the obvious version, the oracle of the kernel's tests, and the fallback without a compiler.

Every step keeps the float32 arithmetic and the order of summation of `pdqhash`, because the bits of a featureless
picture are decided by rounding errors. Source: "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing
algorithm" (Facebook, 2019) and the behaviour of pdqhash 0.2.8.
"""

import math

import numpy as np
from numpy.typing import NDArray

_SMALL = 64  # Side of the shrunk picture.
_COARSE = 16  # Side of the block of frequencies that is kept.
_MIN_SIDE = 5  # Below this there is nothing to hash.
_MAX_PIXELS = 2**31 - 1  # pdqhash counts pixels in a signed 32-bit number.
_WEIGHTS = np.array([299, 587, 114], dtype=np.int32)  # Thousandths of red, green and blue in the luma.

# The rows 1..16 of the 64-point cosine transform; row 0, the mean brightness, is left out.
_SCALE = float(np.float32(math.sqrt(2 / _SMALL)))
_STEP = math.pi / 2 / _SMALL
_COSINES = np.array(
    [[_SCALE * math.cos(_STEP * (i + 1) * (2 * j + 1)) for j in range(_SMALL)] for i in range(_COARSE)],
    dtype=np.float32,
)

# How the frequencies of each turned or mirrored form follow from those of the picture, in the order of pdqhash: whether
# they are transposed, and the signs to multiply them with beforehand.
_I, _J = np.indices((_COARSE, _COARSE))
_MINUS_EVEN_I = np.where(_I % 2 == 0, -1, 1).astype(np.float32)
_MINUS_EVEN_J = np.where(_J % 2 == 0, -1, 1).astype(np.float32)
_FORMS: tuple[tuple[bool, NDArray[np.float32]], ...] = (
    (False, np.ones_like(_MINUS_EVEN_I)),
    (True, _MINUS_EVEN_J),
    (False, _MINUS_EVEN_I * _MINUS_EVEN_J),
    (True, _MINUS_EVEN_I),
    (False, _MINUS_EVEN_I),
    (False, _MINUS_EVEN_J),
    (True, np.ones_like(_MINUS_EVEN_I)),
    (True, _MINUS_EVEN_I * _MINUS_EVEN_J),
)


def pdq_hash(rgb: NDArray[np.uint8]) -> tuple[bytes, int]:
    """Hash C-contiguous pixels of shape (height, width, 3): 32 bytes, and the quality from 0 to 100."""
    _require_pixels(rgb)
    if min(rgb.shape[:2]) < _MIN_SIDE:
        return bytes(32), 0
    # pdqhash takes 64x64 pictures as already shrunk, though only here and not for the dihedral forms.
    shrunk = _luma(rgb) if rgb.shape[:2] == (_SMALL, _SMALL) else _shrink(_luma(rgb))
    return _bits(_frequencies(shrunk)), _quality(shrunk)


def pdq_hash_dihedral(rgb: NDArray[np.uint8]) -> tuple[list[bytes], int]:
    """Hash the eight turned and mirrored forms, in the order of pdqhash, and give the quality they share."""
    _require_pixels(rgb)
    if min(rgb.shape[:2]) < _MIN_SIDE:
        return [bytes(32)] * len(_FORMS), 0
    shrunk = _shrink(_luma(rgb))
    found = _frequencies(shrunk)
    values = [_bits((found * signs).T if transposed else found * signs) for transposed, signs in _FORMS]
    return values, _quality(shrunk)


def pdq_hash_many(pictures: list[NDArray[np.uint8]], threads: int = 1) -> list[tuple[bytes, int]]:
    """Hash many pictures, in their order; `threads` is accepted for the kernel's sake and changes nothing here."""
    if not 1 <= threads <= 256:
        raise ValueError("threads must be between 1 and 256.")
    return [pdq_hash(picture) for picture in pictures]


def _require_pixels(rgb: object) -> None:
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        raise TypeError("The pixels must be an array of dtype uint8; convert with .astype(numpy.uint8).")
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError("The pixels must have the shape (height, width, 3): convert the picture to RGB first.")
    if 0 in rgb.shape:
        raise ValueError("The picture is empty: height and width must be at least 1.")
    if rgb.shape[0] * rgb.shape[1] > _MAX_PIXELS:
        raise ValueError("The picture is too large: at most 2147483647 pixels can be hashed.")
    if not rgb.flags.c_contiguous:
        raise ValueError("The pixels must be C-contiguous: pass them through numpy.ascontiguousarray.")


def _luma(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    # A sum of thousandths is exact in float32 and its division correctly rounded, which is what pdqhash gets from
    # float64 for each of the 2^24 colours.
    return (rgb @ _WEIGHTS).astype(np.float32) / np.float32(1000)


def _shrink(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blur with two passes of a box in each direction, then take 64 x 64 samples from the middles of their cells."""
    rows, columns = luma.shape
    for _ in range(2):
        luma = _box_down(luma.T, -(-columns // 128)).T
        luma = _box_down(luma, -(-rows // 128))
    centres = 2 * np.arange(_SMALL) + 1
    return luma[np.ix_(centres * rows // 128, centres * columns // 128)]


def _box_down(values: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Mean of each value with its neighbours in the same column, from a running sum that is never started afresh."""
    length = len(values)
    ahead = (window + 2) // 2 - 1
    out = np.empty_like(values, order="C")
    total = np.zeros(values.shape[1], dtype=np.float32)
    for step in range(length + ahead):
        if step < length:
            total = total + values[step]
        if step >= window:
            total = total - values[step - window]
        if step >= ahead:
            inside = min(step + 1, length) - max(step + 1 - window, 0)
            out[step - ahead] = total / np.float32(inside)
    return out


def _quality(shrunk: NDArray[np.float32]) -> int:
    """Count the steps between neighbours in hundredths of full brightness, each rounded towards zero."""
    steps = 0
    for axis in (0, 1):
        drops = -np.diff(shrunk, axis=axis) * np.float32(100) / np.float32(255)
        steps += int(np.abs(drops.astype(np.int32)).sum())
    return min(steps // 90, 100)


def _frequencies(shrunk: NDArray[np.float32]) -> NDArray[np.float32]:
    half = np.zeros((_COARSE, _SMALL), dtype=np.float32)
    for k in range(_SMALL):
        half += _COSINES[:, k : k + 1] * shrunk[k]
    found = np.zeros((_COARSE, _COARSE), dtype=np.float32)
    for k in range(_SMALL):
        found += half[:, k : k + 1] * _COSINES[:, k]
    return found


def _bits(frequencies: NDArray[np.float32]) -> bytes:
    """One bit for each frequency above the (lower) median; the first frequency is the last bit."""
    flat = frequencies.ravel()
    median = np.sort(flat)[127]
    return np.packbits((flat > median)[::-1]).tobytes()
