"""The normal form of texts: the published vectors, and what no text may do."""

import contextlib
import hashlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.signals.text import MAX_TEXT_LENGTH, TextTooLong, fingerprint, normalise

VECTORS = json.loads(Path("tests/vectors/text_normalised.json").read_text(encoding="utf-8"))["vectors"]

#: Everything a Python string can hold, lone surrogates included, and often what the rules are about.
ANY_TEXT = st.text(
    alphabet=st.one_of(
        st.characters(codec=None, exclude_categories=()),
        st.sampled_from(
            "\u0323\u0307\u0301\u0345\u034f\u200d\u00ad\u0f73\u0f75\u0f81\u0130\u1e9e\u03c2\uff9e \t\x00\ud83d\ude00"
        ),
    ),
    max_size=60,
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["why"]))
def test_vectors(vector: dict[str, str]) -> None:
    assert normalise(vector["text"]) == vector["normal"]
    assert fingerprint(vector["text"]) == (vector["sha256"] or "")


def test_the_vectors_cover_each_rule_and_are_their_own_normal_form() -> None:
    assert len(VECTORS) >= 60
    assert all(normalise(vector["normal"]) == vector["normal"] for vector in VECTORS)


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
def test_a_second_time_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@settings(max_examples=200, deadline=None)
@given(ANY_TEXT)
def test_the_normal_form_is_tidy(text: str) -> None:
    normal = normalise(text)
    normal.encode("utf-8")  # no surrogate is left
    assert normal == normal.strip()
    assert "  " not in normal
    assert not set(normal) & set("\t\n\r\x00\u200b\u200d\u202e\ufeff\ufe0f\u034f")


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet="abc\u00e9\u0645 ", max_size=30), st.sampled_from(["\u200b", "\u2060", "\x00", "\ufe0f", "\u00ad"])
)
def test_invisible_characters_never_matter(text: str, invisible: str) -> None:
    assert normalise(invisible.join(text)) == normalise(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abcdefg hij", max_size=30))
def test_case_never_matters(text: str) -> None:
    assert normalise(text.upper()) == normalise(text.title()) == normalise(text)


def test_every_character_settles() -> None:
    """Each assigned plane, in blocks, so that no single character can be the one that never settles."""
    for start in range(0, 0x30000, 512):
        block = "x".join(map(chr, range(start, start + 512)))
        once = normalise(block)
        assert normalise(once) == once, hex(start)


def test_the_fingerprint_is_the_sha256_of_the_normal_form() -> None:
    assert fingerprint(" Made\u200b-Up  WORDS ") == hashlib.sha256(b"made-up words").hexdigest()
    assert fingerprint("made-up words") != fingerprint("made-up word")


@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000", "\u200b\u200d", "\x00" * 10, "\ufe0f"])
def test_nothing_visible_has_no_fingerprint(text: str) -> None:
    assert fingerprint(text) == ""


def test_the_longest_text_passes_and_a_longer_one_is_refused_with_the_next_step() -> None:
    assert len(normalise("a" * MAX_TEXT_LENGTH)) == MAX_TEXT_LENGTH
    with pytest.raises(TextTooLong, match="send it in parts"):
        normalise("a" * (MAX_TEXT_LENGTH + 1))


def test_a_text_that_swells_is_refused_as_well() -> None:
    with pytest.raises(TextTooLong):
        normalise("\ufdfa" * (MAX_TEXT_LENGTH // 10))


@pytest.mark.parametrize(
    "piece",
    [
        "\u0315\u0300",
        "\u0f73",
        "\u0344",
        "\u0300\u034f",
        "\u1100",
        " ",
        "\u200b",
        "a\u0323\u0307",
        "\ud83d",
        "\u1100\u1161",
    ],
)
def test_no_text_takes_quadratic_time(piece: str) -> None:
    hostile = "a" + piece * ((MAX_TEXT_LENGTH - 1) // len(piece))
    before = time.process_time()
    with contextlib.suppress(TextTooLong):
        normalise(hostile)
    assert time.process_time() - before < 3
