"""Days are dropped whole and for good, not a day too early, and nothing of them can be read afterwards."""

from datetime import timedelta

import psycopg
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from seawall.record.events import DayDropped
from seawall.record.models import Event
from seawall.screening.holds import HoldOutcome, resolve
from seawall.screening.ledger import KeyDestroyed, Ledger, LedgerFamily, LedgerRecorder, Partition
from seawall.screening.ledger.batches import append_batches, verify_batches
from seawall.screening.ledger.keys import period_of
from seawall.screening.ledger.model import Row, row_id
from seawall.screening.ledger.retention import drop_expired, links_needed_since
from seawall.screening.ledger.sealing import unseal
from seawall.screening.ledger.storage import StorageFailed
from seawall.screening.models import Hold
from seawall.screening.recording import LedgerUnavailable, Recording
from seawall.settings import Settings
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, declare, hold, key
from tests.rooms.screening.test_ledger import files_of, planted, planted_bytes

DAY = NOW.date()
UNMATCHED = Partition(day=DAY, family=LedgerFamily.UNMATCHED)
MATCHED = Partition(day=DAY, family=LedgerFamily.MATCHED)
MIDNIGHT = NOW.replace(hour=0)


def record(ledger: Ledger, *recordings: Recording) -> None:
    with LedgerRecorder(ledger) as recorder:
        for future in [recorder.submit(recording) for recording in recordings]:
            future.result(PATIENCE)


def test_each_family_is_kept_its_time_and_dropped_with_an_event(settings: Settings) -> None:
    ledger = Ledger(settings)
    unmatched, matched = allow(), block()
    record(ledger, unmatched, matched)
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=31)) == []
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=31, hours=1)) == [UNMATCHED]
    assert ledger.read(unmatched.verdict.id) is None
    assert ledger.read(matched.verdict.id) is not None
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=181)) == []
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=181, hours=1)) == [MATCHED]
    assert ledger.read(matched.verdict.id) is None
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=400)) == []
    dropped = Event.objects.filter(name=DayDropped.name).values_list("source_ref", flat=True)
    assert set(dropped) == {"ledger:2026-11-23:unmatched:dropped", "ledger:2026-11-23:matched:dropped"}
    assert list(verify_batches(ledger)) == []


def test_the_settings_decide_how_long(sqlite_settings: Settings) -> None:
    settings = Settings(data_dir=sqlite_settings.data_dir, keep_unmatched_days=1, keep_matched_days=2)
    ledger = Ledger(settings)
    record(ledger, allow(), block())
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=2, hours=1)) == [UNMATCHED]
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=3, hours=1)) == [MATCHED]


def test_a_matched_day_stays_while_a_hold_waits_and_as_long_as_one_can_appeal(settings: Settings) -> None:
    declare(appeal_days=200)
    ledger = Ledger(settings)
    recording = hold(data=b"picture")
    record(ledger, recording, block())
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=190)) == []
    # Nobody decided for a year; the batches were not even appended before.
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=365)) == []
    decided = MIDNIGHT + timedelta(days=365)
    resolve(ledger, recording.verdict.id, HoldOutcome.REFUSED, by="per_1", now=decided)
    assert drop_expired(ledger, now=decided + timedelta(days=199)) == []
    assert drop_expired(ledger, now=decided + timedelta(days=201)) == [MATCHED]
    assert not Hold.objects.exists()


