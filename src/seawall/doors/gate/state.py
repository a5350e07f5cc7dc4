"""Holds what the gate decides by, and follows the file that the publisher replaces."""

import asyncio
import logging
import time
from pathlib import Path

import msgspec

from seawall.matching.snapshot import BadSnapshot
from seawall.screening.gate_state import BadGateState, LoadedState, load, state_stamp

logger = logging.getLogger(__name__)

#: A change takes effect within a second (DESIGN §4); one stat a tenth of a second costs nothing.
POLL_SECONDS = 0.1

#: A file that could not be read is tried again this often, even if it did not change: its snapshot may still come.
RETRY_SECONDS = 1.0


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """One loaded state, and how many signals it can match (counted once, because counting walks the index)."""

    loaded: LoadedState
    signals: int


class StateHolder:
    """`present` is replaced as a whole: whoever reads it once answers by one state only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._failed: tuple[int, int, int] | None = None
        self._failed_at = 0.0
        self.present: Present | None = None
        #: Why the newest file is not in use; empty when it is.
        self.problem = "nothing was published yet"

    def refresh(self) -> bool:
        """Read the state if the file was replaced. Whether there is now a new one; a bad file keeps the old one."""
        try:
            stamp = state_stamp(self._directory)
        except OSError as error:
            self.problem = (
                "the gate state is missing" if self.present else f"nothing was published yet ({error.strerror})"
            )
            return False
        before = self.present.loaded if self.present else None
        if before is not None and stamp == before.stamp:
            self.problem = ""
            return False
        if stamp == self._failed and time.monotonic() - self._failed_at < RETRY_SECONDS:
            return False
        try:
            loaded = load(self._directory, before)
        except Exception as error:  # noqa: BLE001 - whatever it is, `follow` must live to take the next state
            self._note_failure(stamp, error)
            return False
        self.present = Present(loaded=loaded, signals=len(loaded.index))
        self._failed, self.problem = None, ""
        return True

    async def follow(self) -> None:
        """Runs until cancelled. Opening an index of millions takes a moment, so it is done beside the event loop."""
        while True:
            if self._may_have_changed():
                await asyncio.to_thread(self.refresh)
            await asyncio.sleep(POLL_SECONDS)

    def _may_have_changed(self) -> bool:
        if self.present is None or self.problem:
            return True
        try:
            return state_stamp(self._directory) != self.present.loaded.stamp
        except OSError:
            return True

    def _note_failure(self, stamp: tuple[int, int, int], error: Exception) -> None:
        if stamp != self._failed:
            logger.error("the new gate state is not used: %s", error)
        self._failed, self._failed_at = stamp, time.monotonic()
        # Anybody may ask /readyz, so that only our own words leave; others may name files, and the log has them.
        ours = isinstance(error, BadGateState | BadSnapshot)
        self.problem = f"the newest gate state cannot be used: {error if ours else type(error).__name__}"
