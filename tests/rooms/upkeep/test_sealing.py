"""Encryption: the right key opens it, nothing else does, and the ordinary age tool would."""

import errno
import io
import tarfile
from pathlib import Path
from typing import BinaryIO

import pyrage
import pytest

from seawall.upkeep.backup.archive import BadArchive, read_archive
from seawall.upkeep.backup.sealing import (
    IDENTITY,
    PAYLOAD,
    identities_of,
    recipients_of,
    sealed_to,
    sealed_with_passphrase,
    unsealed,
)
from seawall.upkeep.model import UpkeepRefused

PLAIN = bytes(range(256)) * 2_000
PASSPHRASE = "six harmless words in a row"


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def for_recipient(tmp_path: Path, identity: pyrage.x25519.Identity) -> Path:
    path = tmp_path / "backup.tar.age"
    with path.open("w+b") as out, sealed_to(out, [identity.to_public()]) as sink:
        sink.write(PLAIN)
    return path


@pytest.fixture(scope="module")
def with_passphrase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Once: a passphrase costs a second on purpose."""
    path = tmp_path_factory.mktemp("sealed") / "backup.tar"
    with path.open("w+b") as out, sealed_with_passphrase(out, PASSPHRASE, made_at=1) as sink:
        sink.write(PLAIN)
    return path


def read(path: Path, **keys: object) -> bytes:
    with unsealed(path, **keys) as source:  # type: ignore[arg-type]
        parts = iter(lambda: source.read(1 << 16), b"")
        return b"".join(parts)


def damaged(path: Path, at: int) -> Path:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    copy = path.with_name("damaged")
    copy.write_bytes(data)
    return copy


def test_a_recipient_reads_it_and_nobody_else(for_recipient: Path, identity: pyrage.x25519.Identity) -> None:
    assert read(for_recipient, identities=[identity]) == PLAIN
    assert PLAIN[:256] not in for_recipient.read_bytes()
    assert pyrage.decrypt(for_recipient.read_bytes(), [identity]) == PLAIN
    with pytest.raises(UpkeepRefused, match="encrypted to a recipient"):
        read(for_recipient)
    with pytest.raises(UpkeepRefused, match="not encrypted to this key"):
        read(for_recipient, identities=[pyrage.x25519.Identity.generate()])


def test_a_passphrase_opens_it_as_the_age_tool_would(with_passphrase: Path) -> None:
    assert read(with_passphrase, passphrase=lambda: PASSPHRASE) == PLAIN
    with tarfile.open(with_passphrase) as tar:
        assert tar.getnames() == [IDENTITY, PAYLOAD]
        sealed, payload = (tar.extractfile(name) for name in (IDENTITY, PAYLOAD))
        assert sealed is not None
        assert payload is not None
        text = pyrage.passphrase.decrypt(sealed.read(), PASSPHRASE).decode()
        assert pyrage.decrypt(payload.read(), [pyrage.x25519.Identity.from_str(text.strip())]) == PLAIN


def test_a_wrong_passphrase_or_none(with_passphrase: Path) -> None:
    with pytest.raises(UpkeepRefused, match="does not open"):
        read(with_passphrase, passphrase=lambda: "another one altogether")
    with pytest.raises(UpkeepRefused, match="with a passphrase"):
        read(with_passphrase)


@pytest.mark.parametrize("place", [0.2, 0.6, 0.999])
def test_one_bit_is_noticed(for_recipient: Path, identity: pyrage.x25519.Identity, place: float) -> None:
    at = int(for_recipient.stat().st_size * place)
    with pytest.raises(BadArchive, match="damaged"):
        read(damaged(for_recipient, at), identities=[identity])


@pytest.mark.slow  # a second for each passphrase tried
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_one_bit_of_the_outer_tar_or_its_cipher_is_noticed(with_passphrase: Path, place: float) -> None:
    copy = damaged(with_passphrase, int((with_passphrase.stat().st_size - 1) * place))
    if place == 0.0:
        # With another first name it is a plain file, which the archive's reader refuses.
        with copy.open("rb") as file, pytest.raises(BadArchive):
            list(read_archive(file))
        return
    with pytest.raises(BadArchive):
        read(copy, passphrase=lambda: PASSPHRASE)


@pytest.mark.parametrize("cut", [1, 100, 70_000])
def test_a_cut_file_is_noticed(for_recipient: Path, identity: pyrage.x25519.Identity, cut: int) -> None:
    with pytest.raises(BadArchive):
        read(shortened(for_recipient, cut), identities=[identity])


@pytest.mark.slow  # a second for each passphrase tried
@pytest.mark.parametrize("cut", [1, 1024, 70_000])
def test_a_cut_file_with_a_passphrase_is_noticed(with_passphrase: Path, cut: int) -> None:
    with pytest.raises(BadArchive):
        read(shortened(with_passphrase, cut), passphrase=lambda: PASSPHRASE)


def shortened(path: Path, cut: int) -> Path:
    short = path.with_name(f"short-{cut}")
    short.write_bytes(path.read_bytes()[:-cut])
    return short


class _Full(io.BytesIO):
    def write(self, _data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def seal(out: BinaryIO, identity: pyrage.x25519.Identity, times: int = 1, *, fails: bool = False) -> None:
    with sealed_to(out, [identity.to_public()]) as sink:
        for _ in range(times):
            sink.write(PLAIN)
        if fails:
            raise ZeroDivisionError


def test_a_full_disk_is_told_as_what_it_is(identity: pyrage.x25519.Identity) -> None:
    with pytest.raises(OSError, match="No space") as caught:
        seal(_Full(), identity, 100)
    assert caught.value.errno == errno.ENOSPC


def test_an_error_of_the_writer_ends_it(identity: pyrage.x25519.Identity) -> None:
    with pytest.raises(ZeroDivisionError):
        seal(io.BytesIO(), identity, fails=True)


def test_reading_may_stop_early(for_recipient: Path, identity: pyrage.x25519.Identity) -> None:
    with unsealed(for_recipient, identities=[identity]) as source:
        assert source.read(10) == PLAIN[:10]


@pytest.mark.parametrize("text", ["", "age1", "ssh-ed25519 AAAA", "age1qqqqqqqqqq", "AGE-SECRET-KEY-1QQQ"])
def test_what_is_no_recipient(text: str) -> None:
    with pytest.raises(UpkeepRefused, match="no recipient"):
        recipients_of([text])


def test_identity_files(identity: pyrage.x25519.Identity) -> None:
    text = f"# created: today\n# public key: {identity.to_public()}\n{identity}\n"
    assert [str(one) for one in identities_of(text, Path("key"))] == [str(identity)]
    for bad in ("", "# nothing\n", "age1abc\n", "\x00\n"):
        with pytest.raises(UpkeepRefused, match="key"):
            identities_of(bad, Path("key"))


def test_a_recipient_from_its_text(identity: pyrage.x25519.Identity) -> None:
    (recipient,) = recipients_of([f" {identity.to_public()}\n"])
    assert pyrage.decrypt(pyrage.encrypt(b"x", [recipient]), [identity]) == b"x"
