"""Where an export is put: a new directory or a new ZIP file, which is there whole or not at all."""

import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from gettext import gettext as _
from glob import escape
from pathlib import Path
from typing import IO, Protocol

from seawall.record.durable import sync_directory
from seawall.upkeep.drafts import lock, sweep
from seawall.upkeep.model import UpkeepRefused, telling_of_a_full_disk

ZIP = ".zip"

#: ZIP knows no earlier year.
FIRST_ZIP_YEAR = 1980


class Shelf(Protocol):
    """Takes files, one at a time."""

    def file(self, name: str) -> "IO[bytes]":
        """A new file to write; close it before the next one is opened."""


class _Directory:
    def __init__(self, place: Path) -> None:
        self._place = place

    def file(self, name: str) -> "IO[bytes]":
        path = self._place
        for part in name.split("/"):
            # One by one: of several made at once only the last gets the mode.
            path.mkdir(mode=0o700, exist_ok=True)
            path /= part
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "wb")


class _Zip:
    def __init__(self, archive: zipfile.ZipFile, now: datetime) -> None:
        self._archive = archive
        moment = now.astimezone(UTC)
        self._time = (max(moment.year, FIRST_ZIP_YEAR), moment.month, moment.day, moment.hour, moment.minute, 0)

    def file(self, name: str) -> "IO[bytes]":
        about = zipfile.ZipInfo(name, date_time=self._time)
        about.compress_type = zipfile.ZIP_DEFLATED
        about.external_attr = 0o600 << 16
        return self._archive.open(about, "w", force_zip64=True)


@contextmanager
def shelf(target: Path, *, now: datetime) -> Iterator[Shelf]:
    """Takes files until the end of the block, and then stands at `target`.

    Raises:
        UpkeepRefused: something is there already, or the disk filled up; nothing is left behind.
    """
    if target.exists():
        raise UpkeepRefused(
            _("{place} is there already").format(place=target), _("give the name of a new directory or ZIP file")
        )
    if not target.absolute().parent.is_dir():
        raise UpkeepRefused(
            _("there is no directory {place}").format(place=target.parent), _("create it, or give another place")
        )
    # A killed export has everything in the clear.
    sweep(target.parent, f".{escape(target.name)}.????????.partial")
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with telling_of_a_full_disk(target):
            if target.suffix.lower() == ZIP:
                descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "w+b") as out:
                    lock(descriptor)
                    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                        yield _Zip(archive, now)
                    out.flush()
                    os.fsync(descriptor)
            else:
                draft.mkdir(mode=0o700)
                with _locked(draft):
                    yield _Directory(draft)
            draft.rename(target)
            sync_directory(target.absolute().parent)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)
