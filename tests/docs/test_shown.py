"""Every command that a how-to page or the tutorial shows is run somewhere, or says why it is not."""

import ast
import re
from pathlib import Path

import pytest

from tests.docs.shown import HOW_TO, NO_RUN, TUTORIAL, Block, blocks

PAGES = [*HOW_TO, *TUTORIAL]


def named(page: Path) -> str:
    return page.stem


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_is_not_run_says_why(page: Path) -> None:
    for block in blocks(page):
        if block.remark:
            assert re.fullmatch(rf"{NO_RUN}.{{10,}}", block.remark), f"{page.name}: ```{block.language} {block.remark}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_reason_that_names_a_test_names_one_that_is_there(page: Path) -> None:
    for block in blocks(page):
        for name in re.findall(r"tests/[\w/]+\.py", block.remark):
            assert (page.parents[2] / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_stand_in_fences_with_a_language(page: Path) -> None:
    """An indented block, or a fence without a word behind it, would go past all other tests."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^ *```(.*)$", text, re.MULTILINE)
    assert len(fences) % 2 == 0
    assert all(fences[::2]), f"{page.name}: write the language behind each fence"
    assert not any(fences[1::2])
    outside = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert [line for line in re.findall(r"^ {4}\S.*$", outside, re.MULTILINE) if not re.match(r" +[-*\d|]", line)] == []


def test_blocks_are_read_as_people_read_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "1. Do:\n\n   ```console\n   $ seawall bank create ours\n   It is there.\n"
        "   $ seawall hash \\\n     a.jpg\n   ```\n\n"
        "```sh no-run: needs a second machine\nscp a b:\n```\n\n```sh\nseawall doctor\n```\n",
        encoding="utf-8",
    )
    first, second, third = blocks(page)
    assert first.steps == [("seawall bank create ours", ["It is there."]), ("seawall hash \\\n  a.jpg", [])]
    assert (second, second.is_run) == (
        Block(language="sh", remark="no-run: needs a second machine", body="scp a b:\n"),
        False,
    )
    assert third.steps == [("seawall doctor\n", [])]


def test_a_language_alone_is_run() -> None:
    assert Block(language="sh", remark="", body="true\n").is_run
    assert not Block(language="json", remark="", body="{}").is_run


def test_the_ways_to_run_are_there() -> None:
    """The pages say that tests run them; these are the tests."""
    root = Path(__file__).parents[2]
    for place in ("tests/rooms/doors/cli/test_how_to.py", "tests/stories/test_how_to.py"):
        names = {
            node.name for node in ast.walk(ast.parse((root / place).read_text())) if isinstance(node, ast.FunctionDef)
        }
        assert "test_every_command_of_the_page" in names, place


def names_in(text: str) -> list[str]:
    """What stands in italics: pages, buttons and words as they are on the screen; `…` stands for what differs."""
    outside = re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL)
    found = re.findall(r"(?<![*\w])\*([^*\n]+(?:\n[^*\n]+)?)\*(?![*\w])", outside)
    return [part.strip() for name in found for part in " ".join(name.split()).split("…") if part.strip()]


@pytest.mark.parametrize("page", [*TUTORIAL, *(page for page in HOW_TO if page.stem == "let-others-help")], ids=named)
def test_what_a_page_calls_by_name_is_called_so(page: Path) -> None:
    """A button that was renamed would be looked for in vain."""
    template = (page.parents[2] / "src" / "seawall" / "locale" / "seawall.pot").read_text(encoding="utf-8")
    texts = template.replace('"\n"', "")
    assert [name for name in names_in(page.read_text(encoding="utf-8")) if name not in texts] == []


def test_names_are_found() -> None:
    text = "Press *Try the test card*, then *Send a test mail\nto … and save*. **Bold**, 2*3*4, `*.moved` and `*`.\n"
    assert names_in(text) == ["Try the test card", "Send a test mail to", "and save"]
