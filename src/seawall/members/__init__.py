"""Members: who is who, and what each may see and do.

Comes in: names of people and programs, the scopes and surfaces a key shall have; later, the key a request carries.

Goes out: API keys, shown once (`seawall.members.issue`); for a request, the record of its key or the
reason why it opens nothing (`authenticate`); the owner (`seawall.members.people`).

Never: a secret in a table, log, event or repr. Only its SHA-256 is kept.

Tables and the functions that write them need Django and are imported from their own files; what is exported here does
not.
"""

from seawall.members.keys import (
    BadKey,
    KeyExpired,
    KeyMalformed,
    KeyMissing,
    KeyRecord,
    KeyRefused,
    KeyRevoked,
    KeyUnknown,
    WrongScope,
    WrongSurface,
    authenticate,
    new_key,
    require_surface,
)
from seawall.members.scopes import Scope

__all__ = [
    "BadKey",
    "KeyExpired",
    "KeyMalformed",
    "KeyMissing",
    "KeyRecord",
    "KeyRefused",
    "KeyRevoked",
    "KeyUnknown",
    "Scope",
    "WrongScope",
    "WrongSurface",
    "authenticate",
    "new_key",
    "require_surface",
]
