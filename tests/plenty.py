"""A prepared data directory with plenty in it: 100 000 holds, a million signals, 50 000 events, and what they need.

Made once for a test run and database, in bulk. A test asks for it so, and changes nothing in it:

    def test_the_page(plenty: Plenty) -> None:
        assert_lean(lambda: client.get("/banks/"))

Everything is made up; no value is anybody's. What one can rely on: each row is as the product would have written it,
the counters agree with the rows, the log verifies, and the newest waiting holds have their rows in the ledger.
"""

import hashlib
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from django.db import connection, connections, transaction
from django.db.models import AutoField, Model

from seawall import app
from seawall.matching.banks import create_bank
from seawall.matching.model import BankKind
from seawall.matching.models import Bank, Import
from seawall.members.issue import issue_key
from seawall.record import canonical_json, journal
from seawall.record.clock import system_clock
from seawall.record.events import Event as RecordedEvent
from seawall.record.events import SignalConfirmed, SignalDisputed, SignalWithdrawn, fields_of
from seawall.record.generation import bump
from seawall.record.ids import new_id, uuid7
from seawall.record.models import Event
from seawall.record.sequencer import sequence
from seawall.record.signing import load_or_create_signing_key
from seawall.screening.ledger import Ledger, LedgerFamily, LedgerRecorder
from seawall.screening.ledger.batches import append_batches
from seawall.screening.model import (
    Action,
    Audience,
    FailMode,
    HoldExpiry,
    Match,
    PolicyName,
    Reason,
    SignalSeen,
    Surface,
    Verdict,
)
from seawall.screening.models import Hold, LedgerDay, PolicyVersion, ScreeningTotals
from seawall.screening.policies import save_surface
from seawall.screening.recording import Recording
from seawall.settings import Settings
from tests.postgresql import PostgresServer

HOLDS = 100_000
SIGNALS = 1_000_000
EVENTS = 50_000
KEYS = 20
POLICY_VERSIONS = 200
DAYS = 60
#: Waiting holds whose reasons can be read from the ledger; they are the newest.
READABLE = 100

#: Whoever asks first waits until it is made, on a busy machine for minutes.
PATIENT = pytest.mark.timeout(600)

SURFACES = ("posts", "avatars", "comments", "groups", "imports", "profiles")
OWNER = "per_plenty"

#: Name, share of the signals, who lists them.
BANKS = (
    ("forum", 0.60, "Example Forum"),
    ("analysts", 0.25, "Example Analysts"),
    ("friends", 0.10, "Example Server"),
    ("own", 0.04, ""),
    ("known-safe", 0.01, ""),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plenty:
    """Where it is, the moment it was made for (all of it lies in the 60 days before), and ids worth having."""

    settings: Settings
    now: datetime
    #: Waiting holds whose ledger rows are there, newest first.
    readable: tuple[str, ...]
    #: A signal of the largest bank.
    signal: str
    #: The text of an API key with every scope.
    key: str


@pytest.fixture(scope="session")
def plenty_sqlite(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Plenty:
    data_dir = tmp_path_factory.mktemp("plenty") / "data"
    shutil.copytree(sqlite_template, data_dir)
    return fill(Settings(data_dir=data_dir, decoders=1))


@pytest.fixture(scope="session")
def plenty_postgresql(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, postgres: PostgresServer
) -> Plenty:
    data_dir = tmp_path_factory.mktemp("plenty") / "data"
    shutil.copytree(sqlite_template, data_dir)
    postgres.create("plenty", template="seawall_template")
    return fill(Settings(data_dir=data_dir, database_url=postgres.url("plenty"), decoders=1))


@pytest.fixture(
    params=[
        pytest.param("sqlite", marks=[pytest.mark.slow, PATIENT]),
        pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.postgresql, PATIENT]),
    ]
)
def plenty(request: pytest.FixtureRequest) -> Iterator[Plenty]:
    """Django is bound to it. The same for every test of the run: leave it as it is."""
    made: Plenty = request.getfixturevalue(f"plenty_{request.param}")
    app.bind(made.settings)
    yield made
    connections["default"].close()


