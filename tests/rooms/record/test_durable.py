"""Whole or not at all: what a failing disk leaves behind."""

import os
from pathlib import Path

import pytest

from seawall.record.durable import destroy_file, make_private_directory, replace_durably


def test_the_new_content_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "state"
    replace_durably(path, b"old")
    replace_durably(path, b"")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    replace_durably(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_durably(tmp_path / "nowhere" / "state", b"x")


def test_what_is_destroyed_is_overwritten_under_every_name(tmp_path: Path) -> None:
    path, second_name = tmp_path / "key", tmp_path / "second-name"
    path.write_bytes(b"k" * 32)
    os.link(path, second_name)
    destroy_file(path)
    assert not path.exists()
    assert (len(second_name.read_bytes()), b"kk" in second_name.read_bytes()) == (32, False)
    destroy_file(path)


def test_a_name_goes_even_where_a_full_disk_takes_no_more_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"k" * 32)
    sync, full = os.fsync, iter([OSError(28, "No space left on device"), None])

    def fails_once(descriptor: int) -> None:
        if error := next(full, None):
            raise error
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fails_once)
    destroy_file(path)
    assert not path.exists()


def test_a_private_directory_is_ours_alone_and_made_once(tmp_path: Path) -> None:
    directory = tmp_path / "keys" / "holds"
    for _ in range(2):
        make_private_directory(directory)
        assert directory.stat().st_mode & 0o777 == 0o700
