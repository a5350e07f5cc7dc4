"""The signed link in a verdict: it leads the person concerned, without an account, to what they may be told.

    keys = load_or_create(keys_dir, now)
    url = link(base_url, screening_id, keys.current)      # https://…/x/AQAAAR…
    open_link(token, keys)                                # the screening's id, or None

A token is 48 characters of URL-safe Base64: version (1 byte), number of the key (3), UUID of the screening (16), and
the first 16 bytes of an HMAC-SHA256 over these. Whoever has it may read what the uploader's page shows of that one
screening, and ask for a person; nothing about list, distance or reviewer hangs on it. Knows no Django, because the gate
makes links.
"""

import base64
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec

from seawall.record.durable import destroy_file, sync_directory
from seawall.record.ids import parse_id
from seawall.screening.model import Action, Verdict

VERSION = 1
#: Below the keys directory.
DIRECTORY = "explain"
#: What the page's address begins with.
PATH = "/x/"

KEY_BYTES = 32
#: Guessing is hopeless at 16 bytes (2**128), and the link stays short enough for a mail's line.
MAC_BYTES = 16
TOKEN_CHARACTERS = 48
#: Three bytes of the token name the key: one a day lasts for 46 000 years.
LARGEST_NUMBER = (1 << 24) - 1
#: A key file has some 130 bytes; anything above this is not one.
MAX_FILE_BYTES = 4096

#: A new key begins after this long, as with the ledger's (DESIGN §5): who steals one makes links for a month's uploads.
ROTATE_AFTER = timedelta(days=30)

#: Nobody takes longer than this to make a key; what is unfinished then was left by a killed process.
UNFINISHED_AFTER = timedelta(hours=1)

#: The gate looks at most this often whether a key was added. Seconds.
POLL_SECONDS = 0.1

#: Bound into each code, so that it can never be mistaken for one made for something else.
_PURPOSE = b"seawall explain link\0"
_FILE = re.compile(r"(\d{8})\.json")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{48}", re.ASCII)

_log = logging.getLogger("seawall.explain")


class BadExplainKey(ValueError):
    """A file in keys/explain cannot be used: restore it from a backup, or remove it (links made with it then die)."""


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    schema: int
    number: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_NUMBER)]
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    key: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainKey:
    """A key and its running number, which tokens carry."""

    number: int
    created_at: datetime
    secret: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainKeys:
    """Every key there is, by its number. New links are made with `current`; older ones open with what made them."""

    by_number: Mapping[int, ExplainKey]

    @property
    def current(self) -> ExplainKey:
        return self.by_number[max(self.by_number)]


def link(base_url: str, screening_id: str, key: ExplainKey) -> str:
    """The address of the uploader's page of this screening. BadId when it is no screening's id."""
    return f"{base_url}{PATH}{token_of(parse_id('scr', screening_id), key)}"


def token_of(screening: UUID, key: ExplainKey) -> str:
    said = bytes((VERSION,)) + key.number.to_bytes(3, "big") + screening.bytes
    return base64.urlsafe_b64encode(said + _code(key.secret, said)).decode("ascii")


def open_link(token: str, keys: ExplainKeys) -> str | None:
    """The id of the screening that the token was made for; None for everything else, whatever is wrong with it.

    What it costs does not depend on how much of the token is right, nor on whether its key exists.
    """
    if not _TOKEN.fullmatch(token):
        return None
    raw = base64.urlsafe_b64decode(token)
    said, code = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    key = keys.by_number.get(int.from_bytes(said[1:4], "big"))
    right = hmac.compare_digest(code, _code(_NOBODYS if key is None else key.secret, said))
    screening = UUID(bytes=said[4:])
    if key is None or not right or said[0] != VERSION or screening.version != 7:
        return None
    return f"scr_{screening}"


def load(keys_dir: Path, *, skip_damaged: bool = False) -> ExplainKeys | None:
    """The keys in `keys_dir`/explain; None where there are none yet.

    With `skip_damaged` the others are given, for opening links; who makes and renews keys says what is wrong.

    Raises:
        BadExplainKey: one of the files is damaged; the message names it.
    """
    keys = []
    for path in sorted((keys_dir / DIRECTORY).glob("*.json")):
        if _FILE.fullmatch(path.name):
            # One that is retired in this moment is no key any more.
            with suppress(FileNotFoundError, *((BadExplainKey,) if skip_damaged else ())):
                keys.append(_read(path))
    return ExplainKeys(by_number={key.number: key for key in keys}) if keys else None


def load_or_create(keys_dir: Path, now: datetime) -> ExplainKeys:
    """The keys there are; the first call makes the first one. Several processes may do so at once."""
    return load(keys_dir) or rotate(keys_dir, now)


