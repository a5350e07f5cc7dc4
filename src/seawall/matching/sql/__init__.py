"""The statements that the ORM cannot say fast enough, each in a named file; and how each database writes raw values."""

import functools
from datetime import UTC, datetime
from importlib import resources
from uuid import UUID

from django.db import connection

#: Before every id: where the first page begins.
FIRST = UUID(int=0)


@functools.cache
def statement(name: str) -> str:
    """The text of `<name>.sql`."""
    return resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def id_parameter(number: UUID) -> UUID | str:
    """An id as a parameter: SQLite keeps it as 32 hex characters, which sort as the number does."""
    return number if on_postgresql() else number.hex


def id_bytes(raw: UUID | str) -> bytes:
    """The 16 bytes of an id as a raw row gives it."""
    return bytes.fromhex(raw) if isinstance(raw, str) else raw.bytes


def id_hex(raw: UUID | str) -> str:
    """The same as 32 hex characters."""
    return raw if isinstance(raw, str) else raw.hex


def moment(raw: datetime | None) -> datetime | None:
    """A time as a raw row gives it; SQLite keeps UTC without saying so."""
    return raw.replace(tzinfo=UTC) if raw is not None and raw.tzinfo is None else raw
