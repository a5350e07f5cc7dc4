"""Whether the record is what was written: the same check as `seawall log verify`."""

from dataclasses import dataclass

from seawall.record.signing import load_verification_keys
from seawall.record.verify import RESTORE, LogReport, verify_log
from seawall.screening.ledger import Ledger
from seawall.screening.ledger.batches import verify_batches
from seawall.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What was checked, and the first bad thing; `where` is empty where all is as it was written."""

    report: LogReport
    where: str = ""
    text: str = ""
    next_step: str = ""


def verify(settings: Settings, ledger: Ledger) -> Verified:
    """The log first, then every batch of the screening ledger against it."""
    report = verify_log(load_verification_keys(settings.keys_dir))
    if report.finding is not None:
        found = report.finding
        return Verified(report=report, where=found.where, text=found.text, next_step=found.next_step)
    problem = next(iter(verify_batches(ledger)), None)
    if problem is not None:
        return Verified(report=report, where=str(problem), text=problem.text, next_step=RESTORE)
    return Verified(report=report)
