"""The export: everything the owner has, in forms that other programs read.

In: a data directory. Out: a directory or a ZIP file (`shelf`), filled by `write`. Never: a secret, nor a picture that
nobody may look at.
"""

__all__: list[str] = []
