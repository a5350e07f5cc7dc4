"""A number per part of the tables that grows with every committed change: how copies notice that they are stale."""

from datetime import datetime

from django.db import connection, transaction

from seawall.record.models import Event, Generation


def bump(name: str) -> int:
    """Count one change, in the caller's transaction, and return the new number.

    The row stays locked until that transaction ends, so numbers become visible in the order they were given: a reader
    that has seen 7 will never later meet a 6.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("bump() counts a change of the caller's transaction; open one")
    Generation.objects.get_or_create(name=name)
    row = Generation.objects.select_for_update().get(name=name)
    row.value += 1
    row.save(update_fields=["value"])
    return row.value


def generations() -> dict[str, int]:
    return dict(Generation.objects.values_list("name", "value"))


def newest_event() -> str:
    """Id of the event written last; empty before the first. No other database, nor an older copy of this, has it."""
    return Event.objects.order_by("-serial").values_list("event_id", flat=True).first() or ""


def began_at() -> datetime | None:
    """When this database's past begins; None before the first event."""
    return Event.objects.order_by("serial").values_list("created_at", flat=True).first()


def has_event(event_id: str) -> bool:
    """Whether this database's past has the event."""
    return Event.objects.filter(event_id=event_id).exists()
