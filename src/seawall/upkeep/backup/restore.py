"""Restoring: a backup is read and verified to its last byte before anything of it is put into place.

A data directory is one only once it has its `keys/`, which therefore come last: a restore that is killed leaves
something that no command takes for a data directory, and that the next restore clears away.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from gettext import gettext as _
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from seawall.record.durable import replace_durably, sync_directory
from seawall.settings import Settings
from seawall.upkeep import postgresql
from seawall.upkeep.backup.archive import BadArchive, Entry, read_archive
from seawall.upkeep.backup.make import FORMAT, LEFT_OUT, MANIFEST, MEMBERS, POSTGRESQL, SQLITE
from seawall.upkeep.backup.sealing import unsealed
from seawall.upkeep.model import (
    MARGIN_BYTES,
    Manifest,
    MemberRecord,
    Progress,
    UpkeepRefused,
    nothing,
    telling_of_a_full_disk,
)
from seawall.upkeep.version import is_newer

#: What a restore unpacks into, inside the new data directory.
UNPACKED = ".restoring"

#: Written before the first file is put into place: the names of all.
PLACED = ".restoring-names"

#: A manifest has a few kilobytes; the list of members some 150 bytes for each file.
LARGEST_MANIFEST = 1024 * 1024
LARGEST_LIST = 256 * 1024 * 1024

#: Directories that every data directory has.
ROOMS = ("ledger", "holds", "state", "keys")

#: With it a data directory is one.
KEYS = "keys"

#: An operator's own file, which must not be overwritten without a word.
TOML = "seawall.toml"

_DATABASE_URL = re.compile(r"^[ \t]*database_url[ \t]*=.*$", re.MULTILINE)

_Decoded = TypeVar("_Decoded")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A backup whose every byte is as it was written."""

    manifest: Manifest
    members: int
    #: Bytes of all of them.
    size: int


def check(
    path: Path,
    *,
    passphrase: Callable[[], str] | None = None,
    identities: Sequence[Any] = (),
    progress: Progress = nothing,
) -> Verified:
    """Read a backup and verify it, without writing anything.

    Raises:
        UpkeepRefused: it is no backup, of a newer release, damaged, or cannot be opened.
    """
    return _read(path, None, passphrase, identities, progress)


def restore(
    settings: Settings,
    path: Path,
    *,
    passphrase: Callable[[], str] | None = None,
    identities: Sequence[Any] = (),
    progress: Progress = nothing,
) -> Verified:
    """Put a backup into an absent or empty data directory, and into an empty PostgreSQL where it is of one.

    Raises:
        UpkeepRefused: as `check`; or the place is taken. Nothing was put into place.
    """
    data_dir = settings.data_dir
    _clear_interrupted(data_dir)
    _require_empty(data_dir)
    _require_room(path, data_dir)
    created = not data_dir.exists()
    with telling_of_a_full_disk(data_dir):
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with _unpacking(data_dir) as unpacked:
                verified = _read(path, unpacked, passphrase, identities, progress, settings)
                _furnish(settings, unpacked, verified.manifest)
                _put_in_place(data_dir, unpacked)
        except BaseException:
            if created:
                with suppress(OSError):
                    data_dir.rmdir()
            raise
    return verified


