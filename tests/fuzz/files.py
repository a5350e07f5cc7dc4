"""Targets that read files of our own which a disk or an intruder may have changed: index snapshot and gate state."""

import hashlib
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from seawall.doors.gate import StateHolder
from seawall.matching.index import Index
from seawall.matching.model import Attributes, IndexedSignal
from seawall.matching.snapshot import BadSnapshot
from seawall.screening.gate_state import STATE_FILE
from seawall.signals.extract import SIGNAL_TYPES
from tests.fuzz.target import Broken, Target
from tests.rooms.doors.scene import cast, publish

#: docs/reference/index-file.md: magic, version, number of sections, file size; then the sections' table.
_HEAD_BYTES, _SECTION_BYTES, _CHECKSUM_BYTES = 32, 72, 32

_QUESTIONS = (
    ("pdq", "f8" * 32, 31),
    ("pdq", "00" * 32, 64),
    ("sha256", "07" * 32, 0),
    ("md5", "03" * 16, 0),
    ("url", "https://example.org/5", 0),
)


@contextmanager
def snapshots(directory: Path) -> Iterator[Target]:
    """With its checksums verified a file answers as it did or is refused; without, it may answer but never crash."""
    path = directory / "index.snapshot"
    seeds = []
    for signals in (_signals(), _signals()[:30], []):
        Index.build(signals).save(path)
        seeds.append(path.read_bytes())
    truth = {_head(seed): repr(_answers(_opened(path, seed, verify=True))) for seed in seeds}

    def check(data: bytes) -> str:
        outcome = "opened"
        try:
            _answers(_opened(path, data, verify=False))
        except BadSnapshot as error:
            outcome = str(error)
        # Whoever can write checksums into the header may change answers; damage may not.
        if _head(data) in truth:
            try:
                answers = _answers(_opened(path, data, verify=True))
            except BadSnapshot as error:
                return f"{outcome}, {error}"
            if repr(answers) != truth[_head(data)]:
                raise Broken("a changed file passed its checksums and answers differently")
        return outcome

    words = [b"pdq.digests", b"pdq.ids", b"url.attributes", b"attributes", b"SEAWALL-INDEX\r\n\x1a"]
    yield Target(seeds=seeds, words=words, check=check, repair=_with_checksum)


def _signals() -> list[IndexedSignal]:
    made = []
    for number in range(120):
        attributes = Attributes(bank=f"bank-{number % 3}", labels=("made-up",), confirmed_by=number % 4)
        values = {
            "pdq": bytes((number * step) % 256 for step in range(32)).hex(),
            "sha256": f"{number:02x}" * 32,
            "md5": f"{number:02x}" * 16,
            "url": f"https://example.org/{number}",
        }
        for type_number, (name, value) in enumerate(values.items()):
            signal_id = f"sig_{UUID(int=number * 10 + type_number)}"
            made.append(IndexedSignal(signal_id=signal_id, type=name, value=value, attributes=attributes))
    return made


def _opened(path: Path, data: bytes, *, verify: bool) -> Index:
    # A new file each time: a mapped one is never written over, here as in earnest.
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return Index.open(path, verify=verify)


def _answers(index: Index) -> list[object]:
    found: list[object] = [sorted(index.counts().items())]
    for name, value, radius in _QUESTIONS:
        hits = index.search(name, value, radius)
        if any(not 0 <= hit.distance <= radius for hit in hits):
            raise Broken(f"a hit of {name} lies outside the radius asked for")
        found.append([(hit.signal_id, hit.distance, hit.attributes.bank) for hit in hits])
    many = index.search_many("pdq", [value for name, value, _ in _QUESTIONS if name == "pdq"], 64)
    return [*found, [[(hit.signal_id, hit.distance) for hit in hits] for hits in many]]


def _head(data: bytes) -> bytes:
    """The header with its table of sections, which its checksum covers."""
    if len(data) < _HEAD_BYTES:
        return data
    _, _, sections, _ = struct.unpack_from("<16sIIQ", data)
    return data[: _HEAD_BYTES + _SECTION_BYTES * min(sections, 256)]


def _with_checksum(data: bytes) -> bytes:
    """The header's checksum made right for what the header says now."""
    head = _head(data)
    return head + hashlib.sha256(head).digest() + data[len(head) + _CHECKSUM_BYTES :]


@contextmanager
def gate_states(directory: Path) -> Iterator[Target]:
    """A holder never raises on a bad file: it keeps what it had and says why."""
    # Each refused state is logged for the operator; here that would be every second input.
    logging.getLogger("seawall.doors.gate.state").setLevel(logging.CRITICAL)
    publish(directory, cast().records)
    state_path = directory / STATE_FILE
    seeds = [state_path.read_bytes(), _with_overlay(state_path.read_bytes())]
    seeds.append(_with_first_line(b'\n{"policy":' + b"[" * 100_000))  # deeper than any parser's stack
    words = [b'"removed":["', b'"snapshot":"', b'"overlay":[', b'"attributes":-1', b"sig_", b"../", b"null", b'"2026-']

    def check(data: bytes) -> str:
        state_path.write_bytes(seeds[0])
        holder = StateHolder(directory)
        if not holder.refresh():
            raise Broken(f"the untouched state was refused: {holder.problem}")
        before = holder.present
        state_path.unlink()
        state_path.write_bytes(data)
        if not holder.refresh():
            if holder.present is not before or (data not in seeds and not holder.problem):
                raise Broken("a refused state replaced the good one, or nobody was told")
            return holder.problem
        if holder.present is None:
            raise Broken("a new state without a state")
        for name in SIGNAL_TYPES:
            value = {"url": "https://listed.example/page", "md5": "00" * 16}.get(name, "00" * 32)
            holder.present.loaded.index.search(name, value, 31)
        return "loaded"

    yield Target(seeds=seeds, words=words, check=check, repair=_with_first_line)


def _with_overlay(state: bytes) -> bytes:
    """The same state with one added and one removed signal."""
    body = state.partition(b"\n")[2]
    signal = f'{{"id":"sig_{UUID(int=1)}","type":"pdq","value":"{"0" * 64}","attributes":0}}'.encode()
    for field, value in (
        (b'"overlay_attributes":[]', b'"overlay_attributes":[{"bank":"pictures"}]'),
        (b'"overlay":[]', b'"overlay":[' + signal + b"]"),
        (b'"removed":[]', f'"removed":["sig_{UUID(int=2)}"]'.encode()),
    ):
        if field not in body:
            raise Broken(f"the gate state has no {field.decode()} any more: bring this target up to date")
        body = body.replace(field, value)
    return _with_first_line(b"\n" + body)


def _with_first_line(data: bytes) -> bytes:
    body = data.partition(b"\n")[2]
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body
