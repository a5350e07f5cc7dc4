"""Holds: uploads that are not published until a person has looked, and what becomes of them.

In: the ledger's rows with verdict *hold* (`ledger.batches` opens them), people's decisions, and people who ask for a
person to look. Out: the state of each hold, lists of them, what was kept of the upload, and what the person concerned
may be told. Never: acts on an account, tells the uploader how it was found, or keeps bytes that nobody needs.

These functions use tables: import them once Django is set up.
"""

from seawall.screening.holds.asking import ask_for_person
from seawall.screening.holds.decisions import decide, expire_due, resolve, settle_due, undo
from seawall.screening.holds.explaining import explained
from seawall.screening.holds.kept import names, parts, reveal, sweep
from seawall.screening.holds.listing import count_waiting, counts, decided_page, record_of, waiting, waiting_page, why
from seawall.screening.holds.model import (
    UNDO_SECONDS,
    Asked,
    AskedState,
    DecidedBy,
    Explained,
    ExplainedState,
    HoldCounts,
    HoldError,
    HoldOrigin,
    HoldOutcome,
    HoldPhase,
    HoldState,
    Page,
    Pending,
    Revealed,
)
from seawall.screening.holds.rows import state

__all__ = [
    "UNDO_SECONDS",
    "Asked",
    "AskedState",
    "DecidedBy",
    "Explained",
    "ExplainedState",
    "HoldCounts",
    "HoldError",
    "HoldOrigin",
    "HoldOutcome",
    "HoldPhase",
    "HoldState",
    "Page",
    "Pending",
    "Revealed",
    "ask_for_person",
    "count_waiting",
    "counts",
    "decide",
    "decided_page",
    "expire_due",
    "explained",
    "names",
    "parts",
    "record_of",
    "resolve",
    "reveal",
    "settle_due",
    "state",
    "sweep",
    "undo",
    "waiting",
    "waiting_page",
    "why",
]
