import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rooms.doors.cli.conftest import CommandLine

Picture = Callable[[str], Path]


def test_a_picture_has_three_signals_and_needs_no_data_directory(nowhere: CommandLine, picture: Picture) -> None:
    content = picture("harbour").read_bytes()
    (line,) = nowhere.json("hash", picture("harbour"))
    signals = {one["type"]: one for one in line["signals"]}
    assert set(signals) == {"pdq", "sha256", "md5"}
    assert signals["sha256"]["value"] == hashlib.sha256(content).hexdigest()
    assert signals["pdq"]["quality"] == 100
    assert line["degraded_reasons"] == []
    assert not nowhere.settings.data_dir.exists()


def test_people_get_columns(nowhere: CommandLine, picture: Picture) -> None:
    said = nowhere("hash", picture("harbour"))
    assert "  pdq " in said.out
    assert "quality 100" in said.out


def test_texts_and_addresses(nowhere: CommandLine) -> None:
    text, url = nowhere.json("hash", "--text", "Hello   World", "--url", "HTTP://Example.org/")
    (same,) = nowhere.json("hash", "--text", "hello world")
    assert text["signals"] == same["signals"]
    assert url["signals"][0]["value"] == "https://example.org/"


def test_mixed_case_hex_is_lowered(nowhere: CommandLine) -> None:
    (line,) = nowhere.json("hash", "--signal", "md5=" + "aB" * 16)
    assert line["signals"][0]["value"] == "ab" * 16


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("sha256=abc", "64 hexadecimal characters, got 3"),
        ("sha256=" + "g" * 64, "0-9 and a-f"),
        ("sha512=" + "a" * 128, "no signal type known here"),
        ("abc", "TYPE=VALUE"),
        ("pdq=" + "a" * 63 + " ", "white space"),
    ],
)
def test_bad_signals_say_what_is_wrong(nowhere: CommandLine, given: str, said: str) -> None:
    assert said in nowhere.refused("hash", "--signal", given)


def test_one_bad_file_does_not_spoil_the_others(nowhere: CommandLine, picture: Picture, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    bad = [tmp_path / "missing", tmp_path, tmp_path / "empty", tmp_path / "loop", tmp_path / "pipe"]
    lines = nowhere.json("hash", *bad, picture("harbour"), code=1)
    assert [len(line["signals"]) for line in lines] == [0, 0, 0, 0, 0, 3]
    problems = [line["degraded_reasons"][0]["text"] for line in lines[:5]]
    assert "No such file" in problems[0]
    assert "directory" in problems[1]
    assert "empty" in problems[2]
    assert "symbolic links" in problems[3]
    assert "device" in problems[4]


def test_a_truncated_picture_is_said_and_its_exact_hash_given(
    nowhere: CommandLine, picture: Picture, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(picture("harbour").read_bytes()[:3_000])
    (line,) = nowhere.json("hash", broken, code=1)
    assert {"sha256", "md5"} <= {one["type"] for one in line["signals"]}
    assert line["degraded_reasons"][0]["code"] == "truncated"


def test_many_files_come_in_order(nowhere: CommandLine, tmp_path: Path) -> None:
    paths = []
    for number in range(50):
        paths.append(tmp_path / f"{number}.txt")
        paths[-1].write_text(str(number))
    lines = nowhere.json("hash", *paths)
    assert [line["file"] for line in lines] == [str(path) for path in paths]


def test_nothing_named_is_a_usage_error(nowhere: CommandLine) -> None:
    assert "name at least one FILE" in nowhere("hash", code=2).err


def test_a_name_cannot_talk_to_the_terminal(nowhere: CommandLine, tmp_path: Path) -> None:
    hostile = tmp_path / "a\x1b[2Jb\u202ec.txt"
    hostile.write_text("x")
    said = nowhere("hash", hostile)
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    assert "\\x1b[2J" in said.out
