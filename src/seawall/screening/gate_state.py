"""What the gate is built from: one checksummed file beside the index snapshot. No database is needed to answer.

The publisher writes it after every change; each gate reads it when it was replaced. First line: SHA-256 of the rest in
hex. The rest: one JSON object.
"""

import hashlib
import hmac
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from seawall.matching.index import Index
from seawall.matching.model import Attributes, IndexedSignal
from seawall.members.keys import KeyRecord
from seawall.record.durable import replace_durably
from seawall.screening.model import Policy

STATE_FILE = "gate-state.json"


class BadGateState(ValueError):
    """The gate state is damaged or of another version; `seawall serve` writes it anew from the database."""


class OverlaySignal(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: str
    value: str
    #: Number of its Attributes in `overlay_attributes`.
    attributes: int


class GateState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the gate decides by. `number` grows by one with each publication."""

    schema: Literal[1] = 1
    number: int
    made_at: datetime
    snapshot: str
    policy: Policy
    keys: dict[str, KeyRecord]
    overlay_attributes: tuple[Attributes, ...] = ()
    overlay: tuple[OverlaySignal, ...] = ()
    #: Ids of the snapshot's signals that no longer match, or match with the overlay's attributes instead.
    removed: tuple[str, ...] = ()
    #: The generations of the tables it was made from, and the newest event then. Equal generations alone could be
    #: those of another database, or of a restored backup that went another way.
    generations: dict[str, int] = {}
    newest_event: str = ""


def write_state(directory: Path, state: GateState) -> None:
    """Replace the state file in one step; durable before this returns."""
    body = msgspec.json.encode(state)
    replace_durably(directory / STATE_FILE, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def read_state(directory: Path) -> GateState:
    """The present state.

    Raises:
        FileNotFoundError: nothing was published yet.
        BadGateState: damaged, or written by a newer release.
    """
    checksum, _, body = (directory / STATE_FILE).read_bytes().partition(b"\n")
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), checksum):
        raise BadGateState(f"{STATE_FILE} is damaged: its checksum does not fit")
    try:
        return msgspec.json.decode(body, type=GateState)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadGateState(f"{STATE_FILE} cannot be read by this release: {error}") from error


class LoadedState(msgspec.Struct, frozen=True, kw_only=True):
    """A state and its index, ready to answer with. Replaced as a whole, so that no answer mixes two states."""

    state: GateState
    index: Index
    #: Identity of the file it was read from: (inode, modification time in ns, size).
    stamp: tuple[int, int, int]


def state_stamp(directory: Path) -> tuple[int, int, int]:
    status = (directory / STATE_FILE).stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def load(directory: Path, before: LoadedState | None = None, *, verify: bool = False) -> LoadedState:
    """Read the state and open its index, reusing the mapped snapshot of `before` where it is the same file.

    `verify` also recomputes the checksums of a snapshot that is opened.
    """
    stamp = state_stamp(directory)
    state = read_state(directory)
    if before is not None and before.state.snapshot == state.snapshot:
        base = before.index
    else:
        base = Index.open(directory / state.snapshot, verify=verify)
    added = [
        IndexedSignal(
            signal_id=one.id, type=one.type, value=one.value, attributes=state.overlay_attributes[one.attributes]
        )
        for one in state.overlay
    ]
    return LoadedState(state=state, index=base.with_overlay(removed=state.removed, added=added), stamp=stamp)
