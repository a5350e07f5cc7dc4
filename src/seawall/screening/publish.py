"""The publisher: turns the tables into the files that the gate answers from, after every change (DESIGN §4).

Only the holder of the serve lock publishes. Few changes travel as an overlay inside the gate state; many are folded
into the next snapshot file, written beside the old one.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from seawall.matching.index import Index
from seawall.matching.model import Attributes, BankKind, IndexedSignal
from seawall.matching.rows import banks_in_use, changed_since, index_rows
from seawall.members.issue import key_records
from seawall.record.generation import generations, has_event, newest_event
from seawall.screening.gate_state import GateState, LoadedState, OverlaySignal, load, read_state, write_state
from seawall.screening.model import Action, BankRules
from seawall.screening.policies import list_surfaces, policy_in_force, rules_of
from seawall.screening.policy import compile_policy

#: Old snapshots that stay, for gates that have not yet seen the newest state.
SNAPSHOTS_KEPT = 2


class Publisher:
    """Publishes into `directory` whenever the tables have changed since it last did."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._published: dict[str, int] | None = None
        self._number = 0
        self._snapshot = ""
        #: Generation of the banks that the snapshot holds.
        self._folded = -1

    def publish_if_changed(self, now: datetime) -> bool:
        """Whether something was published. Raises PolicyError when the saved policy fits the banks no more."""
        # Read before the tables: what changes meanwhile leaves a state that says it is not the newest.
        present, event = generations(), newest_event()
        if present == self._published:
            return False
        overlay = None if self._folded < 0 else changed_since(self._folded)
        if overlay is None:
            self._fold(present.get("banks", 0), now)
            overlay = changed_since(self._folded)
        state = self._state(overlay.removed if overlay else (), overlay.added if overlay else (), now)
        state = msgspec.structs.replace(state, generations=present, newest_event=event)
        write_state(self._directory, state)
        self._published = present
        self._sweep()
        return True

    def _fold(self, generation: int, now: datetime) -> None:
        """Write every signal into the next snapshot. Rows changed meanwhile are found by their number afterwards."""
        name = f"index-{generation:012d}-{int(now.timestamp() * 1000)}.snapshot"
        Index(index_rows()).save(self._directory / name)
        self._snapshot, self._folded = name, generation

    def _state(self, removed: Sequence[str], added: Sequence[IndexedSignal], now: datetime) -> GateState:
        self._number += 1
        version = policy_in_force()
        policy = compile_policy(
            policy_id=version.policy_id,
            version=version.version,
            rules=rules_of(version),
            banks=bank_rules(),
            surfaces=list_surfaces(),
        )
        numbers: dict[Attributes, int] = {}
        overlay = tuple(
            OverlaySignal(
                id=one.signal_id,
                type=one.type,
                value=one.value,
                attributes=numbers.setdefault(one.attributes, len(numbers)),
            )
            for one in added
        )
        return GateState(
            number=self._number,
            made_at=now,
            snapshot=self._snapshot,
            policy=policy,
            keys=key_records(),
            overlay_attributes=tuple(numbers),
            overlay=overlay,
            removed=tuple(removed),
        )

    def _sweep(self) -> None:
        """Remove snapshots that no state names any more; a gate that still maps one keeps its own hold on it."""
        snapshots = sorted(self._directory.glob("index-*.snapshot"), key=lambda path: path.stat().st_mtime_ns)
        for path in snapshots[:-SNAPSHOTS_KEPT]:
            if path.name != self._snapshot:
                path.unlink(missing_ok=True)


def published(directory: Path) -> LoadedState | None:
    """What was published, where it says exactly what the tables say now; None where it does not or cannot be used.

    Much faster than reading a large bank from the tables, for whoever needs policy and index once.
    """
    try:
        state = read_state(directory)
        if state.generations != generations() or not has_event(state.newest_event):
            return None
        return load(directory, verify=True)
    except (OSError, LookupError, ValueError):
        # Missing, damaged, of another release, or being replaced: the tables have it all.
        return None


def bank_rules() -> list[BankRules]:
    """What policy must know of every bank in use."""
    return [
        BankRules(
            name=bank.name,
            kind=BankKind(bank.kind),
            default_action=Action(bank.default_action),
            max_distance=bank.max_distance,
            labels=tuple(bank.labels),
            trusted_to_block=bank.trusted_to_block,
            confirmations_to_block=bank.confirmations_to_block,
            listed_by=bank.listed_by,
            counts_as_protection=bank.counts_as_protection,
        )
        for bank in banks_in_use()
    ]
