"""Policies and surfaces as rows: versions, events, generations, and what is refused."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from django.db import DatabaseError

from seawall.record.generation import bump, generations
from seawall.record.models import Event
from seawall.screening.model import Action, Audience, BankRules, FailMode, HoldExpiry, Rule, Surface
from seawall.screening.models import PolicyVersion
from seawall.screening.policies import (
    BUILT_IN_RULES,
    NoPolicy,
    PolicyMoved,
    SurfaceError,
    ensure_built_in,
    list_surfaces,
    parse_rules,
    policy_in_force,
    policy_version,
    rules_naming,
    rules_of,
    save_policy,
    save_surface,
    saved_versions,
)
from seawall.screening.policy import PolicyError
from seawall.settings import Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BANKS = [BankRules(name="test-card"), BankRules(name="forum")]
RULE = Rule(name="r", banks=("forum",), action=Action.HOLD, code="c", text="t", public_text="p")
SURFACE = Surface(name="posts", audience=Audience.PUBLIC, fail_mode=FailMode.HOLD, hold_expiry=HoldExpiry.REFUSE)


def test_versions_count_up_and_the_newest_is_in_force(settings: Settings) -> None:
    with pytest.raises(NoPolicy):
        policy_in_force()
    ensure_built_in(banks=BANKS, by="system", now=NOW)
    ensure_built_in(banks=BANKS, by="system", now=NOW)
    assert rules_of(policy_in_force()) == BUILT_IN_RULES
    save_policy([RULE], banks=BANKS, by="system", now=NOW)
    ensure_built_in(banks=BANKS, by="system", now=NOW)
    assert policy_in_force().version == 2
    assert rules_of(policy_in_force()) == (RULE,)
    assert (rules_naming("forum"), rules_naming("test-card")) == (["r"], [])
    assert Event.objects.filter(name="screening:policy:saved").count() == 2
    assert generations()["policy"] == 2


def test_what_cannot_be_saved_changes_nothing(settings: Settings) -> None:
    before = generations()
    for rules in ([], [msgspec.structs.replace(RULE, banks=("nowhere",))]):
        with pytest.raises(PolicyError):
            save_policy(rules, banks=BANKS, by="system", now=NOW)
    assert (PolicyVersion.objects.count(), Event.objects.count(), generations()) == (0, 0, before)


def test_rules_survive_their_text_form() -> None:
    assert parse_rules(msgspec.json.encode(list(BUILT_IN_RULES))) == BUILT_IN_RULES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[{}]",
        '[{"name": "x"}]',
        "[1]",
        b"\xff",
        "[" * 100_000,
        json.dumps([{**msgspec.to_builtins(RULE), "unknown": 1}]),
        json.dumps([{**msgspec.to_builtins(RULE), "action": "delete"}]),
    ],
)
def test_text_that_is_no_list_of_rules_is_refused(text: str | bytes) -> None:
    with pytest.raises(PolicyError, match="not a JSON list of rules"):
        parse_rules(text)


def test_a_surface_is_declared_and_changed(settings: Settings) -> None:
    save_surface(SURFACE, by="system", now=NOW)
    save_surface(msgspec.structs.replace(SURFACE, fail_mode=FailMode.OPEN), by="system", now=NOW)
    assert [surface.fail_mode for surface in list_surfaces()] == [FailMode.OPEN]
    assert Event.objects.filter(name="screening:surface:saved").count() == 2


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Posts!"},
        {"name": ""},
        {"hold_hours": 0},
        {"hold_hours": 10**6},
        {"appeal_days": 0},
        {"appeal_days": 10**6},
        {"audience": Audience.PRIVATE},
        {"audience": Audience.PRIVATE, "private_basis": " \n"},
    ],
)
def test_a_bad_surface_is_refused(settings: Settings, change: dict[str, object]) -> None:
    with pytest.raises(SurfaceError):
        save_surface(msgspec.structs.replace(SURFACE, **change), by="system", now=NOW)
    assert list_surfaces() == []


def test_a_change_is_counted_only_inside_a_transaction(settings: Settings) -> None:
    with pytest.raises(DatabaseError, match="open one"):
        bump("banks")


def test_nothing_is_saved_over_a_version_that_somebody_saved_meanwhile(settings: Settings) -> None:
    banks = [BankRules(name="test-card")]
    for based_on in (None, 1, 2):
        save_policy(BUILT_IN_RULES, banks=banks, by="per_x", now=NOW, based_on=based_on)
    for old in (1, 2, 4):
        with pytest.raises(PolicyMoved) as moved:
            save_policy(BUILT_IN_RULES, banks=banks, by="per_x", now=NOW, based_on=old)
        assert moved.value.newest.version == 3
    assert [one.version for one in saved_versions()] == [3, 2, 1]
    assert [one.version for one in saved_versions(before=3, limit=1)] == [2]
    assert policy_version(4) is None
    assert policy_version(2) is not None
