"""What a jail and its worker say to each other."""

from typing import Literal

import msgspec

#: The worker leaves with this status when reading the file already took more memory than it may have.
EXIT_MEMORY = 71


class Setup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """First, from the jail: what to import, and the limits to take on before the first file."""

    functions: tuple[str, ...]
    memory: int
    import_paths: tuple[str, ...]


class Ready(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Then, from the worker: it is locked in and waits; or why it cannot."""

    problem: str = ""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call; the body is the file. `deadline` in seconds also bounds the processor time."""

    function: str
    deadline: float


class Begun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The worker has the whole file and turns to it. Whatever ends it before this was not the file's doing."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer; with `done` the body is what the function returned. `leaving`: do not send this worker another."""

    outcome: Literal["done", "refused", "raised", "memory"]
    code: str = ""
    text: str = ""
    leaving: bool = False
