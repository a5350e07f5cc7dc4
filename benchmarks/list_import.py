"""`python -m benchmarks.list_import [LINES]`: how long `seawall bank import` takes for a list of PDQ hashes.

No peer does the same work (durable rows with provenance, a digest over them, nothing visible before the end), so this
is a time and not a ratio. It stands in docs/how-to/import-a-list.md.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import hashes, machine

LINES = 1_000_000
SEED = 20_170_626


def write_list(path: Path, lines: int) -> None:
    """A CSV as a hash-sharing programme would hand it over."""
    with path.open("w", encoding="ascii") as out:
        out.write("type,value,quality\n")
        out.writelines(f"pdq,{row.tobytes().hex()},100\n" for row in hashes.listed(lines, SEED))


def measure(lines: int, place: Path) -> tuple[float, float]:
    """Seconds by the clock, and seconds of processor time, from the command's start to its end."""
    path = place / "list.csv"
    write_list(path, lines)
    seawall = [sys.executable, "-m", "seawall", "--data-dir", str(place / "data"), "bank"]
    subprocess.run([*seawall, "create", "forum", "--listed-by", "Example"], check=True, stdout=subprocess.DEVNULL)
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    said = subprocess.run([*seawall, "import", "forum", str(path)], check=True, capture_output=True, text=True)
    seconds, now = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if f"{lines} signals listed" not in said.stdout:
        raise AssertionError(f"not every line was imported: {said.stdout}")
    return seconds, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    described = machine.describe()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        seconds, processor = measure(lines, Path(place))
    print(f"{lines:,} lines in {seconds:.1f} s ({processor:.1f} s of processor time), load before {load:.1f}")
    print(f"{described.processor}, {described.cores} cores, {described.system}")


if __name__ == "__main__":
    main()
