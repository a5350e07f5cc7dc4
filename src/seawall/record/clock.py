"""The clock is a port: everything that asks for the time takes one of these."""

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the present time, timezone-aware, in UTC.
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    return datetime.now(tz=UTC)


def rfc3339(moment: datetime) -> str:
    """`2026-11-23T20:28:00.123Z`: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """The moment, in UTC; ValueError when the text has no zone or is no RFC 3339 time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write it in UTC, like 2026-11-23T20:28:00Z")
    return moment.astimezone(UTC)
