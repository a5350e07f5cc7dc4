import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.record import checkpoint
from seawall.record.checkpoint import BadCheckpoint, LogState, UnknownSigner
from seawall.record.signing import VerificationKey, new_signing_key

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = new_signing_key(origin="example.org/log", now=NOW, seed=b"\1" * 32)
OTHER = new_signing_key(origin="example.org/log", now=NOW, seed=b"\2" * 32)
WITNESS = new_signing_key(origin="witness.example.net", now=NOW, seed=b"\3" * 32)
STATE = LogState(origin="example.org/log", size=20_852_163, root=bytes(range(32)))
NOTE = checkpoint.write(STATE, KEY)

#: The example note of Go's checksum-database package: an implementation we share nothing with.
PUBLISHED_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PUBLISHED_SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
PUBLISHED_KEY = VerificationKey(
    origin="PeterNeumann",
    public_key=base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:],
    valid_from=NOW,
)


def test_a_checkpoint_looks_as_c2sp_says() -> None:
    lines = NOTE.split("\n")
    assert lines[:4] == ["example.org/log", "20852163", base64.b64encode(STATE.root).decode(), ""]
    assert lines[4].startswith("— example.org/log ")
    assert lines[5:] == [""]
    signature = base64.b64decode(lines[4].split(" ")[2])
    assert (signature[:4].hex(), len(signature)) == (KEY.verification.key_id, 68)


def test_a_published_note_is_read_and_its_signature_holds() -> None:
    text, lines = checkpoint._divide(f"{PUBLISHED_TEXT}\n{PUBLISHED_SIGNATURE}\n")
    assert (text, lines) == (PUBLISHED_TEXT, [PUBLISHED_SIGNATURE])
    name, signature = checkpoint._signature(lines[0])
    assert (name, signature[:4]) == ("PeterNeumann", PUBLISHED_KEY.key_hash)
    assert PUBLISHED_KEY.signed(text.encode(), signature[4:])
    assert not PUBLISHED_KEY.signed(text.encode() + b"\n", signature[4:])


@given(size=st.integers(0, 2**62), root=st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read_again(size: int, root: bytes) -> None:
    state = LogState(origin="example.org/log", size=size, root=root)
    assert checkpoint.read(checkpoint.write(state, KEY), [OTHER.verification, KEY.verification]) == (
        state,
        KEY.verification,
    )


def test_every_flipped_bit_is_found() -> None:
    data = NOTE.encode()
    for at in range(len(data) * 8):
        changed = bytearray(data)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(BadCheckpoint):
            checkpoint.read(changed.decode("utf-8", "surrogateescape"), [KEY.verification])


def test_signatures_of_witnesses_are_passed_over() -> None:
    body = NOTE.split("\n\n")[0] + "\n"
    blob = base64.b64encode(WITNESS.verification.key_hash + WITNESS.sign(body.encode())).decode()
    cosigned = f"{NOTE}— witness.example.net {blob}\n"
    assert checkpoint.read(cosigned, [KEY.verification]) == (STATE, KEY.verification)
    with pytest.raises(UnknownSigner):
        checkpoint.read(cosigned, [WITNESS.verification])


def test_one_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    blob = base64.b64encode(OTHER.verification.key_hash + b"\0" * 64).decode()
    with pytest.raises(BadCheckpoint, match=OTHER.verification.key_id):
        checkpoint.read(f"{NOTE}— example.org/log {blob}\n", [KEY.verification, OTHER.verification])


def test_an_unknown_key_is_named_as_missing() -> None:
    for keys in ([], [OTHER.verification], [WITNESS.verification]):
        with pytest.raises(UnknownSigner, match="key file is missing"):
            checkpoint.read(NOTE, keys)


def test_a_key_signs_for_its_own_log_only() -> None:
    with pytest.raises(ValueError, match="belongs to"):
        checkpoint.write(STATE, WITNESS)


TEXT, SIGNATURES = NOTE.split("\n\n")


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "\n\n",
        NOTE.rstrip("\n"),
        NOTE[: len(NOTE) // 2],
        NOTE + "\n",
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("— ", "- "),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("20852163", "020852163"),
        NOTE.replace("20852163", "-1"),
        NOTE.replace("20852163", "٣"),
        NOTE.replace("20852163", "9" * 5_000),
        NOTE.replace("example.org/log\n2", "\n2"),
        NOTE.replace("=\n\n", "\n\n"),
        NOTE.replace("AAEC", "AA=="),
        TEXT + "\0\n\n" + SIGNATURES,
        TEXT + "\n\n" + SIGNATURES * 101,
        TEXT + "\n\n— example.org/log AAAA\n",
        TEXT + "\n\n— example.org/log \n",
        "x" * 70_000 + NOTE,
        "\ud800" + NOTE,
        TEXT + "\n\ud800\n\n" + SIGNATURES,
    ],
    ids=range(23),
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(BadCheckpoint):
        checkpoint.read(note, [KEY.verification])


@given(st.text(max_size=60))
@settings(max_examples=40)
def test_any_text_is_refused(note: str) -> None:
    with pytest.raises(BadCheckpoint):
        checkpoint.read(note, [KEY.verification])


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=8), st.integers(0, len(NOTE)))
def test_whatever_is_put_into_a_note_is_refused(inserted: str, at: int) -> None:
    with pytest.raises(BadCheckpoint):
        checkpoint.read(NOTE[:at] + inserted + NOTE[at:], [KEY.verification])