@contextmanager
def _unpacking(data_dir: Path) -> Iterator[Path]:
    """The directory to unpack into, locked, so that a second restore does not take it for a killed one's."""
    unpacked = data_dir / UNPACKED
    unpacked.mkdir(mode=0o700)
    descriptor = os.open(unpacked, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield unpacked
    except BaseException:
        _clear(data_dir)
        raise
    finally:
        os.close(descriptor)


def _read(
    path: Path,
    place: Path | None,
    passphrase: Callable[[], str] | None,
    identities: Sequence[Any],
    progress: Progress,
    settings: Settings | None = None,
) -> Verified:
    total = path.stat().st_size
    try:
        with unsealed(path, passphrase=passphrase, identities=identities) as source:
            entries = read_archive(source)
            manifest, head = _manifest(path, next(entries, None))
            if settings is not None:
                _require_fitting_database(settings, manifest)
            # To the end of the file, where a cipher says whether all of it was authentic.
            found, listed = _members(entries, place, manifest, lambda done: progress(min(done, total), total))
        _require_same([head, *found], listed)
    except BadArchive as error:
        raise UpkeepRefused(
            _("{path} is damaged: {error}").format(path=path, error=error),
            _("use another copy of it, or an earlier backup; nothing was changed"),
        ) from error
    progress(total, total)
    return Verified(manifest=manifest, members=len(listed), size=sum(one.size for one in listed))


def _manifest(path: Path, first: Entry | None) -> tuple[Manifest, MemberRecord]:
    """What the backup says of itself, when this release can restore it, and what the list at the end must say of it."""
    if first is None or first.name != MANIFEST:
        raise _foreign(path)
    text = _bounded(first, LARGEST_MANIFEST)
    if _decoded(text, _Numbered, MANIFEST).format > FORMAT:
        raise _too_new(path, _("a later release"))
    manifest = _decoded(text, Manifest, MANIFEST)
    try:
        # Who wrote it does not matter: an upgrade backs up what an older release left, to be restored by that one.
        if is_newer(manifest.data_version):
            raise _too_new(path, manifest.data_version)
    except ValueError as error:
        raise BadArchive(str(error)) from error
    digest = hashlib.sha256(text).hexdigest()
    return manifest, MemberRecord(name=MANIFEST, size=len(text), sha256=digest)


class _Numbered(msgspec.Struct):
    format: int


def _foreign(path: Path) -> UpkeepRefused:
    return UpkeepRefused(
        _("{path} is not a backup of Seawall").format(path=path),
        _("give a file that `seawall backup` wrote; nothing was changed"),
    )


def _too_new(path: Path, made_by: str) -> UpkeepRefused:
    return UpkeepRefused(
        _("{path} holds the data of Seawall {version}, which is newer than this one").format(
            path=path, version=made_by
        ),
        _("install that release or a later one, then restore with it; nothing was changed"),
    )


def _members(
    entries: Iterator[Entry], place: Path | None, manifest: Manifest, progress: Callable[[int], None]
) -> tuple[list[MemberRecord], list[MemberRecord]]:
    """Every member as it was found, unpacked into `place` where there is one, and as the list at the end states it."""
    database = POSTGRESQL if manifest.database == "postgresql" else SQLITE
    found: list[MemberRecord] = []
    listed: list[MemberRecord] | None = None
    done = 0
    for entry in entries:
        if listed is not None:
            raise BadArchive(f"{entry.name} stands behind the list of its members")
        if entry.name == MEMBERS:
            listed = _decoded(_bounded(entry, LARGEST_LIST), list[MemberRecord], MEMBERS)
            continue
        _require_expected(entry.name, database)
        found.append(_unpack(entry, place))
        done += entry.size
        progress(done)
    if listed is None:
        raise BadArchive("the list of its members is missing: it is truncated")
    if all(one.name != database for one in found):
        raise BadArchive(f"{database} is missing")
    return found, listed


def _require_expected(name: str, database: str) -> None:
    """What a backup never holds must not come into a data directory by way of one."""
    parts = name.split("/")
    other_database = name in {POSTGRESQL, SQLITE} - {database}
    if parts[0] in LEFT_OUT or any(part.startswith(".") for part in parts) or other_database:
        raise BadArchive(f"{name} is nothing that a backup holds")


def _unpack(entry: Entry, place: Path | None) -> MemberRecord:
    digest = hashlib.sha256()
    if place is None:
        for chunk in entry.chunks():
            digest.update(chunk)
        return MemberRecord(name=entry.name, size=entry.size, sha256=digest.hexdigest())
    target = place
    for part in entry.name.split("/"):
        # One by one: of several made at once only the last gets the mode.
        target.mkdir(mode=0o700, exist_ok=True)
        target /= part
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        for chunk in entry.chunks():
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return MemberRecord(name=entry.name, size=entry.size, sha256=digest.hexdigest())


def _require_same(found: Sequence[MemberRecord], listed: Sequence[MemberRecord]) -> None:
    expected = {one.name: one for one in listed}
    if len(expected) != len(listed):
        raise BadArchive("its list of members names one twice")
    for one in found:
        other = expected.pop(one.name, None)
        if other is None:
            raise BadArchive(f"{one.name} is not in the list of its members")
        if other != one:
            raise BadArchive(f"{one.name} is not what was written: size or SHA-256 differ")
    if expected:
        raise BadArchive(f"{min(expected)} is missing")


def _bounded(entry: Entry, most: int) -> bytes:
    if entry.size > most:
        raise BadArchive(f"{entry.name} has {entry.size} bytes, more than it ever has")
    return entry.read()


def _decoded(text: bytes, kind: type[_Decoded], name: str) -> _Decoded:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadArchive(f"{name} cannot be read: {error}") from error


def _require_fitting_database(settings: Settings, manifest: Manifest) -> None:
    """Before anything is unpacked."""
    if manifest.database == "sqlite":
        if settings.on_postgresql:
            raise UpkeepRefused(
                _("this backup is of SQLite, and a PostgreSQL was named"),
                _("leave --database-url and SEAWALL_DATABASE_URL out; then move with `seawall move-to-postgresql`"),
            )
        return
    if not settings.on_postgresql:
        raise UpkeepRefused(
            _("this backup is of a PostgreSQL, and none was named to restore it into"),
            _("create an empty database (createdb) and name it: --database-url postgresql://user@host/database"),
        )
    postgresql.require_reachable_and_empty(settings.database_url)


def _require_empty(data_dir: Path) -> None:
    if not data_dir.exists():
        return
    if not data_dir.is_dir():
        raise UpkeepRefused(
            _("{place} is a file, not a directory").format(place=data_dir), _("pass another --data-dir")
        )
    held = sorted(path.name for path in data_dir.iterdir())
    if held:
        raise UpkeepRefused(
            _("{place} is not empty (it holds {name})").format(place=data_dir, name=held[0]),
            _("restore into a new one with --data-dir, or move what is there away first; a backup brings all it needs"),
        )


def _require_room(path: Path, data_dir: Path) -> None:
    place = next(one for one in (data_dir, *data_dir.absolute().parents) if one.exists())
    free, needed = shutil.disk_usage(place).free, path.stat().st_size + MARGIN_BYTES
    if free < needed:
        raise UpkeepRefused(
            _("the backup needs {needed} MiB at {place}, and {free} MiB are free").format(
                needed=needed >> 20, place=place, free=free >> 20
            ),
            _("free some space there, or restore onto another disk with --data-dir"),
        )


def _furnish(settings: Settings, unpacked: Path, manifest: Manifest) -> None:
    """What is not a file of the backup: the tables in PostgreSQL, the address of that in the settings, empty rooms."""
    for room in ROOMS:
        (unpacked / room).mkdir(mode=0o700, exist_ok=True)
    if manifest.database != "postgresql":
        return
    toml = unpacked / TOML
    text = toml.read_text(encoding="utf-8") if toml.exists() else ""
    # The file may still name the database that was backed up, which no command shall touch by accident.
    replace_durably(toml, with_database_url(text, settings.database_url).encode())
    dump = unpacked / POSTGRESQL
    postgresql.load(settings.database_url, dump)
    dump.unlink()


def with_database_url(text: str, database_url: str) -> str:
    """The text of a `seawall.toml` that names this database."""
    line = f"database_url = {msgspec.json.encode(database_url).decode()}"
    if _DATABASE_URL.search(text):
        return _DATABASE_URL.sub(lambda _found: line, text)
    # First, because what follows a table's head would belong to that table.
    return f"{line}\n{text}"


def _put_in_place(data_dir: Path, unpacked: Path) -> None:
    names = sorted((path.name for path in unpacked.iterdir()), key=lambda name: (name == KEYS, name))
    for directory, _inner, _files in os.walk(unpacked):
        sync_directory(Path(directory))
    replace_durably(data_dir / PLACED, msgspec.json.encode(names))
    for name in names:
        (unpacked / name).rename(data_dir / name)
        sync_directory(data_dir)
    (data_dir / PLACED).unlink()
    unpacked.rmdir()
    data_dir.chmod(0o700)
    sync_directory(data_dir)


def _clear_interrupted(data_dir: Path) -> None:
    """As `_clear`, after a restore that was killed; UpkeepRefused while one is at work."""
    try:
        descriptor = os.open(data_dir / UNPACKED, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _clear(data_dir)
    except BlockingIOError:
        raise UpkeepRefused(
            _("another restore into {place} is at work").format(place=data_dir), _("wait for it, or stop it first")
        ) from None
    finally:
        os.close(descriptor)


def _clear(data_dir: Path) -> None:
    """Remove what was put into place of a data directory that never became one, and the scaffolding in any case."""
    placed = data_dir / PLACED
    if placed.exists() and not (data_dir / KEYS).exists():
        names = set(msgspec.json.decode(placed.read_bytes(), type=list[str]))
        # Only what lies in the directory, whatever the list says.
        for path in [path for path in data_dir.iterdir() if path.name in names]:
            _remove(path)
    _remove(data_dir / UNPACKED)
    placed.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    """A file or a directory that we unpacked ourselves."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
