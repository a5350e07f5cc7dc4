"""Upkeep: what keeps an installation well over the years, seen from outside the rooms.

In: a data directory. Out: findings (`examine`), backups and what is restored from them (`backup`), a data directory of
the present release (`upgrade`) or on PostgreSQL (`move`), and an export of everything (`export`). It never decides
about content, and no room knows it.
"""

__all__: list[str] = []
