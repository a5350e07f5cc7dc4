"""The commands of the how-to page do what it says."""

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rooms.doors.cli.conftest import CommandLine

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "add-a-picture-to-a-bank.md"
CODES = {"screen": 11}


def steps() -> Iterator[tuple[str, list[str]]]:
    """Each command and the lines it is said to print."""
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for step in re.split(r"^ *\$ seawall ", block, flags=re.MULTILINE)[1:]:
            command, *printed = step.strip("\n").splitlines()
            yield command, [line.strip() for line in printed if line.strip()]


def test_every_command_of_the_page(
    seawall: CommandLine, picture: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(picture("harbour"), tmp_path / "picture.jpg")
    shutil.copy(picture("harbour-edited"), tmp_path / "copy.jpg")
    monkeypatch.chdir(tmp_path)
    ids: list[str] = []
    for command, printed in steps():
        signal = ids.pop() if command.startswith("signal ") else ""
        words = shlex.split(command.replace("sig_…", signal))
        said = seawall(*words, code=CODES.get(words[0], 0))
        for line in printed:
            pattern = re.escape(line).replace("sig_…", r"sig_[0-9a-f-]{36}").replace("…", r"\S+")
            assert re.search(pattern, said.out), (line, said.out)
        ids += re.findall(r"sig_[0-9a-f-]{36}", said.out) if command.startswith("bank add") else []
    assert len(list(steps())) == 7
