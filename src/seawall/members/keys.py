"""API keys: made once, shown once, checked on every request. Pure: records come in, the matching one goes out."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from seawall.members.scopes import Scope
from seawall.record.ids import parse_id

#: 256 bits of randomness. A password needs a slow hash because it can be guessed; these cannot, so SHA-256 is enough,
#: and the gate can afford to check it on every request.
SECRET_BYTES = 32
MAX_NAME_LENGTH = 200
#: A key names the few surfaces it serves; a longer list is a mistake.
MAX_SURFACES = 1_000
#: `swk_`, 32 hex digits, `_`, 43 characters.
TOKEN_LENGTH = 80
_TOKEN = re.compile(r"swk_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
#: Compared against when the key id is unknown, so that both cases take the same time: the hash of no secret.
_NOBODY = "0" * 64


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key. `secret_hash` is SHA-256 of the secret in hex; `surfaces` None means every surface."""

    key_id: str
    name: str
    secret_hash: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    surfaces: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"KeyRecord({self.key_id}, {self.name!r}, {'+'.join(self.scopes)})"

    def serves(self, surface: str) -> bool:
        return self.surfaces is None or surface in self.surfaces


class KeyRefused(Exception):
    """An API key that does not open this door: `code` for programs, `text` and `next_step` for people."""

    code: ClassVar[str]
    text: ClassVar[str]
    next_step: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(f"{self.text} {self.next_step}")


class KeyMissing(KeyRefused):
    code = "key_missing"
    text = "This request carries no API key."
    next_step = "Send the header `Authorization: Bearer swk_…`."


class KeyMalformed(KeyRefused):
    code = "key_malformed"
    text = "This is not the form of an API key."
    next_step = "Copy the key whole: swk_, 32 hex digits, _, 43 characters."


class KeyUnknown(KeyRefused):
    """For an unknown id and for a wrong secret alike, so that nobody learns which ids exist."""

    code = "key_unknown"
    text = "This API key is not known here."
    next_step = "Check that it belongs to this server, or make a new one with `seawall key create`."


class KeyExpired(KeyRefused):
    code = "key_expired"
    text = "This API key has expired."
    next_step = "Make a new one with `seawall key create`."


class KeyRevoked(KeyRefused):
    code = "key_revoked"
    text = "This API key was revoked."
    next_step = "Ask whoever runs this server for a new one."


class WrongScope(KeyRefused):
    code = "wrong_scope"
    text = "This API key may not be used for this."
    next_step = "Use a key that has the scope this address needs; `seawall key list` shows the scopes of each."


class WrongSurface(KeyRefused):
    code = "wrong_surface"
    text = "This API key may not be used for this surface."
    next_step = "Use a key that serves the surface; `seawall key list` shows the surfaces of each."


class BadKey(ValueError):
    """A key cannot be made like this; the message says what to change."""


def new_key(
    *,
    key_id: str,
    name: str,
    scopes: Iterable[Scope | str],
    now: datetime,
    secret: bytes,
    expires_at: datetime | None = None,
    surfaces: Iterable[str] | None = None,
) -> tuple[KeyRecord, str]:
    """A key and the text that is shown once. `secret` is 32 random bytes, `key_id` a new `key_…` id.

    Raises:
        BadKey: no name, no or unknown scopes, an empty list of surfaces, or an expiry that has passed.
    """
    if len(secret) != SECRET_BYTES:
        raise BadKey(f"a key's secret is {SECRET_BYTES} random bytes")
    if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise BadKey(f"give the key a name of 1 to {MAX_NAME_LENGTH} characters on one line")
    if expires_at is not None and expires_at <= now:
        raise BadKey("the key would have expired already: give a time to come, or none")
    shown = f"swk_{parse_id('key', key_id).hex}_{base64.urlsafe_b64encode(secret).decode().rstrip('=')}"
    made = KeyRecord(
        key_id=key_id,
        name=name,
        secret_hash=hashlib.sha256(secret).hexdigest(),
        scopes=_scopes(scopes),
        created_at=now,
        expires_at=expires_at,
        surfaces=_surfaces(surfaces),
    )
    return made, shown


def authenticate(token_text: str | None, records: Mapping[str, KeyRecord], now: datetime, scope: Scope) -> KeyRecord:
    """The record of the key, when it is good for `scope` now. `records` is by key id.

    Raises:
        KeyMissing, KeyMalformed, KeyUnknown, KeyRevoked, KeyExpired, WrongScope: in this order.
    """
    if not token_text:
        raise KeyMissing
    key_id, secret = _parse(token_text)
    found = records.get(key_id)
    shown_hash = hashlib.sha256(secret).hexdigest()
    right = hmac.compare_digest(shown_hash, found.secret_hash if found else _NOBODY)
    if found is None or not right:
        raise KeyUnknown
    if found.revoked_at is not None:
        raise KeyRevoked
    if found.expires_at is not None and found.expires_at <= now:
        raise KeyExpired
    if scope not in found.scopes:
        raise WrongScope
    return found


def require_surface(key: KeyRecord, surface: str) -> None:
    """WrongSurface when the key is limited to other surfaces."""
    if not key.serves(surface):
        raise WrongSurface


def _parse(token_text: str) -> tuple[str, bytes]:
    # The length first: nobody makes us look at a megabyte.
    parts = _TOKEN.fullmatch(token_text) if len(token_text) == TOKEN_LENGTH else None
    if parts is None:
        raise KeyMalformed
    try:
        secret = base64.b64decode(f"{parts[2]}=", altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise KeyMalformed from error
    # 43 characters have two unused bits: only one spelling of a key is accepted.
    if base64.urlsafe_b64encode(secret).decode() != f"{parts[2]}=":
        raise KeyMalformed
    return f"key_{UUID(parts[1])}", secret


def _scopes(scopes: Iterable[Scope | str]) -> tuple[Scope, ...]:
    try:
        wanted = sorted({Scope(scope) for scope in scopes})
    except ValueError as error:
        raise BadKey(f"{error}: the scopes are {', '.join(Scope)}") from error
    if not wanted:
        raise BadKey(f"a key without a scope opens nothing: choose of {', '.join(Scope)}")
    return tuple(wanted)


def _surfaces(surfaces: Iterable[str] | None) -> tuple[str, ...] | None:
    if surfaces is None:
        return None
    wanted = tuple(sorted(set(surfaces)))
    if not wanted or len(wanted) > MAX_SURFACES or not all(wanted):
        raise BadKey(f"name 1 to {MAX_SURFACES} surfaces, or none at all for every surface")
    return wanted
