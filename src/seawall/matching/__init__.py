"""Arrow 2: signals → matches.

In come the signals of one upload and the banks of listed signals; out come the matches: which listed signals lie within
how many bits, and who stands behind them. The room keeps the banks (`banks`, `imports`), reads them for the index
(`rows`) and searches it (`index`). It never decides what a match means, never opens media, and never sees an uploader.

The tables are in `seawall.matching.models`; everything exported here works without Django.
"""

from seawall.matching.index import Index
from seawall.matching.model import (
    DEFAULT_MAX_DISTANCE,
    LARGEST_DISTANCE,
    Attributes,
    BankKind,
    Hit,
    IndexedSignal,
    SignalStatus,
)
from seawall.matching.snapshot import BadSnapshot

__all__ = [
    "DEFAULT_MAX_DISTANCE",
    "LARGEST_DISTANCE",
    "Attributes",
    "BadSnapshot",
    "BankKind",
    "Hit",
    "Index",
    "IndexedSignal",
    "SignalStatus",
]
