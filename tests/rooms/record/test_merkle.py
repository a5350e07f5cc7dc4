"""The tree against the definitions of RFC 6962 section 2.1, written down as they stand there, and published vectors."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.record import merkle
from seawall.record.merkle import BadProof

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "merkle.json").read_text(encoding="utf-8"))
INPUTS = [bytes.fromhex(text) for text in VECTORS["inputs"]]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def largest_power_below(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def mth(entries: list[bytes]) -> bytes:
    if not entries:
        return sha256(b"")
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0])
    k = largest_power_below(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:]))


def path(m: int, entries: list[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: list[bytes], *, whole: bool) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole=whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], whole=False), mth(entries[:k])]


def entries_of(count: int) -> list[bytes]:
    return [sha256(number.to_bytes(4, "big")) for number in range(count)]


def leaves_of(entries: list[bytes]) -> list[bytes]:
    return [merkle.leaf_hash(entry) for entry in entries]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("count", range(9))
def test_roots_of_the_classic_eight_inputs(count: int) -> None:
    assert merkle.root_of(leaves_of(INPUTS[:count])).hex() == VECTORS["roots"][count]
    assert mth(INPUTS[:count]).hex() == VECTORS["roots"][count]


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: f"{case['index']} of {case['size']}")
def test_inclusion_vectors(case: dict[str, object]) -> None:
    index, size = int(str(case["index"])), int(str(case["size"]))
    leaves = leaves_of(INPUTS[:size])
    proof = merkle.inclusion_proof(index, size, merkle.nodes_of(leaves))
    assert [step.hex() for step in proof] == case["proof"]
    root = bytes.fromhex(VECTORS["roots"][size])
    merkle.verify_inclusion(leaves[index], index=index, size=size, proof=proof, root=root)


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: f"{case['old_size']} in {case['new_size']}")
def test_consistency_vectors(case: dict[str, object]) -> None:
    old, new = int(str(case["old_size"])), int(str(case["new_size"]))
    proof = merkle.consistency_proof(old, new, merkle.nodes_of(leaves_of(INPUTS[:new])))
    assert [step.hex() for step in proof] == case["proof"]
    roots = [bytes.fromhex(root) for root in VECTORS["roots"]]
    merkle.verify_consistency(old_size=old, old_root=roots[old], new_size=new, new_root=roots[new], proof=proof)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 255, 256, 257, 600])
def test_growing_gives_the_defined_root(count: int) -> None:
    entries = entries_of(count)
    assert merkle.root_of(leaves_of(entries)) == mth(entries)
    assert merkle.tree_root(count, merkle.nodes_of(leaves_of(entries))) == mth(entries)


@given(st.data())
@settings(max_examples=60)
def test_inclusion_proofs_are_the_defined_ones_and_hold(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    leaves = leaves_of(entries)
    proof = merkle.inclusion_proof(index, size, merkle.nodes_of(leaves))
    assert proof == path(index, entries)
    merkle.verify_inclusion(leaves[index], index=index, size=size, proof=proof, root=mth(entries))


@given(st.data())
@settings(max_examples=60)
def test_consistency_proofs_are_the_defined_ones_and_hold(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 70))
    old = data.draw(st.integers(1, new))
    entries = entries_of(new)
    proof = merkle.consistency_proof(old, new, merkle.nodes_of(leaves_of(entries)))
    assert proof == subproof(old, entries, whole=True)
    merkle.verify_consistency(
        old_size=old, old_root=mth(entries[:old]), new_size=new, new_root=mth(entries), proof=proof
    )


@given(st.data())
@settings(max_examples=60)
def test_a_forged_inclusion_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    leaves, root = leaves_of(entries), mth(entries)
    proof = path(index, entries)
    bit = data.draw(st.integers(0, 255))
    step = data.draw(st.integers(0, len(proof) - 1))
    elsewhere = data.draw(st.integers(0, size - 1).filter(lambda place: place != index))
    forgeries = [
        (flipped(leaves[index], bit), index, proof, root),
        (leaves[index], index, proof, flipped(root, bit)),
        (leaves[index], elsewhere, proof, root),
        (leaves[index], index, [*proof[:step], flipped(proof[step], bit), *proof[step + 1 :]], root),
        (leaves[index], index, proof[:-1], root),
        (leaves[index], index, [*proof, root], root),
        (leaves[index], index, [*proof[:step], b"", *proof[step + 1 :]], root),
        (leaves[index], size, proof, root),
        (leaves[index], -1, proof, root),
    ]
    for leaf, place, steps, top in forgeries:
        with pytest.raises(BadProof):
            merkle.verify_inclusion(leaf, index=place, size=size, proof=steps, root=top)


@given(st.data())
@settings(max_examples=60)
def test_a_forged_consistency_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 40))
    old = data.draw(st.integers(1, new - 1))
    entries = entries_of(new)
    old_root, new_root = mth(entries[:old]), mth(entries)
    proof = subproof(old, entries, whole=True)
    bit = data.draw(st.integers(0, 255))
    step = data.draw(st.integers(0, len(proof) - 1))
    forgeries = [
        (old, flipped(old_root, bit), new_root, proof),
        (old, old_root, flipped(new_root, bit), proof),
        (old, old_root, new_root, [*proof[:step], flipped(proof[step], bit), *proof[step + 1 :]]),
        (old, old_root, new_root, proof[:-1]),
        (old, old_root, new_root, [*proof, new_root]),
        (old, old_root, new_root, []),
        (new + 1, old_root, new_root, proof),
        (0, old_root, new_root, []),
        (new, old_root, new_root, []),
        (-1, old_root, new_root, proof),
    ]
    for size, first, second, steps in forgeries:
        with pytest.raises(BadProof):
            merkle.verify_consistency(old_size=size, old_root=first, new_size=new, new_root=second, proof=steps)


def test_a_changed_leaf_breaks_consistency_with_every_later_size() -> None:
    before, after = entries_of(20), entries_of(30)
    after[5] = sha256(b"rewritten")
    proof = merkle.consistency_proof(20, 30, merkle.nodes_of(leaves_of(after)))
    with pytest.raises(BadProof, match="does not begin with"):
        merkle.verify_consistency(old_size=20, old_root=mth(before), new_size=30, new_root=mth(after), proof=proof)


def test_the_empty_log_is_consistent_with_every_log_and_with_nothing_else() -> None:
    root = mth(entries_of(3))
    merkle.verify_consistency(old_size=0, old_root=merkle.EMPTY_ROOT, new_size=3, new_root=root, proof=[])
    with pytest.raises(BadProof):
        merkle.verify_consistency(old_size=0, old_root=root, new_size=3, new_root=root, proof=[])
    with pytest.raises(BadProof):
        merkle.verify_consistency(old_size=0, old_root=merkle.EMPTY_ROOT, new_size=0, new_root=root, proof=[])


def test_a_very_long_proof_is_refused_at_once() -> None:
    leaf = merkle.leaf_hash(b"")
    with pytest.raises(BadProof, match="longer"):
        merkle.verify_inclusion(leaf, index=0, size=2**60, proof=[leaf] * 100_000, root=leaf)


def test_there_are_no_proofs_outside_the_log() -> None:
    nodes = merkle.nodes_of(leaves_of(entries_of(4)))
    for index, size in [(4, 4), (-1, 4), (0, 0)]:
        with pytest.raises(ValueError, match="no leaf"):
            merkle.inclusion_proof(index, size, nodes)
    for old, new in [(5, 4), (-1, 4)]:
        with pytest.raises(ValueError, match="shrink"):
            merkle.consistency_proof(old, new, nodes)
