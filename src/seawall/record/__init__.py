"""The record: what happened, in order.

Comes in: typed events (`events`) from every room, written by `seawall.record.journal.record` in the same transaction as
the rows they tell of, and outbox rows beside them.

Goes out: a transparency log, that is, an RFC 6962 Merkle tree of salted commitments with signed checkpoints
(`seawall.record.sequencer` appends, `seawall.record.verify` checks); ids and the clock for everyone.

Never: anyone's content, in any event. Never an event changed or removed: salt and body can be destroyed, the place in
the log stays.

Tables and the functions that write them need Django and are imported from their own files; what is exported here does
not.
"""

from seawall.record.checkpoint import BadCheckpoint, LogState
from seawall.record.clock import Clock, parse_rfc3339, rfc3339, system_clock
from seawall.record.events import BadEvent, Event
from seawall.record.ids import BadId, id_time, new_id, parse_id
from seawall.record.merkle import BadProof, verify_consistency, verify_inclusion
from seawall.record.signing import (
    BadKeyFile,
    SigningKey,
    VerificationKey,
    load_or_create_signing_key,
    load_verification_keys,
    rotate_signing_key,
)

__all__ = [
    "BadCheckpoint",
    "BadEvent",
    "BadId",
    "BadKeyFile",
    "BadProof",
    "Clock",
    "Event",
    "LogState",
    "SigningKey",
    "VerificationKey",
    "id_time",
    "load_or_create_signing_key",
    "load_verification_keys",
    "new_id",
    "parse_id",
    "parse_rfc3339",
    "rfc3339",
    "rotate_signing_key",
    "system_clock",
    "verify_consistency",
    "verify_inclusion",
]
