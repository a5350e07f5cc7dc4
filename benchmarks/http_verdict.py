"""S2: an HTTP upload of a picture → a verdict, on one core: decoded in the jail, its ledger row durable.

Beside it the stand-in (`benchmarks/stand_in.py`), which hashes and matches the same pictures against the same hashes
without jail and without ledger. Both servers are pinned to one core, the client to another.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from benchmarks import hashes, peers, pictures
from benchmarks.client import Answered, Ask
from benchmarks.model import Figure, Goal, Part, Row, Size, WrongAnswer
from benchmarks.processes import ROOT, Server, free_port, get, running
from benchmarks.rounds import Rounds, rates, ratios, say
from benchmarks.stand_in import HASHES
from seawall.signals.image import compute

SEED = 2_017
WIDTH, HEIGHT = 1200, 800
PICTURES, LISTED = 16, 2
#: Bits between a listed picture and its listed hash: a near match, as edited copies give.
DISTANCE = 10

SEAWALL, STAND_IN = "seawall serve", "stand-in (threatexchange, Flask, gunicorn)"
GOALS = {STAND_IN: Goal(least=5)}
PEERS = ("faiss", "flask", "gunicorn", "threatexchange")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    listed: int
    seconds: float
    rounds: int


SCALES = {
    Size.TINY: Scale(listed=10_000, seconds=1.5, rounds=5),
    Size.SMALL: Scale(listed=100_000, seconds=4.0, rounds=5),
    Size.FULL: Scale(listed=1_000_000, seconds=15.0, rounds=7),
}

#: Requests under way at once: enough to keep one core busy, few enough that the time of an answer means something.
CONNECTIONS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One running server and what its rounds gave: seconds of each answer, and processor time of a request."""

    kind: str
    server: Server
    key: str = ""
    latencies: list[list[float]] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)


def run(size: Size) -> Row:
    scale = SCALES[size]
    missing = tuple(name for name in PEERS if peers.find(name) is None)
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as name, ExitStack() as servers:
        directory = Path(name)
        files = _pictures(directory)
        rows = _listed(files, scale.listed)
        subjects = {SEAWALL: servers.enter_context(_seawall(directory, rows))}
        if not missing:
            subjects[STAND_IN] = servers.enter_context(_stand_in(directory, rows))
        measured = _rounds(subjects, files, directory, scale)
        checks = _checks(subjects)
    return Row(
        name="S2",
        work=f"HTTP upload of a {WIDTH} x {HEIGHT} JPEG → verdict, per core, {scale.listed:,} hashes listed",
        command=f"python -m benchmarks S2 --size {size}",
        parts=_parts(subjects, measured, GOALS if size != Size.TINY else dict.fromkeys(GOALS)),
        checks=checks,
        notes=_notes(),
        missing=missing,
    )


def _notes() -> tuple[str, ...]:
    apart = "the client has another core" if _cores()[0] != _cores()[1] else "one core only: the client shares it"
    return (
        f"both servers on the same core in turn, {apart}; {CONNECTIONS} connections, closed loop",
        "Seawall decodes in the jail and answers when its ledger row is durable; the stand-in has neither",
        f"{PICTURES} pictures, {LISTED} of them listed at {DISTANCE} bits; seed {SEED}",
        "gunicorn: 2 sync workers with --preload; one works while the other reads",
    )


def _cores() -> tuple[int, int]:
    """The server's and the client's."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1], cores[0]


def _pictures(directory: Path) -> list[Path]:
    say(f"S2: drawing {PICTURES} pictures")
    made = []
    for number in range(PICTURES):
        path = directory / f"{'listed' if number < LISTED else 'other'}-{number}.jpg"
        path.write_bytes(pictures.jpeg(WIDTH, HEIGHT, SEED + number))
        made.append(path)
    return made


def _listed(files: Sequence[Path], count: int) -> hashes.Hashes:
    """Made-up hashes, and near ones of the listed pictures; shape (count, 32)."""
    random = np.random.default_rng(SEED)
    rows = hashes.listed(count, SEED)
    for number, path in enumerate(files[:LISTED]):
        value = np.frombuffer(compute(pictures.pixels(path.read_bytes())).value, np.uint8)
        rows[number * (count // LISTED)] = hashes.with_flipped_bits(value, DISTANCE, random)
    return rows


@contextmanager
def _seawall(directory: Path, rows: hashes.Hashes) -> Iterator[Subject]:
    data, listing, port = directory / "data", directory / "listed.csv", free_port()
    listing.write_text("type,value,quality\n" + "".join(f"pdq,{row.tobytes().hex()},100\n" for row in rows))
    # From outside and trusted to block: a hold would also have to keep the picture, which the stand-in does not.
    create = ["bank", "create", "listed", "--listed-by", "the benchmark", "--trust", "--default-action", "block"]
    _cli(data, *create)
    surface = ["surface", "create", "posts", "--audience", "public", "--fail-mode", "hold", "--hold-expiry", "refuse"]
    _cli(data, *surface)
    key = _cli(data, "key", "create", "benchmark", "--scope", "screen", "--scope", "read").split()[-1]
    say(f"S2: importing {len(rows):,} hashes")
    _cli(data, "bank", "import", "listed", str(listing))
    command = [sys.executable, "-m", "seawall", "serve", "--data-dir", str(data), "--port", str(port)]
    say("S2: starting Seawall")
    with running(
        [*command, "--decoders", "1"],
        port=port,
        ready="/readyz",
        core=_cores()[0],
        log=directory / "seawall.log",
        environment={},
    ) as server:
        yield Subject(kind="seawall", server=server, key=key)


def _cli(data: Path, *arguments: str) -> str:
    """The command's standard output."""
    command = [sys.executable, "-m", "seawall", *arguments, "--data-dir", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments[:2])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def _stand_in(directory: Path, rows: hashes.Hashes) -> Iterator[Subject]:
    path, port = directory / "hashes.npy", free_port()
    np.save(path, rows)
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--preload", "--timeout", "0"]
    command += ["--bind", f"127.0.0.1:{port}", "benchmarks.stand_in:create_app()"]
    say("S2: starting the stand-in")
    with running(
        command,
        port=port,
        ready="/livez",
        core=_cores()[0],
        log=directory / "stand-in.log",
        environment={HASHES: str(path)},
    ) as server:
        yield Subject(kind="stand-in", server=server)


