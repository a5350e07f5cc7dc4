"""`python -m tests.fuzz --seconds N [--seed S] [--target NAME] [--input FILE]`."""

import argparse
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fuzz import files, gate, pictures, texts
from tests.fuzz.running import run_all, run_inside, try_once
from tests.fuzz.target import Opening, say

TARGETS: dict[str, Opening] = {
    "snapshot": files.snapshots,
    "gate-state": files.gate_states,
    "gate-body": gate.bodies,
    "url": texts.urls,
    "text": texts.texts,
    "list": texts.lists,
    "picture": pictures.pictures,
    "checkpoint": texts.checkpoints,
    "json": texts.json,
}


def main(arguments: Sequence[str] | None = None, targets: Mapping[str, Opening] = TARGETS) -> int:
    parser = _parser(targets)
    given = parser.parse_args(arguments)
    seed = secrets.randbits(32) if given.seed is None else given.seed
    if given.inside:
        return run_inside(given.target, targets[given.target], given.inside, seconds=given.seconds, seed=seed)
    if given.input:
        if not given.target:
            parser.error("--input needs --target: the file is named after its target")
        try_once(targets[given.target], given.input.read_bytes())
        return 0
    chosen = {name: opening for name, opening in targets.items() if given.target in {None, name}}
    say(f"fuzzing {len(chosen)} targets for {given.seconds:g} s in all, seed {seed}")
    failed = [result for result in run_all(chosen, seconds=given.seconds, seed=seed) if result.problem]
    for result in failed:
        say(f"\n{result.target} FAILED with --seed {seed}; the input is kept in {result.kept}\n{result.problem}")
        say(f"again: python -m tests.fuzz --target {result.target} --input {result.kept}")
    return 1 if failed else 0


def _parser(targets: Mapping[str, Opening]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Mutation fuzzing of every parser.")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all, split evenly among the targets")
    parser.add_argument("--seed", type=int, help="the same seed tries the same inputs in the same order")
    parser.add_argument("--target", choices=list(targets), help="only this one")
    parser.add_argument("--input", type=Path, help="try one kept input again (with --target)")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
