"""`python -m benchmarks NAME|all --size tiny|small|full`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import http_verdict, machine, picture_hash, report, search
from benchmarks.model import Report, Row, Size
from benchmarks.rounds import say

PAGE = Path(__file__).parents[1] / "docs" / "why" / "performance.md"

#: The rows of the goals that have something to measure today.
ROWS: dict[str, Callable[[Size], Row]] = {
    "K1": search.run,
    "P1": picture_hash.run_files,
    "P3": picture_hash.run_pixels,
    "S2": http_verdict.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    described = machine.describe()
    started = datetime.now(UTC)
    names = list(ROWS) if given.name == "all" else [given.name]
    rows = []
    for name in names:
        began = time.monotonic()
        rows.append(ROWS[name](Size(given.size)))
        say(f"{name}: done in {time.monotonic() - began:.0f} s")
    made = Report(size=Size(given.size), started=f"{started:%Y-%m-%dT%H:%M:%SZ}", machine=described, rows=tuple(rows))
    print(report.markdown(made))
    for path in report.write(made):
        say(f"written: {path}")
    if given.docs:
        report.put_into(PAGE, made)
        say(f"written: {PAGE}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", choices=[*ROWS, "all"], help="a row of the goals, or all of them")
    parser.add_argument("--size", choices=[str(size) for size in Size], default="small", help="default: small")
    parser.add_argument("--docs", action="store_true", help="also put the table into docs/why/performance.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
