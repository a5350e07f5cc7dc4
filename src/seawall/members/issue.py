"""Issues and revokes API keys: the table and the event in one transaction."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from seawall.members.keys import SECRET_BYTES, KeyRecord, new_key
from seawall.members.models import ApiKey
from seawall.members.scopes import Scope
from seawall.record.clock import rfc3339
from seawall.record.events import KeyIssued, KeyRevoked
from seawall.record.generation import bump
from seawall.record.ids import new_id
from seawall.record.journal import record

#: The generation that grows with each change of the keys, so that the gate hears of it.
GENERATION = "keys"


class NoSuchKey(LookupError):
    """No key has this id; the message says how to find the right one."""


def issue_key(
    *,
    name: str,
    scopes: Iterable[Scope | str],
    by: str,
    now: datetime,
    expires_at: datetime | None = None,
    surfaces: Iterable[str] | None = None,
) -> tuple[KeyRecord, str]:
    """A new key and the text to show once: it cannot be had again. BadKey as `new_key`."""
    key, shown = new_key(
        key_id=new_id("key", lambda: now),
        name=name,
        scopes=scopes,
        now=now,
        secret=secrets.token_bytes(SECRET_BYTES),
        expires_at=expires_at,
        surfaces=surfaces,
    )
    event = KeyIssued(
        by=by,
        key=key.key_id,
        scopes=list(key.scopes),
        surfaces=None if key.surfaces is None else list(key.surfaces),
        expires_at=None if key.expires_at is None else rfc3339(key.expires_at),
    )
    with transaction.atomic():
        bump(GENERATION)
        ApiKey.objects.create(
            id=key.key_id,
            name=key.name,
            secret_hash=key.secret_hash,
            scopes=list(key.scopes),
            surfaces=event.surfaces,
            created_at=now,
            created_by=by,
            expires_at=key.expires_at,
        )
        record(event, now=now)
    return key, shown


def revoke_key(key_id: str, *, by: str, now: datetime, reason: str = "") -> KeyRecord:
    """The key, revoked from now on. Revoking it again changes nothing. `reason` is a code such as `leaked`.

    Raises:
        NoSuchKey: there is no key with this id.
    """
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().filter(id=key_id).first()
        if row is None:
            raise NoSuchKey(f"there is no key {key_id[:80]!r}: `seawall key list` shows them all")
        if row.revoked_at is None:
            bump(GENERATION)
            row.revoked_at = now
            row.save(update_fields=["revoked_at"])
            record(KeyRevoked(by=by, key=key_id, reason=reason), now=now)
    return as_record(row)


def key_records() -> dict[str, KeyRecord]:
    """Every key by its id, as `authenticate` takes them; expired and revoked ones included, to say so."""
    return {row.id: as_record(row) for row in ApiKey.objects.order_by("id")}


def as_record(row: ApiKey) -> KeyRecord:
    return KeyRecord(
        key_id=row.id,
        name=row.name,
        secret_hash=row.secret_hash,
        scopes=tuple(Scope(scope) for scope in row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        surfaces=None if row.surfaces is None else tuple(row.surfaces),
    )
