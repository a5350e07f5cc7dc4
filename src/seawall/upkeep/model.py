"""The nouns of upkeep: what a backup says of itself, how far something has come, and how a refusal is told."""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path
from typing import Literal

import msgspec

#: Told the bytes or rows that are done, and all there are.
Progress = Callable[[int, int], None]

#: What a disk that is full, or a quota or limit that is used up, answers.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

#: Room that is left on a disk beside what we are about to write: a running server needs some too.
MARGIN_BYTES = 32 * 1024 * 1024

#: In the data directory from before the settings name the PostgreSQL that it moves to until the old files are put
#: aside: the address of that.
MOVE_BEGUN = ".move-begun"

_VERSION = re.compile(r"(\d{1,6}(?:\.\d{1,6}){0,5})(?:\.?(dev|a|b|rc)(\d{1,6}))?")

#: In this order they come before the release itself.
_BEFORE_RELEASE = ("dev", "a", "b", "rc", "")


class UpkeepRefused(RuntimeError):
    """It was not done. `text` says why, `next_step` what to do about it; both are plain sentences for people."""

    def __init__(self, text: str, next_step: str) -> None:
        super().__init__(f"{text}: {next_step}")
        self.text = text
        self.next_step = next_step


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The first member of a backup: what it is a backup of. A later format may say more; what is unknown is skipped."""

    format: int
    #: The Seawall that wrote the backup.
    seawall_version: str
    #: The Seawall whose tables and files are in it; older than the above in a backup made by an upgrade.
    data_version: str
    #: RFC 3339, UTC.
    created_at: str
    database: Literal["sqlite", "postgresql"]
    #: Whose transparency log is in it; empty where nothing was ever signed.
    log_origin: str
    #: Names of the applied migrations, by app.
    migrations: dict[str, list[str]]


class MemberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup. `sha256` in hex."""

    name: str
    size: int
    sha256: str


def nothing(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


def release(version: str) -> tuple[tuple[int, ...], int, int]:
    """A version as something that can be compared: 0.1.0 < 0.2.0.dev0 < 0.2.0rc1 < 0.2.0.

    Raises:
        ValueError: it is no version of ours.
    """
    found = _VERSION.fullmatch(version.partition("+")[0])
    if found is None:
        raise ValueError(f"{version[:40]!r} is no version of Seawall")
    numbers = tuple(int(one) for one in found[1].split("."))
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers, _BEFORE_RELEASE.index(found[2] or ""), int(found[3] or 0)


@contextmanager
def telling_of_a_full_disk(place: Path) -> Iterator[None]:
    """Turn the errors of a full disk into words. What was begun is removed by whoever began it."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise disk_is_full(place) from error


def disk_is_full(place: Path) -> UpkeepRefused:
    return UpkeepRefused(
        _("the disk filled up while {place} was written; what was written of it is removed again").format(place=place),
        _("free some space there, or give a place on another disk, and run the same command again"),
    )
