"""The index: every listed signal, searched exactly. A library: no database, no network, no Django.

An Index is immutable. It is a base (built in memory, or mapped from a snapshot file) and a small overlay of what
changed since: `with_overlay` makes the next Index over the same base in milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt

from seawall.matching.model import LARGEST_DISTANCE, Attributes, Hit, IndexedSignal
from seawall.matching.reference import ReferenceHammingIndex
from seawall.matching.snapshot import BadSnapshot, read_sections, write_sections
from seawall.signals.extract import SIGNAL_TYPES
from seawall.signals.model import BadSignal, Family

try:
    from seawall_native import HammingIndex

    NATIVE = True
except ImportError:  # installed without a compiler; `seawall doctor` says so
    HammingIndex = ReferenceHammingIndex  # type: ignore[misc,assignment]
    NATIVE = False

DIGEST_BYTES = 32
ID_BYTES = 16

Bytes2D = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Column:
    """All signals of one type: row i has `digests[i]` (32 bytes), `ids[i]` (16) and attributes `attribute_of[i]`.

    For exact types the rows are sorted by `keys`, the first eight bytes of the digest as a number.
    """

    family: Family
    digests: Bytes2D
    ids: Bytes2D
    attribute_of: npt.NDArray[np.uint32]
    keys: npt.NDArray[np.uint64]
    hamming: Any

    def __len__(self) -> int:
        return len(self.digests)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Columns by signal type, and the attributes that they share."""

    columns: Mapping[str, Column]
    attributes: Sequence[Attributes]


class Index:
    """All signals that can match. `search` is exact: recall 1.0 at any radius 0..64."""

    def __init__(self, base: Rows, added: Rows | None = None, removed: frozenset[bytes] = frozenset()) -> None:
        self._base = base
        self._added = added
        self._removed = removed
        self._length: int | None = None

    @classmethod
    def build(cls, signals: Iterable[IndexedSignal]) -> Self:
        return cls(build_rows(signals))

    @classmethod
    def open(cls, path: Path, *, verify: bool = False) -> Self:
        """Map a snapshot file.

        Raises:
            BadSnapshot: damaged, truncated, foreign or of another version.
        """
        return cls(_read_rows(path, verify=verify))

    def save(self, path: Path) -> None:
        """Write the base as a snapshot file (an overlay must be folded first).

        Raises:
            ValueError: this index has an overlay.
        """
        if self._added is not None or self._removed:
            raise ValueError("this index has an overlay; build a new one from all signals and save that")
        _write_rows(path, self._base)

    def with_overlay(self, *, removed: Iterable[str], added: Iterable[IndexedSignal]) -> Self:
        """The same base with these ids taken away and these signals put on top (a changed signal is both)."""
        rows = build_rows(added)
        gone = frozenset(UUID(signal_id.partition("_")[2]).bytes for signal_id in removed)
        return type(self)(self._base, rows if rows.columns else None, gone)

    def search(self, type: str, value: str, radius: int) -> list[Hit]:  # noqa: A002 - DESIGN §10 names it so
        """Every signal of this type within `radius` bits, nearest first.

        Raises:
            BadSignal: the type is unknown or the value has not its form.
            ValueError: the radius is not 0..64.
        """
        return self.search_many(type, [value], radius)[0]

    def search_many(self, type: str, values: Sequence[str], radius: int) -> list[list[Hit]]:  # noqa: A002
        """`search` for each of the values, in order, in one pass of the kernel."""
        kind = SIGNAL_TYPES.get(type)
        if kind is None:
            raise BadSignal(f"unknown signal type {type!r}; known are {', '.join(sorted(SIGNAL_TYPES))}")
        if not 0 <= radius <= LARGEST_DISTANCE:
            raise ValueError(f"radius {radius} is outside 0..{LARGEST_DISTANCE}")
        digests = [_padded(kind.digest(kind.canonical(value))) for value in values]
        found: list[list[Hit]] = [[] for _ in values]
        for rows, hidden in ((self._base, self._removed), (self._added, frozenset[bytes]())):
            column = rows.columns.get(type) if rows else None
            if rows is not None and column is not None and digests:
                _search_column(column, rows.attributes, digests, radius, hidden, found)
        for hits in found:
            hits.sort(key=lambda hit: (hit.distance, hit.signal_id))
        return found

    def counts(self) -> dict[str, int]:
        """How many signals of each type can match."""
        totals: dict[str, int] = {}
        for rows in (self._base, self._added):
            for name, column in (rows.columns if rows else {}).items():
                totals[name] = totals.get(name, 0) + len(column)
        for name, column in self._base.columns.items() if self._removed else ():
            totals[name] -= _count_removed(column.ids, self._removed)
        return {name: total for name, total in sorted(totals.items()) if total}

    def __len__(self) -> int:
        """As `counts`; remembered."""
        if self._length is None:
            self._length = sum(self.counts().values())
        return self._length


