"""The ledger's keys: one for each day and family, two for each period of 30 days. Files, so that they can be destroyed.

A key is durable before it is first used, and once destroyed it never comes back under the same name.
"""

import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from seawall.record.durable import destroy_file, make_private_directory, sync_directory
from seawall.screening.ledger.model import KeyDestroyed, LedgerDamaged, LedgerFamily, Partition

KEY_BYTES = 32
#: Keyed hashes and pseudonyms of different periods cannot be compared with one another (DESIGN §5).
PERIOD_DAYS = 30
#: Nobody takes longer than this to make a key.
UNFINISHED_AFTER = timedelta(hours=1)
#: Keys of today, yesterday and their periods; more are only read again from their files.
CACHED_KEYS = 16

_PARTITION_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.([a-z]+)\.key")
_PERIOD_FILE = re.compile(r"period-(\d+)\.(hash|pseudonym)\.key")


class PeriodUse(StrEnum):
    HASH = "hash"
    PSEUDONYM = "pseudonym"


def period_of(day: date) -> int:
    """The running number of the 30-day period a day belongs to, the same on every machine."""
    return day.toordinal() // PERIOD_DAYS


class KeyRing:
    """The keys in `directory`, made when first needed. Several processes may use one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cache: dict[str, bytes] = {}

    def partition_key(self, partition: Partition, *, create: bool) -> bytes:
        """The partition's AES-256 key.

        Raises:
            KeyDestroyed: the key was destroyed.
            LedgerDamaged: there is none and `create` is false, or its file is broken.
        """
        if (self._directory / f"{partition}.dropped").exists():
            self._cache.pop(f"{partition}.key", None)
            raise KeyDestroyed(f"{partition} was dropped. {KeyDestroyed.__doc__}")
        return self._key(f"{partition}.key", create=create)

    def period_key(self, day: date, use: PeriodUse, *, create: bool) -> bytes:
        """The HMAC key of the period `day` is in; LedgerDamaged as above."""
        return self._key(f"period-{period_of(day)}.{use}.key", create=create)

    def destroy(self, partition: Partition) -> None:
        """Make everything written under the partition's key unreadable, for good."""
        self._cache.clear()
        make_private_directory(self._directory)
        marker = os.open(self._directory / f"{partition}.dropped", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(marker)
        sync_directory(self._directory)
        destroy_file(self._directory / f"{partition}.key")

    def partitions(self) -> list[Partition]:
        """Those that there is a key for, whichever database their rows are in; oldest first."""
        found = []
        for path in self._directory.glob("*.key"):
            if name := _PARTITION_FILE.fullmatch(path.name):
                with suppress(ValueError):
                    found.append(Partition(day=date.fromisoformat(name[1]), family=LedgerFamily(name[2])))
        return sorted(found)

    def destroy_old_periods(self, present: Iterable[Partition], today: date) -> list[int]:
        """Destroy the keys of past periods that no partition needs, and return their numbers.

        Needed are those of `present` partitions, and of any that still has a key: started by mistake with another
        database, we see none of its partitions, and must not make them unreadable.
        """
        needed = {period_of(partition.day) for partition in (*present, *self.partitions())}
        gone = set()
        for path in sorted(self._directory.glob("period-*.key")):
            found = _PERIOD_FILE.fullmatch(path.name)
            if found and int(found[1]) < period_of(today) and int(found[1]) not in needed:
                destroy_file(path)
                gone.add(int(found[1]))
        if gone:
            self._cache.clear()
        return sorted(gone)

    def sweep(self, *, now: datetime) -> None:
        """Remove what a process that was killed while it made a key has left behind."""
        sweep_unfinished(self._directory, now=now)

    def _key(self, name: str, *, create: bool) -> bytes:
        key = self._cache.get(name)
        if key is None:
            key = self._read(name) or (self._create(name) if create else None)
            if key is None:
                raise LedgerDamaged(f"the key {name} is missing: restore the directory keys/ledger from a backup")
            if len(self._cache) >= CACHED_KEYS:
                self._cache.clear()
            self._cache[name] = key
        return key

    def _read(self, name: str) -> bytes | None:
        try:
            key = (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None
        if len(key) != KEY_BYTES:
            raise LedgerDamaged(f"the key {name} has {len(key)} bytes, not {KEY_BYTES}: restore it from a backup")
        return key

    def _create(self, name: str) -> bytes:
        make_private_directory(self._directory)
        try:
            write_durably(self._directory / name, secrets.token_bytes(KEY_BYTES))
        except FileExistsError:
            # Another process was faster: its key is the one.
            sync_directory(self._directory)
        key = self._read(name)
        if key is None:
            raise LedgerDamaged(f"the key {name} vanished while it was made: does something clean keys/ledger?")
        return key


def write_durably(path: Path, *chunks: bytes) -> None:
    """Write a new file, readable by its owner alone, that is whole or absent after any crash.

    Raises:
        FileExistsError: it is there already, and stays as it is.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            for chunk in chunks:
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        # A link, unlike a rename, never replaces a key that another process has made meanwhile.
        os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    sync_directory(path.parent)


def sweep_unfinished(directory: Path, *, now: datetime) -> None:
    """Remove the partial keys that `write_durably` leaves in a directory when its process is killed."""
    for path in directory.glob(".*.key.*"):
        try:
            about = path.stat()
        except FileNotFoundError:
            # It was finished in this moment.
            continue
        if about.st_mtime >= (now - UNFINISHED_AFTER).timestamp():
            continue
        if about.st_nlink > 1:
            # Killed after the link: this is a second name of a key in use, and to overwrite one is to overwrite both.
            path.unlink(missing_ok=True)
        else:
            destroy_file(path)
