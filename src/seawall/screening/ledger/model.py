"""The nouns of the screening ledger: partitions, rows as they are stored, batches, and entries as they are read."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec

from seawall.record.ids import id_time, parse_id
from seawall.screening.model import Action, Context, HoldExpiry, Verdict


class LedgerDamaged(RuntimeError):
    """A row cannot be read as it was written: run `seawall log verify`, and restore keys and ledger from a backup."""


class KeyDestroyed(RuntimeError):
    """This day was dropped and its key destroyed, so nothing can be written into it: check this machine's clock."""


class LedgerFamily(StrEnum):
    """Screenings with a match, a hold or a block are kept longer than those with nothing to answer for."""

    UNMATCHED = "unmatched"
    MATCHED = "matched"


class LedgerSettings(Protocol):
    """What the ledger must be told; `seawall.settings.Settings` is one."""

    @property
    def ledger_dir(self) -> Path: ...
    @property
    def keys_dir(self) -> Path: ...
    @property
    def holds_dir(self) -> Path: ...
    @property
    def database_url(self) -> str: ...
    @property
    def keep_unmatched_days(self) -> int: ...
    @property
    def keep_matched_days(self) -> int: ...


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Partition:
    """One UTC day of one family: it has its own key and is dropped whole."""

    day: date
    family: LedgerFamily

    def __str__(self) -> str:
        return f"{self.day.isoformat()}.{self.family}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One screening as it is stored. Times are milliseconds since 1970, UTC.

    `position` and `batch` are given by the storage. `request_key` and `request_digest` are set together, when the
    request carried an Idempotency-Key.
    """

    id: UUID
    screened_at: int
    surface: str
    verdict: str
    degraded: bool
    hold_expires_at: int | None
    sealed: bytes = field(repr=False)
    request_key: bytes | None = None
    request_digest: bytes | None = None
    batch: int = 0
    position: int = 0

    @property
    def screening_id(self) -> str:
        return f"scr_{self.id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One group commit of one partition. `digest` is `rows_digest` of its rows, 32 bytes."""

    number: int
    committed_at: int
    rows: int
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """One screening as it is read. Private signals have `value` None in the verdict.

    `keyed_signals` has a keyed hash at the place of each private signal, else None. `pseudonym` tells one uploader's
    screenings of one period from another's; nothing leads back from it. `hold_expiry` is the promise made with a hold,
    `context` what the uploader said with it for whoever looks: a stranger's words, to be shown as text.
    """

    verdict: Verdict
    partition: Partition
    batch: int
    pseudonym: bytes | None = field(repr=False)
    keyed_signals: tuple[bytes | None, ...] = field(repr=False)
    hold_expiry: HoldExpiry | None = None
    context: Context | None = field(default=None, repr=False)


def family_of(verdict: Verdict) -> LedgerFamily:
    plain = verdict.verdict is Action.ALLOW and not verdict.matches
    return LedgerFamily.UNMATCHED if plain else LedgerFamily.MATCHED


def partition_of(verdict: Verdict) -> Partition:
    """Where a verdict belongs: the day is that of its id, so that an id alone finds its row. BadId for another id."""
    return Partition(day=id_time("scr", verdict.id).date(), family=family_of(verdict))


def partitions_of_id(screening_id: str) -> tuple[Partition, ...]:
    """Where a row with this id can be; BadId when it is no screening id."""
    return partitions_of_day(id_time("scr", screening_id).date())


def partitions_of_day(day: date) -> tuple[Partition, ...]:
    return tuple(Partition(day=day, family=family) for family in LedgerFamily)


def row_id(screening_id: str) -> UUID:
    return parse_id("scr", screening_id)


def millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, tz=UTC)


def rows_digest(rows: Iterable[Row]) -> bytes:
    """SHA-256 over the rows in order, each as the MessagePack array documented in docs/reference/ledger.md.

    Position and batch number are not in it: the order of the rows and the event that carries the digest say both.
    """
    digest = hashlib.sha256()
    encode = msgspec.msgpack.Encoder().encode
    for row in rows:
        clear = (row.id.bytes, row.screened_at, row.surface, row.verdict, row.degraded, row.hold_expires_at)
        digest.update(encode((*clear, row.sealed, row.request_key, row.request_digest)))
    return digest.digest()
