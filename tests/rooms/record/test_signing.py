import base64
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seawall.record import signing
from seawall.record.signing import (
    BadKeyFile,
    VerificationKey,
    load_or_create_signing_key,
    load_verification_keys,
    new_signing_key,
    rotate_signing_key,
)

NOW = datetime(2026, 11, 23, 20, 28, 0, 999999, tzinfo=UTC)
LATER = NOW + timedelta(days=30)

#: Two well-known keys of the Go checksum database's note format: text and the name, id and key in it.
PUBLISHED = [
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
]


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys"


def only_file(keys_dir: Path) -> Path:
    (path,) = keys_dir.iterdir()
    return path


@pytest.mark.parametrize("text", PUBLISHED)
def test_key_ids_are_those_of_c2sp_signed_notes(text: str) -> None:
    name, key_id, encoded = text.split("+", 2)
    key = VerificationKey(origin=name, public_key=base64.b64decode(encoded)[1:], valid_from=NOW)
    assert key.key_id == key_id
    assert key.as_text() == text


def test_the_first_call_makes_a_private_file(keys_dir: Path) -> None:
    key = load_or_create_signing_key(keys_dir, NOW, origin="example.org/log")
    path = only_file(keys_dir)
    assert path.name == f"log-{key.verification.key_id}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys_dir.stat().st_mode) == 0o700
    assert load_or_create_signing_key(keys_dir, LATER) == key
    assert load_verification_keys(keys_dir) == (key.verification,)
    assert key.verification.was_valid(NOW)


def test_logs_without_a_given_origin_have_different_ones(tmp_path: Path) -> None:
    origins = {load_or_create_signing_key(tmp_path / str(n), NOW).verification.origin for n in range(5)}
    assert len(origins) == 5


def test_the_private_key_does_not_show(keys_dir: Path) -> None:
    key = load_or_create_signing_key(keys_dir, NOW)
    private = json.loads(only_file(keys_dir).read_text())["private_key"]
    for secret in (private, key.private_key.hex(), repr(key.private_key)):
        assert secret not in f"{key!r} {key}"


def test_a_signature_holds_for_its_message_only(keys_dir: Path) -> None:
    key = load_or_create_signing_key(keys_dir, NOW)
    signature = key.sign(b"message")
    assert key.verification.signed(b"message", signature)
    assert not key.verification.signed(b"massage", signature)
    assert not key.verification.signed(b"message", signature[:-1])


def test_rotation_keeps_the_old_key_for_checking_only(keys_dir: Path) -> None:
    old = load_or_create_signing_key(keys_dir, NOW, origin="example.org/log")
    new = rotate_signing_key(keys_dir, LATER)
    assert new.verification.origin == "example.org/log"
    assert load_or_create_signing_key(keys_dir, LATER) == new
    first, second = load_verification_keys(keys_dir)
    assert (first.key_id, second) == (old.verification.key_id, new.verification)
    assert first.valid_until == new.verification.valid_from
    assert not first.was_valid(LATER + timedelta(seconds=1))
    kept = json.loads((keys_dir / f"log-{first.key_id}.json").read_text())
    assert "private_key" not in kept
    assert base64.b64encode(old.private_key).decode() not in "".join(p.read_text() for p in keys_dir.iterdir())


def test_a_rotation_that_was_cut_short_is_finished(keys_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = load_or_create_signing_key(keys_dir, NOW)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(signing, "_retire", cut)
        with pytest.raises(KeyboardInterrupt):
            rotate_signing_key(keys_dir, LATER)
    new = load_or_create_signing_key(keys_dir, LATER)
    assert new != old
    first, second = load_verification_keys(keys_dir)
    assert (first.key_id, first.valid_until) == (old.verification.key_id, second.valid_from)


def test_when_only_retired_keys_are_left_the_log_keeps_its_origin(keys_dir: Path) -> None:
    old = load_or_create_signing_key(keys_dir, NOW, origin="example.org/log")
    new = rotate_signing_key(keys_dir, LATER)
    (keys_dir / f"log-{new.verification.key_id}.json").unlink()
    made = load_or_create_signing_key(keys_dir, LATER)
    assert made.verification.origin == "example.org/log"
    assert made.verification.key_id not in {old.verification.key_id, new.verification.key_id}


def test_fields_of_a_later_version_survive_a_rotation(keys_dir: Path) -> None:
    load_or_create_signing_key(keys_dir, NOW)
    path = only_file(keys_dir)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"witnesses": ["a"]}))
    rotate_signing_key(keys_dir, LATER)
    assert json.loads(path.read_text())["witnesses"] == ["a"]


