"""Nothing empty passes: what cannot be saved, and why."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.matching.model import BankKind
from seawall.screening.model import Action, BankRules, Rule
from seawall.screening.policy import MOST_RULES, PolicyError, applies, compile_policy, lint, search_radius

BANKS = {
    "forum": BankRules(name="forum", max_distance=20),
    "ours": BankRules(name="ours", kind=BankKind.KNOWN_SAFE, max_distance=40),
}
GOOD = Rule(
    name="listed-image",
    banks=("forum",),
    action=Action.HOLD,
    code="tvec",
    text="Why.",
    public_text="What you may know.",
)


def changed(**changes: Any) -> Rule:
    return msgspec.structs.replace(GOOD, **changes)


def test_a_good_policy_compiles_in_order_of_priority() -> None:
    urgent = changed(name="urgent", priority=5)
    policy = compile_policy(policy_id="default", version=3, rules=[GOOD, urgent], banks=BANKS.values(), surfaces=())
    assert [rule.name for rule in policy.rules] == ["urgent", "listed-image"]
    assert search_radius(policy) == 40


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (changed(banks=("formu",)), "unknown bank 'formu'"),
        (changed(banks=("ours",)), "known_safe bank"),
        (changed(banks=()), "neither a bank nor a label"),
        (changed(labels=("Bad Label",)), "malformed label"),
        (changed(name="Bad name"), "bad name"),
        (changed(name=""), "bad name"),
        (changed(max_distance=65), "0..64"),
        (changed(max_distance=-1), "0..64"),
        (changed(min_confirmed_by=-1), "negative"),
        (changed(action="delete"), "unknown action"),
        (changed(code=" "), "no code"),
        (changed(text=""), "no text"),
        (changed(public_text=""), "no public_text"),
    ],
)
def test_what_a_person_would_not_have_wanted_is_refused_with_the_reason(rule: Rule, problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        compile_policy(policy_id="default", version=1, rules=[rule], banks=BANKS.values(), surfaces=())


def test_empty_duplicate_and_huge_policies_are_refused() -> None:
    assert "no rule" in lint([], BANKS)[0]
    assert "appears twice" in lint([GOOD, GOOD], BANKS)[0]
    assert "at most" in lint([changed(name=f"r{number}") for number in range(MOST_RULES + 1)], BANKS)[0]


def test_all_problems_are_told_at_once() -> None:
    assert len(lint([changed(code="", text="", public_text="", banks=("nowhere",))], BANKS)) == 4


def test_an_allow_rule_needs_no_public_text() -> None:
    assert lint([changed(action=Action.ALLOW, public_text="")], BANKS) == []


@given(
    distance=st.integers(0, 64),
    most=st.none() | st.integers(0, 64),
    confirmed=st.integers(0, 5),
    needed=st.integers(0, 5),
    bank=st.sampled_from(["forum", "other"]),
    labels=st.sets(st.sampled_from(["tvec", "hate"])),
)
def test_a_rule_applies_exactly_when_each_of_its_conditions_holds(
    distance: int, most: int | None, confirmed: int, needed: int, bank: str, labels: set[str]
) -> None:
    rule = changed(labels=("tvec",), max_distance=most, min_confirmed_by=needed)
    expected = bank == "forum" and "tvec" in labels and confirmed >= needed and (most is None or distance <= most)
    assert applies(rule, bank=bank, labels=labels, distance=distance, confirmed_by=confirmed) is expected


@pytest.mark.parametrize(
    ("banks", "labels", "speaks"),
    [
        (("forum",), (), True),
        ((), ("tvec",), True),
        (("forum",), ("tvec",), True),
        (("other", "forum"), ("hate", "tvec"), True),
        (("other",), ("tvec",), False),
        (("forum",), ("hate",), False),
    ],
)
def test_of_banks_one_must_fit_and_of_labels_one_and_where_both_are_named_both(
    banks: tuple[str, ...], labels: tuple[str, ...], *, speaks: bool
) -> None:
    rule = changed(banks=banks, labels=labels)
    assert applies(rule, bank="forum", labels=["tvec"], distance=0, confirmed_by=0) is speaks
