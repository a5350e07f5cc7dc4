"""The screening API: the one place where content is stopped before publication.

In: HTTP requests with content, or with signals alone. Out: a verdict once it is durable, matches, or signals; or a
problem that says the next step. Never: asks a database, loads Django, opens a file of a stranger outside the jail,
answers a verdict that the ledger has not got, or logs what it was sent.

It is built from files alone: the gate state and the index beside it (`seawall.screening.gate_state`).
"""

from seawall.doors.gate.app import Gate
from seawall.doors.gate.openapi import GATE_OPERATIONS, Operation, document
from seawall.doors.gate.problems import PROBLEMS, Problem, Refused, problem_answer
from seawall.doors.gate.state import StateHolder

__all__ = [
    "GATE_OPERATIONS",
    "PROBLEMS",
    "Gate",
    "Operation",
    "Problem",
    "Refused",
    "StateHolder",
    "document",
    "problem_answer",
]
