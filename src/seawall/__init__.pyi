# The public names with their types; `__init__.py` resolves them when they are first used.

from seawall.matching.index import Index
from seawall.matching.model import Attributes, BankKind, Hit, IndexedSignal
from seawall.record.ids import new_id
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
)
from seawall.screening.policy import PolicyError, compile_policy
from seawall.screening.screen import screen
from seawall.signals.extract import Unreadable, canonical_signal, fingerprint
from seawall.signals.model import BadSignal, Gap, Kind, Part, Signal

__all__ = [
    "Action",
    "Attributes",
    "Audience",
    "BadSignal",
    "BankKind",
    "BankRules",
    "Claim",
    "Context",
    "FailMode",
    "Gap",
    "Hit",
    "HoldExpiry",
    "Index",
    "IndexedSignal",
    "Kind",
    "Outcome",
    "Part",
    "Policy",
    "PolicyError",
    "Rule",
    "Signal",
    "Surface",
    "Unreadable",
    "canonical_signal",
    "compile_policy",
    "fingerprint",
    "new_id",
    "screen",
]

def __dir__() -> list[str]: ...