def build_rows(signals: Iterable[IndexedSignal]) -> Rows:
    """Columns in memory. Equal attributes are stored once.

    Raises:
        BadSignal: a signal's type is unknown or its value has not its form.
    """
    numbers: dict[Attributes, int] = {}
    by_type: dict[str, tuple[bytearray, bytearray, list[int]]] = {}
    for signal in signals:
        kind = SIGNAL_TYPES.get(signal.type)
        if kind is None:
            raise BadSignal(f"unknown signal type {signal.type!r}")
        digests, ids, attribute_of = by_type.setdefault(signal.type, (bytearray(), bytearray(), []))
        digests += _padded(kind.digest(signal.value))
        ids += UUID(signal.signal_id.partition("_")[2]).bytes
        attribute_of.append(numbers.setdefault(signal.attributes, len(numbers)))
    columns = {
        name: (
            np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
            np.frombuffer(ids, np.uint8).reshape(-1, ID_BYTES),
            np.array(attribute_of, np.uint32),
        )
        for name, (digests, ids, attribute_of) in by_type.items()
    }
    return rows_of(columns, tuple(numbers))


def rows_of(
    columns: Mapping[str, tuple[Bytes2D, Bytes2D, npt.NDArray[np.uint32]]], attributes: Sequence[Attributes]
) -> Rows:
    """Rows from arrays that somebody filled already: by type the digests, ids and numbers of attributes, unsorted."""
    made = {name: _column(SIGNAL_TYPES[name].family, *arrays) for name, arrays in columns.items()}
    return Rows(columns=made, attributes=attributes)


def _column(
    family: Family, digests: Bytes2D, ids: Bytes2D, attribute_of: npt.NDArray[np.uint32], *, is_sorted: bool = False
) -> Column:
    keys = np.ascontiguousarray(digests[:, :8]).view(">u8").reshape(-1).astype(np.uint64)
    if family is Family.EXACT and not is_sorted:
        order = np.argsort(keys, kind="stable")
        digests, ids, attribute_of, keys = digests[order], ids[order], attribute_of[order], keys[order]
    hamming = HammingIndex(np.ascontiguousarray(digests)) if family is Family.HAMMING256 else None
    return Column(family=family, digests=digests, ids=ids, attribute_of=attribute_of, keys=keys, hamming=hamming)


def _search_column(
    column: Column,
    attributes: Sequence[Attributes],
    digests: Sequence[bytes],
    radius: int,
    hidden: frozenset[bytes],
    found: list[list[Hit]],
) -> None:
    for number, row, distance in _matching_rows(column, digests, radius):
        signal_id = column.ids[row].tobytes()
        if signal_id not in hidden:
            shared = attributes[int(column.attribute_of[row])]
            found[number].append(Hit(signal_id=f"sig_{UUID(bytes=signal_id)}", distance=distance, attributes=shared))