def fill(settings: Settings) -> Plenty:
    """Fill a migrated, empty data directory. Half a minute, most of it for the signals."""
    now = system_clock().replace(microsecond=0)
    app.bind(settings)
    app.furnish(now - timedelta(days=DAYS))
    random = Random(7)
    signal = _signals(settings, now, np.random.default_rng(7))
    for number, name in enumerate(SURFACES):
        _surface(name, now, store=number != len(SURFACES) - 1)
    scopes = ("screen", "lookup", "hash", "read")
    keys = [issue_key(name=f"key {number}", scopes=scopes, by=OWNER, now=now)[1] for number in range(KEYS)]
    _policies(now)
    readable = _readable_holds(settings, now, signal)
    _holds(settings, now, random)
    _events(settings, now, random)
    if settings.on_postgresql:
        with connection.cursor() as cursor:
            # As the server does by itself after a while.
            cursor.execute("VACUUM ANALYZE")
    connections["default"].close()
    return Plenty(settings=settings, now=now, readable=readable, signal=signal, key=keys[0])


def _surface(name: str, now: datetime, *, store: bool) -> None:
    surface = Surface(
        name=name,
        audience=Audience.PUBLIC,
        fail_mode=FailMode.HOLD,
        hold_expiry=HoldExpiry.REFUSE,
        store_unmatched=store,
    )
    save_surface(surface, by=OWNER, now=now)


def _policies(now: datetime) -> None:
    first = PolicyVersion.objects.order_by("-version").first()
    assert first is not None
    PolicyVersion.objects.bulk_create(
        PolicyVersion(
            policy_id=first.policy_id,
            version=first.version + number,
            rules=first.rules,
            note=f"change {number}",
            saved_at=now - timedelta(hours=POLICY_VERSIONS - number),
            saved_by=OWNER,
        )
        for number in range(1, POLICY_VERSIONS)
    )


def _signals(settings: Settings, now: datetime, random: np.random.Generator) -> str:
    """The banks with their signals, each bank's in one finished import; the id of a signal."""
    first = ""
    for place, (name, share, listed_by) in enumerate(BANKS):
        kind = BankKind.KNOWN_SAFE if name == "known-safe" else BankKind.LISTED
        came = now - timedelta(days=9 * place)
        bank = create_bank(name, by=OWNER, now=came, listed_by=listed_by, kind=kind)
        count = int(SIGNALS * share)
        with transaction.atomic():
            number, generation = bump("imports"), bump("banks")
        Import.objects.create(
            id=f"imp_{uuid7(came, random.bytes(10))}",
            number=number,
            bank=bank,
            source=listed_by,
            started_at=came,
            started_by=OWNER,
            worker="",
            active_at=came,
            visible_at=came,
            added=count,
            changed=generation,
        )
        rows = _keys(count, came, random)
        first = first or f"sig_{UUID(rows[0][0])}"
        connections["default"].close()
        write = _copy_signals if settings.on_postgresql else _insert_signals
        write(settings, rows, (bank.number, number, generation))
        counters = {"active_signals": count - count // WITHDRAWN_EACH, "newest_signal_at": came}
        Bank.objects.filter(number=bank.number).update(**counters, last_import_at=came)
    return first


#: One signal in so many is withdrawn.
WITHDRAWN_EACH = 1_000


def _keys(count: int, came: datetime, random: np.random.Generator) -> list[tuple[str, bytes, int]]:
    """Id (hex), digest and place of new signals, in the order of both the table's key and its index: writing them only
    appends.
    """
    ids = np.frombuffer(random.bytes(16 * count), np.uint8).reshape(-1, 16).copy()
    made = np.frombuffer(uuid7(came, bytes(10)).bytes, np.uint8)
    ids[:, :6] = made[:6]
    ids[:, 6] = ids[:, 6] & 0x0F | made[6]
    ids[:, 8] = ids[:, 8] & 0x3F | made[8]
    together, digests = ids.tobytes().hex(), random.bytes(32 * count)
    names = sorted(together[at : at + 32] for at in range(0, len(together), 32))
    ordered = sorted(digests[at : at + 32] for at in range(0, len(digests), 32))
    return list(zip(names, ordered, range(1, count + 1), strict=True))


def _insert_signals(settings: Settings, rows: Sequence[tuple[str, bytes, int]], numbers: tuple[int, ...]) -> None:
    bank, number, generation = numbers
    kept = f"?3 % {WITHDRAWN_EACH}"
    statement = f"""
        INSERT INTO matching_signal
            (id, digest, quality, value, status, changed, bank_number, import_number, type, labels, source, confidence,
             note, opinion, confirmed_by, disputed, muted_until)
        VALUES (?1, ?2, 50 + ?3 % 51, lower(hex(?2)), iif({kept}, 'active', 'withdrawn'),
                iif({kept}, NULL, {generation}), {bank}, {number}, 'pdq', '["tvec"]', 'Example', NULL, '', 'positive',
                '[]', FALSE, NULL)
    """
    with closing(sqlite3.connect(settings.database_path)) as file:
        file.execute("PRAGMA synchronous = OFF")
        with file:
            file.executemany(statement, rows)


def _copy_signals(settings: Settings, rows: Sequence[tuple[str, bytes, int]], numbers: tuple[int, ...]) -> None:
    bank, number, generation = numbers
    copying = """
        COPY matching_signal
            (id, value, digest, quality, status, changed, bank_number, import_number, type, labels, source, confidence,
             note, opinion, confirmed_by, disputed, muted_until)
        FROM STDIN
    """
    tail = f'{bank}\t{number}\tpdq\t["tvec"]\tExample\t\\N\t\tpositive\t[]\tf\t\\N\n'
    kinds = {False: f"active\t\\N\t{tail}", True: f"withdrawn\t{generation}\t{tail}"}
    with psycopg.connect(settings.database_url) as server, server.cursor() as cursor, cursor.copy(copying) as copy:
        for start in range(0, len(rows), 10_000):
            lines = []
            for name, digest, place in rows[start : start + 10_000]:
                value = digest.hex()
                lines.append(f"{name}\t{value}\t\\\\x{value}\t{50 + place % 51}\t{kinds[place % WITHDRAWN_EACH == 0]}")
            copy.write("".join(lines))


def _write(settings: Settings, model: type[Model], rows: Iterable[dict[str, Any]]) -> None:
    """Rows of a table by attribute; what is not named has the model's default."""
    fields = [one for one in model._meta.concrete_fields if not isinstance(one, AutoField)]
    defaults = {one.attname: one.get_default() for one in fields}
    columns = ", ".join(str(one.column) for one in fields)
    values = ([{**defaults, **row}[one.attname] for one in fields] for row in rows)
    table = model._meta.db_table
    connections["default"].close()
    if settings.on_postgresql:
        copying = f"COPY {table} ({columns}) FROM STDIN"
        with psycopg.connect(settings.database_url) as server, server.cursor() as cursor, cursor.copy(copying) as copy:
            for row in values:
                copy.write_row(row)
        return
    places = ", ".join("?" * len(fields))
    with closing(sqlite3.connect(settings.database_path)) as file:
        file.execute("PRAGMA synchronous = OFF")
        with file:
            file.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({places})", (tuple(map(_as_sqlite, row)) for row in values)
            )


