import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.record import merkle, tiles
from seawall.record.tiles import BadTile

LEAVES = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(1_400)]
MANY = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(256 * 256 + 300)]


class Store:
    """Tiles in memory, as the tables hold them."""

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def load(self, level: int, index: int) -> bytes:
        return self.held.get((level, index), b"")

    def append(self, leaves: list[bytes]) -> None:
        self.held |= tiles.extend(self.size, leaves, self.load)
        self.size += len(leaves)


@given(st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=40)
def test_tiles_do_not_depend_on_how_leaves_arrived(portions: list[int]) -> None:
    store, whole = Store(), Store()
    for portion in portions:
        store.append(LEAVES[store.size : store.size + portion])
    whole.append(LEAVES[: store.size])
    assert store.held == whole.held
    assert merkle.tree_root(store.size, tiles.nodes_from(store.load)) == merkle.root_of(LEAVES[: store.size])


def test_tiles_have_the_places_and_widths_of_c2sp() -> None:
    """256² + 300 leaves: the widths that C2SP tlog-tiles gives for this size, and no tile beside them."""
    store = Store()
    store.append(MANY)
    size = len(MANY)
    assert {place: len(tile) // 32 for place, tile in store.held.items()} == (
        {(0, index): 256 for index in range(257)} | {(0, 257): 44} | {(1, 0): 256, (1, 1): 1} | {(2, 0): 1}
    )
    for (level, index), tile in store.held.items():
        assert tiles.width_at(size, level, index) * 32 == len(tile)
    assert tiles.width_at(size, 0, 258) == tiles.width_at(size, 1, 2) == tiles.width_at(size, 3, 0) == 0
    assert merkle.tree_root(size, tiles.nodes_from(store.load)) == merkle.root_of(MANY)


@given(st.data())
@settings(max_examples=40)
def test_proofs_from_tiles_are_the_proofs_of_the_tree(data: st.DataObject) -> None:
    store = Store()
    store.append(LEAVES)
    nodes = tiles.nodes_from(store.load)
    size = data.draw(st.integers(1, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]
    assert merkle.inclusion_proof(index, size, nodes) == merkle.inclusion_proof(index, size, merkle.nodes_of(leaves))
    assert merkle.consistency_proof(index, size, nodes) == merkle.consistency_proof(
        index, size, merkle.nodes_of(leaves)
    )


@pytest.mark.parametrize("damage", [b"", b"\0" * 31, b"\0" * 32 * 99, b"\0" * 32 * 101, b"\0" * 32 * 256])
def test_a_tile_of_the_wrong_length_is_never_written_on(damage: bytes) -> None:
    store = Store()
    store.append(LEAVES[:100])
    store.held[0, 0] = damage
    with pytest.raises(BadTile, match="level 0, tile 0"):
        store.append(LEAVES[100:110])


def test_a_missing_tile_is_named() -> None:
    store = Store()
    store.append(LEAVES)
    del store.held[0, 3]
    with pytest.raises(BadTile, match="level 0, tile 3"):
        merkle.inclusion_proof(800, len(LEAVES), tiles.nodes_from(store.load))
