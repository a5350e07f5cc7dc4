"""Encryption of a backup, in the age format (age-encryption.org/v1), so that the ordinary `age` tool opens it as well.

To a recipient, the file is a plain age file. With a passphrase, it is a tar of two members: `identity.age`, a key made
for this one backup and encrypted with the passphrase, and `backup.tar.age`, encrypted to that key. (age's own
passphrase mode takes everything into memory here.)
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path
from typing import Any, BinaryIO

import pyrage

from seawall.upkeep.backup.archive import BLOCK, ArchiveWriter, BadArchive, header, padding, read_archive
from seawall.upkeep.model import UpkeepRefused

MAGIC = b"age-encryption.org/v1\n"

IDENTITY = "identity.age"
PAYLOAD = "backup.tar.age"

#: A sealed identity has some 300 bytes.
LARGEST_IDENTITY = 16 * 1024

#: Whoever finds the file may try passphrases for years.
SHORTEST_PASSPHRASE = 12

WITH_AGE = "docs/how-to/back-up-and-restore.md"


@contextmanager
def sealed_to(out: BinaryIO, recipients: Sequence[Any]) -> Iterator[BinaryIO]:
    """A file to write to; what is written arrives in `out` as an age file for any of `recipients`.

    The library reads where we write, so that it works in a thread of its own behind a pipe.
    """
    read_end, write_end = os.pipe()
    told = _Telling(out)
    failed: list[BaseException] = []

    def seal() -> None:
        with os.fdopen(read_end, "rb") as source:
            try:
                pyrage.encrypt_io(source, told, list(recipients))
            except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that can tell of it
                failed.append(told.error or error)

    thread = threading.Thread(target=seal, name="seal", daemon=True)
    thread.start()
    try:
        with os.fdopen(write_end, "wb") as sink:
            yield sink
    except BrokenPipeError:
        thread.join()
        if not failed:
            raise
    finally:
        thread.join()
    if failed:
        raise failed[0]


@contextmanager
def sealed_with_passphrase(out: BinaryIO, passphrase: str, *, made_at: int) -> Iterator[BinaryIO]:
    """As `sealed_to`, for a passphrase. `out` must be seekable: sizes in its headers are known at the end."""
    identity = pyrage.x25519.Identity.generate()
    outer = ArchiveWriter(out, made_at=made_at)
    outer.add_bytes(IDENTITY, pyrage.passphrase.encrypt(f"{identity}\n".encode(), passphrase))
    place = out.tell()
    out.write(bytes(BLOCK))
    with sealed_to(out, [identity.to_public()]) as sink:
        yield sink
    size = out.tell() - place - BLOCK
    out.write(padding(size))
    outer.finish()
    out.seek(place)
    out.write(header(PAYLOAD, size, made_at=made_at))
    out.seek(0, os.SEEK_END)


@contextmanager
def unsealed(
    path: Path, *, passphrase: Callable[[], str] | None = None, identities: Sequence[Any] = ()
) -> Iterator[BinaryIO]:
    """The archive in the backup at `path`, deciphered where it is encrypted; `passphrase` is asked only then.

    Raises:
        UpkeepRefused: it is encrypted and cannot be opened with what was given.
        BadArchive: the outer file is damaged or was altered.
    """
    with path.open("rb") as file:
        begin = file.read(max(len(MAGIC), len(IDENTITY) + 1))
        file.seek(0)
        if begin.startswith(MAGIC):
            if not identities:
                raise UpkeepRefused(
                    _("{path} is encrypted to a recipient").format(path=path),
                    _("give the file with the matching secret key (AGE-SECRET-KEY-1…) with --identity"),
                )
            with _deciphered(file, identities) as plain:
                yield plain
        elif begin.startswith(f"{IDENTITY}\0".encode()):
            with _opened_with_passphrase(file, path, passphrase) as plain:
                yield plain
        else:
            yield file


@contextmanager
def _opened_with_passphrase(file: BinaryIO, path: Path, passphrase: Callable[[], str] | None) -> Iterator[BinaryIO]:
    if passphrase is None:
        raise UpkeepRefused(
            _("{path} is encrypted with a passphrase").format(path=path),
            _("run this where you can type it, or give it with --passphrase-file"),
        )
    members = read_archive(file)
    sealed = next(members)
    if sealed.size > LARGEST_IDENTITY:
        raise BadArchive(f"{IDENTITY} is too long for a key")
    identity = _unlocked(sealed.read(), passphrase(), path)
    payload = next(members, None)
    if payload is None or payload.name != PAYLOAD:
        raise BadArchive(f"{PAYLOAD} is missing")
    with _deciphered(payload, [identity]) as plain:
        yield plain
    # What follows is looked at too: an end mark and nothing else.
    if next(members, None) is not None:
        raise BadArchive(f"there is something behind {PAYLOAD}")


def _unlocked(sealed: bytes, passphrase: str, path: Path) -> Any:
    try:
        text = pyrage.passphrase.decrypt(sealed, passphrase)
        return pyrage.x25519.Identity.from_str(text.decode("ascii").strip())
    except (pyrage.DecryptError, pyrage.IdentityError, ValueError, OSError) as error:
        raise UpkeepRefused(
            _("this passphrase does not open {path}, or its key is damaged").format(path=path),
            _("try the passphrase again; if it is certainly right, use another copy of the backup"),
        ) from error


@contextmanager
def _deciphered(source: Any, identities: Sequence[Any]) -> Iterator[BinaryIO]:
    """A file to read from. Only what was authenticated comes out of it; a failure is raised at its end."""
    read_end, write_end = os.pipe()
    failed: list[BaseException] = []

    def decipher() -> None:
        with os.fdopen(write_end, "wb") as sink:
            try:
                pyrage.decrypt_io(source, sink, list(identities))
            except BaseException as error:  # noqa: BLE001 - raised again in the reader
                failed.append(error)

    thread = threading.Thread(target=decipher, name="decipher", daemon=True)
    thread.start()
    try:
        with os.fdopen(read_end, "rb") as plain:
            yield _Watched(plain, thread, failed)  # type: ignore[misc]
    finally:
        thread.join()


class _Watched:
    """Reads until the deciphering ends, and raises its error where it failed."""

    def __init__(self, plain: BinaryIO, thread: threading.Thread, failed: list[BaseException]) -> None:
        self._plain = plain
        self._thread = thread
        self._failed = failed

    def read(self, most: int = -1) -> bytes:
        data = self._plain.read(most)
        if not data:
            self._thread.join()
            if self._failed:
                raise _why_not(self._failed[0]) from self._failed[0]
        return data


class _Telling:
    """Remembers the error of writing, of which the library keeps only the words."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._out.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._out.flush()


