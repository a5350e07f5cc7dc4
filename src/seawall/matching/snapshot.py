"""The index as one immutable file: header, section table with checksums, flat arrays that are mapped, not loaded.

Layout, little-endian: 16 bytes magic; u32 format version; u32 number of sections; u64 file size; then per section
24 bytes name (UTF-8, zero-padded), u64 offset, u64 length, 32 bytes SHA-256 of the payload; then 32 bytes SHA-256 of
everything before. Payloads start at multiples of 64. `docs/reference/index-file.md` says what each section holds.
"""

import hashlib
import mmap
import os
import struct
from collections.abc import Mapping
from pathlib import Path

from seawall.record.durable import sync_directory

MAGIC = b"SEAWALL-INDEX\r\n\x1a"
FORMAT_VERSION = 1
#: Readers take the current and the previous version (DESIGN §10); there is no previous one yet.
READABLE_VERSIONS = frozenset({1})
ALIGNMENT = 64
#: No index of this format has more; a larger count in a header is a damaged or hostile file.
MOST_SECTIONS = 256

_HEAD = struct.Struct("<16sIIQ")
_SECTION = struct.Struct("<24sQQ32s")


class BadSnapshot(ValueError):
    """The file is not a usable index snapshot; the message says why. It is rebuilt from the database at the next
    start of `seawall serve`.
    """


def write_sections(path: Path, sections: Mapping[str, bytes | memoryview]) -> None:
    """Write the file beside `path` and move it there, so that a reader sees all of it or none."""
    table, offset = [], _aligned(_HEAD.size + _SECTION.size * len(sections) + 32)
    for name, payload in sections.items():
        digest = hashlib.sha256(payload).digest()
        table.append(_SECTION.pack(name.encode(), offset, len(payload), digest))
        offset = _aligned(offset + len(payload))
    head = _HEAD.pack(MAGIC, FORMAT_VERSION, len(sections), offset) + b"".join(table)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as out:
        out.write(head + hashlib.sha256(head).digest())
        for payload in sections.values():
            out.write(b"\0" * (_aligned(out.tell()) - out.tell()))
            out.write(payload)
        out.write(b"\0" * (offset - out.tell()))
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)
    sync_directory(path.parent)


def read_sections(path: Path, *, verify: bool) -> dict[str, memoryview]:
    """The sections of the file, mapped read-only. `verify` also recomputes every payload's checksum.

    Raises:
        BadSnapshot: not such a file, another version, truncated or damaged.
        FileNotFoundError: there is none.
    """
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        if size < _HEAD.size:
            raise BadSnapshot(f"{path.name} is too short to be an index snapshot")
        mapped = memoryview(mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ))
    magic, version, count, said_size = _HEAD.unpack_from(mapped)
    if magic != MAGIC:
        raise BadSnapshot(f"{path.name} is not an index snapshot")
    if version not in READABLE_VERSIONS:
        raise BadSnapshot(f"{path.name} has format version {version}; this release reads {sorted(READABLE_VERSIONS)}")
    end = _HEAD.size + _SECTION.size * count
    if count > MOST_SECTIONS or said_size != size or end + 32 > size:
        raise BadSnapshot(f"{path.name} is truncated or its header lies about its size")
    if hashlib.sha256(mapped[:end]).digest() != mapped[end : end + 32]:
        raise BadSnapshot(f"{path.name} has a damaged header")
    sections = {}
    for number in range(count):
        name, offset, length, digest = _SECTION.unpack_from(mapped, _HEAD.size + _SECTION.size * number)
        if offset + length > size:
            raise BadSnapshot(f"{path.name} has a section outside the file")
        payload = mapped[offset : offset + length]
        if verify and hashlib.sha256(payload).digest() != digest:
            raise BadSnapshot(f"{path.name} has a damaged section {name!r}")
        sections[name.rstrip(b"\0").decode("utf-8", "replace")] = payload
    return sections


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
