"""The command line: one command for each thing an operator does.

In: arguments, files, the data directory. Out: lines for people, or JSON lines with `--json`, and an exit code. Never:
decides anything: it calls the rooms below and says what they said. It acts as the owner of the instance.
"""

from seawall.doors.cli.root import main

__all__ = ["main"]
