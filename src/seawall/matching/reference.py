"""Exact search within a Hamming radius in plain numpy: the obvious version of the kernel's `HammingIndex`.

It is the oracle of the kernel's tests and the fallback without a compiler. It compares a query with every hash.
"""

import numpy as np
from numpy.typing import NDArray

HASH_BYTES = 32
MAX_RADIUS = 64
_MAX_HASHES = 2**32 - 1  # Positions are uint32.


class ReferenceHammingIndex:
    """Search among 256-bit hashes; same interface, results and errors as `seawall_native.HammingIndex`."""

    def __init__(self, hashes: NDArray[np.uint8]) -> None:
        """Copy the hashes, a C-contiguous array of shape (count, 32)."""
        _require_hashes(hashes, "The hashes")
        self._words = hashes.copy().view(np.uint64)

    def __len__(self) -> int:
        return len(self._words)

    @property
    def memory_bytes(self) -> int:
        """Bytes held by the index, its copy of the hashes included."""
        return self._words.nbytes

    def search(self, query: bytes, radius: int) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Positions and distances of every hash within `radius` (0 to 64), sorted by distance, then position."""
        if not isinstance(query, bytes):
            raise TypeError("The query must be bytes.")
        if len(query) != HASH_BYTES:
            raise ValueError("The query must be exactly 32 bytes.")
        _require_radius(radius)
        return self._within(np.frombuffer(query, dtype=np.uint64), radius)

    def search_many(
        self, queries: NDArray[np.uint8], radius: int
    ) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint16]]:
        """Search for each row of `queries`; the hits of row i are at offsets[i]:offsets[i + 1]."""
        _require_hashes(queries, "The queries")
        _require_radius(radius)
        found = [self._within(query, radius) for query in queries.view(np.uint64)]
        offsets = np.cumsum([0, *(len(positions) for positions, _ in found)], dtype=np.int64)
        positions = np.concatenate([np.empty(0, np.uint32), *(positions for positions, _ in found)])
        distances = np.concatenate([np.empty(0, np.uint16), *(distances for _, distances in found)])
        return offsets, positions, distances

    def _within(self, query: NDArray[np.uint64], radius: int) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        distances = np.bitwise_count(self._words ^ query).sum(axis=1, dtype=np.uint16)
        positions = np.flatnonzero(distances <= radius).astype(np.uint32)
        found = distances[positions]
        order = np.argsort(found, kind="stable")  # Stable, so that equal distances stay in order of position.
        return positions[order], found[order]


def _require_hashes(hashes: object, what: str) -> None:
    if not isinstance(hashes, np.ndarray) or hashes.dtype != np.uint8:
        raise TypeError(f"{what} must have dtype uint8; convert with .astype(numpy.uint8).")
    if hashes.ndim != 2 or hashes.shape[1] != HASH_BYTES:
        raise ValueError(f"{what} must have the shape (count, 32): 32 bytes for each hash.")
    if len(hashes) > _MAX_HASHES:
        raise ValueError(f"{what} are too many: at most 4294967295 fit.")
    if not hashes.flags.c_contiguous:
        raise ValueError(f"{what} must be C-contiguous: use numpy.ascontiguousarray.")


def _require_radius(radius: int) -> None:
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError("The radius must be between 0 and 64 bits.")
