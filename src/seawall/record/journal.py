"""Writing into the record, in the caller's transaction: what is rolled back never happened."""

import hashlib
import secrets
from datetime import UTC, datetime

from django.db import IntegrityError, transaction

from seawall.record import canonical_json, events, models
from seawall.record.clock import rfc3339
from seawall.record.ids import new_id

#: Milliseconds to wait for other readers and writers, who meanwhile wait for us.
CLEARING_PATIENCE = 200

#: As long as the digest, so that guessing a short body behind a commitment is hopeless.
SALT_BYTES = 32


class NotInTransaction(RuntimeError):
    """Write events and outbox rows inside `transaction.atomic()`, together with the rows they tell of."""


class SourceRefTaken(ValueError):
    """Another event with this source_ref says something else: count the source's numbering on, never reuse it."""


class UnknownEvent(LookupError):
    """No event has this id; the message repeats it."""


class Unforgettable(ValueError):
    """This event says that another one was forgotten. It stays, or that erasure would look like damage."""


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def commitment_of(salt: bytes, body: bytes) -> bytes:
    """SHA-256(salt ‖ body), 32 bytes: what the transparency log commits to."""
    return hashlib.sha256(salt + body).digest()


def record(
    event: events.Event, *, now: datetime, salt: bytes | None = None, source_ref: str | None = None
) -> models.Event:
    """Write the event in the caller's transaction; the sequencer gives it its place in the log later.

    With a `source_ref` the call may be repeated: the row of the first call is returned. `salt` is 32 random bytes
    (`new_salt`), drawn here when not given. BadEvent for a field of the wrong form.
    """
    require_transaction()
    salt = new_salt() if salt is None else salt
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt is {SALT_BYTES} random bytes, not {len(salt)}: use new_salt()")
    row = _row(event, now=now, salt=salt, source_ref=source_ref)
    if source_ref is None:
        row.save(force_insert=True)
        return row
    _check_source_ref(source_ref)
    earlier = models.Event.objects.filter(source_ref=source_ref).first()
    if earlier is None:
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            # Someone else recorded the same thing between our look and our write.
            earlier = models.Event.objects.get(source_ref=source_ref)
        else:
            return row
    _require_same(earlier, event)
    return earlier


def forget(event_id: str, *, by: str, now: datetime) -> bool:
    """Destroy an event's salt and body for good; its leaf, and with it every proof of the log, stays valid.

    That it was done, and by whom, is an event in the same transaction: `verify` takes an empty event that none speaks
    of for damage. False when it was done before. On SQLite the old bytes leave the disk with `clear_deleted`.

    Raises:
        UnknownEvent: there is no such event.
        Unforgettable: it is itself the record of a forgetting.
    """
    require_transaction()
    found = models.Event.objects.filter(event_id=event_id)
    row = found.first()
    if row is None:
        raise UnknownEvent(f"there is no event {event_id[:80]!r}: copy the whole id, evt_ included")
    if row.name == events.EventForgotten.name:
        raise Unforgettable(Unforgettable.__doc__)
    if not found.exclude(salt=None, body=None).update(salt=None, body=None):
        return False
    record(events.EventForgotten(by=by, event=event_id), now=now)
    return True


def clear_deleted() -> bool:
    """Empty SQLite's write-ahead log, where what was deleted or forgotten would stay readable until it is overwritten.

    Whether it is empty now: a reader or writer may be in the way, then call again later. Elsewhere nothing is done.
    """
    connection = transaction.get_connection()
    if connection.vendor != "sqlite":
        return True
    with connection.cursor() as cursor:
        [patience] = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {CLEARING_PATIENCE}")
        try:
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")
    return not busy


def read(row: models.Event) -> events.Event | None:
    """The typed event of a row; None when it was forgotten."""
    if row.body is None:
        return None
    return events.from_fields(row.name, row.schema, canonical_json.decode(bytes(row.body))["event"])


def envelope(row: models.Event) -> dict[str, canonical_json.Json]:
    """Everything about a row that its commitment binds, beside the event itself."""
    return {
        "at": rfc3339(row.created_at),
        "id": row.event_id,
        "name": row.name,
        "schema": row.schema,
        "source_ref": row.source_ref,
    }


def _row(event: events.Event, *, now: datetime, salt: bytes, source_ref: str | None) -> models.Event:
    # Stored to the millisecond, as the envelope writes it, so that both say the same.
    moment = now.astimezone(UTC)
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    name, schema = events.written_as(event)
    row = models.Event(
        event_id=new_id("evt", lambda: now),
        name=name,
        schema=schema,
        salt=salt,
        created_at=moment,
        source_ref=source_ref,
    )
    body = canonical_json.encode({**envelope(row), "event": events.fields_of(event)})
    row.body = body
    row.commitment = commitment_of(salt, body)
    return row


def _require_same(earlier: models.Event, event: events.Event) -> None:
    name, schema = events.written_as(event)
    if (earlier.name, earlier.schema) != (name, schema):
        raise SourceRefTaken(f"{earlier.source_ref} already stands for {earlier.event_id} ({earlier.name})")
    if earlier.body is None:
        return
    stored = canonical_json.decode(bytes(earlier.body))["event"]
    if canonical_json.encode(stored) != events.encode(event):
        raise SourceRefTaken(f"{earlier.source_ref} already stands for {earlier.event_id}, which says something else")


def require_transaction() -> None:
    """Raises NotInTransaction where the caller has opened none."""
    if not transaction.get_connection().in_atomic_block:
        raise NotInTransaction(NotInTransaction.__doc__)


def _check_source_ref(text: str) -> None:
    if not text or len(text) > models.SOURCE_REF_LENGTH or not text.isascii() or not text.isprintable():
        raise ValueError("a source_ref is 1 to 200 printable ASCII characters, such as ledger:2026-11-23:matched:17")
