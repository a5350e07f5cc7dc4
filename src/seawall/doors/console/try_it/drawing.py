"""Two fingerprints as pictures: 256 bits in 16 rows of 16, and a distance on a ruler. SVG paths, no markup."""

from dataclasses import dataclass

SIDE = 16
BITS = SIDE * SIDE


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Paths in a square of 16 by 16 units: the set bits of each fingerprint, and where the two differ."""

    mine: str
    listed: str
    differs: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruler:
    """Places on a ruler of 0 to `end`."""

    distance: int
    limit: int
    end: int

    @property
    def rest(self) -> int:
        return self.end - self.limit


def grid_of(mine: str, listed: str) -> Grid:
    """Both are PDQ fingerprints, 64 hexadecimal digits."""
    first, second = int(mine, 16), int(listed, 16)
    return Grid(mine=_path(first), listed=_path(second), differs=_path(first ^ second))


def ruler_of(distance: int, limit: int, end: int) -> Ruler:
    return Ruler(distance=min(distance, end), limit=min(limit, end), end=end)


def _path(bits: int) -> str:
    """A square for each set bit; the first digit stands top left."""
    places = (at for at in range(BITS) if bits >> (BITS - 1 - at) & 1)
    return "".join(f"M{at % SIDE} {at // SIDE}h1v1h-1z" for at in places)
