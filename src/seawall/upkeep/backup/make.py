"""Backing up: everything that cannot be made again, in one file, while the server goes on.

The order makes it consistent. First the database, as of one moment; then the ledger's day files, which have at least
the batches that the database speaks of; then held bytes; the keys last, so that every row's key is there. A day of the
ledger that is dropped meanwhile would leave a gap: then it begins again.
"""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from gettext import gettext as _
from glob import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec

from seawall.record.clock import rfc3339
from seawall.record.durable import sync_directory
from seawall.record.signing import load_verification_keys
from seawall.screening.ledger import Ledger
from seawall.settings import Settings
from seawall.upkeep import postgresql
from seawall.upkeep.backup.archive import LONGEST_NAME, ArchiveWriter, BadArchive, FileChanged
from seawall.upkeep.backup.sealing import sealed_to, sealed_with_passphrase
from seawall.upkeep.drafts import lock, sweep
from seawall.upkeep.model import (
    MARGIN_BYTES,
    Manifest,
    Progress,
    UpkeepRefused,
    disk_is_full,
    nothing,
    telling_of_a_full_disk,
)
from seawall.upkeep.version import data_version, migrations_by_app

#: Raised by one when an older release would misread a backup.
FORMAT = 1

MANIFEST = "manifest.json"
#: The last member: name, size and SHA-256 of all others.
MEMBERS = "members.json"
SQLITE = "seawall.sqlite3"
POSTGRESQL = "seawall.pgdump"

#: In the data directory: what upgrades backed up, and copies that are just being made.
BACKUPS = "backups"

#: Can be made again from the rest, or belongs to one process, or is itself a backup.
LEFT_OUT = frozenset({"state", "serve.lock", BACKUPS})

#: Parts of a SQLite database that is copied whole, and what a move to PostgreSQL left behind.
LEFT_OUT_ENDINGS = ("-wal", "-shm", "-journal", ".moved")

#: Pages of SQLite copied between two looks at the progress: 16 MiB.
PAGES = 4096

#: Days are dropped once a day; twice in a row while a backup runs is already unheard of.
ATTEMPTS = 3

BUSY_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Locks:
    """How a backup is encrypted: for age recipients, or with a passphrase, or (both empty) not at all."""

    recipients: Sequence[Any] = ()
    passphrase: str = ""


@dataclass(frozen=True, kw_only=True)
class BackedUp:
    """A backup that is on the disk."""

    path: Path
    size: int
    members: int
    encrypted: bool


class _DayDropped(Exception):
    """The ledger lost a day while it was copied."""


def back_up(
    settings: Settings, target: Path, *, now: datetime, locks: Locks | None = None, progress: Progress = nothing
) -> BackedUp:
    """Write a backup of the data directory, and of its PostgreSQL where it has one, into the new file `target`.

    Beside a running server this is fine: what was answered before the call is in it.

    Raises:
        UpkeepRefused: it cannot be done, or the disk filled up; nothing is left of it.
    """
    locks = locks or Locks()
    require_new_place(settings, target)
    require_space(settings, target)
    with _staging(settings) as stage, _partial(target) as (partial, out):
        members = _write_until_whole(settings, out, stage, locks, now, progress)
        out.flush()
        os.fsync(out.fileno())
        size = out.tell()
        partial.rename(target)
        sync_directory(target.parent)
    return BackedUp(path=target, size=size, members=members, encrypted=bool(locks.passphrase or locks.recipients))


def _write_until_whole(
    settings: Settings, out: BinaryIO, stage: Path, locks: Locks, now: datetime, progress: Progress
) -> int:
    for _attempt in range(ATTEMPTS):
        out.seek(0)
        out.truncate()
        with suppress(_DayDropped):
            return _write(settings, out, stage, locks, now, progress)
    raise UpkeepRefused(_("days of the ledger vanish while they are copied"), _("run the same command again later"))


def require_new_place(settings: Settings, target: Path) -> None:
    """UpkeepRefused unless a backup may be put there."""
    if target.exists():
        raise UpkeepRefused(
            _("{place} is there already").format(place=target), _("give the name of a new file; old backups stay")
        )
    if not target.parent.is_dir():
        raise UpkeepRefused(
            _("there is no directory {place}").format(place=target.parent), _("create it, or give another place")
        )
    if target.parent.resolve() != settings.data_dir.resolve() / BACKUPS:
        require_outside(settings, target)


