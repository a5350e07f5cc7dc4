"""The commands of the how-to pages do what they say. Pages with other programs are in tests/stories/test_how_to.py."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.shown import HOW_TO, blocks, is_ours_alone, runnable
from tests.rooms.doors.cli.conftest import CommandLine

PAGES = [page for page in HOW_TO if is_ours_alone(page) and any(runnable(page))]

#: A verdict is in the exit code, and `doctor` finds something to say of every fresh directory.
CODES: dict[str, int | None] = {"screen": None, "doctor": None}


def set_out(place: Path, page: Path, picture: Callable[[str], Path]) -> None:
    """The files that pages speak of."""
    shutil.copy(picture("harbour"), place / "picture.jpg")
    shutil.copy(picture("harbour-edited"), place / "copy.jpg")
    (place / "secret.txt").write_text("an app password\n", encoding="utf-8")
    for block in blocks(page):
        if block.language == "csv":
            (place / "list.csv").write_text(block.body, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_page(
    seawall: CommandLine,
    picture: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: Path,
) -> None:
    set_out(tmp_path, page, picture)
    monkeypatch.chdir(tmp_path)
    ids: list[str] = []
    for command, printed in runnable(page):
        _, *words = shlex.split(command)
        signal = ids.pop() if words[0] == "signal" else ""
        said = seawall(*(word.replace("sig_…", signal) for word in words), code=CODES.get(words[0], 0))
        for line in printed:
            pattern = re.escape(line).replace("sig_…", r"sig_[0-9a-f-]{36}").replace("…", r"\S+")
            assert re.search(pattern, said.out), (line, said.out)
        ids += re.findall(r"sig_[0-9a-f-]{36}", said.out) if words[:2] == ["bank", "add"] else []


def test_pages_with_commands_are_found() -> None:
    assert {page.stem: len(list(runnable(page))) for page in PAGES}.items() >= {
        "add-a-picture-to-a-bank": 7,
        "import-a-list": 2,
        "install-without-a-compiler": 1,
    }.items()


def test_the_examples_of_json_lines_can_be_imported(seawall: CommandLine, tmp_path: Path) -> None:
    (page,) = [page for page in HOW_TO if page.stem == "import-a-list"]
    (example,) = [block.body for block in blocks(page) if block.language == "json"]
    (tmp_path / "list.jsonl").write_text(example, encoding="utf-8")
    seawall("bank", "create", "forum")
    (done,) = seawall.json("bank", "import", "forum", tmp_path / "list.jsonl")
    assert (done["added"], done["refused"]) == (1, 0)
