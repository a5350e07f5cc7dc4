"""The twin without walls: the same call in the caller's own process."""

import threading
from typing import Self

from seawall.signals.jail.boundary import (
    JailClosed,
    JailDied,
    Jailed,
    JailRefused,
    load,
    require_known,
    require_payload,
    run,
)


class InProcess:
    """For tests, and for files that are trusted: nothing limits memory or time, and a crash takes the caller along.

    One call runs at a time, as in a jail with one worker.
    """

    def __init__(self, *, functions: tuple[str, ...] | list[str]) -> None:
        self._functions = tuple(functions)
        self._loaded: dict[str, Jailed] = {name: load(name) for name in self._functions}
        self._one_at_a_time = threading.Lock()
        self._closed = False

    def call(self, function: str, payload: bytes, *, deadline: float | None = None) -> bytes:  # noqa: ARG002
        """See `Boundary.call`; `deadline` has no effect here."""
        require_known(function, self._functions)
        require_payload(payload)
        with self._one_at_a_time:
            if self._closed:
                raise JailClosed("this jail has been closed: open a new one")
            return self._run(function, payload)

    def _run(self, function: str, payload: bytes) -> bytes:
        try:
            return run(self._loaded[function], payload)
        except JailRefused:
            raise
        except MemoryError as error:
            raise JailDied(f"{function} ran out of memory", reason="memory") from error
        except Exception as error:
            raise JailDied(f"{function} failed with {type(error).__name__}", reason="raised") from error

    def close(self) -> None:
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