def require_outside(settings: Settings, target: Path) -> None:
    """UpkeepRefused for a place that would be lost together with the data directory, and be in its next backup."""
    if target.parent.resolve().is_relative_to(settings.data_dir.resolve()):
        raise UpkeepRefused(
            _("{place} lies inside the data directory, and would be lost together with it").format(place=target),
            _("give a place outside {place}, best on another disk").format(place=settings.data_dir),
        )


def require_space(settings: Settings, target: Path) -> None:
    """UpkeepRefused when the disks have no room for it: said before hours of copying, not after."""
    sizes = [path.stat().st_size for _name, path in _present(settings)]
    copies = [path.stat().st_size for _name, path in _present(settings) if path.suffix == ".sqlite3"]
    if settings.on_postgresql:
        sizes.append(postgresql.size(settings.database_url))
        copies.append(sizes[-1])
    needed = {target.parent: sum(sizes), settings.data_dir: max(copies, default=0)}
    if target.parent.stat().st_dev == settings.data_dir.stat().st_dev:
        needed = {target.parent: sum(needed.values())}
    for place, size in needed.items():
        free = shutil.disk_usage(place).free
        if free < size + MARGIN_BYTES:
            raise UpkeepRefused(
                _("the backup needs up to {needed} MiB at {place}, and {free} MiB are free").format(
                    needed=(size + MARGIN_BYTES) >> 20, place=place, free=free >> 20
                ),
                _("free some space there, or give a place on another disk"),
            )


def _write(settings: Settings, out: BinaryIO, stage: Path, locks: Locks, now: datetime, progress: Progress) -> int:
    made_at = max(0, int(now.timestamp()))
    with ExitStack() as layers:
        sink = out
        if locks.passphrase:
            sink = layers.enter_context(sealed_with_passphrase(out, locks.passphrase, made_at=made_at))
        elif locks.recipients:
            sink = layers.enter_context(sealed_to(out, locks.recipients))
        archive = ArchiveWriter(sink, made_at=made_at)
        _fill(settings, archive, stage, now, progress)
        count = len(archive.members)
        archive.add_bytes(MEMBERS, msgspec.json.encode(archive.members))
        archive.finish()
        return count


def _fill(settings: Settings, archive: ArchiveWriter, stage: Path, now: datetime, progress: Progress) -> None:
    ledger = Ledger(settings)
    with ledger.opened() as storage:
        days = set(storage.partitions())
    total = sum(path.stat().st_size for _name, path in _present(settings))
    done = 0
    copy = stage / "copy"
    database = POSTGRESQL if settings.on_postgresql else SQLITE
    if settings.on_postgresql:
        postgresql.dump(settings.database_url, copy)
    elif not copy_sqlite(settings.database_path, copy, check=True):
        raise UpkeepRefused(
            _("there is no database at {place}").format(place=settings.database_path),
            _("check --data-dir; `seawall doctor` looks at it"),
        )
    archive.add_bytes(MANIFEST, msgspec.json.encode(_manifest(settings, copy, now)))
    done += archive.add_file(database, copy)
    copy.unlink()
    progress(done, total)
    added: set[str] = set()
    for name, path in _in_order(settings):
        if not _is_orphan(name, added):
            done += _add(archive, name, path, copy)
            added.add(archive.members[-1].name)
            progress(min(done, total), total)
    with ledger.opened() as storage:
        if days - set(storage.partitions()):
            raise _DayDropped
    progress(total, total)


def _manifest(settings: Settings, copy: Path, now: datetime) -> Manifest:
    keys = load_verification_keys(settings.keys_dir)
    return Manifest(
        format=FORMAT,
        seawall_version=version("seawall"),
        data_version=data_version(settings.data_dir),
        created_at=rfc3339(now),
        database="postgresql" if settings.on_postgresql else "sqlite",
        log_origin=keys[-1].origin if keys else "",
        migrations=migrations_by_app(settings.database_url if settings.on_postgresql else copy),
    )


