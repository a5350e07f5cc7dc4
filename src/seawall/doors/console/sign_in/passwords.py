"""How passwords are hashed: slowly and with much memory, but never so many at once that strangers use up all of it."""

import threading

from django.contrib.auth.hashers import Argon2PasswordHasher

#: Who tries to sign in makes us spend this much: without a limit, a thousand at once would take the machine.
MOST_AT_ONCE = 2

_turns = threading.BoundedSemaphore(MOST_AT_ONCE)


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes and one lane: what OWASP's cheat sheet on password storage asks for at least.

    About 40 ms of one core; more would be more to spend for everybody who merely tries, on a machine that screens.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Hash a password, when it is its turn."""
        with _turns:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Whether it is the password, when it is its turn."""
        with _turns:
            return super().verify(password, encoded)
