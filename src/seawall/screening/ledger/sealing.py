"""Turning a recording into a row and back: what is private is hashed under a key, and everything is encrypted."""

import os
from collections.abc import Iterator
from datetime import date

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from seawall.record.ids import id_time
from seawall.screening.ledger.keys import KeyRing, PeriodUse
from seawall.screening.ledger.model import (
    LedgerDamaged,
    LedgerEntry,
    Partition,
    Row,
    millis,
    row_id,
)
from seawall.screening.model import Action, Context, HoldExpiry, SignalSeen, Verdict
from seawall.screening.recording import Idempotency, Recording
from seawall.signals import SIGNAL_TYPES

#: NIST SP 800-38D: random 96-bit nonces are safe for 2**32 rows under one key, which is 49 000 rows/s for a whole day.
NONCE_BYTES = 12
#: A quarter of the largest group; drawing for a single row stays cheap.
NONCES_AT_ONCE = 128


class Sealed(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a row's ciphertext holds."""

    schema: int = 1
    verdict: Verdict
    keyed_signals: tuple[bytes | None, ...]
    pseudonym: bytes | None
    #: Of a hold: what its surface declared when it was held.
    hold_expiry: HoldExpiry | None = None
    #: Of a hold: what the uploader said for whoever looks.
    context: Context | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Sealed)


class KeyedHashes:
    """HMAC-SHA256 under the keys of one day's period, which are made, durably, where this is their first use.

    Hashes of different periods cannot be compared, so an Idempotency-Key is hashed anew for each day it is sought in.
    """

    def __init__(self, day: date, keys: KeyRing) -> None:
        self._day = day
        self._keys = keys
        self._prepared: dict[PeriodUse, HMAC] = {}

    def request(self, idempotency: Idempotency) -> bytes:
        return self._hash(PeriodUse.HASH, f"request\0{idempotency.api_key_id}\0{idempotency.key}")

    def request_digest(self, idempotency: Idempotency) -> bytes:
        """Keyed, because who guesses a request's words could confirm them by its plain SHA-256."""
        return self._hash(PeriodUse.HASH, f"digest\0{idempotency.request_digest.hex()}")

    def signal(self, signal: SignalSeen) -> bytes | None:
        """None for what may be kept as it is."""
        if signal.value is None or not is_private(signal):
            return None
        return self._hash(PeriodUse.HASH, f"signal\0{signal.type}\0{signal.value}")

    def pseudonym(self, uploader: str) -> bytes:
        return self._hash(PeriodUse.PSEUDONYM, uploader)

    def _hash(self, use: PeriodUse, text: str) -> bytes:
        prepared = self._prepared.get(use)
        if prepared is None:
            prepared = HMAC(self._keys.period_key(self._day, use, create=True), SHA256())
            self._prepared[use] = prepared
        # Preparing a key costs more than hashing with it, and one group hashes thousands of values.
        hash_ = prepared.copy()
        hash_.update(text.encode())
        return hash_.finalize()


class Sealer:
    """Makes the rows of one group commit. Looks once whether the partition was dropped, and reads each key once.

    Raises KeyDestroyed or LedgerDamaged as the key ring does.
    """

    def __init__(self, partition: Partition, keys: KeyRing) -> None:
        self._partition = partition
        self._cipher = AESGCM(keys.partition_key(partition, create=True))
        self._hashes = KeyedHashes(partition.day, keys)
        self._nonces = _fresh_nonces()

    def seal(self, recording: Recording) -> Row:
        """The row to store. UnicodeEncodeError for text that is no text (half a surrogate pair)."""
        verdict = recording.verdict
        keyed = tuple(map(self._hashes.signal, verdict.signals))
        uploader, held = recording.uploader, verdict.verdict is Action.HOLD
        sealed = _ENCODER.encode(
            Sealed(
                verdict=_without_private(verdict, keyed),
                keyed_signals=keyed,
                pseudonym=None if uploader is None else self._hashes.pseudonym(uploader),
                hold_expiry=recording.hold_expiry if held else None,
                context=recording.context if held else None,
            )
        )
        nonce = next(self._nonces)
        idempotency = recording.idempotency
        return Row(
            id=row_id(verdict.id),
            screened_at=millis(verdict.screened_at),
            surface=verdict.surface,
            verdict=str(verdict.verdict),
            degraded=verdict.degraded,
            hold_expires_at=None if verdict.hold_expires_at is None else millis(verdict.hold_expires_at),
            sealed=nonce + self._cipher.encrypt(nonce, sealed, _bound_to(verdict.id, self._partition)),
            request_key=None if idempotency is None else self._hashes.request(idempotency),
            request_digest=None if idempotency is None else self._hashes.request_digest(idempotency),
        )


