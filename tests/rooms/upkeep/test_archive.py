"""The archive: what is written is read, and nothing else is taken for it."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seawall.upkeep.backup.archive import (
    BLOCK,
    LONGEST_NAME,
    ArchiveWriter,
    BadArchive,
    FileChanged,
    header,
    padding,
    read_archive,
    require_plain_name,
)

NAME = st.text("abcäz019_.-", min_size=1, max_size=20).filter(lambda name: name not in {".", ".."})
FILES = st.dictionaries(NAME, st.binary(max_size=2_000), max_size=5)
END = bytes(2 * BLOCK)


def written(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    archive = ArchiveWriter(out, made_at=1)
    for name, data in files.items():
        archive.add_bytes(name, data)
    archive.finish()
    return out.getvalue()


def read(data: bytes) -> dict[str, bytes]:
    return {entry.name: b"".join(entry.chunks()) for entry in read_archive(io.BytesIO(data))}


def forged(
    change: Callable[[tarfile.TarInfo], None], *, form: Literal[0, 1] = tarfile.GNU_FORMAT, name: str = "a"
) -> bytes:
    """One member that tar itself would write."""
    info = tarfile.TarInfo(name)
    change(info)
    return info.tobuf(format=form) + END


@given(FILES)
def test_what_is_written_is_read_and_tar_reads_it_too(files: dict[str, bytes]) -> None:
    data = written(files)
    assert read(data) == files
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {one.name: one.size for one in tar} == {name: len(held) for name, held in files.items()}
        assert all(one.mode == 0o600 for one in tar)


@given(FILES, st.data())
def test_a_cut_archive_is_truncated(files: dict[str, bytes], data: st.DataObject) -> None:
    whole = written(files)
    end = len(whole) - len(END)
    at = data.draw(st.integers(0, end))
    with pytest.raises(BadArchive):
        read(whole[:at])


@given(st.binary(max_size=4 * BLOCK))
def test_noise_is_refused_or_empty(noise: bytes) -> None:
    assume(any(noise))
    with pytest.raises(BadArchive):
        read(noise)


@given(FILES.filter(bool), st.data())
def test_a_flipped_bit_outside_of_files_is_noticed(files: dict[str, bytes], data: st.DataObject) -> None:
    """Inside of files the list of digests notices it."""
    whole = bytearray(written(files))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = read(bytes(whole))
    except BadArchive:
        return
    assert found.keys() == files.keys()
    assert found != files


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.DIRTYPE, "a directory"),
        (tarfile.FIFOTYPE, "a named pipe"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (tarfile.GNUTYPE_LONGNAME, "of a kind"),
        (tarfile.XHDTYPE, "of a kind"),
        (tarfile.CONTTYPE, "of a kind"),
    ],
)
def test_only_regular_files(kind: bytes, said: str) -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, "/etc/passwd"

    with pytest.raises(BadArchive, match=said):
        read(forged(change))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../a", "a/../../b", "a/./b", "a//b", "..", "a/", "a\\b", "a\nb", "\x1b[31m", "\u202ea"]
)
def test_names_that_lead_elsewhere_or_cannot_be_shown(name: str) -> None:
    with pytest.raises(BadArchive):
        require_plain_name(name)
    with pytest.raises(BadArchive):
        read(forged(lambda info: setattr(info, "name", name)))


def test_a_name_that_is_too_long() -> None:
    require_plain_name("a" * LONGEST_NAME)
    with pytest.raises(BadArchive):
        header("ä" * LONGEST_NAME, 0, made_at=0)
    with pytest.raises(BadArchive):
        read(forged(lambda _info: None, name="a" * 200))
    with pytest.raises(BadArchive, match="longer"):
        read(forged(lambda _info: None, name="a" * 90 + "/" + "b" * 90, form=tarfile.USTAR_FORMAT))


def member(name: str, data: bytes) -> bytes:
    return header(name, len(data), made_at=1) + data + padding(len(data))


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
def test_a_name_twice_or_below_a_file(names: tuple[str, str]) -> None:
    with pytest.raises(BadArchive, match="twice"):
        read(b"".join(member(name, b"x") for name in names) + END)


@pytest.mark.parametrize(
    "size", [b"-0000000001\0", b"00000000 10\0", b"77777777777\0", b"\xff" * 12, b"\x80" + b"\xff" * 11]
)
def test_sizes_that_cannot_be(size: bytes) -> None:
    """A large number must not become a large allocation either."""
    block = bytearray(header("a", 1, made_at=1))
    block[124:136] = size
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 0x20)
    with pytest.raises(BadArchive):
        read(bytes(block) + b"x" + padding(1) + END)


def test_a_file_above_eight_gigabytes_keeps_its_size() -> None:
    size = 9 * 1024**3
    entries = read_archive(io.BytesIO(header("large", size, made_at=1)))
    assert next(entries).size == size


def test_what_is_behind_the_end() -> None:
    assert read(written({"a": b"x"}) + bytes(8 * BLOCK)) == {"a": b"x"}
    for more in (b"x", member("b", b"y")):
        with pytest.raises(BadArchive, match="behind its end"):
            read(written({"a": b"x"}) + more)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    archive = ArchiveWriter(io.BytesIO(), made_at=1)
    with pytest.raises(FileChanged, match="log"):
        archive.add("log", 10, [b"short"])
    (tmp_path / "grown").write_bytes(b"x" * 10)
    assert archive.add_file("grown", tmp_path / "grown") == 10
    assert archive.add("longer", 3, [b"ab", b"cdef"]) == 3


def test_skipping_a_member_reads_the_next() -> None:
    entries = read_archive(io.BytesIO(written({"a": b"x" * 5_000, "b": b"y"})))
    next(entries)
    assert next(entries).read() == b"y"
