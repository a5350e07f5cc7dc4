"""Rules, banks and surfaces, compiled into one immutable Policy. Nothing empty passes (DESIGN §7)."""

import re
from collections.abc import Iterable, Sequence

from seawall.matching.model import LARGEST_DISTANCE, BankKind
from seawall.screening.model import Action, BankRules, Policy, Rule, Surface

#: The name of a rule, bank, surface or label: it appears in addresses, files and logs.
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

#: What a person whose upload was stopped may be told when no rule says it better.
PUBLIC_HOLD = (
    "A technical check found a close resemblance to material that is listed. A person will look before it is decided."
)
#: The same of a test card or a demonstration, where nothing that was listed was found.
PUBLIC_TEST_HOLD = (
    "A technical check found harmless test material, which shows that screening works. A person will look before it is "
    "decided."
)
PUBLIC_BLOCK = (
    "A technical check found that this matches material that is listed. This is not a finding about you. "
    "You can ask for a person to look."
)

#: A policy with more rules than this is a mistake of a program, not the work of a person.
MOST_RULES = 1_000


class PolicyError(ValueError):
    """The policy cannot be saved; `problems` lists everything wrong with it, each with its next step."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the policy was not saved: " + "; ".join(problems))
        self.problems = tuple(problems)


def compile_policy(
    *,
    policy_id: str,
    version: int,
    rules: Iterable[Rule],
    banks: Iterable[BankRules],
    surfaces: Iterable[Surface],
) -> Policy:
    """The policy in the form the flow takes.

    Raises:
        PolicyError: anything a person would not have wanted; all problems at once.
    """
    known_banks = {bank.name: bank for bank in banks}
    ordered = tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.name)))
    problems = lint(ordered, known_banks)
    if problems:
        raise PolicyError(problems)
    return Policy(
        id=policy_id,
        version=version,
        rules=ordered,
        banks=known_banks,
        surfaces={surface.name: surface for surface in surfaces},
    )


def lint(rules: Sequence[Rule], banks: dict[str, BankRules]) -> list[str]:
    """Everything wrong with these rules, in plain words; empty when they may be saved."""
    problems = []
    if not rules:
        problems.append("it has no rule; write at least one (the built-in policy shows the form)")
    if len(rules) > MOST_RULES:
        problems.append(f"it has {len(rules)} rules; at most {MOST_RULES} are allowed")
    seen: set[str] = set()
    for rule in rules[:MOST_RULES]:
        if rule.name in seen:
            problems.append(f"rule {rule.name!r} appears twice; rename one of them")
        seen.add(rule.name)
        problems += [f"rule {rule.name!r} {problem}" for problem in _lint_rule(rule, banks)]
    return problems


def _lint_rule(rule: Rule, banks: dict[str, BankRules]) -> list[str]:
    problems = _lint_scope(rule, banks)
    if not isinstance(rule.action, Action):
        problems.append(f"has the unknown action {rule.action!r}; it is allow, hold or block")
    if not NAME.fullmatch(rule.name):
        problems.append("has a bad name: use lower-case letters, digits, dots and hyphens")
    if rule.max_distance is not None and not 0 <= rule.max_distance <= LARGEST_DISTANCE:
        problems.append(f"has max_distance {rule.max_distance}; it must be 0..{LARGEST_DISTANCE}")
    if rule.min_confirmed_by < 0:
        problems.append("has a negative min_confirmed_by")
    for field in ("code", "text"):
        if not getattr(rule, field).strip():
            problems.append(f"has no {field}; everyone it stops gets a reason")
    if rule.action is not Action.ALLOW and not rule.public_text.strip():
        problems.append("stops people but has no public_text; write what the uploader may be told")
    return problems


def _lint_scope(rule: Rule, banks: dict[str, BankRules]) -> list[str]:
    problems = []
    if not rule.banks and not rule.labels:
        problems.append("names neither a bank nor a label, so it would apply to every match; name at least one")
    for bank in rule.banks:
        if bank not in banks:
            problems.append(f"names the unknown bank {bank!r}; `seawall bank list` shows the banks there are")
        elif banks[bank].kind is not BankKind.LISTED:
            problems.append(f"names {bank!r}, a {banks[bank].kind} bank: its effect is fixed and takes no rule")
    problems += [f"has the malformed label {label!r}" for label in rule.labels if not NAME.fullmatch(label)]
    return problems


def search_radius(policy: Policy) -> int:
    """The one radius that finds every match any bank of this policy could make."""
    return max((bank.max_distance for bank in policy.banks.values()), default=0)


def applies(rule: Rule, *, bank: str, labels: Iterable[str], distance: int, confirmed_by: int) -> bool:
    """Whether the rule speaks about this match: whatever it names (banks, labels, a distance, confirmations) fits."""
    if rule.banks and bank not in rule.banks:
        return False
    if rule.labels and not set(rule.labels) & set(labels):
        return False
    if rule.max_distance is not None and distance > rule.max_distance:
        return False
    return confirmed_by >= rule.min_confirmed_by


def may_block(*, confirmed_here: bool, confirmed_by: int, disputed: bool, bank: BankRules) -> bool:
    """Whether a machine alone may block on this match (DESIGN §5): only what people confirmed, or the owner's
    recorded trust in the bank; an open dispute lowers it to a hold in either case.
    """
    if disputed:
        return False
    return confirmed_here or bank.trusted_to_block or confirmed_by >= bank.confirmations_to_block
