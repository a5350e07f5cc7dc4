"""The tree cut into tiles of 256 hashes (C2SP tlog-tiles), so that appending and proving touch a few rows. Pure.

Tile `index` of `level` holds, 32 bytes each, the nodes `256 * index …` of tree level `8 * level`; the last one of a
level may be partial. `load(level, index)` gives a tile's bytes, empty when there is none.
"""

from collections.abc import Callable, Sequence

from seawall.record.merkle import HASH_BYTES, Nodes, root_of

WIDTH = 256
#: log2 of WIDTH: tree levels between one tile level and the next.
HEIGHT = 8
TILE_BYTES = WIDTH * HASH_BYTES

Load = Callable[[int, int], bytes]


class BadTile(ValueError):
    """A tile is missing or has the wrong length: the log's tables were altered. Run `seawall log verify`."""


def extend(size: int, leaves: Sequence[bytes], load: Load) -> dict[tuple[int, int], bytes]:
    """Append leaf hashes to a tree of `size` leaves: the tiles that change, by level and index, in their new form."""
    changed: dict[tuple[int, int], bytes] = {}
    level, count, waiting = 0, size, list(leaves)
    while waiting:
        completed: list[bytes] = []
        position, taken = count, 0
        while taken < len(waiting):
            index, width = divmod(position, WIDTH)
            held = _held(load, level, index, width) if width else b""
            more = waiting[taken : taken + WIDTH - width]
            tile = held + b"".join(more)
            changed[level, index] = tile
            position, taken = position + len(more), taken + len(more)
            if len(tile) == TILE_BYTES:
                completed.append(tile_root(tile))
        level, count, waiting = level + 1, count // WIDTH, completed
    return changed


def nodes_from(load: Load) -> Nodes:
    """The tree's nodes, read from its tiles; BadTile when a tile is too short."""

    def node(level: int, index: int) -> bytes:
        tile_level, above = divmod(level, HEIGHT)
        begin = (index << above) % WIDTH
        end = begin + (1 << above)
        tile = load(tile_level, (index << above) // WIDTH)
        if len(tile) < end * HASH_BYTES:
            raise BadTile(f"{BadTile.__doc__} (level {tile_level}, tile {(index << above) // WIDTH})")
        return root_of(split(tile)[begin:end])

    return node


def split(tile: bytes) -> list[bytes]:
    """The hashes of a tile."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def tile_root(tile: bytes) -> bytes:
    """The node above a full tile."""
    return root_of(split(tile))


def width_at(size: int, level: int, index: int) -> int:
    """How many hashes that tile holds in a tree of `size` leaves."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - index * WIDTH))


def _held(load: Load, level: int, index: int, width: int) -> bytes:
    held = load(level, index)
    if len(held) != width * HASH_BYTES:
        raise BadTile(f"{BadTile.__doc__} (level {level}, tile {index})")
    return held
