"""Checkpoints: the log's size and root, signed (C2SP tlog-checkpoint in a C2SP signed-note, Ed25519)."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from seawall.record.merkle import HASH_BYTES
from seawall.record.signing import SigningKey, VerificationKey

#: A note has some 200 bytes; a few cosignatures of witnesses still fit.
MAX_NOTE_BYTES = 64 * 1024
#: C2SP signed-note lets a reader bound the lines it looks at.
MAX_SIGNATURES = 100
SIGNATURE_BYTES = 64
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIGNATURE_LINE = re.compile(r"— ([^ +\n]+) ([A-Za-z0-9+/]+={0,2})")


class BadCheckpoint(ValueError):
    """The text is no checkpoint, or no known key signed it; the message says which."""


class UnknownSigner(BadCheckpoint):
    """None of the known keys signed it: a key file is missing, or somebody else made the checkpoint."""


@dataclass(frozen=True, kw_only=True)
class LogState:
    """What a checkpoint says: the log called `origin` had `size` leaves and this root."""

    origin: str
    size: int
    root: bytes


def write(state: LogState, key: SigningKey) -> str:
    """The signed note."""
    if state.origin != key.verification.origin:
        raise ValueError(f"the key belongs to {key.verification.origin}, not to {state.origin}")
    text = checkpoint_text(state)
    signature = key.verification.key_hash + key.sign(text.encode())
    return f"{text}\n— {state.origin} {base64.b64encode(signature).decode()}\n"


def checkpoint_text(state: LogState) -> str:
    """The part of the note that is signed."""
    return f"{state.origin}\n{state.size}\n{base64.b64encode(state.root).decode()}\n"


def read(note: str, keys: Iterable[VerificationKey]) -> tuple[LogState, VerificationKey]:
    """What the note says and which of `keys` signed it.

    Lines of unknown signers are passed over, as C2SP wants; a wrong signature of a known one is refused.
    """
    text, lines = _divide(note)
    state = _state(text)
    known = {(key.origin, key.key_hash): key for key in keys if key.origin == state.origin}
    signer: VerificationKey | None = None
    for line in lines:
        name, signature = _signature(line)
        key = known.get((name, signature[:4]))
        if key is None:
            continue
        if len(signature) != 4 + SIGNATURE_BYTES or not key.signed(text.encode(), signature[4:]):
            raise BadCheckpoint(f"the signature of key {key.key_id} is wrong: the checkpoint was altered")
        signer = signer or key
    if signer is None:
        raise UnknownSigner(UnknownSigner.__doc__)
    return state, signer


def _divide(note: str) -> tuple[str, list[str]]:
    try:
        size = len(note.encode())
    except UnicodeEncodeError as error:
        # A lone surrogate: a str can hold one, UTF-8 cannot, and what is signed is the UTF-8.
        raise BadCheckpoint("a checkpoint is text in UTF-8") from error
    if size > MAX_NOTE_BYTES:
        raise BadCheckpoint(f"a checkpoint has at most {MAX_NOTE_BYTES} bytes")
    if _CONTROL.search(note) or not note.endswith("\n"):
        raise BadCheckpoint("a checkpoint is lines of text, the last one ended too")
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.removesuffix("\n").split("\n")
    if not blank or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise BadCheckpoint(f"a checkpoint ends with an empty line and 1 to {MAX_SIGNATURES} signatures")
    return text + "\n", lines


def _state(text: str) -> LogState:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise BadCheckpoint("a checkpoint has the log's origin, its size and its root on the first three lines")
    if not _SIZE.fullmatch(lines[1]):
        raise BadCheckpoint("the second line of a checkpoint is the size in decimal")
    root = _base64(lines[2])
    if len(root) != HASH_BYTES:
        raise BadCheckpoint("the third line of a checkpoint is the root, 32 bytes in base64")
    return LogState(origin=lines[0], size=int(lines[1]), root=root)


def _signature(line: str) -> tuple[str, bytes]:
    parts = _SIGNATURE_LINE.fullmatch(line)
    if parts is None:
        raise BadCheckpoint("a signature line is an em dash, the signer's name and base64, one space between")
    signature = _base64(parts[2])
    if len(signature) < 5:
        raise BadCheckpoint("a signature is too short")
    return parts[1], signature


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCheckpoint("a part of the checkpoint is not in base64") from error
    # Base64 of some lengths has unused bits; were they ignored, one changed character would go unseen.
    if base64.b64encode(data).decode() != text:
        raise BadCheckpoint("a part of the checkpoint is not in canonical base64")
    return data
