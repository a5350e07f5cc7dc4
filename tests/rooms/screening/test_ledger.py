"""What the ledger keeps, how it is read, and what it cannot be asked."""

import hashlib
import hmac
import sqlite3
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seawall.record.ids import BadId
from seawall.screening.ledger import Ledger, LedgerDamaged, LedgerFamily, LedgerRecorder, Partition
from seawall.screening.ledger.keys import KeyRing
from seawall.screening.ledger.model import Row, partition_of, rows_digest
from seawall.screening.ledger.postgresql import PostgresStorage
from seawall.screening.ledger.sealing import Sealer, unseal
from seawall.screening.ledger.sqlite import SqliteStorage
from seawall.screening.ledger.storage import StorageFailed
from seawall.screening.model import Action, Claim, Context, HoldExpiry
from seawall.screening.recording import Recording
from seawall.settings import Settings
from tests.conftest import BACK_ENDS
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, hold, key, seen, verdict

TEXT = "b" * 64
UNMATCHED = Partition(day=NOW.date(), family=LedgerFamily.UNMATCHED)
MATCHED = Partition(day=NOW.date(), family=LedgerFamily.MATCHED)


def record(ledger: Ledger, *recordings: Recording) -> None:
    with LedgerRecorder(ledger) as recorder:
        for future in [recorder.submit(recording) for recording in recordings]:
            future.result(PATIENCE)


def test_every_commit_is_synced_to_the_disk(settings: Settings) -> None:
    """DESIGN §4: SQLite synchronous=FULL (2), PostgreSQL synchronous_commit=on; asked of the recorder's connection."""
    with LedgerRecorder(Ledger(settings)) as recorder:
        recorder.submit(allow()).result(PATIENCE)
        storage = recorder._storage
        if isinstance(storage, PostgresStorage):
            assert storage.connect().execute("SHOW synchronous_commit").fetchone() == ("on",)
        else:
            assert isinstance(storage, SqliteStorage)
            connection = storage.connect(UNMATCHED)
            assert connection is not None
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("settings", BACK_ENDS[1:], indirect=True)
def test_synchronous_commit_is_on_even_where_the_server_says_otherwise(settings: Settings) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("ALTER ROLE seawall SET synchronous_commit = off")
        try:
            with Ledger(settings).opened() as storage:
                assert isinstance(storage, PostgresStorage)
                assert storage.connect().execute("SHOW synchronous_commit").fetchone() == ("on",)
        finally:
            connection.execute("ALTER ROLE seawall RESET synchronous_commit")


def test_a_screening_is_read_as_it_was_answered_without_private_values(settings: Settings) -> None:
    ledger = Ledger(settings)
    written = verdict(Action.BLOCK, signals=(seen("text", TEXT, None), seen(), seen("url", "https://a.example/", None)))
    record(ledger, Recording(verdict=written, uploader="ada"), allow())
    entry = ledger.read(written.id)
    assert entry is not None
    values = [signal.value for signal in entry.verdict.signals]
    assert values == [None, seen().value, None]
    assert [bool(keyed) for keyed in entry.keyed_signals] == [True, False, True]
    assert entry.pseudonym is not None
    assert msgspec.structs.replace(entry.verdict, signals=written.signals) == written
    assert (entry.partition, entry.batch) == (MATCHED, 1)


def test_no_uploader_has_no_pseudonym_and_equal_uploaders_of_a_period_have_equal_ones(settings: Settings) -> None:
    ledger = Ledger(settings)
    names = (None, "ada", "ada", "bob", "")
    recordings = [Recording(verdict=verdict(), uploader=name) for name in names]
    next_period = Recording(verdict=verdict(now=NOW + timedelta(days=30)), uploader="ada")
    record(ledger, *recordings, next_period)
    found = [ledger.read(one.verdict.id) for one in (*recordings, next_period)]
    nobody, ada, again, bob, empty, later = [one.pseudonym for one in found if one is not None]
    assert nobody is None
    assert ada == again
    assert len({ada, bob, empty, later}) == 4


def test_an_unknown_id_is_not_found_and_a_bad_one_is_named(settings: Settings) -> None:
    ledger = Ledger(settings)
    assert ledger.read(verdict().id) is None
    record(ledger, allow(), block())
    assert ledger.read(verdict().id) is None
    for bad in ("", "scr_", "x" * 10_000, "scr_../../etc", verdict().id.upper(), "scr_" + "0" * 36):
        with pytest.raises(BadId):
            ledger.read(bad)


