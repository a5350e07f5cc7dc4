"""Sessions as rows of the database: Django's own, under keys that Django itself makes and no others."""

import re

from django.contrib.sessions.backends.db import SessionStore as DefaultSessionStore

#: What `get_random_string` gives of VALID_KEY_CHARS.
_KEY = re.compile(r"[a-z0-9]{32}")


class SessionStore(DefaultSessionStore):
    """A cookie is a stranger's text: whatever cannot be a key is none, and no database is asked about it.

    PostgreSQL answers a NUL, which a cookie can spell, with an error of its own.
    """

    def _validate_session_key(self, key: str | None) -> bool:
        return isinstance(key, str) and _KEY.fullmatch(key) is not None
