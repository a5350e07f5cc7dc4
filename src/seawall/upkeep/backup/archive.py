"""The archive that a backup is: plain files in a tar, written and read as a stream. Knows no Django.

The reader takes only what the writer writes: regular files with relative names, one after another. Links, devices,
directories, extended headers and sparse files, by which other archives have overwritten files they were not unpacked
to, do not exist for it. Nothing is compressed, so that nothing can grow beyond the size of the archive itself.
"""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from seawall.upkeep.model import MemberRecord

BLOCK = 512

#: Read and written at once.
CHUNK = 1024 * 1024

#: What a tar header has room for, in UTF-8.
LONGEST_NAME = 100

_END = bytes(2 * BLOCK)

_MAGICS = (b"ustar  \0", b"ustar\x0000")

_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a directory",
    b"6": "a named pipe",
    b"S": "a sparse file",
}


class BadArchive(ValueError):
    """The file is no archive as we write them; the message says what is wrong with it, and where."""


class FileChanged(OSError):
    """A file became shorter while it was read; the message names it."""


class ArchiveWriter:
    """Writes members one after another into `out`. `made_at` (seconds since 1970) is the time that each shows."""

    def __init__(self, out: BinaryIO, *, made_at: int) -> None:
        self._out = out
        self._made_at = made_at
        self.members: list[MemberRecord] = []

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> int:
        """One file of exactly `size` bytes; what `chunks` has beyond them is left out. Returns the size.

        Raises:
            FileChanged: there were fewer.
        """
        self._out.write(header(name, size, made_at=self._made_at))
        digest = hashlib.sha256()
        left = size
        for chunk in chunks:
            part = chunk[:left]
            digest.update(part)
            self._out.write(part)
            left -= len(part)
            if not left:
                break
        if left:
            raise FileChanged(f"{name} became shorter while it was read")
        self._out.write(padding(size))
        self.members.append(MemberRecord(name=name, size=size, sha256=digest.hexdigest()))
        return size

    def add_bytes(self, name: str, data: bytes) -> int:
        return self.add(name, len(data), [data])

    def add_file(self, name: str, path: Path) -> int:
        """The file as long as it is now; FileNotFoundError when it is gone."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return self.add(name, size, iter(lambda: file.read(CHUNK), b""))

    def finish(self) -> None:
        """The end mark, without which an archive is a truncated one."""
        self._out.write(_END)


class Entry:
    """One member while it is read. What is not read of it is skipped when the next one is asked for."""

    def __init__(self, name: str, size: int, source: BinaryIO) -> None:
        self.name = name
        self.size = size
        self._source = source
        self._left = size

    def read(self, most: int = -1) -> bytes:
        """Up to `most` bytes, b"" at the end; BadArchive when the archive ends first."""
        wanted = self._left if most < 0 else min(most, self._left)
        data = _exactly(self._source, wanted, self.name)
        self._left -= wanted
        if wanted and not self._left and any(_exactly(self._source, len(padding(self.size)), self.name)):
            raise BadArchive(f"there is something between {self.name} and what follows it")
        return data

    def chunks(self) -> Iterator[bytes]:
        """What is left of it."""
        return iter(lambda: self.read(CHUNK), b"")


def read_archive(source: BinaryIO) -> Iterator[Entry]:
    """The members in order. To the end of this iterator the whole of `source` was looked at.

    Raises:
        BadArchive: at the first thing that our writer does not write.
    """
    files: set[str] = set()
    directories: set[str] = set()
    while any(block := _exactly(source, BLOCK, "the archive")):
        name, size = _parse(block)
        above = {str(one) for one in PurePosixPath(name).parents}
        if name in files or name in directories or above & files:
            raise BadArchive(f"{name} is in it twice")
        files.add(name)
        directories |= above
        entry = Entry(name, size, source)
        yield entry
        for _ in entry.chunks():
            pass
    tail = _exactly(source, BLOCK, "its end")
    while tail:
        if any(tail):
            raise BadArchive("there is something behind its end")
        tail = source.read(CHUNK)


def header(name: str, size: int, *, made_at: int) -> bytes:
    """The 512 bytes before a file; BadArchive for a name that no archive of ours may hold."""
    require_plain_name(name)
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, made_at
    return info.tobuf(format=tarfile.GNU_FORMAT, encoding="utf-8", errors="strict")


def padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def require_plain_name(name: str) -> None:
    """BadArchive unless the name is relative, stays below where it is unpacked, and can be printed."""
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        raise BadArchive(f"the name {name[:LONGEST_NAME]!a} has other characters, or more of them, than a backup's")
    if any(part in {"", ".", ".."} for part in parts):
        raise BadArchive(f"the name {name!a} leads out of the place where it is unpacked")


def _exactly(source: BinaryIO, size: int, what: str) -> bytes:
    """As many bytes. A large number in a broken header must not become a large allocation."""
    read: list[bytes] = []
    while size:
        data = source.read(min(size, CHUNK))
        if not data:
            raise BadArchive(f"it ends in the middle of {what}: it is truncated")
        read.append(data)
        size -= len(data)
    return read[0] if len(read) == 1 else b"".join(read)


def _parse(block: bytes) -> tuple[str, int]:
    """Name and size in a header."""
    if block[257:265] not in _MAGICS:
        raise BadArchive("it is not made of tar headers and files")
    expected = sum(block[:148]) + sum(block[156:]) + 8 * 0x20
    if block[148:156] != b"%06o\0 " % expected:
        raise BadArchive("the checksum of a header does not fit")
    if (kind := block[156:157]) != b"0":
        shown = ascii(block[:100].rstrip(b"\0").decode("utf-8", "replace"))
        raise BadArchive(f"{shown} is {_KINDS.get(kind, 'of a kind')} that no backup has")
    name = _name(block)
    return name, _size(block[124:136], name)


def _name(block: bytes) -> str:
    raw = block[:100].rstrip(b"\0")
    # The place where POSIX puts the beginning of a long name; ours are short.
    if any(block[345:500]) or b"\0" in raw:
        raise BadArchive("a name in it is longer than a backup's")
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise BadArchive("a name in it is not UTF-8") from error
    require_plain_name(name)
    return name


def _size(field: bytes, name: str) -> int:
    """Octal digits and NUL; above 8 GiB, where they do not suffice, base 256 as GNU tar writes it."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        digits = field[:11].decode("ascii")
        if field[11:] == b"\0" and digits.isdigit():
            return int(digits, 8)
    except ValueError:
        pass
    raise BadArchive(f"the size of {name} cannot be read")