def _in_order(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Everything but the database: ledger, keys of holds, held bytes, what else there is, the other keys."""
    first = ("ledger/", "keys/holds/", "holds/")
    for begin in first:
        yield from _present(settings, begin)
    for keys in (False, True):
        for name, path in _present(settings):
            if name != SQLITE and not name.startswith(first) and name.startswith("keys/") is keys:
                yield name, path


def _is_orphan(name: str, added: set[str]) -> bool:
    """Bytes of a hold whose key was not there when the keys of holds were copied: it began later, or was decided."""
    parts = name.split("/")
    return parts[0] == "holds" and len(parts) > 2 and f"keys/holds/{parts[1]}.key" not in added


def _add(archive: ArchiveWriter, name: str, path: Path, copy: Path) -> int:
    """The file's size; 0 where it vanished meanwhile, which for a decided hold or a dropped day is right."""
    try:
        if path.suffix != ".sqlite3":
            return archive.add_file(name, path)
        if not copy_sqlite(path, copy):
            return 0
        try:
            return archive.add_file(name, copy)
        finally:
            copy.unlink()
    except FileNotFoundError:
        return 0
    except FileChanged as error:
        raise UpkeepRefused(str(error), _("run the same command again")) from error
    except BadArchive as error:
        raise UpkeepRefused(
            str(error),
            _("only Seawall's own files belong into the data directory: move {place} elsewhere").format(place=path),
        ) from error


def _present(settings: Settings, begin: str = "") -> Iterator[tuple[str, Path]]:
    """Name and place of every file that belongs into a backup; with `begin`, of those below it."""
    place = settings.data_dir / begin
    if not place.is_dir():
        return
    for path in sorted(place.iterdir()):
        name = f"{begin}{path.name}"
        if name in LEFT_OUT or name.startswith(".") or "/." in name or name.endswith(LEFT_OUT_ENDINGS):
            continue
        if name == SQLITE and settings.on_postgresql:
            continue
        if path.is_dir() and len(name) < LONGEST_NAME:
            yield from _present(settings, f"{name}/")
        elif path.is_file():
            yield name, path


def copy_sqlite(source: Path, target: Path, *, check: bool = False) -> bool:
    """Copy a SQLite database as of this moment while others write into it; False when there is none.

    Raises:
        UpkeepRefused: it is damaged (`check` looks at every page), or the disk filled up.
    """
    address = f"file:{quote(str(source.absolute()))}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as opened,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            # What a killed attempt leaves is thrown away, so that nothing need be safe before it is in the archive.
            copy.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            # The copy is of this transaction's moment, however long it takes, and nobody waits for it.
            opened.execute("BEGIN")
            opened.execute("SELECT count(*) FROM sqlite_master").fetchone()
            opened.backup(copy, pages=PAGES)
            # A single file, whoever opens it and wherever it lies.
            copy.execute("PRAGMA journal_mode = DELETE")
            problem = copy.execute("PRAGMA quick_check(1)").fetchone()[0] if check else "ok"
    except sqlite3.DatabaseError as error:
        target.unlink(missing_ok=True)
        if not source.exists():
            return False
        raise _not_copied(source, target, error) from error
    if problem != "ok":
        target.unlink()
        raise _damaged(source, problem)
    return True


def _not_copied(source: Path, target: Path, error: sqlite3.DatabaseError) -> UpkeepRefused:
    # Beyond a limit on the size of files SQLite says "I/O error" where a full disk is "full".
    if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return disk_is_full(target.parent)
    return _damaged(source, str(error))


def _damaged(source: Path, problem: str) -> UpkeepRefused:
    return UpkeepRefused(
        _("{place} cannot be copied whole: {problem}").format(place=source, problem=problem),
        _("keep your last backup, and run `seawall log verify` and `seawall doctor`"),
    )


def backups_of(settings: Settings) -> Path:
    """The data directory's own `backups/`. Root may back up what a service owns, whose upgrades write there later."""
    backups = settings.data_dir / BACKUPS
    with suppress(FileExistsError):
        backups.mkdir(mode=0o700)
        owner = settings.data_dir.stat()
        if os.geteuid() == 0:
            os.chown(backups, owner.st_uid, owner.st_gid)
    return backups


@contextmanager
def _staging(settings: Settings) -> Iterator[Path]:
    """A directory for copies that are not encrypted yet: where the originals lie, so that no other disk sees them."""
    with telling_of_a_full_disk(settings.data_dir):
        backups = backups_of(settings)
        sweep(backups, ".staging-*", ".before-*.partial")
        place = backups / f".staging-{secrets.token_hex(4)}"
        place.mkdir(mode=0o700)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock(descriptor)
        with telling_of_a_full_disk(place):
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def _partial(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file beside the target that becomes it at the end, and is gone after any failure but a kill."""
    # Of names with the time in them, too: tonight's is another than that of the night when somebody pulled the plug.
    sweep(target.parent, f".{escape(target.name)}.*.partial", ".seawall-????????T??????Z.tar*.partial")
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        # Closing writes what is still buffered, and can fail like any write.
        with telling_of_a_full_disk(target):
            descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w+b") as out:
                lock(descriptor)
                yield partial, out
    finally:
        partial.unlink(missing_ok=True)
