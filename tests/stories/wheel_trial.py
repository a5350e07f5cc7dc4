"""Run with the Python that a wheel was installed into: its kernel is compiled and hashes rightly."""

import importlib.metadata
import sys
from pathlib import Path

import seawall
from seawall.matching import testcard
from seawall.matching.index import NATIVE as NATIVE_INDEX
from seawall.signals.extract import extract, open_jail
from seawall.signals.image import NATIVE as NATIVE_PDQ
from seawall.signals.model import Kind, Part


def problems() -> list[str]:
    """What is wrong with the installed package."""
    found = []
    if not (NATIVE_INDEX and NATIVE_PDQ):
        found.append("the kernel is not compiled")
    if Path(__file__).resolve().parents[2] in Path(seawall.__file__).resolve().parents:
        found.append("this is the source tree, not an installed wheel")
    with open_jail(workers=1) as jail:
        signals = extract([Part(name="card", kind=Kind.IMAGE, data=testcard.picture())], jail).signals
    if testcard.PDQ not in {signal.value for signal in signals}:
        found.append("the test card comes out with another hash")
    return found


if __name__ == "__main__":
    wrong = problems()
    sys.stdout.write("\n".join(wrong or [f"seawall {importlib.metadata.version('seawall')} is well"]) + "\n")
    sys.exit(bool(wrong))
