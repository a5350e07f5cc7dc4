"""A data directory somebody has worked with: banks, a key, screenings of each kind, a held upload, a log."""

import shutil
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connections

from seawall import app
from seawall.matching.banks import create_bank
from seawall.matching.listing import add_signals, withdraw
from seawall.members.issue import issue_key
from seawall.record.sequencer import sequence
from seawall.record.signing import load_or_create_signing_key, load_verification_keys
from seawall.record.verify import LogReport, verify_log
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.ledger.batches import append_batches, verify_batches
from seawall.screening.recording import Recording
from seawall.settings import Settings
from seawall.signals.model import Signal
from seawall.upkeep.version import migrations_by_app
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, declare, hold, key

HELD = b"a harmless picture " * 2000

OLD_RELEASE = Path(__file__).parents[2] / "vectors" / "data-directories" / "0.1.0" / "data"


@dataclass(frozen=True)
class Lived:
    """What must be there again afterwards."""

    settings: Settings
    screenings: tuple[str, ...]
    held: str
    secret: str


def live_in(settings: Settings) -> Lived:
    """Fill a migrated directory; Django is bound to it."""
    app.furnish(NOW)
    declare(appeal_days=30)
    create_bank("forum", by="per_test", now=NOW)
    listed = [Signal(type="sha256", version=1, value=f"{number:064x}", quality=None) for number in range(1, 5)]
    added = add_signals(
        "forum", listed, by="per_test", now=NOW, labels=("tvec",), source="Example", note="a note, more"
    )
    withdraw(added.ids[-1], by="per_test", now=NOW)
    _record, secret = issue_key(name="platform", scopes=["screen"], by="per_test", now=NOW)
    held = hold(data=HELD)
    record(settings, allow(), allow(), block(idempotency=key("once")), held)
    return Lived(
        settings=settings,
        screenings=tuple(screenings(settings)),
        held=held.verdict.id,
        secret=secret,
    )


def record(settings: Settings, *recordings: Recording) -> None:
    """Answer, and keep the log as a server does."""
    ledger = Ledger(settings)
    with LedgerRecorder(ledger) as recorder:
        for future in [recorder.submit(one) for one in recordings]:
            future.result(PATIENCE)
    append_batches(ledger, now=NOW)
    sequence(NOW, load_or_create_signing_key(settings.keys_dir, NOW))


def screenings(settings: Settings) -> list[str]:
    """The ids in the ledger."""
    with Ledger(settings).opened() as storage:
        return sorted(row.screening_id for day in storage.partitions() for row in storage.rows(day))


def verified(settings: Settings) -> LogReport:
    """The whole record of the directory, which Django is bound to from now on, found right."""
    app.bind(settings)
    report = verify_log(load_verification_keys(settings.keys_dir))
    assert report.finding is None, report.finding
    assert list(verify_batches(Ledger(settings))) == []
    return report


def require_same(lived: Lived, settings: Settings) -> None:
    """Everything that was lived with is there, whole and readable."""
    assert verified(settings).size > 0
    ledger = Ledger(settings)
    assert set(lived.screenings) <= set(screenings(settings))
    assert all(ledger.read(one) is not None for one in lived.screenings)
    assert [part.data for part in ledger.held.parts(lived.held)] == [HELD]


def require_private(data_dir: Path) -> None:
    """Nobody else on the machine can read any of it."""
    for path in (data_dir, *data_dir.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path} {mode:o}"


def old_directory(place: Path) -> Settings:
    """The data directory that release 0.1.0 left."""
    shutil.copytree(OLD_RELEASE, place)
    for path in (place, *place.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return Settings(data_dir=place, keep_unmatched_days=36500, keep_matched_days=36500, decoders=1)


def migrate_as_0_1_0(settings: Settings) -> None:
    """The tables of release 0.1.0 in the empty database of these settings, and one event in them."""
    app.bind(settings)
    for app_name, names in migrations_by_app(OLD_RELEASE / "seawall.sqlite3").items():
        call_command("migrate", app_name, names[-1], verbosity=0, interactive=False)
    for directory in (settings.ledger_dir, settings.holds_dir, settings.state_dir, settings.keys_dir):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.data_dir.chmod(0o700)
    settings.keys_dir.chmod(0o700)
    connections["default"].close()


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
