"""The commands that pages show, block by block, and which of them can be run as they stand.

A block begins with ```` ```console ```` (each command after `$ `, with what it prints below) or ```` ```sh ````
(commands alone). What no machine can run as it stands says so behind the language, with the reason:
```` ```sh no-run: needs systemd ````. Everything else is run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

#: The pages whose commands a reader types. Each new one is found.
HOW_TO = sorted((DOCS / "how-to").glob("*.md"))
TUTORIAL = sorted((DOCS / "tutorial").glob("*.md"))

NO_RUN = "no-run: "

_BLOCK = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]+)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block. `remark` is what stands behind the language."""

    language: str
    remark: str
    body: str

    @property
    def is_run(self) -> bool:
        return self.language in {"console", "sh"} and not self.remark.startswith(NO_RUN)

    @property
    def steps(self) -> list[tuple[str, list[str]]]:
        """Each command, with the lines it is said to print."""
        if self.language == "sh":
            return [(self.body, [])]
        found = []
        for step in re.split(r"^\$ ", self.body, flags=re.MULTILINE)[1:]:
            command, *printed = step.strip("\n").splitlines()
            while command.endswith("\\") and printed:
                command = f"{command}\n{printed.pop(0)}"
            found.append((command, [line.strip() for line in printed if line.strip()]))
        return found


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, without the indent of the list it stands in."""
    found = []
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        language, _, remark = block["info"].partition(" ")
        lines = [line.removeprefix(block["indent"]) for line in block["body"].splitlines(keepends=True)]
        found.append(Block(language=language, remark=remark, body="".join(lines)))
    return found


def runnable(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every command of the page that is run, in order."""
    for block in blocks(page):
        if block.is_run:
            yield from block.steps


def is_ours_alone(page: Path) -> bool:
    """Whether every command is `seawall …` on one line, so that it can be run quickly in one process."""
    commands = [line for command, _ in runnable(page) for line in command.strip().splitlines()]
    return all(re.fullmatch(r"seawall [^|<>&;$]*", line) for line in commands)
