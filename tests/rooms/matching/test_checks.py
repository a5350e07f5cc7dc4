"""What the words and numbers of a bank must look like."""

import pytest

from seawall.matching import checks
from seawall.matching.checks import BankError
from seawall.matching.model import BankKind


@pytest.mark.parametrize("name", ["a", "forum-tvec", "0", "x" * 63, "a.b_c-d"])
def test_good_names_pass(name: str) -> None:
    assert checks.checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "A", "-a", ".a", "x" * 64, "a b", "a\n", "a\0", "ä", "../etc", "a;drop", "x" * 1_000_000, "\ud800"]
)
def test_bad_names_are_refused_with_the_form(name: str) -> None:
    with pytest.raises(BankError) as caught:
        checks.checked_name(name)
    assert caught.value.code == "bad_name"
    assert "lower-case" in caught.value.next_step
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_labels_are_sorted_and_stand_once() -> None:
    assert checks.checked_labels(["b", "a", "b"]) == ("a", "b")


@pytest.mark.parametrize("labels", [["Bad"], [""], ["a b"], [f"l{n}" for n in range(33)]])
def test_bad_labels_are_refused(labels: list[str]) -> None:
    with pytest.raises(BankError, match="label"):
        checks.checked_labels(labels)


@pytest.mark.parametrize("text", ["a\nb", "a\0", "\x1b[31m", "a\u2028b", "\ud800"])
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(BankError, match="control"):
        checks.checked_words("source", text, 200)


def test_words_are_stripped_and_limited() -> None:
    assert checks.checked_words("source", "  a b  ", 3) == "a b"
    with pytest.raises(BankError, match="shorten"):
        checks.checked_words("source", "abcd", 3)


@pytest.mark.parametrize("label", ["csam", "ncii"])
def test_a_no_look_label_makes_the_bank_no_look(label: str) -> None:
    assert checks.checked_kind(BankKind.LISTED, [label], "Law 1, to the hotline") is BankKind.NO_LOOK
    with pytest.raises(BankError) as caught:
        checks.checked_kind(BankKind.LISTED, [label], "")
    assert caught.value.code == "reporting_duty_missing"
    with pytest.raises(BankError, match="known-safe"):
        checks.checked_kind(BankKind.KNOWN_SAFE, [label], "Law 1")
    with pytest.raises(BankError, match="no-look bank"):
        checks.checked_signal_labels(BankKind.LISTED, [label])
    checks.checked_signal_labels(BankKind.NO_LOOK, [label])


@pytest.mark.parametrize("value", [-1, 65, 10**9])
def test_distances_outside_the_kernel_are_refused(value: int) -> None:
    with pytest.raises(BankError, match="out of range"):
        checks.checked_distance(value)


@pytest.mark.parametrize("value", [-1, 101])
def test_percentages_have_a_range(value: int) -> None:
    with pytest.raises(BankError, match="0 to 100"):
        checks.checked_percent("confidence", value)


def test_unknown_actions_and_zero_confirmations_are_refused() -> None:
    with pytest.raises(BankError, match="allow, hold, block"):
        checks.checked_action("delete")
    for count in (0, -1, 1_001):
        with pytest.raises(BankError, match="confirmations"):
            checks.checked_confirmations(count)


@pytest.mark.parametrize(
    ("type_name", "quality", "low"),
    [("pdq", 49, True), ("pdq", 50, False), ("pdq", None, False), ("sha256", 10, False), ("pdq", 0, True)],
)
def test_low_quality_is_a_matter_of_pdq(type_name: str, quality: int | None, low: bool) -> None:
    assert checks.low_quality(type_name, quality) is low
