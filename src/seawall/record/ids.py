"""Identifiers: a prefix that says what the thing is, and a UUIDv7 (RFC 9562), so that ids sort by time."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

from seawall.record.clock import Clock

#: The prefixes in use, and what each names.
PREFIXES = {
    "scr": "screening",
    "sig": "signal",
    "key": "API key",
    "evt": "event",
    "bnk": "bank",
    "pol": "policy",
    "sur": "surface",
    "per": "person",
    "out": "outbox row",
    "imp": "import",
}


class BadId(ValueError):
    """An id is a known prefix, an underscore and a UUIDv7, like `scr_01933b6e-…`; copy it whole."""


def uuid7(now: datetime, randomness: bytes) -> UUID:
    """A UUIDv7 of `now` (48 bits of milliseconds) and 10 bytes of randomness (74 bits of it are used)."""
    millis = int(now.timestamp() * 1000)
    bits = int.from_bytes(randomness[:10], "big")
    value = (millis & ((1 << 48) - 1)) << 80 | (bits & ((1 << 80) - 1))
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return UUID(int=value)


def new_id(prefix: str, clock: Clock) -> str:
    if prefix not in PREFIXES:
        raise BadId(f"unknown id prefix {prefix!r}")
    return f"{prefix}_{uuid7(clock(), secrets.token_bytes(10))}"


def parse_id(prefix: str, text: str) -> UUID:
    """The UUID of an id with this prefix; BadId says what is wrong with the text."""
    head, _, tail = text.partition("_")
    try:
        value = UUID(tail)
    except ValueError:
        value = None
    if head != prefix or value is None or value.version != 7 or str(value) != tail:
        raise BadId(f"{text[:80]!r} is not a {PREFIXES[prefix]} id: expected {prefix}_ and a UUIDv7")
    return value


def id_time(prefix: str, text: str) -> datetime:
    """When the id was made, UTC, to the millisecond; it names the day's ledger partition."""
    return datetime.fromtimestamp((parse_id(prefix, text).int >> 80) / 1000, tz=UTC)
