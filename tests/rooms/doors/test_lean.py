"""The gate is built from files alone: importing it loads neither Django nor a database."""

import subprocess
import sys

FORBIDDEN = ("django", "ninja", "psycopg", "sqlite3", "seawall.doors.web", "seawall.doors.api", "seawall.app")


def test_importing_the_gate_loads_no_framework() -> None:
    code = f"import sys, seawall.doors.gate; print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
