"""The command line: one command for each thing an operator does.

In: arguments, files, the data directory. Out: lines for people, or JSON lines with `--json`, and an exit code. Never:
decides anything: it calls the rooms below and says what they said. It acts as the owner of the instance.
"""

# First of all: the texts of the commands are translated when their modules are loaded.
from seawall.doors.cli import language
from seawall.doors.cli.root import main

__all__ = ["language", "main"]
