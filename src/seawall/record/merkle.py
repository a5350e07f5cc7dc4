"""The Merkle tree of RFC 6962 section 2.1 and RFC 9162 section 2.1: hashes, roots, proofs, and their checks. Pure.

Proofs are made from any source of nodes: `nodes(level, index)` gives the 32-byte hash over the leaves
`index << level` up to, not including, `(index + 1) << level`.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Nodes = Callable[[int, int], bytes]


class BadProof(ValueError):
    """The proof does not lead to the root: the entry is not in that log, or the log was altered."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The right edge of a growing tree: enough to append leaves and give the root, in O(log size) memory."""

    def __init__(self) -> None:
        self.size = 0
        #: Roots of the complete subtrees, largest first.
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash (not an entry: see `leaf_hash`)."""
        size = self.size
        while size & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            size >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes in order; `EMPTY_ROOT` for none."""
    edge = CompactRange()
    for leaf in leaves:
        edge.append(leaf)
    return edge.root()


def nodes_of(leaves: Sequence[bytes]) -> Nodes:
    """Nodes computed from leaf hashes held in memory."""
    return lambda level, index: root_of(leaves[index << level : (index + 1) << level])


def tree_root(size: int, nodes: Nodes) -> bytes:
    """The root of the first `size` leaves."""
    return EMPTY_ROOT if size == 0 else _over(0, size, nodes)


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of the first `size` leaves, lowest first."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_over(middle, end, nodes))
            end = middle
        else:
            path.append(_over(begin, middle, nodes))
            begin = middle
    return path[::-1]


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Nothing when leaf hash `leaf` stands at `index` of the tree with that size and root, else BadProof."""
    _check_hashes([leaf, root, *proof])
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} among {size}")
    reached = leaf
    for step, on_the_left in zip(proof, _sides(index, size - 1, len(proof)), strict=True):
        reached = node_hash(step, reached) if on_the_left else node_hash(reached, step)
    if not hmac.compare_digest(reached, root):
        raise BadProof(f"the proof does not lead to the root: leaf {index} is not what was logged")


def consistency_proof(old_size: int, new_size: int, nodes: Nodes) -> list[bytes]:
    """The hashes that show that the first `old_size` leaves are unchanged in the tree of `new_size`."""
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a log does not shrink from {old_size} to {new_size}")
    if old_size in {0, new_size}:
        return []
    proof: list[bytes] = []
    begin, end, whole = 0, new_size, True
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            proof.append(_over(middle, end, nodes))
            end = middle
        else:
            proof.append(_over(begin, middle, nodes))
            begin, whole = middle, False
    if not whole:
        proof.append(_over(begin, end, nodes))
    return proof[::-1]


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Nothing when the new tree begins with all of the old one, else BadProof."""
    _check_hashes([old_root, new_root, *proof])
    if not 0 <= old_size <= new_size:
        raise BadProof(f"a log does not shrink from {old_size} to {new_size}")
    if old_size in {0, new_size}:
        expected = old_root if old_size else EMPTY_ROOT
        if proof or old_root != expected or (old_size == new_size and old_root != new_root):
            raise BadProof("the roots of the two sizes cannot belong to one log")
        return
    # RFC 9162 section 2.1.4.2: a complete old tree is itself the first step.
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        raise BadProof("the proof is empty")
    height = _trailing_ones(old_size - 1)
    sides = _sides((old_size - 1) >> height, (new_size - 1) >> height, len(path) - 1)
    old_reached = new_reached = path[0]
    for step, on_the_left in zip(path[1:], sides, strict=True):
        if on_the_left:
            old_reached = node_hash(step, old_reached)
        new_reached = node_hash(step, new_reached) if on_the_left else node_hash(new_reached, step)
    if not (hmac.compare_digest(old_reached, old_root) and hmac.compare_digest(new_reached, new_root)):
        raise BadProof(f"the log of {new_size} leaves does not begin with the log of {old_size}")


def _sides(place: int, last: int, steps: int) -> list[bool]:
    """For each step up from `place`, whether the hash beside it stands on the left (RFC 9162 section 2.1.3.2)."""
    sides: list[bool] = []
    for _ in range(steps):
        if last == 0:
            raise BadProof("the proof is longer than the tree is high")
        on_the_left = bool(place & 1) or place == last
        sides.append(on_the_left)
        if on_the_left and not place & 1:
            # The edge of an incomplete tree: the levels on which this node has no neighbour have no step.
            skipped = _trailing_zeros(place)
            place, last = place >> skipped, last >> skipped
        place, last = place >> 1, last >> 1
    if last != 0:
        raise BadProof("the proof ends below the root")
    return sides


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1 if number else 0


def _trailing_ones(number: int) -> int:
    return _trailing_zeros(~number)


def _split(count: int) -> int:
    """The largest power of two below `count` (which is at least 2): where RFC 6962 divides a tree."""
    return 1 << ((count - 1).bit_length() - 1)


def _over(begin: int, end: int, nodes: Nodes) -> bytes:
    """The hash over leaves begin..end, where begin is where a division of the tree put it."""
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return nodes(level, begin >> level)
    middle = begin + _split(count)
    return node_hash(_over(begin, middle, nodes), _over(middle, end, nodes))


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise BadProof(f"a hash in a proof has {HASH_BYTES} bytes")
