"""Snapshot files: whatever was done to one, it is refused or answers; it never crashes anything."""

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seawall.matching.index import Index
from seawall.matching.model import Attributes, IndexedSignal
from seawall.matching.snapshot import ALIGNMENT, MAGIC, BadSnapshot, read_sections, write_sections
from tests.rooms.matching.strategies import signal_id

FOREIGN = [b"", b"x", b"\0" * 10_000, b"SQLite format 3\0" + b"\0" * 5_000, b"\x89PNG\r\n\x1a\n", MAGIC, MAGIC * 100]


def an_index() -> Index:
    kinds = [("pdq", 64), ("sha256", 64), ("md5", 32)]
    return Index.build(
        IndexedSignal(
            signal_id=signal_id(number),
            type=kinds[number % 3][0],
            value=f"{number * 7919:0{kinds[number % 3][1]}x}",
            attributes=Attributes(bank="own", quality=number % 3),
        )
        for number in range(30)
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("snapshot") / "index"
    an_index().save(path)
    return path.read_bytes()


def opened(path: Path, data: bytes, *, verify: bool) -> Index | None:
    """The index in these bytes, searched; None when it is refused."""
    path.write_bytes(data)
    try:
        index = Index.open(path, verify=verify)
    except BadSnapshot:
        return None
    index.search("pdq", "0" * 64, 64)
    index.search("sha256", "0" * 64, 0)
    index.search("md5", "0" * 32, 0)
    return index


def test_sections_come_back_aligned(tmp_path: Path) -> None:
    sections: dict[str, bytes | memoryview] = {"a": b"", "b": b"x", "ä": bytes(range(256)) * 5, "d": memoryview(b"end")}
    write_sections(tmp_path / "s", sections)
    read = read_sections(tmp_path / "s", verify=True)
    assert {name: bytes(payload) for name, payload in read.items()} == {n: bytes(p) for n, p in sections.items()}
    assert (tmp_path / "s").stat().st_size % ALIGNMENT == 0
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("data", FOREIGN)
@pytest.mark.parametrize("verify", [False, True])
def test_foreign_files_are_refused(tmp_path: Path, data: bytes, verify: bool) -> None:
    (tmp_path / "s").write_bytes(data)
    with pytest.raises(BadSnapshot, match=r"^s "):
        Index.open(tmp_path / "s", verify=verify)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Index.open(tmp_path / "s")


def test_another_version_is_refused_by_name(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "s").write_bytes(whole[:16] + struct.pack("<I", 9) + whole[20:])
    with pytest.raises(BadSnapshot, match="format version 9"):
        Index.open(tmp_path / "s")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_truncation_is_refused(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(whole) - 1))
    assert opened(tmp_path / "s", whole[:length], verify=False) is None
    assert opened(tmp_path / "s", whole[:length] + b"\0" * (len(whole) - length), verify=True) is None or not any(
        whole[length:]
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_changed_byte_is_found_or_in_the_padding(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    mutated = bytearray(whole)
    mutated[at] ^= data.draw(st.integers(1, 255))
    opened(tmp_path / "s", bytes(mutated), verify=False)
    index = opened(tmp_path / "s", bytes(mutated), verify=True)
    if index is not None:
        assert not any(start <= at < end for start, end in used_ranges(tmp_path, whole))
        assert index.counts() == an_index().counts()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_header_that_lies_with_a_good_checksum_crashes_nothing(
    tmp_path: Path, whole: bytes, data: st.DataObject
) -> None:
    (count,) = struct.unpack_from("<I", whole, 20)
    end = 32 + 72 * count
    head = bytearray(whole[:end])
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, count - 1))
        field = data.draw(st.sampled_from([24, 32]))
        value = data.draw(st.sampled_from([0, 1, 31, 64, 2**31, 2**63, 2**64 - 1]) | st.integers(0, len(whole)))
        struct.pack_into("<Q", head, 32 + 72 * number + field, value)
    forged = bytes(head) + hashlib.sha256(head).digest() + whole[end + 32 :]
    opened(tmp_path / "s", forged, verify=False)
    opened(tmp_path / "s", forged, verify=True)


@pytest.mark.parametrize("count", [0, 3, 257, 2**32 - 1])
def test_a_wrong_number_of_sections_is_refused(tmp_path: Path, whole: bytes, count: int) -> None:
    (tmp_path / "s").write_bytes(whole[:20] + struct.pack("<I", count) + whole[24:])
    with pytest.raises(BadSnapshot):
        Index.open(tmp_path / "s")


@pytest.mark.parametrize(
    "change",
    [
        {"attributes": b"[]"},
        {"attributes": b"{"},
        {"attributes": b'[{"bank": 1}]'},
        {"attributes": b"[" * 100_000},
        {"pdq.ids": b"\0" * 15},
        {"pdq.ids": b""},
        {"pdq.digests": b"\0" * 33},
        {"pdq.attributes": b"\xff" * 40},
        {"pdq.attributes": b"\0" * 3},
        {"nonsense.ids": b"", "nonsense.digests": b"", "nonsense.attributes": b""},
        {"url.ids": b"\0" * 16},
    ],
)
def test_sections_that_do_not_fit_together_are_refused(tmp_path: Path, whole: bytes, change: dict[str, bytes]) -> None:
    (tmp_path / "whole").write_bytes(whole)
    sections: dict[str, bytes | memoryview] = {**read_sections(tmp_path / "whole", verify=True), **change}
    write_sections(tmp_path / "s", sections)
    with pytest.raises(BadSnapshot, match=r"^s "):
        Index.open(tmp_path / "s", verify=True)


def test_a_damaged_order_is_found_without_checksums(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "whole").write_bytes(whole)
    sections: dict[str, bytes | memoryview] = dict(read_sections(tmp_path / "whole", verify=True))
    sections["sha256.digests"] = b"\xff" * 32 + bytes(sections["sha256.digests"])[32:]
    write_sections(tmp_path / "s", sections)
    with pytest.raises(BadSnapshot, match="order"):
        Index.open(tmp_path / "s")


def used_ranges(tmp_path: Path, whole: bytes) -> list[tuple[int, int]]:
    """Where the header and the payloads lie; the rest is padding."""
    (count,) = struct.unpack_from("<I", whole, 20)
    places = [struct.unpack_from("<QQ", whole, 32 + 72 * number + 24) for number in range(count)]
    return [(0, 32 + 72 * count + 32), *((offset, offset + length) for offset, length in places)]
