"""Seawall: content → signals → matches → decision → action → record.

    import seawall
    from datetime import UTC, datetime

    signals = seawall.fingerprint("picture.jpg")
    index = seawall.Index.open("index.snapshot")
    outcome = seawall.screen("picture.jpg", index=index, policy=policy, now=datetime.now(UTC))

In: files, texts, addresses or signals; an index; a policy made with `compile_policy`. Out: an `Outcome` with
its reasons.
Never: a network connection, a database, or Django. `import seawall` alone loads nothing; each name below is loaded when
it is first used.
"""

from importlib import import_module

#: Every public name and the module it lives in. `__init__.pyi` says the same to type checkers.
_PLACES = {
    "Action": "seawall.screening.model",
    "Attributes": "seawall.matching.model",
    "Audience": "seawall.screening.model",
    "BadSignal": "seawall.signals.model",
    "BankKind": "seawall.matching.model",
    "BankRules": "seawall.screening.model",
    "Claim": "seawall.screening.model",
    "Context": "seawall.screening.model",
    "FailMode": "seawall.screening.model",
    "Gap": "seawall.signals.model",
    "Hit": "seawall.matching.model",
    "HoldExpiry": "seawall.screening.model",
    "Index": "seawall.matching.index",
    "IndexedSignal": "seawall.matching.model",
    "Kind": "seawall.signals.model",
    "Outcome": "seawall.screening.model",
    "Part": "seawall.signals.model",
    "Policy": "seawall.screening.model",
    "PolicyError": "seawall.screening.policy",
    "Rule": "seawall.screening.model",
    "Signal": "seawall.signals.model",
    "Surface": "seawall.screening.model",
    "Unreadable": "seawall.signals.extract",
    "canonical_signal": "seawall.signals.extract",
    "compile_policy": "seawall.screening.policy",
    "fingerprint": "seawall.signals.extract",
    "new_id": "seawall.record.ids",
    "screen": "seawall.screening.screen",
}

__all__ = tuple(_PLACES)


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'seawall' has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
