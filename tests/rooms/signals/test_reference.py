"""docs/reference/signals.md says what the code does: every gap, every type, every limit."""

import ast
import re
from pathlib import Path

import pytest

from seawall.signals import SIGNAL_TYPES, Kind
from seawall.signals.image import decode
from seawall.signals.jail import MAX_PAYLOAD, boundary
from seawall.signals.text.normal import MAX_COMBINING_MARKS, MAX_TEXT_LENGTH
from seawall.signals.url import MAX_URL_LENGTH
from seawall.signals.url.canonical import TRACKING_PREFIXES

PAGE = Path("docs/reference/signals.md").read_text(encoding="utf-8")
SOURCES = ["extract.py", "image/decode.py", "jail/boundary.py"]

#: Calls whose first word is the code of a gap.
MAKERS = {"_gap", "_Broken", "JailRefused"}


def codes_in_the_source() -> set[str]:
    found: set[str] = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(Path("src/seawall/signals", source).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            words = [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
            words += [
                key.value.value for key in node.keywords if key.arg == "code" and isinstance(key.value, ast.Constant)
            ]
            if node.func.id in {*MAKERS, "Gap"}:
                found.update(str(word) for word in words)
    return found


def test_the_page_lists_exactly_the_codes_that_the_code_gives() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Gaps")[2], re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == codes_in_the_source()


def test_the_page_lists_every_type_and_kind() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("## What each kind")[0], re.MULTILINE)) == set(SIGNAL_TYPES)
    kinds = PAGE.partition("## What each kind")[2].partition("## Pictures")[0]
    assert set(re.findall(r"`(\w+)`", kinds)) >= {kind.value for kind in Kind}


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("pixels of one picture", decode.MAX_PIXELS),
        ("frames", decode.MAX_FRAMES),
        ("pixels of all frames together", decode.MAX_PIXELS_IN_ALL),
        ("bytes of one file", MAX_PAYLOAD),
        ("seconds for one file", int(boundary.DEADLINE)),
        ("memory of a decode worker", f"{boundary.MEMORY // 1024**3} GiB"),
    ],
)
def test_the_page_states_the_limits_of_the_code(label: str, value: int | str) -> None:
    written = f"{value:,}".replace(",", " ") if isinstance(value, int) else value
    assert f"| {label} | {written} |" in PAGE


def test_the_page_states_the_limits_in_its_sentences() -> None:
    for number in (MAX_TEXT_LENGTH, MAX_URL_LENGTH):
        assert f"{number:,}".replace(",", " ") in PAGE
    assert f"the first {MAX_COMBINING_MARKS} stay" in PAGE
    assert all(f"`{prefix}`" in PAGE for prefix in TRACKING_PREFIXES)
