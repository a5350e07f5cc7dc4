"""Upkeep: what keeps an installation well over the years, seen from outside the rooms.

In: a data directory. Out: findings, backups, a data directory of the present release. It never decides about content,
and no room knows it.
"""

__all__: list[str] = []
