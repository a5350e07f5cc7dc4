"""Made-up hashes that look like PDQ's, and questions about them whose answers are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint8]

BITS = 256
#: Just past PDQ's customary distance of 31, so that the nearest misses are asked about as well.
FURTHEST_PLANTED = 33

_AT_ONCE = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Questions:
    """`values` has shape (n, 32); question `q` lies `distance` bits from listed row `row` for each of `planted`."""

    values: Hashes
    planted: tuple[tuple[int, int, int], ...]


def listed(count: int, seed: int) -> Hashes:
    """Shape (count, 32). As in PDQ, which cuts at the median, half of each hash's bits are ones."""
    random = np.random.default_rng(seed)
    rows = []
    for start in range(0, count, _AT_ONCE):
        values = random.integers(0, 2**16, (min(_AT_ONCE, count - start), BITS), dtype=np.uint16)
        middle = np.partition(values, BITS // 2, axis=1)[:, BITS // 2]
        rows.append(np.packbits(values < middle[:, None], axis=1))
    return np.concatenate(rows)


def questions(hashes: Hashes, count: int, seed: int) -> Questions:
    """Half are near a listed hash, at 0 to 33 bits by turns; half are near nothing. Their order is mixed."""
    random = np.random.default_rng(seed)
    values = listed(count, seed + 1)
    planted = []
    numbers = random.permutation(count)[: count // 2]
    for turn, number in enumerate(numbers.tolist()):
        row, distance = int(random.integers(len(hashes))), turn % (FURTHEST_PLANTED + 1)
        values[number] = with_flipped_bits(hashes[row], distance, random)
        planted.append((number, row, distance))
    return Questions(values=values, planted=tuple(planted))


def with_flipped_bits(value: Hashes, distance: int, random: np.random.Generator) -> Hashes:
    bits = np.unpackbits(value)
    bits[random.choice(BITS, distance, replace=False)] ^= 1
    return np.packbits(bits)
