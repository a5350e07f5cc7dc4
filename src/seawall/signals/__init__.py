"""Arrow 1: content → signals.

In: the parts of one post (pictures, texts, addresses, files, or signals that somebody else extracted). Out: an
`Extraction`: the signals found, and a `Gap` for everything that could not be looked at, in words for people. Never:
compares, decides, stores, or opens a connection; and never opens a stranger's media outside the jail.
"""

from seawall.signals.extract import (
    SIGNAL_TYPES,
    Unreadable,
    canonical_signal,
    extract,
    fingerprint,
    open_jail,
    preview_of,
)
from seawall.signals.model import BadSignal, Extraction, Family, Gap, Kind, Part, Preview, Signal, SignalType

__all__ = [
    "SIGNAL_TYPES",
    "BadSignal",
    "Extraction",
    "Family",
    "Gap",
    "Kind",
    "Part",
    "Preview",
    "Signal",
    "SignalType",
    "Unreadable",
    "canonical_signal",
    "extract",
    "fingerprint",
    "open_jail",
    "preview_of",
]