def rotate(keys_dir: Path, now: datetime) -> ExplainKeys:
    """Make a new key, with which links are made from now on. Older links stay valid until `retire`.

    A running server takes it up by itself.

    Raises:
        OSError: it cannot be written.
    """
    directory = keys_dir / DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    present = load(keys_dir)
    number = present.current.number + 1 if present else 1
    body = _KeyFile(schema=1, number=number, created_at=now, key=secrets.token_bytes(KEY_BYTES))
    _create(directory / f"{number:08d}.json", msgspec.json.encode(body))
    found = load(keys_dir)
    if found is None:
        raise BadExplainKey(f"the key that was just made in {directory} is gone: does something clean it?")
    return found


def retire(keys_dir: Path, *, keep: timedelta, now: datetime) -> list[int]:
    """Destroy the keys that have made no link for `keep`; returns their numbers. The current one always stays.

    `keep` must be at least the longest appeal window: a link that was handed out has to open until then.
    """
    present = load(keys_dir)
    if present is None:
        return []
    numbers = sorted(present.by_number)
    # A key's last link was made when the next one came.
    ended = {one: present.by_number[after].created_at for one, after in pairwise(numbers)}
    old = [number for number, last in ended.items() if now - last > keep]
    for number in old:
        destroy_file(_path_of(keys_dir, number))
    return old


def renew(keys_dir: Path, *, needed_since: datetime, now: datetime) -> list[int]:
    """Begin a new key where the present one is old, and retire those that made their last link before `needed_since`.

    To be called now and then by the one process that serves; returns the numbers of what was destroyed. Keys are made
    by whoever makes links, not here. A clock that is wrong for a moment, even by years, kills no link.

    Raises:
        BadExplainKey: a key is damaged; nothing was changed.
    """
    present = load(keys_dir)
    if present is None:
        return []
    for path in (keys_dir / DIRECTORY).glob(".*.json.*"):
        with suppress(FileNotFoundError):
            if now.timestamp() - path.stat().st_mtime > UNFINISHED_AFTER.total_seconds():
                # It may be the second name of a key in use, whose bytes must stay.
                path.unlink()
    if now - present.current.created_at >= ROTATE_AFTER:
        rotate(keys_dir, now)
    return retire(keys_dir, keep=now - needed_since, now=now)


class ExplainLinks:
    """Makes links, with keys that follow the directory: what `rotate` adds is used within a tenth of a second.

    Thread-safe. Made once at a gate's start; keys that cannot be read later leave the old ones in use.
    """

    def __init__(self, keys_dir: Path, *, base_url: str, now: datetime) -> None:
        """Raises BadExplainKey or OSError: without keys no link can be made, and nobody stopped would get one."""
        self._keys_dir = keys_dir
        self._base_url = base_url
        self.keys = load_or_create(keys_dir, now)
        self._stamp = self._look()
        self._next_look = time.monotonic() + POLL_SECONDS

    def url(self, screening_id: str) -> str:
        """See `link`."""
        if time.monotonic() >= self._next_look:
            self.refresh()
        return link(self._base_url, screening_id, self.keys.current)

    def linked(self, verdict: Verdict) -> Verdict:
        """The verdict with the address of the uploader's page, where it stops anybody."""
        if verdict.verdict is Action.ALLOW:
            return verdict
        return msgspec.structs.replace(verdict, explain_url=self.url(verdict.id))

    def refresh(self) -> None:
        """Read the keys again, if the directory changed."""
        self._next_look = time.monotonic() + POLL_SECONDS
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.keys = load(self._keys_dir) or self.keys
        except (BadExplainKey, OSError) as error:
            _log.error("the keys in keys/explain cannot be read, the ones before stay in use: %s", error)

    def _look(self) -> tuple[int, frozenset[str]]:
        """Its time and its names: two changes within one tick of the file system's clock have the same time."""
        directory = self._keys_dir / DIRECTORY
        try:
            return directory.stat().st_mtime_ns, frozenset(path.name for path in directory.iterdir())
        except OSError:
            return -1, frozenset()


#: In place of a key that is not there, so that a token of an unknown one takes as long.
_NOBODYS = secrets.token_bytes(KEY_BYTES)


def _code(secret: bytes, said: bytes) -> bytes:
    # The name, not the function: only so does OpenSSL do it in one step, in a tenth of the time.
    return hmac.digest(secret, _PURPOSE + said, "sha256")[:MAC_BYTES]


def _path_of(keys_dir: Path, number: int) -> Path:
    return keys_dir / DIRECTORY / f"{number:08d}.json"


def _read(path: Path) -> ExplainKey:
    with path.open("rb") as file:
        body = file.read(MAX_FILE_BYTES + 1)
    try:
        found = msgspec.json.decode(body, type=_KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadExplainKey(f"{path.name}: {error}. {BadExplainKey.__doc__}") from error
    if len(found.key) != KEY_BYTES or path.name != f"{found.number:08d}.json" or len(body) > MAX_FILE_BYTES:
        raise BadExplainKey(f"{path.name} is not what was written. {BadExplainKey.__doc__}")
    return ExplainKey(number=found.number, created_at=found.created_at, secret=found.key)


def _create(path: Path, body: bytes) -> None:
    """Write a new file, whole and durable; where another process was faster, its file stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces a key that has made links already.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)
