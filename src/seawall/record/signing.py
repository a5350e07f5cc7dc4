"""The keys that sign the log's checkpoints: Ed25519, one file each, renewed without breaking what old ones signed."""

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from seawall.record.clock import parse_rfc3339, rfc3339
from seawall.record.durable import replace_durably

#: C2SP signed-note: the signature type byte of plain Ed25519.
ED25519 = b"\x01"
#: A key file has some 400 bytes; anything above this is not one.
MAX_KEY_FILE_BYTES = 16 * 1024
_FILE_NAME = re.compile(r"log-([0-9a-f]{8})\.json")
_ORIGIN = re.compile(r"[!-*,-~]{1,200}")


class BadKeyFile(ValueError):
    """A file in the keys directory cannot be used; the message names it and what to do."""


@dataclass(frozen=True, kw_only=True)
class VerificationKey:
    """What anyone needs to check a checkpoint. `origin` names the log and stays the same over all its keys."""

    origin: str
    public_key: bytes
    valid_from: datetime
    #: None while the key is in use.
    valid_until: datetime | None = None

    @property
    def key_hash(self) -> bytes:
        """The four bytes by which a signed note names the key."""
        return hashlib.sha256(self.origin.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    @property
    def key_id(self) -> str:
        return self.key_hash.hex()

    def was_valid(self, moment: datetime) -> bool:
        return self.valid_from <= moment and (self.valid_until is None or moment <= self.valid_until)

    def signed(self, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def as_text(self) -> str:
        """The form in which C2SP tools take a verification key: `origin+key id+base64`."""
        return f"{self.origin}+{self.key_id}+{base64.b64encode(ED25519 + self.public_key).decode()}"


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A verification key with the private part that makes its signatures. Its repr shows nothing secret."""

    verification: VerificationKey
    private_key: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.private_key).sign(message)


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    schema: int
    key_id: str
    origin: str
    public_key: str
    valid_from: str
    valid_until: str | None = None
    private_key: str | None = None


def new_signing_key(*, origin: str, now: datetime, seed: bytes) -> SigningKey:
    """A key from 32 random bytes."""
    if not _ORIGIN.fullmatch(origin):
        raise ValueError("a log's origin is 1 to 200 ASCII characters without spaces or +, such as example.org/log")
    public_key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    # Files keep milliseconds; a key must not begin after the first thing it signs.
    moment = parse_rfc3339(rfc3339(now))
    return SigningKey(
        verification=VerificationKey(origin=origin, public_key=public_key, valid_from=moment), private_key=seed
    )


def load_or_create_signing_key(keys_dir: Path, now: datetime, *, origin: str | None = None) -> SigningKey:
    """The key now in use from `keys_dir`; the first call makes directory (0700), key and file (0600).

    `origin` is used for the first key only; without one the log gets a random name.

    Raises:
        BadKeyFile: a key file is damaged, or others can read it; the message says what to do.
    """
    _private_directory(keys_dir)
    found = _load_all(keys_dir)
    active = sorted((key for key in found if key.private_key), key=_newest_last)
    if active:
        # A rotation that was cut short has left two: finish it.
        for older in active[:-1]:
            _retire(keys_dir, older.verification.key_id, active[-1].verification.valid_from)
        return active[-1]
    if found:
        origin = max(found, key=_newest_last).verification.origin
    made = new_signing_key(
        origin=origin or f"seawall.invalid/log/{secrets.token_hex(8)}", now=now, seed=secrets.token_bytes(32)
    )
    _store(keys_dir, made)
    return made


def rotate_signing_key(keys_dir: Path, now: datetime) -> SigningKey:
    """Put a new key of the same origin to use. The old one's private part is destroyed; its public part stays, so that
    everything it signed until `now` can still be checked.

    Only the holder of the serve lock does this, between two calls of `sequence`: what an old key signs later is not
    accepted.
    """
    old = load_or_create_signing_key(keys_dir, now)
    made = new_signing_key(origin=old.verification.origin, now=now, seed=secrets.token_bytes(32))
    _store(keys_dir, made)
    _retire(keys_dir, old.verification.key_id, made.verification.valid_from)
    return made


def load_verification_keys(keys_dir: Path) -> tuple[VerificationKey, ...]:
    """Every key this log ever signed with, oldest first; none when there is no directory yet."""
    if not keys_dir.is_dir():
        return ()
    return tuple(key.verification for key in sorted(_load_all(keys_dir), key=_newest_last))


def _newest_last(key: SigningKey) -> tuple[datetime, str]:
    return key.verification.valid_from, key.verification.key_id


def _private_directory(keys_dir: Path) -> None:
    with contextlib.suppress(FileExistsError):
        keys_dir.mkdir(mode=0o700, parents=True)
    if stat.S_IMODE(keys_dir.stat().st_mode) & 0o077:
        raise BadKeyFile(f"others on this machine can open {keys_dir}: run chmod 700 on it and think about new keys")


def _load_all(keys_dir: Path) -> list[SigningKey]:
    """Every key file; `private_key` is empty for a retired key."""
    return [_load(path) for path in sorted(keys_dir.glob("log-*.json"))]


def _load(path: Path) -> SigningKey:
    try:
        held = msgspec.json.decode(_read(path), type=_KeyFile)
        key = VerificationKey(
            origin=held.origin,
            public_key=_bytes(held.public_key),
            valid_from=parse_rfc3339(held.valid_from),
            valid_until=parse_rfc3339(held.valid_until) if held.valid_until else None,
        )
        private_key = _bytes(held.private_key) if held.private_key else b""
        if private_key:
            made = new_signing_key(origin=held.origin, now=key.valid_from, seed=private_key).verification
            fits = hmac.compare_digest(made.public_key, key.public_key)
        else:
            fits = True
    except (ValueError, msgspec.DecodeError) as error:
        raise BadKeyFile(f"{path} is damaged ({error}): restore it from a backup") from error
    named = _FILE_NAME.fullmatch(path.name)
    if held.schema != 1 or not fits or named is None or not key.key_id == held.key_id == named[1]:
        raise BadKeyFile(f"{path} does not hold the key that its name says: restore it from a backup")
    return SigningKey(verification=key, private_key=private_key)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BadKeyFile(f"{path} cannot be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_KEY_FILE_BYTES:
            raise BadKeyFile(f"{path} is no key file: move it out of the keys directory")
        if stat.S_IMODE(about.st_mode) & 0o077:
            raise BadKeyFile(f"others on this machine can read {path}: run chmod 600 on it and rotate the key")
        return file.read()


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a key is not in base64") from error
    if len(data) != 32:
        raise ValueError("an Ed25519 key has 32 bytes")
    return data


def _store(keys_dir: Path, key: SigningKey) -> None:
    about = key.verification
    path = keys_dir / f"log-{about.key_id}.json"
    if path.exists():
        raise BadKeyFile(f"{path} stands in the way of a new key with the same id: try again")
    fields = {
        "schema": 1,
        "key_id": about.key_id,
        "origin": about.origin,
        "public_key": base64.b64encode(about.public_key).decode(),
        "valid_from": rfc3339(about.valid_from),
        "valid_until": None,
        "private_key": base64.b64encode(key.private_key).decode(),
    }
    _write(path, fields)


def _retire(keys_dir: Path, key_id: str, until: datetime) -> None:
    path = keys_dir / f"log-{key_id}.json"
    fields = json.loads(_read(path))
    del fields["private_key"]
    _write(path, fields | {"valid_until": rfc3339(until)})


def _write(path: Path, fields: dict[str, Any]) -> None:
    replace_durably(path, json.dumps(fields, indent=1).encode() + b"\n")