def test_a_failed_write_leaves_no_draft(keys_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        load_or_create_signing_key(keys_dir, NOW)
    assert list(keys_dir.iterdir()) == []


def test_keys_that_others_can_read_are_refused(keys_dir: Path) -> None:
    load_or_create_signing_key(keys_dir, NOW)
    only_file(keys_dir).chmod(0o640)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        load_or_create_signing_key(keys_dir, NOW)
    only_file(keys_dir).chmod(0o600)
    keys_dir.chmod(0o750)
    with pytest.raises(BadKeyFile, match="chmod 700"):
        load_or_create_signing_key(keys_dir, NOW)
    keys_dir.chmod(0o700)


def test_every_flipped_byte_of_a_key_file_is_noticed_or_harmless(keys_dir: Path) -> None:
    """Harmless: layout, validity and unknown fields, which do not change what the key signs."""
    key = load_or_create_signing_key(keys_dir, NOW, origin="example.org/log")
    path = only_file(keys_dir)
    data = path.read_bytes()
    refused = 0
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        try:
            found = load_verification_keys(keys_dir)
        except BadKeyFile:
            refused += 1
            continue
        assert [(each.origin, each.public_key) for each in found] == [("example.org/log", key.verification.public_key)]
    assert refused > len(data) // 2


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff", b"{}", b'{"schema":1}', b"[" * 10_000, b"x" * 20_000],
    ids=["empty", "cut", "list", "null", "bytes", "no fields", "one field", "nested", "huge"],
)
def test_damaged_key_files_are_named(keys_dir: Path, data: bytes) -> None:
    load_or_create_signing_key(keys_dir, NOW)
    path = only_file(keys_dir)
    path.write_bytes(data)
    with pytest.raises(BadKeyFile, match=str(path)):
        load_or_create_signing_key(keys_dir, NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", 2),
        ("key_id", "00000000"),
        ("origin", "example.org/other"),
        ("public_key", base64.b64encode(b"\1" * 32).decode()),
        ("public_key", "AAAA"),
        ("private_key", base64.b64encode(b"\1" * 32).decode()),
        ("private_key", "!"),
        ("private_key", 7),
        ("valid_from", "yesterday"),
        ("valid_from", "2026-11-23T20:28:00"),
    ],
)
def test_a_key_file_that_does_not_hold_together_is_refused(keys_dir: Path, field: str, value: object) -> None:
    load_or_create_signing_key(keys_dir, NOW)
    path = only_file(keys_dir)
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(BadKeyFile, match="backup"):
        load_verification_keys(keys_dir)


def test_links_pipes_and_strange_names_are_no_keys(keys_dir: Path, tmp_path: Path) -> None:
    load_or_create_signing_key(keys_dir, NOW)
    path = only_file(keys_dir)
    moved = path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(moved)
    with pytest.raises(BadKeyFile, match="cannot be opened"):
        load_verification_keys(keys_dir)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(BadKeyFile, match="no key file"):
        load_verification_keys(keys_dir)
    path.unlink()
    moved.rename(keys_dir / "log-copy.json")
    with pytest.raises(BadKeyFile, match="its name"):
        load_verification_keys(keys_dir)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "ä", "x" * 201])
def test_an_origin_fits_on_a_signature_line(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        new_signing_key(origin=origin, now=NOW, seed=b"\0" * 32)


def test_there_are_no_keys_before_the_first(keys_dir: Path) -> None:
    assert load_verification_keys(keys_dir) == ()