def _fresh_nonces() -> Iterator[bytes]:
    """Random nonces, each given out once.

    Asking the kernel lets other threads run, and getting the interpreter back takes longer than sealing a whole row.
    """
    while True:
        drawn = os.urandom(NONCE_BYTES * NONCES_AT_ONCE)
        for start in range(0, len(drawn), NONCE_BYTES):
            yield drawn[start : start + NONCE_BYTES]


def _without_private(verdict: Verdict, keyed: tuple[bytes | None, ...]) -> Verdict:
    if not any(keyed):
        return verdict
    seen = tuple(
        signal if hash_ is None else msgspec.structs.replace(signal, value=None)
        for signal, hash_ in zip(verdict.signals, keyed, strict=True)
    )
    return msgspec.structs.replace(verdict, signals=seen)


def unseal(row: Row, partition: Partition, keys: KeyRing) -> LedgerEntry:
    """The screening in a row.

    Raises:
        KeyDestroyed: its key was destroyed with its day.
        LedgerDamaged: it is not what was written there.
    """
    cipher = AESGCM(keys.partition_key(partition, create=False))
    try:
        bound = _bound_to(row.screening_id, partition)
        sealed = _DECODER.decode(cipher.decrypt(row.sealed[:NONCE_BYTES], row.sealed[NONCE_BYTES:], bound))
    except (InvalidTag, ValueError, msgspec.DecodeError) as error:
        raise LedgerDamaged(
            f"{row.screening_id} in {partition} cannot be deciphered. {LedgerDamaged.__doc__}"
        ) from error
    _require_same(row, sealed.verdict, partition)
    return LedgerEntry(
        verdict=sealed.verdict,
        partition=partition,
        batch=row.batch,
        pseudonym=sealed.pseudonym,
        keyed_signals=sealed.keyed_signals,
        hold_expiry=sealed.hold_expiry,
        context=sealed.context,
    )


def is_private(signal: SignalSeen) -> bool:
    """Whether only a keyed hash of the value may be kept. A type that nobody here knows is treated as private."""
    known = SIGNAL_TYPES.get(signal.type)
    return known is None or known.private


def _bound_to(screening_id: str, partition: Partition) -> bytes:
    """Additional data of the cipher: a row moved under another id, day or family no longer opens."""
    return f"{screening_id}\0{partition.day.isoformat()}\0{partition.family}".encode()


def _require_same(row: Row, verdict: Verdict, partition: Partition) -> None:
    expires = None if verdict.hold_expires_at is None else millis(verdict.hold_expires_at)
    written = (
        verdict.id,
        millis(verdict.screened_at),
        verdict.surface,
        str(verdict.verdict),
        verdict.degraded,
        expires,
    )
    clear = (row.screening_id, row.screened_at, row.surface, row.verdict, row.degraded, row.hold_expires_at)
    if written != clear or id_time("scr", verdict.id).date() != partition.day:
        raise LedgerDamaged(f"{row.screening_id} in {partition}: its columns were changed. {LedgerDamaged.__doc__}")
