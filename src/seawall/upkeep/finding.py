"""What the doctor says: one line about one thing, with the next step where there is one."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the doctor's. `next_step` is empty when there is nothing to do."""

    about: str
    health: Health
    text: str
    next_step: str = ""
