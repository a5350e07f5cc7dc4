import re
import subprocess
import sys
from pathlib import Path

import seawall.record
from seawall.record.events import EVENTS

ROOT = Path(__file__).parents[3]


def test_the_hall_offers_what_it_says_and_loads_no_framework() -> None:
    assert sorted(seawall.record.__all__) == seawall.record.__all__
    assert all(hasattr(seawall.record, name) for name in seawall.record.__all__)
    look = (
        "import sys, seawall.record, seawall.members\n"
        "print([name for name in ('django', 'psycopg', 'sqlite3') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_reference_lists_every_event_with_its_fields() -> None:
    page = (ROOT / "docs" / "reference" / "record.md").read_text(encoding="utf-8")
    listed = {
        name: re.findall(r"`(\w+)`", fields)
        for name, fields in re.findall(r"^\| `(\S+)` \| (.+) \|$", page, re.MULTILINE)
    }
    known = {
        name: [field for field in event.__struct_fields__ if field not in {"by", "extra"}]
        for name, event in EVENTS.items()
    }
    assert listed == known
