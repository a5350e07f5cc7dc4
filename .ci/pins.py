#!/usr/bin/env python3
"""Prints what Seawall needs to run, pinned by hash: of locks/dev.txt the part that is not only for development.

The lock says of each package who asked for it (`# via`); Seawall's own needs and theirs are followed from there. The
driver of PostgreSQL is among them. With a WHEEL, that is pinned as well: for `pip install --require-hashes -r`.
"""

import hashlib
import re
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "locks" / "dev.txt"
ASKED_BY = re.compile(r"^ +#(?: via)? +(\S.*)$", re.MULTILINE)


def pins(lock: str) -> list[str]:
    """The entries of the lock that Seawall needs, in the lock's order; a package may have one for each Python."""
    entries = [(entry.partition("==")[0], entry) for entry in re.split(r"\n(?=[a-z0-9])", lock.strip())]
    needed = {"seawall (pyproject.toml)"}
    before = 0
    while len(needed) > before:
        before = len(needed)
        needed |= {name for name, entry in entries if needed.intersection(ASKED_BY.findall(entry))}
    return [entry for name, entry in entries if name in needed]


def main(wheels: list[str]) -> None:
    """Print them."""
    lines = pins(LOCK.read_text(encoding="utf-8"))
    for wheel in map(Path, wheels):
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{wheel.resolve().as_uri()} --hash=sha256:{digest}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