def test_after_the_day_is_dropped_nothing_of_it_is_on_the_disk(sqlite_settings: Settings) -> None:
    declare()
    ledger = Ledger(sqlite_settings)
    recording, held = planted(), hold(data=b"zanzibar-picture-bytes" * 5000)
    record(ledger, recording, held, *[block() for _ in range(20)])
    append_batches(ledger, now=NOW)
    with ledger.opened() as storage:
        rows = list(storage.rows(MATCHED))
    kept = [path.read_bytes() for path in files_of(sqlite_settings.holds_dir)]
    keys = [path.read_bytes() for path in files_of(sqlite_settings.keys_dir) if path.parent.name in {"ledger", "holds"}]
    requests = [one for row in rows for one in (row.request_key, row.request_digest) if one is not None]
    resolve(ledger, held.verdict.id, HoldOutcome.REFUSED, by="p", reason=REASON, now=NOW)
    readable = [REASON.encode(), *requests, *(row.sealed for row in rows), *(row.sealed[12:40] for row in rows)]
    assert [needle for needle in readable if not _is_somewhere(sqlite_settings, needle)] == []
    assert (len(requests), len(kept), len(keys)) == (2, 2, 4)
    # The hold's own row in the database went through its write-ahead log, and is in a page with others.
    assert drop_expired(ledger, now=NOW + timedelta(days=200)) == [MATCHED]
    needles = planted_bytes() + readable + keys + kept + [one[12:40] for one in kept]
    assert not [needle for needle in needles if _is_somewhere(sqlite_settings, needle)]
    assert not Hold.objects.exists()
    assert list(sqlite_settings.ledger_dir.iterdir()) == []
    assert [path.name for path in (sqlite_settings.keys_dir / "ledger").iterdir()] == ["2026-11-23.matched.dropped"]


#: Free text of a person about a person, such as goes with its day.
REASON = "Zanzibar Quagga rang and said that it is her own holiday picture."


def _is_somewhere(settings: Settings, needle: bytes) -> bool:
    return any(needle in path.read_bytes() for path in files_of(settings.data_dir))


def test_a_copy_taken_before_cannot_be_deciphered_afterwards(settings: Settings) -> None:
    ledger = Ledger(settings)
    recording = planted()
    record(ledger, recording)
    with ledger.opened() as storage:
        copy: list[Row] = list(storage.rows(MATCHED))
    assert unseal(copy[0], MATCHED, ledger.keys).verdict.id == recording.verdict.id
    keys = {path.name: path.read_bytes() for path in (settings.keys_dir / "ledger").glob("*.key")}
    assert _opens(copy[0], keys["2026-11-23.matched.key"])
    drop_expired(ledger, now=NOW + timedelta(days=200))
    for ring in (ledger.keys, Ledger(settings).keys):
        with pytest.raises(KeyDestroyed):
            unseal(copy[0], MATCHED, ring)
    # Whoever does not ask the key ring finds none either: no 32 bytes of any file open the copy.
    assert not [name for name, one in keys.items() if _is_somewhere(settings, one)]
    for path in files_of(settings.keys_dir):
        assert not _opens(copy[0], path.read_bytes()[:32].ljust(32, b"\0"))
    if settings.on_postgresql:
        with psycopg.connect(settings.database_url) as connection:
            found = connection.execute("SELECT relname FROM pg_class WHERE relname LIKE 'ledger%2026%'").fetchall()
        assert found == []
    with ledger.opened() as storage:
        assert storage.partitions() == []
        assert storage.find(MATCHED, row_id(recording.verdict.id)) is None


def _opens(row: Row, key_bytes: bytes) -> bool:
    bound = f"{row.screening_id}\0" + "2026-11-23\0matched"
    try:
        AESGCM(key_bytes).decrypt(row.sealed[:12], row.sealed[12:], bound.encode())
    except InvalidTag:
        return False
    return True


def test_a_clock_that_went_back_does_not_bring_a_dropped_day_to_life(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, block())
    drop_expired(ledger, now=NOW + timedelta(days=200))
    with LedgerRecorder(ledger) as recorder:
        for recording in (block(), block(idempotency=key())):
            with pytest.raises(LedgerUnavailable, match="clock"):
                recorder.submit(recording).result(PATIENCE)
        recorder.submit(block(NOW + timedelta(days=200))).result(PATIENCE)


