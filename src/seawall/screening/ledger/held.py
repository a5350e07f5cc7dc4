"""The bytes of held uploads: encrypted under a key of their own, kept until nobody has to look at them any more.

That is when the hold is released, or when the appeal window of its refusal has ended (see `screening.holds`).
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from seawall.record.durable import destroy_file, make_private_directory, sync_directory
from seawall.record.ids import parse_id
from seawall.screening.ledger.keys import KEY_BYTES, sweep_unfinished, write_durably
from seawall.screening.ledger.model import LedgerDamaged
from seawall.screening.ledger.sealing import NONCE_BYTES
from seawall.screening.recording import HeldPart
from seawall.signals import Kind

#: What AES-GCM adds.
TAG_BYTES = 16


class _Head(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    name: str
    kind: Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldName:
    """What is known of a held part without deciphering its bytes; `size` is how many they are."""

    name: str
    kind: Kind
    size: int


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
        make_private_directory(self._keys_dir)
        make_private_directory(self._directory)
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

    def names(self, screening_id: str) -> tuple[HeldName, ...]:
        """What was kept; empty for a hold without bytes (hash-only), or once they were destroyed.

        Raises:
            LedgerDamaged: it is not what was written.
        """
        heads = self._heads(screening_id)
        if not heads:
            return ()
        with _as_written(screening_id):
            cipher = self._cipher(screening_id)
            found = []
            for number, path in enumerate(heads):
                head = _head(cipher, screening_id, number, heads)
                size = path.with_suffix(".data").stat().st_size - NONCE_BYTES - TAG_BYTES
                found.append(HeldName(name=head.name, kind=head.kind, size=size))
            return tuple(found)

    def part(self, screening_id: str, number: int) -> HeldPart:
        """The part with this number, from 0 and among those that `names` tells of.

        Raises:
            LedgerDamaged: it is not what was written.
        """
        heads = self._heads(screening_id)
        with _as_written(screening_id):
            cipher = self._cipher(screening_id)
            head = _head(cipher, screening_id, number, heads)
            data = _half(cipher, screening_id, number, len(heads), heads[number].with_suffix(".data"))
            return HeldPart(name=head.name, kind=head.kind, data=data)

    def parts(self, screening_id: str) -> tuple[HeldPart, ...]:
        """All held parts; see `names` and `part`."""
        return tuple(self.part(screening_id, number) for number in range(len(self._heads(screening_id))))

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

    def _heads(self, screening_id: str) -> list[Path]:
        parse_id("scr", screening_id)
        return sorted((self._directory / screening_id).glob("*.head"))

    def _cipher(self, screening_id: str) -> AESGCM:
        return AESGCM(self._key_path(screening_id).read_bytes())

    def _key_path(self, screening_id: str) -> Path:
        return self._keys_dir / f"{screening_id}.key"


@contextmanager
def _as_written(screening_id: str) -> Iterator[None]:
    try:
        yield
    except (OSError, InvalidTag, ValueError, IndexError, msgspec.DecodeError) as error:
        raise LedgerDamaged(f"the held bytes of {screening_id} cannot be deciphered; restore a backup") from error


def _head(cipher: AESGCM, screening_id: str, number: int, heads: Sequence[Path]) -> _Head:
    return msgspec.msgpack.decode(_half(cipher, screening_id, number, len(heads), heads[number]), type=_Head)


def _half(cipher: AESGCM, screening_id: str, number: int, count: int, path: Path) -> bytes:
    """What is in the file of a part's `.head` or `.data`."""
    sealed = path.read_bytes()
    bound = _bound_to(screening_id, number, count, path.suffix.removeprefix("."))
    return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)


def _bound_to(screening_id: str, number: int, count: int, half: str) -> bytes:
    """Additional data of the cipher: parts can be neither swapped, nor left out, nor moved to another hold."""
    return f"{screening_id}\0{number}/{count}\0{half}".encode()
