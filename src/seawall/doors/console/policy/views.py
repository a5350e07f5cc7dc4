from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse

from seawall.doors.console.access import page
from seawall.doors.console.banks.words import names_of
from seawall.doors.console.policy.words import differences, does, sentence
from seawall.doors.console.saying import drawn
from seawall.matching.model import BankKind
from seawall.members.roles import Right
from seawall.screening.model import Rule
from seawall.screening.models import PolicyVersion
from seawall.screening.policies import policy_in_force, policy_version, rules_of, saved_versions
from seawall.screening.publish import bank_rules

#: Rules, banks, versions and changes on one page.
RULES_AT_ONCE = 20
BANKS_SHOWN = 40
VERSIONS_AT_ONCE = 25
CHANGES_SHOWN = 30

#: The largest number the table's column holds.
LARGEST_VERSION = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A rule and what it says."""

    rule: Rule
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A saved version, and who saved it."""

    version: PolicyVersion
    by: str


@page(Right.LOOK)
def policy(request: HttpRequest) -> HttpResponse:
    newest = policy_in_force()
    rules = in_order(rules_of(newest))
    at = _number(request.GET.get("from", ""), len(rules))
    banks = bank_rules()
    return drawn(
        request,
        "console/policy/policy.html",
        {
            "saved": saved([newest])[0],
            "rules": [Said(rule=rule, sentence=sentence(rule)) for rule in rules[at : at + RULES_AT_ONCE]],
            "count": len(rules),
            "following": at + RULES_AT_ONCE if len(rules) > at + RULES_AT_ONCE else 0,
            "first": at == 0,
            "banks": [{"name": one.name, "does": does(one)} for one in banks[:BANKS_SHOWN]],
            "more_banks": len(banks) > BANKS_SHOWN,
            "has_no_look": any(one.kind is BankKind.NO_LOOK for one in banks),
        },
    )


@page(Right.LOOK)
def versions(request: HttpRequest) -> HttpResponse:
    before = _number(request.GET.get("before", ""), LARGEST_VERSION) or None
    found = saved_versions(before=before, limit=VERSIONS_AT_ONCE + 1)
    return drawn(
        request,
        "console/policy/versions.html",
        {
            "versions": saved(found[:VERSIONS_AT_ONCE]),
            "following": found[VERSIONS_AT_ONCE - 1].version if len(found) > VERSIONS_AT_ONCE else 0,
            "first": before is None,
            "in_force": policy_in_force().version,
        },
    )


@page(Right.LOOK)
def version(request: HttpRequest, number: int) -> HttpResponse:
    """One version: what it changed against another (the one before it, unless `against` names one), and its rules."""
    one = saved_version(number)
    against = _number(request.GET.get("against", ""), LARGEST_VERSION)
    other = saved_version(against) if against else policy_version(number - 1)
    rules = in_order(rules_of(one))
    changes = differences(rules_of(other), rules) if other else []
    return drawn(
        request,
        "console/policy/version.html",
        {
            "saved": saved([one])[0],
            "other": other,
            "changes": changes[:CHANGES_SHOWN],
            "more_changes": len(changes) - CHANGES_SHOWN,
            "rules": [Said(rule=rule, sentence=sentence(rule)) for rule in rules[:RULES_AT_ONCE]],
            "more_rules": len(rules) - RULES_AT_ONCE,
            "in_force": policy_in_force().version,
        },
    )


def saved_version(number: int) -> PolicyVersion:
    """Http404 where no version has this number."""
    found = policy_version(number) if 0 < number <= LARGEST_VERSION else None
    if found is None:
        raise Http404
    return found


def in_order(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """As the policy reads them: by priority, then by name."""
    return tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.name)))


def saved(found: list[PolicyVersion]) -> list[Saved]:
    names = names_of(one.saved_by for one in found)
    return [Saved(version=one, by=names[one.saved_by]) for one in found]


def _number(text: str, largest: int) -> int:
    """What an address asks for; anything that is no number from 1 to `largest` is 0."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    return number if number <= largest else 0