def _matching_rows(column: Column, digests: Sequence[bytes], radius: int) -> Iterable[tuple[int, int, int]]:
    """(number of the query, row, distance) of every match in the column."""
    if column.family is Family.EXACT:
        for number, digest in enumerate(digests):
            key = np.uint64(int.from_bytes(digest[:8], "big"))
            first, last = np.searchsorted(column.keys, key, "left"), np.searchsorted(column.keys, key, "right")
            for row in range(int(first), int(last)):
                if column.digests[row].tobytes() == digest:
                    yield number, row, 0
    elif len(digests) == 1:
        rows, distances = column.hamming.search(digests[0], radius)
        for row, distance in zip(rows.tolist(), distances.tolist(), strict=True):
            yield 0, row, distance
    else:
        queries = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)
        offsets, rows, distances = column.hamming.search_many(queries, radius)
        for number in range(len(digests)):
            for at in range(int(offsets[number]), int(offsets[number + 1])):
                yield number, int(rows[at]), int(distances[at])


def _count_removed(ids: Bytes2D, removed: frozenset[bytes]) -> int:
    """How many of the ids are among the removed ones, without making an object of each."""
    # The last eight bytes of a UUIDv7 are random, so that hardly any other id shares them.
    endings = np.ascontiguousarray(ids[:, 8:]).view("<u8").reshape(-1)
    wanted = np.array([int.from_bytes(one[8:], "little") for one in removed], np.uint64)
    return sum(ids[row].tobytes() in removed for row in np.flatnonzero(np.isin(endings, wanted)))


def _padded(digest: bytes) -> bytes:
    return digest.ljust(DIGEST_BYTES, b"\0")


def _write_rows(path: Path, rows: Rows) -> None:
    sections: dict[str, bytes | memoryview] = {"attributes": msgspec.json.encode(list(rows.attributes))}
    for name, column in sorted(rows.columns.items()):
        sections[f"{name}.digests"] = memoryview(np.ascontiguousarray(column.digests).tobytes())
        sections[f"{name}.ids"] = memoryview(np.ascontiguousarray(column.ids).tobytes())
        sections[f"{name}.attributes"] = memoryview(column.attribute_of.astype("<u4").tobytes())
    write_sections(path, sections)


def _read_rows(path: Path, *, verify: bool) -> Rows:
    sections = read_sections(path, verify=verify)
    try:
        attributes = tuple(msgspec.json.decode(sections["attributes"], type=list[Attributes]))
        names = sorted(name.removesuffix(".ids") for name in sections if name.endswith(".ids"))
        columns = {name: _read_column(path, name, sections, len(attributes)) for name in names}
    except (KeyError, ValueError, msgspec.DecodeError, RecursionError) as error:
        raise BadSnapshot(f"{path.name} is damaged: {error}") from error
    return Rows(columns=columns, attributes=attributes)


def _read_column(path: Path, name: str, sections: Mapping[str, memoryview], attributes: int) -> Column:
    if name not in SIGNAL_TYPES:
        raise BadSnapshot(f"{path.name} holds the unknown signal type {name!r}")
    digests = np.frombuffer(sections[f"{name}.digests"], np.uint8).reshape(-1, DIGEST_BYTES)
    ids = np.frombuffer(sections[f"{name}.ids"], np.uint8).reshape(-1, ID_BYTES)
    attribute_of = np.frombuffer(sections[f"{name}.attributes"], "<u4").astype(np.uint32, copy=False)
    if not len(digests) == len(ids) == len(attribute_of) or (len(ids) and int(attribute_of.max()) >= attributes):
        raise BadSnapshot(f"{path.name} has columns of different lengths for {name!r}")
    # Sorted when written; verified here because a damaged order would silently lose matches.
    column = _column(SIGNAL_TYPES[name].family, digests, ids, attribute_of, is_sorted=True)
    if column.family is Family.EXACT and np.any(column.keys[:-1] > column.keys[1:]):
        raise BadSnapshot(f"{path.name} is not in order for {name!r}")
    return column
