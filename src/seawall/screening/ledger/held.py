"""The bytes of held uploads: encrypted under a key of their own, kept until nobody has to look at them any more.

That is when the hold is released, or when the appeal window of its refusal has ended (see `screening.holds`).
"""

import os
import secrets
import shutil
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from seawall.record.durable import sync_directory
from seawall.record.ids import parse_id
from seawall.screening.ledger.keys import KEY_BYTES, destroy_file, sweep_unfinished, write_durably
from seawall.screening.ledger.model import LedgerDamaged
from seawall.screening.ledger.sealing import NONCE_BYTES
from seawall.screening.recording import HeldPart
from seawall.signals import Kind


class _Head(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    name: str
    kind: Kind


class HeldBytes:
    """One directory `holds/<id>/` per hold with a file per part, and its key in `keys/holds/<id>.key`."""

    def __init__(self, directory: Path, *, keys_dir: Path) -> None:
        self._directory = directory
        self._keys_dir = keys_dir

    def keep(self, screening_id: str, parts: tuple[HeldPart, ...]) -> None:
        """Durable on return.

        Raises:
            FileExistsError: this hold has bytes already; they stay as they are.
            OSError: it cannot be written; what was written of it is destroyed again.
        """
        parse_id("scr", screening_id)
        if self._key_path(screening_id).exists() or self.present(screening_id):
            raise FileExistsError(f"bytes of {screening_id} are kept already")
        self._keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = secrets.token_bytes(KEY_BYTES)
        cipher = AESGCM(key)
        try:
            write_durably(self._key_path(screening_id), key)
            place = self._directory / screening_id
            place.mkdir(mode=0o700)
            for number, part in enumerate(parts):
                head = msgspec.msgpack.encode(_Head(name=part.name, kind=part.kind))
                for half, data in (("head", head), ("data", part.data)):
                    nonce = os.urandom(NONCE_BYTES)
                    sealed = cipher.encrypt(nonce, data, _bound_to(screening_id, number, len(parts), half))
                    write_durably(place / f"{number:04d}.{half}", nonce, sealed)
            sync_directory(self._directory)
        except OSError:
            self.destroy(screening_id)
            raise

    def present(self, screening_id: str) -> bool:
        return (self._directory / screening_id).is_dir()

    def ids(self) -> list[str]:
        """The ids that bytes or a key are kept for."""
        found = {path.name for path in self._directory.glob("scr_*")}
        return sorted(found | {path.stem for path in self._keys_dir.glob("scr_*.key")})

    def parts(self, screening_id: str) -> tuple[HeldPart, ...]:
        """The held parts; empty for a hold without bytes (hash-only), or once they were destroyed.

        Raises:
            LedgerDamaged: they are not what was written.
        """
        parse_id("scr", screening_id)
        heads = sorted((self._directory / screening_id).glob("*.head"))
        if not heads:
            return ()
        try:
            cipher = AESGCM(self._key_path(screening_id).read_bytes())
            return tuple(
                HeldPart(name=head.name, kind=head.kind, data=data)
                for number, path in enumerate(heads)
                for head, data in [_open(cipher, screening_id, number, len(heads), path)]
            )
        except (OSError, InvalidTag, ValueError, msgspec.DecodeError) as error:
            raise LedgerDamaged(f"the held bytes of {screening_id} cannot be deciphered; restore a backup") from error

    def destroy(self, screening_id: str) -> None:
        """Destroy the key, then remove the bytes. Does nothing where there are none."""
        parse_id("scr", screening_id)
        destroy_file(self._key_path(screening_id))
        place = self._directory / screening_id
        if place.exists():
            shutil.rmtree(place, ignore_errors=True)
            sync_directory(self._directory)

    def sweep(self, *, now: datetime) -> None:
        """Remove keys that a killed process was about to make."""
        sweep_unfinished(self._keys_dir, now=now)

    def _key_path(self, screening_id: str) -> Path:
        return self._keys_dir / f"{screening_id}.key"


def _open(cipher: AESGCM, screening_id: str, number: int, count: int, path: Path) -> tuple[_Head, bytes]:
    halves = []
    for half in ("head", "data"):
        sealed = path.with_suffix(f".{half}").read_bytes()
        bound = _bound_to(screening_id, number, count, half)
        halves.append(cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound))
    return msgspec.msgpack.decode(halves[0], type=_Head), halves[1]


def _bound_to(screening_id: str, number: int, count: int, half: str) -> bytes:
    """Additional data of the cipher: parts can be neither swapped, nor left out, nor moved to another hold."""
    return f"{screening_id}\0{number}/{count}\0{half}".encode()