@pytest.mark.parametrize("killed_at", ["event", "key", "rows"])
def test_a_drop_that_was_killed_is_finished_by_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    ledger = Ledger(settings)
    record(ledger, block())
    now = NOW + timedelta(days=200)

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if killed_at == "event":
            patched.setattr("seawall.screening.ledger.retention.record", die)
        elif killed_at == "key":
            patched.setattr("seawall.screening.ledger.keys.KeyRing.destroy", die)
        else:
            storage = type(ledger.open())
            patched.setattr(storage, "drop", die)
        with pytest.raises(Killed):
            drop_expired(ledger, now=now)
    assert list(verify_batches(ledger)) == []
    assert drop_expired(Ledger(settings), now=now) == [MATCHED]
    assert Event.objects.filter(name=DayDropped.name).count() == 1
    assert list(verify_batches(ledger)) == []


def test_period_keys_rotate_and_go_with_the_last_day_that_needs_them(sqlite_settings: Settings) -> None:
    ledger = Ledger(sqlite_settings)
    directory = sqlite_settings.keys_dir / "ledger"
    pseudonyms, needed = set(), set[int]()
    for month in range(12):
        now = NOW + timedelta(days=30 * month)
        recordings = [allow(now), block(now)]
        record(ledger, *recordings)
        entry = ledger.read(recordings[0].verdict.id)
        assert entry is not None
        pseudonyms.add(entry.pseudonym)
        drop_expired(ledger, now=now)
        append_batches(ledger, now=now)
        with ledger.opened() as storage:
            needed = {period_of(one.day) for one in storage.partitions()} | {period_of(now.date())}
        present = {int(path.name.split("-")[1].split(".")[0]) for path in directory.glob("period-*.key")}
        assert present == needed
        days = {path.name.removesuffix(".key") for path in directory.glob("*matched.key")}
        with ledger.opened() as storage:
            assert days == {str(one) for one in storage.partitions()}
    assert len(pseudonyms) == 12
    assert len(needed) <= 8
    assert list(verify_batches(ledger)) == []


def test_more_days_than_the_calendar_has_keep_everything(sqlite_settings: Settings) -> None:
    settings = Settings(data_dir=sqlite_settings.data_dir, keep_unmatched_days=10**9, keep_matched_days=1)
    ledger = Ledger(settings)
    record(ledger, allow(), block())
    assert drop_expired(ledger, now=MIDNIGHT + timedelta(days=5)) == [MATCHED]


def test_one_damaged_day_does_not_keep_others_beyond_their_time(sqlite_settings: Settings) -> None:
    ledger = Ledger(sqlite_settings)
    record(ledger, allow(), block())
    damaged = sqlite_settings.ledger_dir / "2026-11-22.sqlite3"
    damaged.write_bytes(b"damaged" * 100)
    with pytest.raises(StorageFailed, match=r"2026-11-22\.sqlite3"):
        drop_expired(ledger, now=NOW + timedelta(days=200))
    assert [path.name for path in sqlite_settings.ledger_dir.iterdir()] == [damaged.name]


def test_links_are_needed_as_long_as_a_day_is_kept_or_would_be(settings: Settings) -> None:
    ledger, now = Ledger(settings), NOW + timedelta(days=400)
    hour, days = timedelta(hours=1), timedelta(days=1)
    midnight = MIDNIGHT + timedelta(days=400)
    assert links_needed_since(ledger, now=now) == midnight - 180 * days - hour
    declare(appeal_days=365)
    assert links_needed_since(ledger, now=now) == midnight - 365 * days - hour
    # A hold that waits keeps its day, and a day that allows nothing to be asked about needs none.
    record(ledger, hold(), allow(NOW - timedelta(days=9)))
    assert links_needed_since(ledger, now=now) == MIDNIGHT - hour
    declare(appeal_days=3650)
    assert links_needed_since(ledger, now=NOW.replace(year=9)).year == 1