def _why_not(error: BaseException) -> Exception:
    if isinstance(error, BadArchive):
        return error
    if isinstance(error, pyrage.DecryptError) and "key" in str(error).lower():
        return UpkeepRefused(
            _("the backup was not encrypted to this key"),
            _("give the identity whose recipient (age1…) was named when the backup was made"),
        )
    return BadArchive(f"it cannot be deciphered: it is damaged or was altered ({error})")


def recipients_of(texts: Sequence[str]) -> list[Any]:
    """Recipients from their texts, `age1…`; UpkeepRefused names the first bad one."""
    found = []
    for text in texts:
        try:
            found.append(pyrage.x25519.Recipient.from_str(text.strip()))
        except pyrage.RecipientError as error:
            raise UpkeepRefused(
                _("{text} is no recipient: {error}").format(text=repr(text[:80]), error=error),
                _("give the public key that `age-keygen` printed; it begins with age1"),
            ) from error
    return found


def identities_of(text: str, named: Path) -> list[Any]:
    """The identities in an age identity file: one to a line, lines that begin with # are remarks."""
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for line in lines:
        if not line or line.startswith("#"):
            continue
        try:
            found.append(pyrage.x25519.Identity.from_str(line))
        except pyrage.IdentityError as error:
            raise UpkeepRefused(
                _("{place} is no age identity file").format(place=named),
                _("give the file that `age-keygen -o FILE` wrote; its key begins with AGE-SECRET-KEY-1"),
            ) from error
    if not found:
        raise UpkeepRefused(
            _("there is no key in {place}").format(place=named), _("give the file that `age-keygen -o FILE` wrote")
        )
    return found
