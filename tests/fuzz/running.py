"""Running targets: each in a child that keeps its present input in a file, where a crash cannot take it along."""

import hashlib
import json
import mmap
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.mutation import LONGEST, mutated
from tests.fuzz.target import Opening, Target, say

ROOT = Path(__file__).parents[2]

#: Failing inputs are kept here, outside the source tree's tracked files.
FAILURES = ROOT / "build" / "fuzz-failures"

#: Setting up, the last input and taking down may take this long beyond the time given, on a busy machine.
GRACE = 90.0

#: Inputs with a new outcome are mutated further; more than this many would leave the first ones unvisited.
MOST_INPUTS = 400

_BESIDE_THE_POINT = re.compile(r"\d+|'.*?'|\".*?\"")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """`problem` is empty when every promise was kept."""

    target: str
    iterations: int
    outcomes: int
    seconds: float
    problem: str = ""
    kept: Path | None = None


class Present:
    """The input being tried, in a mapped file: four bytes of length, then the input."""

    def __init__(self, path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(4 + LONGEST)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def put(self, data: bytes) -> None:
        self._map[: 4 + len(data)] = len(data).to_bytes(4, "big") + data

    @staticmethod
    def read(path: Path) -> bytes:
        stored = path.read_bytes() if path.exists() else bytes(4)
        return stored[4 : 4 + int.from_bytes(stored[:4], "big")]


def run_apart(name: str, *, seconds: float, seed: int, program: str = "tests.fuzz") -> Ran:
    """Run one target in a child; a crash, a hang and a broken promise each become a problem with its input."""
    with tempfile.TemporaryDirectory(prefix="seawall-fuzz-") as directory:
        present = Path(directory) / "present"
        command = [sys.executable, "-m", program, "--inside", directory, "--target", name]
        command += ["--seconds", str(seconds), "--seed", str(seed)]
        began = time.monotonic()
        try:
            # The output goes to a file: a grandchild that outlives a crash would keep a pipe open.
            with (Path(directory) / "said").open("w+", encoding="utf-8") as said:
                done = subprocess.run(
                    command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, timeout=seconds + GRACE, check=False
                )
                said.seek(0)
                text, status = said.read(), done.returncode
        except subprocess.TimeoutExpired:
            text, status = f"no end {GRACE:.0f} s after its time: the input hangs", None
        took = time.monotonic() - began
        *lines, last = text.strip().splitlines() or [""]
        if status == 0 and last.startswith("{"):
            for line in lines:
                say(line)
            result = json.loads(last)
            return Ran(target=name, iterations=result["iterations"], outcomes=result["outcomes"], seconds=took)
        ended = f"ended by {signal.Signals(-status).name}" if status is not None and status < 0 else ""
        return Ran(
            target=name,
            iterations=0,
            outcomes=0,
            seconds=took,
            problem="\n".join(filter(None, (ended, text[-4000:]))),
            kept=keep(name, Present.read(present)),
        )


def keep(name: str, data: bytes) -> Path:
    """Save an input where a person can look at it."""
    FAILURES.mkdir(parents=True, exist_ok=True)
    path = FAILURES / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def run_inside(name: str, opening: Opening, directory: Path, *, seconds: float, seed: int) -> int:
    """The child's part: mutate and check until the time is over. The last line of output is its result."""
    random, present = Random(f"{seed}/{name}"), Present(directory / "present")
    work = directory / "work"
    work.mkdir()
    with opening(work) as target:
        inputs, outcomes, iterations = list(target.seeds), set[str](), 0
        try:
            for given in target.seeds:
                present.put(given[:LONGEST])
                outcomes.add(_plain(target.check(given)))
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                data = _next(target, inputs, random)
                present.put(data)
                outcome = _plain(target.check(data))
                iterations += 1
                if outcome not in outcomes and len(inputs) < MOST_INPUTS:
                    inputs.append(data)
                outcomes.add(outcome)
            target.finish()
        except Exception:  # noqa: BLE001 - whatever it is, it is what we are looking for
            traceback.print_exc(file=sys.stdout)
            say(f"iteration {iterations} of seed {seed}")
            return 1
    say(json.dumps({"iterations": iterations, "outcomes": len(outcomes)}))
    return 0


def try_once(opening: Opening, data: bytes) -> None:
    """One saved input again, in this process, with its traceback."""
    with tempfile.TemporaryDirectory(prefix="seawall-fuzz-") as directory, opening(Path(directory)) as target:
        say(target.check(data))


def _next(target: Target, inputs: list[bytes], random: Random) -> bytes:
    data = mutated(inputs, target.words, random)
    return target.repair(data)[:LONGEST] if target.repair is not None and random.random() < 0.5 else data


def _plain(outcome: str) -> str:
    """The outcome without what was quoted from the input: only a new kind of outcome is news."""
    return _BESIDE_THE_POINT.sub("#", outcome)[:120]


def run_all(targets: Mapping[str, Opening], *, seconds: float, seed: int) -> list[Ran]:
    """The time is split evenly; targets run one after another."""
    results = []
    for name in targets:
        result = run_apart(name, seconds=seconds / len(targets), seed=seed)
        results.append(result)
        rate = result.iterations / result.seconds if result.seconds else 0
        state = "FAILED" if result.problem else f"{result.iterations:>9,} inputs {rate:>9,.0f}/s"
        say(f"{name:<14} {state}  {result.outcomes} kinds of outcome")
    return results
