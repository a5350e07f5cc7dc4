"""PDQ of RGB pixels: the compiled kernel where it is built, its numpy twin otherwise.

Both give the same bits as the Python package `pdqhash` 0.2.8 on the full-size picture, quality included.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

try:
    from seawall_native import pdq_hash, pdq_hash_dihedral
except ImportError:  # Without a compiler the package still works, slowly; `seawall doctor` says so.
    from seawall.signals.image.reference import pdq_hash, pdq_hash_dihedral

    NATIVE = False
else:
    NATIVE = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Pdq:
    """One PDQ hash.

    `value` is 32 bytes; `.hex()` writes it as other tools do. `quality` runs from 0 (featureless) to 100.
    """

    value: bytes
    quality: int


def compute(rgb: NDArray[np.uint8]) -> Pdq:
    """Hash pixels of shape (height, width, 3), C-contiguous.

    A picture with a side under 5 pixels has nothing to hash: it gets 32 zero bytes and quality 0.

    Raises:
        TypeError: the argument is no array of uint8.
        ValueError: the shape is not (height, width, 3), a side is 0, or the array is not C-contiguous.
    """
    value, quality = pdq_hash(rgb)
    return Pdq(value=value, quality=quality)


def compute_dihedral(rgb: NDArray[np.uint8]) -> tuple[Pdq, ...]:
    """Hash the picture in its eight turned and mirrored forms at once; errors as in `compute`.

    The order is that of `pdqhash`: as it is; turned by 90, 180 and 270 degrees; mirrored along x, along y, and along
    the two diagonals. All eight share one quality.
    """
    values, quality = pdq_hash_dihedral(rgb)
    return tuple(Pdq(value=value, quality=quality) for value in values)