def test_the_day_is_that_of_the_id_even_when_midnight_falls_into_a_group(settings: Settings) -> None:
    ledger = Ledger(settings)
    midnight = NOW.replace(hour=0) + timedelta(days=1)
    recordings = [
        made(midnight + timedelta(milliseconds=offset)) for offset in (-2, -1, 0, 1) for made in (allow, block)
    ]
    record(ledger, *recordings)
    with ledger.opened() as storage:
        days = {(str(one.family), one.day.day): len(list(storage.rows(one))) for one in storage.partitions()}
    assert days == {("unmatched", 23): 2, ("unmatched", 24): 2, ("matched", 23): 2, ("matched", 24): 2}
    assert all(ledger.read(one.verdict.id) for one in recordings)


def test_the_files_are_one_a_day_and_family_and_private(sqlite_settings: Settings) -> None:
    record(Ledger(sqlite_settings), allow(), block())
    files = {path.name for path in sqlite_settings.ledger_dir.glob("*.sqlite3")}
    assert files == {"2026-11-23.sqlite3", "2026-11-23.matched.sqlite3"}
    keys = sqlite_settings.keys_dir / "ledger"
    assert keys.stat().st_mode & 0o777 == 0o700
    for path in [*sqlite_settings.ledger_dir.iterdir(), *keys.iterdir()]:
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert {path.name for path in keys.iterdir()} >= {"2026-11-23.unmatched.key", "2026-11-23.matched.key"}


#: All that may be read without a key. Adding a column here is a decision about people: see docs/adr/0006.
CLEAR = {"position", "id", "screened_at", "surface", "verdict", "degraded", "batch", "hold_expires_at", "sealed"}
SEARCHABLE = {"position", "id", "number", "key", "day"}


