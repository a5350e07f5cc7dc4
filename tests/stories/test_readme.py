"""The README's first result: its curl line is run against its demonstration, and the answer is of the printed form."""

import json
import re
import shlex
import subprocess
import sys
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any
from uuid import UUID

from PIL import Image

from tests.stories.serving import Server, environment

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "src" / "seawall" / "doors" / "cli" / "demo"
README = (ROOT / "README.md").read_text(encoding="utf-8")

#: What is another in every run.
VARYING = {"id", "screened_at", "signal", "explain_url"}


def block_after(marker: str) -> str:
    """The fenced block that follows this text in the README."""
    found = re.search(re.escape(marker) + r".*?\n```\w*\n(.*?)\n```", README, re.DOTALL)
    assert found, f"README has no block after {marker!r}"
    return found.group(1)


def without_varying(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "…" if key in VARYING else without_varying(one) for key, one in value.items()}
    return [without_varying(one) for one in value] if isinstance(value, list) else value


def explained_by(url: str) -> str:
    """The id of the screening that such a link is about (see `screening.explain`)."""
    address, token = url.rsplit("/", 1)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/x", address), url
    assert re.fullmatch(r"[\w-]{48}", token), url
    return f"scr_{UUID(bytes=urlsafe_b64decode(token)[4:20])}"


def test_the_first_result_is_what_the_readme_says(tmp_path: Path) -> None:
    command = block_after("tests/stories/test_readme.py")
    with Server(tmp_path / "seawall-demo", command=("demo",)) as server:
        assert "http://127.0.0.1:8080" in command
        typed = command.replace("http://127.0.0.1:8080", server.url)
        run = subprocess.run(
            ["bash", "-c", typed], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30
        )
        printed = server.log.read_text()
    assert typed in printed.replace(f"{tmp_path}/", ""), "the demonstration prints another line than the README"
    answer = json.loads(run.stdout)
    assert answer["verdict"] == "block"
    printed_there = json.loads(block_after("your ids and times differ"))
    assert without_varying(answer) == without_varying(printed_there)
    assert all(explained_by(one["explain_url"]) == one["id"] for one in (answer, printed_there))


def typed_in(place: Path, command: str) -> subprocess.CompletedProcess[str]:
    program, *words = shlex.split(command)
    assert program == ".venv/bin/seawall"
    typed = [sys.executable, "-m", "seawall", *words]
    return subprocess.run(typed, cwd=place, env=environment(), capture_output=True, text=True, check=False, timeout=60)


def test_a_picture_of_ones_own_is_stopped_as_the_readme_says(tmp_path: Path) -> None:
    for name, picture in (("my-photograph", "orchard"), ("an-edited-copy", "orchard")):
        with Image.open(PICTURES / f"{picture}.jpg") as opened:
            small = opened.resize((opened.width * 3 // 4, opened.height * 3 // 4)) if "copy" in name else opened
            small.save(tmp_path / f"{name}.jpg", quality=60)
    commands = block_after("## Stop one of your own").split("\n")
    assert len(commands) == 3
    with Server(tmp_path / "seawall-demo", command=("demo",)):
        *_, last = [typed_in(tmp_path, command) for command in commands]
    assert (last.returncode, ": BLOCK" in last.stdout, "bank ours" in last.stdout) == (11, True, True), last.stdout


def test_the_readme_names_its_two_commands() -> None:
    assert block_after("nothing else, no service, no account").split("\n") == ["make serve", "make test"]
