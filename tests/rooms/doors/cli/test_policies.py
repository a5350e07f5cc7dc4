import json
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.doors.cli.conftest import CommandLine

RULE = {
    "name": "listed-text",
    "action": "hold",
    "code": "tvec",
    "text": "Resembles listed material.",
    "public_text": "A person will look.",
    "banks": ["mine"],
}


def write(path: Path, rules: Any) -> Path:
    path.write_text(json.dumps(rules))
    return path


def test_what_show_prints_can_be_saved_again(seawall: CommandLine, tmp_path: Path) -> None:
    (rules,) = seawall.json("policy", "show")
    (saved,) = seawall.json("policy", "save", write(tmp_path / "rules.json", rules), "--note", "the same")
    assert saved["version"] == 2
    assert [one["note"] for one in seawall.json("policy", "list")] == ["built-in", "the same"]
    assert seawall.json("policy", "show") == [rules]


def test_a_saved_rule_is_in_force_at_once(seawall: CommandLine, tmp_path: Path) -> None:
    seawall("bank", "create", "mine")
    seawall("bank", "add", "mine", "--text", "listed")
    seawall("screen", "--text", "listed", code=11)
    path = write(tmp_path / "rules.json", [RULE])
    assert "is fine: 1 rules" in seawall("policy", "check", path).out
    seawall("policy", "save", path)
    (line,) = seawall.json("screen", "--text", "listed", code=10)
    assert line["reasons"][0] == {"rule": "listed-text", "code": "tvec", "text": RULE["text"]}
    assert line["policy"]["version"] == 2


def test_standard_input(seawall: CommandLine) -> None:
    seawall("bank", "create", "mine")
    seawall("policy", "check", "-", stdin=json.dumps([RULE]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a JSON list of rules"),
        (b"[", "not a JSON list of rules"),
        (b"\xff\xfe", "not a JSON list of rules"),
        (b"[]", "no rule"),
        (b'{"rules": []}', "not a JSON list of rules"),
        (json.dumps([RULE]).encode(), "unknown bank 'mine'"),
        (json.dumps([{**RULE, "banks": ["test-card"], "colour": "blue"}]).encode(), "colour"),
        (json.dumps([{**RULE, "banks": ["test-card"]}] * 2).encode(), "appears twice"),
        (b"[" * 100_000, "not a JSON list of rules"),
        (b" " * (5 * 1024 * 1024), "has more than"),
    ],
)
def test_a_bad_policy_is_neither_fine_nor_saved(
    seawall: CommandLine, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(content)
    refusals = [seawall("policy", verb, path, code=1) for verb in ("check", "save")]
    assert all(said in one.err + one.out for one in refusals)
    assert len(seawall.json("policy", "list")) == 1


def test_check_names_every_problem_for_programs(seawall: CommandLine, tmp_path: Path) -> None:
    path = write(tmp_path / "rules.json", [{**RULE, "text": ""}])
    (line,) = seawall.json("policy", "check", path, code=1)
    assert len(line["problems"]) == 2


def test_a_missing_file_is_said(seawall: CommandLine, tmp_path: Path) -> None:
    assert "No such file" in seawall.refused("policy", "save", tmp_path / "missing.json")


def test_a_directory_without_a_policy_says_what_to_do(on_both: CommandLine) -> None:
    assert "seawall serve" in on_both.refused("policy", "show")


def test_banks_and_labels_are_both_needed_and_so_it_says(seawall: CommandLine, tmp_path: Path) -> None:
    for name in ("mine", "other"):
        seawall("bank", "create", name)
    rule = {**RULE, "banks": ["mine", "other"], "labels": ["tvec", "manual"], "max_distance": 5, "min_confirmed_by": 2}
    seawall("policy", "save", write(tmp_path / "rules.json", [rule, {**RULE, "name": "second"}]))
    said = seawall("policy", "show").out
    both = "bank mine or bank other and label tvec or label manual and distance up to 5 and confirmed by 2 or more"
    assert [line.split("when")[1].strip() for line in said.splitlines() if "  when " in line] == [both, "bank mine"]