def test_nothing_stored_leads_from_a_signal_or_an_uploader_to_rows(settings: Settings) -> None:
    record(Ledger(settings), allow(idempotency=key()), block())
    if settings.on_postgresql:
        with psycopg.connect(settings.database_url) as connection:
            columns = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_name LIKE 'ledger%'"
            ).fetchall()
            indexed = connection.execute(
                "SELECT DISTINCT attname FROM pg_index JOIN pg_class t ON t.oid = indrelid "
                "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (indkey) WHERE t.relname LIKE 'ledger%'"
            ).fetchall()
        rows = {name for table, name in columns if table == "ledger_matched"} - {"day"}
    else:
        with sqlite3.connect(sqlite_path(settings, MATCHED)) as file:
            tables = [name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            rows = {name for (name,) in file.execute("SELECT name FROM pragma_table_info('screening')")}
            indexed = file.execute(
                "SELECT i.name FROM sqlite_schema AS s, pragma_index_list(s.name) AS l, pragma_index_info(l.name) AS i "
                "WHERE s.type = 'table'"
            ).fetchall()
        file.close()
        assert set(tables) == {"screening", "batch", "request"}
    assert rows == CLEAR
    assert {name for (name,) in indexed} <= SEARCHABLE


def sqlite_path(settings: Settings, partition: Partition) -> Path:
    return SqliteStorage(settings.ledger_dir).path(partition)


PLANTED = {
    "uploader": "zanzibar-uploader-4711",
    "content": "zanzibar-content-4712",
    "text": "7a616e7a69626172" * 8,
    "url": "https://zanzibar.example/quagga/4713",
    "sha256": "71756167676121" + "d" * 50,
    "pdq": "717561676761" + "e" * 52,
}


#: SHA-256 of a request as small as a platform may send: who guesses it could confirm the guess by a plain digest.
PLANTED_REQUEST = b'{"uploader":"zanzibar-uploader-4711","text":"yes"}'


def planted() -> Recording:
    signals = tuple(seen(kind, PLANTED[kind], None) for kind in ("text", "url", "sha256", "pdq"))
    made = verdict(Action.BLOCK, content_id=PLANTED["content"], signals=signals)
    asked = key("zanzibar-key-4714", PLANTED_REQUEST)
    return Recording(verdict=made, uploader=PLANTED["uploader"], idempotency=asked)


def planted_bytes() -> list[bytes]:
    return [value.encode() for value in (*PLANTED.values(), "zanzibar-key-4714")] + [
        *(bytes.fromhex(PLANTED[name]) for name in ("text", "sha256", "pdq")),
        hashlib.sha256(PLANTED_REQUEST).digest(),
    ]


def test_nothing_of_the_content_is_readable_on_the_disk(sqlite_settings: Settings) -> None:
    record(Ledger(sqlite_settings), planted())
    for path in files_of(sqlite_settings.data_dir):
        content = path.read_bytes()
        assert not [needle for needle in planted_bytes() if needle in content], path


def test_private_values_are_not_even_inside_the_ciphertext(settings: Settings) -> None:
    ledger = Ledger(settings)
    recording = planted()
    record(ledger, recording)
    entry = ledger.read(recording.verdict.id)
    text = msgspec.msgpack.encode(entry)
    for name in ("text", "url", "sha256", "uploader"):
        assert PLANTED[name].encode() not in text
        assert name in ("url", "uploader") or bytes.fromhex(PLANTED[name]) not in text
    assert PLANTED["pdq"].encode() in text


def files_of(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_a_row_moved_elsewhere_or_altered_is_not_believed(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path)
    recording = block()
    partition = partition_of(recording.verdict)
    row = Sealer(partition, keys).seal(recording)
    assert unseal(row, partition, keys).verdict == recording.verdict
    other = Partition(day=partition.day, family=LedgerFamily.UNMATCHED)
    Sealer(other, keys)
    flipped = bytes([*row.sealed[:-1], row.sealed[-1] ^ 1])
    changed: list[tuple[Row, Partition]] = [(row, other)]
    for field, value in {
        "id": UUID(int=row.id.int + 1),
        "screened_at": row.screened_at + 1,
        "surface": "other",
        "verdict": "allow",
        "degraded": True,
        "hold_expires_at": 1,
        "sealed": flipped,
    }.items():
        fields = {name: getattr(row, name) for name in Row.__slots__} | {field: value}
        changed.append((Row(**fields), partition))
    changed.append((Row(**{name: getattr(row, name) for name in Row.__slots__} | {"sealed": b""}), partition))
    for wrong, place in changed:
        with pytest.raises(LedgerDamaged, match="seawall log verify"):
            unseal(wrong, place, keys)


def test_a_row_is_sealed_as_the_reference_says(sqlite_settings: Settings) -> None:
    """By hand, from docs/reference/ledger.md: cipher, additional data, period keys and what is hashed."""
    signals = (seen("text", TEXT, None), seen())
    asked = key("k", owner="o")
    made = verdict(Action.HOLD, signals=signals)
    said = Context(claim=Claim.ART, text="A collage.")
    written = Recording(verdict=made, uploader="ada", idempotency=asked, hold_expiry=HoldExpiry.RELEASE, context=said)
    ledger = Ledger(sqlite_settings)
    record(ledger, written)
    with ledger.opened() as storage:
        [row] = storage.rows(MATCHED)
    keys = sqlite_settings.keys_dir / "ledger"
    cipher = AESGCM((keys / "2026-11-23.matched.key").read_bytes())
    bound = f"{written.verdict.id}\0" + "2026-11-23\0matched"
    plain = msgspec.msgpack.decode(cipher.decrypt(row.sealed[:12], row.sealed[12:], bound.encode()))
    hash_key = (keys / "period-24664.hash.key").read_bytes()
    pseudonym_key = (keys / "period-24664.pseudonym.key").read_bytes()
    schema, stored, keyed, pseudonym, hold_expiry, context = plain
    assert context == {"claim": "art", "text": "A collage."}
    assert (schema, stored["id"], hold_expiry) == (1, written.verdict.id, "release")
    assert keyed == [hmac.digest(hash_key, b"signal\0text\0" + TEXT.encode(), "sha256"), None]
    assert pseudonym == hmac.digest(pseudonym_key, b"ada", "sha256")
    assert row.request_key == hmac.digest(hash_key, b"request\0o\0k", "sha256")
    digest = b"digest\0" + asked.request_digest.hex().encode()
    assert row.request_digest == hmac.digest(hash_key, digest, "sha256")


@pytest.mark.parametrize("action", [Action.ALLOW, Action.BLOCK])
def test_what_was_said_is_kept_only_for_whoever_decides(tmp_path: Path, action: Action) -> None:
    keys, made = KeyRing(tmp_path), verdict(action)
    recording = Recording(verdict=made, context=Context(claim=Claim.ART, text="A collage."))
    partition = partition_of(made)
    assert unseal(Sealer(partition, keys).seal(recording), partition, keys).context is None


@pytest.mark.parametrize("fields", [4, 5])
def test_a_row_of_an_earlier_release_lacks_what_came_later(tmp_path: Path, fields: int) -> None:
    """The array grew at its end: what was written before is still read."""
    keys = KeyRing(tmp_path)
    recording = replace(hold(), context=Context(claim=Claim.ART))
    row = Sealer(MATCHED, keys).seal(recording)
    now = unseal(row, MATCHED, keys)
    assert (now.hold_expiry, now.context) == (HoldExpiry.REFUSE, Context(claim=Claim.ART))
    cipher = AESGCM(keys.partition_key(MATCHED, create=False))
    bound = f"{recording.verdict.id}\0" + "2026-11-23\0matched"
    plain = msgspec.msgpack.decode(cipher.decrypt(row.sealed[:12], row.sealed[12:], bound.encode()))
    shorter = row.sealed[:12] + cipher.encrypt(row.sealed[:12], msgspec.msgpack.encode(plain[:fields]), bound.encode())
    before = Row(**{name: getattr(row, name) for name in Row.__slots__} | {"sealed": shorter})
    found = unseal(before, MATCHED, keys)
    assert (found.hold_expiry, found.context) == (HoldExpiry.REFUSE if fields == 5 else None, None)


def test_no_nonce_is_used_twice(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path)
    sealers = [Sealer(MATCHED, keys) for _ in range(4)]
    nonces = {sealer.seal(block()).sealed[:12] for sealer in sealers for _ in range(300)}
    assert len(nonces) == 1200


def test_a_lost_key_is_said_to_be_lost(settings: Settings) -> None:
    ledger = Ledger(settings)
    recording = allow()
    record(ledger, recording)
    (settings.keys_dir / "ledger" / "2026-11-23.unmatched.key").unlink()
    with pytest.raises(LedgerDamaged, match="backup"):
        Ledger(settings).read(recording.verdict.id)


@hypothesis_settings(max_examples=40)
@given(data=st.binary(max_size=2000))
def test_any_bytes_in_place_of_a_ledger_file_are_an_error_not_a_crash(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = Settings(data_dir=tmp_path_factory.mktemp("broken"))
    settings.ledger_dir.mkdir()
    sqlite_path(settings, UNMATCHED).write_bytes(data)
    ledger = Ledger(settings)
    # SQLite takes a single byte for an empty file; anything longer is no database.
    expected = pytest.raises(StorageFailed, match=r"2026-11-23\.sqlite3") if len(data) > 1 else nullcontext()
    with expected:
        assert ledger.read(verdict().id) is None


def test_strange_names_beside_the_ledger_are_left_alone(sqlite_settings: Settings) -> None:
    for name in (
        "notes.sqlite3",
        "2026-11-23.sqlite3.bak",
        "2026-11-23.other.sqlite3",
        "x2026-11-23.sqlite3",
        "2026-13-45.sqlite3",
    ):
        (sqlite_settings.ledger_dir / name).write_bytes(b"mine")
    with Ledger(sqlite_settings).opened() as storage:
        assert storage.partitions() == []


def test_recording_and_reading_need_no_django(tmp_path: Path) -> None:
    code = "import sys, seawall.screening.ledger; sys.exit('django' in sys.modules or 'psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_equal_rows_have_equal_digests_and_any_change_shows(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path)
    rows = [Sealer(MATCHED, keys).seal(one) for one in (block(), hold(), block(idempotency=key()))]
    assert rows_digest(rows) == rows_digest(list(rows))
    assert rows_digest(rows) != rows_digest(rows[::-1])
    assert rows_digest(rows) != rows_digest(rows[:-1])
    assert rows_digest([]) == rows_digest([])


def test_one_duplicate_id_takes_nobody_elses_answer_with_it(settings: Settings) -> None:
    ledger = Ledger(settings)
    first = block()
    record(ledger, first)
    with LedgerRecorder(ledger) as recorder:
        others = [block() for _ in range(5)]
        futures = [recorder.submit(one) for one in (*others[:2], first, *others[2:])]
        errors = [future.exception(PATIENCE) for future in futures]
    assert [bool(error) for error in errors] == [False, False, True, False, False, False]
    assert all(ledger.read(one.verdict.id) for one in others)


def test_text_that_cannot_be_encoded_is_refused_alone(settings: Settings) -> None:
    ledger = Ledger(settings)
    bad = Recording(verdict=verdict(Action.BLOCK, content_id="half a pair \ud800"))
    odd = Recording(verdict=verdict(Action.BLOCK), uploader="\ud800")
    good = block()
    with LedgerRecorder(ledger) as recorder:
        futures = [recorder.submit(one) for one in (bad, odd, good)]
        assert [bool(future.exception(PATIENCE)) for future in futures] == [True, True, False]
        assert recorder.alive
    assert ledger.read(good.verdict.id) is not None