def _rounds(subjects: Mapping[str, Subject], files: Sequence[Path], directory: Path, scale: Scale) -> Rounds:
    measured: Rounds = {name: [] for name in subjects}
    for number in range(-1, scale.rounds):
        order = sorted(subjects, reverse=bool(number % 2))
        for name in order:
            seconds = scale.seconds if number >= 0 else min(scale.seconds, 2.0)
            per_request = _one_round(name, subjects[name], files, directory, seconds)
            if number >= 0:
                measured[name].append(per_request)
            else:  # the round before the first one warms both up
                subjects[name].latencies.clear()
                subjects[name].processor_ms.clear()
        say(f"S2: round {number + 1} of {scale.rounds}")
    return measured


def _one_round(name: str, subject: Subject, files: Sequence[Path], directory: Path, seconds: float) -> float:
    ask = Ask(
        kind=subject.kind,
        port=subject.server.port,
        key=subject.key,
        pictures=tuple(map(str, files)),
        seconds=seconds,
        connections=CONNECTIONS,
    )
    asking = directory / "ask.json"
    asking.write_bytes(msgspec.json.encode(ask))
    before = subject.server.processor_seconds()
    command = ["taskset", "-c", str(_cores()[1]), sys.executable, "-m", "benchmarks.client", str(asking)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    taken = subject.server.processor_seconds() - before
    answered = msgspec.json.decode(done.stdout, type=Answered)
    if answered.wrong or not answered.latencies:
        raise WrongAnswer(f"{name}: {answered.wrong[:3] or 'no answers at all'}")
    if answered.last_id:
        _require_row(subject, answered.last_id)
    subject.latencies.append(list(answered.latencies))
    subject.processor_ms.append(1000 * taken / answered.sent)
    return answered.seconds / len(answered.latencies)


def _require_row(subject: Subject, screening: str) -> None:
    status, body = get(subject.server.port, f"/v1/screenings/{screening}", subject.key)
    if status != 200:
        raise WrongAnswer(f"the ledger does not know {screening}, which was answered: {status} {body[:300]!r}")


def _parts(subjects: Mapping[str, Subject], measured: Rounds, goals: Mapping[str, Goal | None]) -> tuple[Part, ...]:
    """Requests a second have the goal. Processor time is what a core gives on a machine that other work shares."""
    processor = {name: subject.processor_ms for name, subject in subjects.items()}
    return (
        Part(name="per core", figures=rates(measured, "requests/s"), ratios=ratios(measured, SEAWALL, goals)),
        Part(
            name="processor time",
            figures=tuple(Figure.of(name, "ms a request", values) for name, values in processor.items()),
            ratios=ratios(processor, SEAWALL, dict.fromkeys(goals)),
        ),
        Part(name="time of an answer", figures=tuple(_answer_times(subjects))),
    )


def _answer_times(subjects: Mapping[str, Subject]) -> Iterator[Figure]:
    for name, subject in subjects.items():
        for percent in (50, 99):
            each = [1000 * float(np.percentile(one, percent)) for one in subject.latencies]
            yield Figure.of(name, f"ms (p{percent})", each)


def _checks(subjects: Mapping[str, Subject]) -> tuple[str, ...]:
    answers = sum(len(one) for subject in subjects.values() for one in subject.latencies)
    return (
        f"all {answers:,} counted answers were right: listed pictures matched, others did not, none was degraded",
        "after each round the ledger row of an answered verdict was read back",
    )
