from collections.abc import Callable
from pathlib import Path

import pytest

from seawall.app import try_lock
from seawall.record.models import Event
from tests.rooms.doors.cli.conftest import CommandLine

Picture = Callable[[str], Path]


@pytest.fixture
def bank(seawall: CommandLine) -> CommandLine:
    seawall("bank", "create", "mine")
    return seawall


def test_a_picture_is_listed_by_pdq_and_sha256(bank: CommandLine, picture: Picture) -> None:
    (line,) = bank.json("bank", "add", "mine", picture("harbour"), "--label", "tvec", "--source", "our own")
    assert len(line["added"]) == 2
    (shown,) = bank.json("bank", "show", "mine")
    assert {one["type"] for one in shown["newest"]} == {"pdq", "sha256"}
    assert {one["confirmed_by"] for one in shown["newest"]} == {1}
    assert {one["source"] for one in shown["newest"]} == {"our own"}


def test_adding_it_again_is_no_error(bank: CommandLine, picture: Picture) -> None:
    (first,) = bank.json("bank", "add", "mine", picture("harbour"))
    (again,) = bank.json("bank", "add", "mine", picture("harbour"))
    assert sorted(again["duplicates"]) == sorted(first["added"])
    assert again["added"] == []


def test_an_md5_alone_can_be_listed_when_that_is_all_one_has(bank: CommandLine) -> None:
    (line,) = bank.json("bank", "add", "mine", "--signal", "md5=" + "AB" * 16)
    assert len(line["added"]) == 1


def test_one_bad_file_does_not_keep_the_others_out(bank: CommandLine, picture: Picture, tmp_path: Path) -> None:
    lines = bank.json("bank", "add", "mine", tmp_path / "missing", picture("harbour"), code=1)
    assert "No such file" in lines[0]["refused"][0]
    assert len(lines[1]["added"]) == 2


def test_a_broken_picture_is_refused_and_the_way_out_named(bank: CommandLine, picture: Picture, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(picture("harbour").read_bytes()[:2_000])
    assert "--kind file" in bank("bank", "add", "mine", broken, code=1).err
    (line,) = bank.json("bank", "add", "mine", broken, "--kind", "file")
    assert len(line["added"]) == 1


def test_a_featureless_picture_needs_a_yes(bank: CommandLine, tmp_path: Path) -> None:
    from PIL import Image

    grey = tmp_path / "grey.png"
    Image.new("RGB", (200, 200), (90, 90, 90)).save(grey)
    assert "--accept-low-quality" in bank("bank", "add", "mine", grey, code=1).err
    (line,) = bank.json("bank", "add", "mine", grey, "--accept-low-quality")
    assert len(line["added"]) == 1, "the SHA-256 is listed since the first time"


def test_an_unknown_bank_is_said_before_any_file_is_opened(bank: CommandLine, picture: Picture) -> None:
    assert "mine" in bank.refused("bank", "add", "mime", picture("harbour"))


def test_changes_become_leaves_at_once_and_wait_beside_a_server(bank: CommandLine) -> None:
    assert not Event.objects.filter(leaf_index=None).exists()
    with try_lock(bank.settings.data_dir) as holder:
        assert holder is None
        bank("bank", "add", "mine", "--text", "one more sentence")
        assert Event.objects.filter(leaf_index=None).count() == 1
    bank("bank", "add", "mine", "--text", "and another one")
    assert not Event.objects.filter(leaf_index=None).exists()


def csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["type,value,labels,source", *lines, ""]))
    return path


def test_an_import_names_every_bad_line(bank: CommandLine, tmp_path: Path) -> None:
    good, mixed = "ab" * 32, "Cd" * 32
    path = csv(
        tmp_path / "list.csv",
        f"sha256,{good},tvec,them",
        "sha256,abc,,",
        f"pdq,{mixed},,",
        f"sha256,{good},,",
        "colour,blue,,",
    )
    report = tmp_path / "report.txt"
    lines = bank.json("bank", "import", "mine", path, "--report", report, code=1)
    assert (lines[0]["added"], lines[0]["duplicates"], lines[0]["refused"]) == (2, 1, 2)
    assert [line["line"] for line in lines[1:]] == [3, 6]
    assert [line.partition(":")[0] for line in report.read_text().splitlines()] == ["line 3", "line 6"]


def test_people_see_the_first_bad_lines_and_how_many_more(bank: CommandLine, tmp_path: Path) -> None:
    path = csv(tmp_path / "list.csv", *["sha256,abc,,"] * 30, f"sha256,{'ab' * 32},,")
    said = bank("bank", "import", "mine", path, code=1)
    assert "1 signals listed" in said.out
    assert "line 2:" in said.err
    assert "line 22:" not in said.err
    assert "and 10 more: --report FILE" in said.err


def test_json_lines_are_imported_too_and_confirm_nothing(bank: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text('{"type": "url", "value": "https://listed.example/a"}\n')
    bank("bank", "import", "mine", path)
    (line,) = bank.json("screen", "--url", "http://listed.example/a", code=10)
    assert line["verdict"] == "hold", "imported, so nobody here has confirmed it"
    assert line["matches"][0]["confirmed_by"] == 0


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02" * 100, b"\xff\xfe nonsense", b"a,b,c\n1,2,3\n", b'type,value\n"']
)
def test_a_file_that_is_no_list_is_refused(bank: CommandLine, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    said = bank("bank", "import", "mine", path, code=1)
    assert said.err.strip()
    assert bank.json("bank", "show", "mine")[0]["newest"] == []


def test_missing_lists_and_directories_are_said(bank: CommandLine, tmp_path: Path) -> None:
    assert "No such file" in bank.refused("bank", "import", "mine", tmp_path / "missing.csv")
    assert "directory" in bank.refused("bank", "import", "mine", tmp_path).lower()
    path = csv(tmp_path / "list.csv", f"sha256,{'ab' * 32},,")
    assert "there is no bank" in bank.refused("bank", "import", "other", path)
