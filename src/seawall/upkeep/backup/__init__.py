"""Backups: everything that cannot be made again, in one file that can be verified to its last byte.

In: a data directory (`make`), or a backup (`restore`). Out: the other one. `archive` is the file's form and `sealing`
its encryption; both know no Django. Never: a file of a backup put into place before the whole of it was verified.
"""

__all__: list[str] = []
