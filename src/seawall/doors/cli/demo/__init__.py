"""The demonstration: harmless pictures of our own, a bank that lists most of them, and the command that sets it up.

In: an empty directory, or one that the demonstration made before. Out: a running Seawall and one line to try. Never:
the operator's own data directory or database, and never a picture of anything but boats, trees, roofs and balloons.
"""
