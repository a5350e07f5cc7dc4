"""Screening: matches → decision.

In: signals (or gaps where content could not be looked at), an index, a policy, a clock's reading. Out: an outcome with
every reason, made a verdict and written to the screening ledger before anyone is told. Never: acts on anybody's
account, publishes or removes anything, or answers from a signal to the people who uploaded it.

Tables are reached as `seawall.screening.models`; the names below know no Django.
"""

from seawall.screening.flow import screen_signals
from seawall.screening.model import (
    Action,
    Audience,
    BankRules,
    Claim,
    Context,
    FailMode,
    HoldExpiry,
    Outcome,
    Policy,
    Rule,
    Surface,
    Verdict,
    verdict_of,
)
from seawall.screening.policy import PolicyError, compile_policy

__all__ = [
    "Action",
    "Audience",
    "BankRules",
    "Claim",
    "Context",
    "FailMode",
    "HoldExpiry",
    "Outcome",
    "Policy",
    "PolicyError",
    "Rule",
    "Surface",
    "Verdict",
    "compile_policy",
    "screen_signals",
    "verdict_of",
]
