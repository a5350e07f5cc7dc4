"""The commands of the how-to pages do what they say."""

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rooms.doors.cli.conftest import CommandLine

PAGES = Path(__file__).parents[4] / "docs" / "how-to"
CODES = {"screen": 11}


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.DOTALL)


def steps(page: str) -> Iterator[tuple[str, list[str]]]:
    """Each command and the lines it is said to print."""
    for block in blocks(page, "console"):
        for step in re.split(r"^ *\$ seawall ", block, flags=re.MULTILINE)[1:]:
            command, *printed = step.strip("\n").splitlines()
            yield command, [line.strip() for line in printed if line.strip()]


@pytest.mark.parametrize(("page", "count"), [("add-a-picture-to-a-bank.md", 7), ("import-a-list.md", 2)])
def test_every_command_of_the_page(
    seawall: CommandLine,
    picture: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
    count: int,
) -> None:
    shutil.copy(picture("harbour"), tmp_path / "picture.jpg")
    shutil.copy(picture("harbour-edited"), tmp_path / "copy.jpg")
    for example in blocks(page, "csv"):
        (tmp_path / "list.csv").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    ids: list[str] = []
    for command, printed in steps(page):
        signal = ids.pop() if command.startswith("signal ") else ""
        words = shlex.split(command.replace("sig_…", signal))
        said = seawall(*words, code=CODES.get(words[0], 0))
        for line in printed:
            pattern = re.escape(line).replace("sig_…", r"sig_[0-9a-f-]{36}").replace("…", r"\S+")
            assert re.search(pattern, said.out), (line, said.out)
        ids += re.findall(r"sig_[0-9a-f-]{36}", said.out) if command.startswith("bank add") else []
    assert len(list(steps(page))) == count


def test_the_examples_of_json_lines_can_be_imported(seawall: CommandLine, tmp_path: Path) -> None:
    (example,) = blocks("import-a-list.md", "json")
    (tmp_path / "list.jsonl").write_text(example, encoding="utf-8")
    seawall("bank", "create", "forum")
    (done,) = seawall.json("bank", "import", "forum", tmp_path / "list.jsonl")
    assert (done["added"], done["refused"]) == (1, 0)
