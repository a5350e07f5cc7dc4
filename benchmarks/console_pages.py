"""`python -m benchmarks.console_pages [--calls 20]`: how long each page of the console takes with 100 000 holds and a
million signals on SQLite, in process and one call after another: wall and CPU milliseconds, p50 and p95.

The data is that of the tests (`tests.plenty`), so the pages are those of `tests/contracts/test_pages_are_lean.py`.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import machine
from seawall import app
from seawall.settings import Settings

#: The pages that people look at every day, by the address's name.
EVERY_DAY = (
    "home", "sources", "holds", "hold", "try_it", "explain", "log", "health", "banks", "bank", "signal",
    "policy", "rule", "versions", "version", "surfaces", "keys", "people", "me", "account_login",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console_pages", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="timed calls of each page (default: 20)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        settings = Settings(data_dir=Path(place) / "data", decoders=1)
        # Modules with tables can only be imported once Django is set up, and the tests' data has such.
        app.prepare(settings)
        print(_described(given.calls))
        for line in _timed(settings, Path(place), given.calls):
            print(line, flush=True)
    return 0


def _described(calls: int) -> str:
    on = machine.describe()
    return (
        f"{on.processor}, {on.cores} cores, {on.memory_gib} GiB, {on.system}; "
        f"load before the run {os.getloadavg()[0]:.2f}; {calls} calls of each page, after one that is not timed\n\n"
        "| page | wall p50 | wall p95 | CPU p50 | CPU p95 |\n|---|---|---|---|---|"
    )


def _timed(settings: Settings, scratch: Path, calls: int) -> Iterator[str]:
    from tests.plans import time_calls
    from tests.plenty import fill
    from tests.rooms.doors.console.browsing import open_console
    from tests.rooms.doors.console.pages import PAGES, populate

    plenty = fill(settings)
    with open_console(settings) as console:
        populated = populate(console, scratch)
        populated.values.update(bank="forum", signal=plenty.signal, readable=plenty.readable[0])
        for page in (page for name in EVERY_DAY for page in PAGES[name] if page.status == 200):
            browser, path = populated.browsers[page.who], populated.path(page)
            timed = time_calls(partial(browser.get, path), calls)
            figures = (timed.wall_p50, timed.wall_p95, timed.cpu_p50, timed.cpu_p95)
            yield f"| {page} | " + " | ".join(f"{one:.1f}" for one in figures) + " |"


if __name__ == "__main__":
    sys.exit(main())