def _as_sqlite(value: Any) -> Any:
    """As Django writes it there."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value


def _readable_holds(settings: Settings, now: datetime, signal: str) -> tuple[str, ...]:
    """The newest waiting holds, recorded as the screening API records them; their ids, newest first."""
    ledger = Ledger(settings)
    moments = [now - timedelta(seconds=30 * place + 1) for place in range(READABLE)]
    with LedgerRecorder(ledger) as recorder:
        futures = [recorder.submit(_held(moment, place, signal)) for place, moment in enumerate(moments)]
        ids = tuple(future.result(60).verdict.id for future in futures)
    append_batches(ledger, now=now)
    asked = {"asked_at": now, "asked_claim": "research", "asked_text": "This is from our archive."}
    Hold.objects.filter(screening_id__in=ids[::10]).update(**asked)
    return ids


def _held(moment: datetime, place: int, signal: str) -> Recording:
    value = f"{place * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95 % 2**256:064x}"
    text = "Closely resembles an item listed by Example Forum. This is a technical match, not a finding about anyone."
    verdict = Verdict(
        id=new_id("scr", lambda: moment),
        verdict=Action.HOLD,
        surface=SURFACES[place % len(SURFACES)],
        content_id=f"post-{place}",
        screened_at=moment,
        degraded=False,
        degraded_reasons=(),
        hold_expires_at=moment + timedelta(hours=24),
        policy=PolicyName(id="default", version=1),
        reasons=(Reason(rule=None, code="listed", text=text),),
        public_reason="A person will look.",
        signals=(SignalSeen(part="image", type="pdq", version=1, value=value, quality=90),),
        matches=(
            Match(
                part="image",
                type="pdq",
                distance=place % 32,
                max_distance=31,
                bank="forum",
                signal=signal,
                labels=("tvec",),
                source="Example",
                opinion="positive",
                confirmed_by=0,
            ),
        ),
    )
    return Recording(verdict=verdict, uploader=f"uploader-{place % 17}", hold_expiry=HoldExpiry.REFUSE)


#: States in which the holds are, and of a hundred how many: most were decided, a good part still waits.
STATES = (("waiting", 40), ("released", 35), ("refused", 20), ("expired", 5))


def _holds(settings: Settings, now: datetime, random: Random) -> None:
    """All other holds, older than the readable ones, with the totals of their days."""
    states = [state for state, share in STATES for _ in range(share)]
    ages = sorted(random.randrange(3_600, DAYS * 86_400) for _ in range(HOLDS - READABLE))
    rows = [
        _hold(now - timedelta(seconds=age), random.choice(states), place, now)
        for place, age in enumerate(ages, start=1)
    ]
    _write(settings, Hold, rows)
    _totals(Counter((row["day"], row["surface"], row["state"]) for row in rows))


def _hold(held_at: datetime, state: str, place: int, now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {
        "screening_id": f"scr_{uuid7(held_at, place.to_bytes(10, 'big'))}",
        "surface": SURFACES[place % len(SURFACES)],
        "day": held_at.date(),
        "held_at": held_at,
        # Later than the readable ones, which are at the top of every list by deadline.
        "expires_at": now + timedelta(days=2, minutes=place),
        "on_expiry": "refuse",
        "has_preview": False,
        "state": state,
    }
    if place % 50 == 0:
        row |= {
            "asked_at": held_at + timedelta(minutes=5),
            "asked_claim": "journalism",
            "asked_text": "Our own report.",
        }
    if state != "waiting":
        expired = state == "expired"
        row |= {
            "outcome": "refused" if expired else state,
            "resolved_at": min(now, held_at + timedelta(minutes=place % 900)),
            "resolved_by": "system" if expired else OWNER,
            "reason": "expiry_refused" if expired else "looked",
        }
    return row


def _totals(held: Counter[tuple[date, str, str]]) -> None:
    """What the log pass would have counted: the holds, and some hundred times as many uploads without a match."""
    real = {(row.day, row.family, row.surface): row for row in ScreeningTotals.objects.all()}
    rows: dict[tuple[date, str, str], ScreeningTotals] = {}
    for (day, surface, state), count in held.items():
        for family in LedgerFamily:
            key = (day, str(family), surface)
            row = rows.setdefault(key, real.get(key) or ScreeningTotals(day=day, family=family, surface=surface))
            if family is LedgerFamily.UNMATCHED:
                row.uploads, row.degraded = row.uploads + 100 * count, row.degraded + count // 10
                continue
            row.uploads, row.held = row.uploads + count, row.held + count
            if state != "waiting":
                setattr(row, state, getattr(row, state) + count)
    ScreeningTotals.objects.bulk_create(row for key, row in rows.items() if key not in real)
    changed = ["uploads", "degraded", "held", "released", "refused", "expired"]
    ScreeningTotals.objects.bulk_update([row for key, row in rows.items() if key in real], changed)
    present = set(LedgerDay.objects.values_list("day", "family"))
    days = {(day, family) for day, family, _ in rows} - present
    LedgerDay.objects.bulk_create(LedgerDay(day=day, family=family, logged_batches=1) for day, family in days)


def _events(settings: Settings, now: datetime, random: Random) -> None:
    """Events of several kinds over the days, each with its leaf."""
    missing = EVENTS - Event.objects.count()
    ids = [new_id("sig", lambda: now) for _ in range(50)]
    bank = Bank.objects.get(name="forum").id
    several = [
        *(SignalConfirmed(by=OWNER, signal=signal, bank=bank) for signal in ids),
        *(SignalDisputed(by=OWNER, signal=signal, bank=bank, disputed=True) for signal in ids),
        *(SignalWithdrawn(by=OWNER, signal=signal, bank=bank, reason="not_a_match") for signal in ids),
    ]
    said = [(event, fields_of(event)) for event in several]
    step = timedelta(days=DAYS) / missing
    rows = (_event(*random.choice(said), now - step * (missing - place), place) for place in range(missing))
    _write(settings, Event, rows)
    sequence(now, load_or_create_signing_key(settings.keys_dir, now - timedelta(days=DAYS)))


def _event(event: RecordedEvent, fields: dict[str, Any], moment: datetime, place: int) -> dict[str, Any]:
    """The row that `journal.record` would write."""
    moment = moment.replace(microsecond=0)
    salt = hashlib.sha256(b"%d" % place).digest()
    row = Event(
        event_id=f"evt_{uuid7(moment, place.to_bytes(10, 'big'))}",
        name=event.name,
        schema=event.schema,
        created_at=moment,
    )
    body = canonical_json.encode({**journal.envelope(row), "event": fields})
    kept = {"event_id": row.event_id, "name": row.name, "schema": row.schema, "created_at": moment}
    return {**kept, "salt": salt, "body": body, "commitment": journal.commitment_of(salt, body)}
