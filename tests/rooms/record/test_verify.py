"""An attacker with the database in hand: every altered byte is found, and named."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from seawall.record import checkpoint, events, merkle, verify
from seawall.record.journal import forget
from seawall.record.models import Checkpoint, Event, LogTile
from seawall.record.sequencer import sequence
from seawall.record.signing import VerificationKey, new_signing_key
from seawall.record.verify import LoggedEvent, LogReport, verify_log
from seawall.settings import Settings
from tests.rooms.record.logs import KEY, KEYS, NOW, write


@pytest.fixture
def log(settings: Settings) -> Settings:
    """Three checkpoints, a full and a partial tile, and two waiting events."""
    for first, count in ((0, 100), (100, 170), (270, 13)):
        write(count, first=first)
        sequence(NOW + timedelta(seconds=first), KEY)
    write(2, first=283)
    assert verify_log(KEYS).ok
    return settings


@pytest.fixture
def small_log(sqlite_settings: Settings) -> Settings:
    """Few rows, for damage at very many places."""
    for first in (0, 1):
        write(1, first=first)
        sequence(NOW + timedelta(seconds=first), KEY)
    write(1, first=2)
    assert verify_log(KEYS).ok
    return sqlite_settings


def where(report: LogReport) -> str:
    assert report.finding is not None
    assert report.finding.text
    assert report.finding.next_step
    return report.finding.where


def test_an_untouched_log_verifies(log: Settings) -> None:
    report = verify_log(KEYS)
    assert report.finding is None
    assert (report.size, report.events, report.waiting, report.forgotten) == (283, 285, 2, 0)
    assert (report.checkpoints, report.tiles) == (3, 3)
    assert report.root == bytes(Checkpoint.objects.get(size=283).root)


def test_an_empty_log_verifies(settings: Settings) -> None:
    report = verify_log(())
    assert (report.ok, report.size, report.root, report.events) == (True, 0, merkle.EMPTY_ROOT, 0)


def columns() -> Iterator[tuple[type[Model], str]]:
    yield from ((Event, name) for name in ("body", "salt", "commitment"))
    yield LogTile, "hashes"
    yield from ((Checkpoint, name) for name in ("root", "note"))


def flip(value: object, at: int, bit: int) -> tuple[bytes | str, int]:
    """The value with one bit changed, and how many bytes it has."""
    data = bytearray(value.encode() if isinstance(value, str) else bytes(value))  # type: ignore[call-overload]
    data[at % len(data)] ^= 1 << bit
    return (data.decode("utf-8", "replace") if isinstance(value, str) else bytes(data)), len(data)


@pytest.mark.parametrize(("table", "column"), list(columns()), ids=lambda value: getattr(value, "__name__", value))
def test_one_flipped_byte_anywhere_is_found(small_log: Settings, table: type[Model], column: str) -> None:
    """Every byte of every row of the small log."""
    for row in table._default_manager.all():
        before, at = getattr(row, column), 0
        while True:
            changed, length = flip(before, at, at % 8)
            assert changed != before
            table._default_manager.filter(pk=row.pk).update(**{column: changed})
            assert table._meta.db_table in where(verify_log(KEYS)), (row.pk, at)
            at += 7 if column == "note" else 1
            if at >= length:
                break
        table._default_manager.filter(pk=row.pk).update(**{column: before})
    assert verify_log(KEYS).ok


@given(data=st.data())
@examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_one_flipped_bit_in_a_larger_log_is_found(log: Settings, data: st.DataObject) -> None:
    table, column = data.draw(st.sampled_from(list(columns())))
    keys = list(table._default_manager.order_by("pk").values_list("pk", flat=True))
    row = table._default_manager.get(pk=data.draw(st.sampled_from(keys)))
    before = getattr(row, column)
    changed, _ = flip(before, data.draw(st.integers(0, 10_000)), data.draw(st.integers(0, 7)))
    table._default_manager.filter(pk=row.pk).update(**{column: changed})
    assert table._meta.db_table in where(verify_log(KEYS))
    table._default_manager.filter(pk=row.pk).update(**{column: before})
    assert verify_log(KEYS).ok


def leaf(number: int) -> QuerySet[Event]:
    return Event.objects.filter(leaf_index=number)


def waiting() -> QuerySet[Event]:
    return Event.objects.filter(leaf_index=None)


def last_waiting() -> QuerySet[Event]:
    return Event.objects.filter(serial=waiting().order_by("serial").reverse()[0].serial)


DAMAGE: dict[str, tuple[Callable[[], object], str]] = {
    "name": (lambda: leaf(7).update(name="matching:bank:retired"), "leaf 7"),
    "schema": (lambda: leaf(7).update(schema=2), "leaf 7"),
    "event id": (lambda: leaf(7).update(event_id="evt_other"), "evt_other, leaf 7"),
    "time": (lambda: leaf(7).update(created_at=NOW + timedelta(milliseconds=1)), "leaf 7"),
    "source_ref": (lambda: leaf(10).update(source_ref="ledger:2026-11-24:matched:10"), "leaf 10"),
    "no source_ref": (lambda: leaf(10).update(source_ref=None), "leaf 10"),
    "only the salt gone": (lambda: leaf(7).update(salt=None), "leaf 7"),
    "only the body gone": (lambda: leaf(7).update(body=None), "leaf 7"),
    "short commitment": (lambda: leaf(7).update(commitment=b"x" * 31), "leaf 7"),
    "empty commitment": (lambda: leaf(7).update(commitment=b""), "leaf 7"),
    "a row gone": (lambda: leaf(7).delete(), "leaf 7"),
    "the first row gone": (lambda: leaf(0).delete(), "leaf 0"),
    "the last row gone": (lambda: leaf(282).delete(), "leaf 282"),
    "the tail gone": (lambda: Event.objects.filter(leaf_index__gte=270).delete(), "leaf 270"),
    "all rows gone": (lambda: Event.objects.all().delete(), "leaf 0"),
    "a leaf taken back": (lambda: leaf(282).update(leaf_index=None), "leaf 282"),
    "a leaf beyond the end": (lambda: last_waiting().update(leaf_index=283), "leaf 283"),
    "a leaf far away": (lambda: leaf(7).update(leaf_index=10**12), "leaf 7"),
    "a leaf below 0": (lambda: last_waiting().update(leaf_index=-1), "record_event"),
    "a waiting commitment": (lambda: waiting().update(commitment=b"\0" * 32), "waiting"),
    "a waiting name": (lambda: waiting().update(name="a:b:c"), "waiting"),
    "a tile gone": (lambda: LogTile.objects.filter(level=0, index=0).delete(), "level 0, tile 0"),
    "the partial tile gone": (lambda: LogTile.objects.filter(level=0, index=1).delete(), "level 0, tile 1"),
    "the upper tile gone": (lambda: LogTile.objects.filter(level=1).delete(), "level 1, tile 0"),
    "a tile too many": (lambda: LogTile.objects.create(level=0, index=2, hashes=b"\0" * 32), "level 0, tile 2"),
    "a tile far away": (lambda: LogTile.objects.create(level=5, index=9, hashes=b"\0" * 32), "level 5, tile 9"),
    "a tile below 0": (lambda: LogTile.objects.create(level=0, index=-1, hashes=b"\0" * 32), "tile -1"),
    "a longer tile": (
        lambda: LogTile.objects.filter(level=0, index=1).update(hashes=b"\0" * 32 * 28),
        "level 0, tile 1",
    ),
    "a checkpoint's size": (lambda: Checkpoint.objects.filter(size=270).update(size=271), "size 271"),
    "a checkpoint's origin": (lambda: Checkpoint.objects.filter(size=270).update(origin="x"), "size 270"),
    "a checkpoint's key": (lambda: Checkpoint.objects.filter(size=270).update(key_id="00000000"), "size 270"),
    "a checkpoint's time": (
        lambda: Checkpoint.objects.filter(size=283).update(created_at=NOW + timedelta(seconds=99)),
        "size 283",
    ),
    "a checkpoint before its key": (
        lambda: Checkpoint.objects.filter(size=100).update(created_at=NOW - timedelta(days=1)),
        "size 100",
    ),
    "a checkpoint below 0": (lambda: Checkpoint.objects.filter(size=270).update(size=-5), "size -5"),
    "a checkpoint of nothing": (lambda: Checkpoint.objects.filter(size=270).update(size=0), "size 0"),
    "the last checkpoint gone": (lambda: Checkpoint.objects.filter(size=283).delete(), "leaf 282"),
    "all checkpoints gone": (lambda: Checkpoint.objects.all().delete(), "leaf 282"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(log: Settings, name: str) -> None:
    damage, place = DAMAGE[name]
    with transaction.atomic():
        damage()
    assert place in where(verify_log(KEYS))


def test_swapped_events_are_found(log: Settings) -> None:
    leaf(7).update(leaf_index=10**6)
    leaf(8).update(leaf_index=7)
    leaf(10**6).update(leaf_index=8)
    assert "record_checkpoint, size 100" in where(verify_log(KEYS))


def test_a_rewritten_event_with_a_fitting_commitment_is_found(log: Settings) -> None:
    row = leaf(7).get()
    twin = leaf(8).get()
    leaf(7).update(body=twin.body, salt=twin.salt, commitment=twin.commitment)
    assert row.event_id in where(verify_log(KEYS))


def test_a_rewritten_log_with_fitting_tiles_needs_the_key(log: Settings) -> None:
    """Someone who rewrites everything but cannot sign."""
    forget_lawfully(leaf(282).get())
    leaf(282).update(commitment=b"\1" * 32)
    stored = LogTile.objects.get(level=0, index=1)
    forged = bytes(stored.hashes)[:-32] + merkle.leaf_hash(b"\1" * 32)
    LogTile.objects.filter(pk=stored.pk).update(hashes=forged)
    assert where(verify_log(KEYS)) == "record_checkpoint, size 283"
    last = Checkpoint.objects.get(size=283)
    root = merkle.root_of([merkle.leaf_hash(bytes(c)) for c in commitments()])
    stranger = new_signing_key(origin="example.org/log", now=NOW, seed=b"\7" * 32)
    state = checkpoint.LogState(origin="example.org/log", size=283, root=root)
    note = checkpoint.write(state, stranger)
    Checkpoint.objects.filter(pk=last.pk).update(root=root, note=note, key_id=stranger.verification.key_id)
    report = verify_log(KEYS)
    assert where(report) == "record_checkpoint, size 283"
    assert report.finding is not None
    assert "None of the known keys" in report.finding.text


def forget_lawfully(row: Event) -> None:
    with transaction.atomic():
        assert forget(row.event_id, by="per_1", now=NOW)


def test_an_erasure_that_no_event_speaks_of_is_found(log: Settings) -> None:
    forget_lawfully(leaf(8).get())
    assert verify_log(KEYS).ok
    leaf(7).update(salt=None, body=None)
    assert "leaf 7" in where(verify_log(KEYS))


def test_the_event_of_a_forgetting_cannot_be_erased_itself(log: Settings) -> None:
    forget_lawfully(leaf(7).get())
    waiting().filter(name=events.EventForgotten.name).update(salt=None, body=None)
    assert "leaf 7" in where(verify_log(KEYS))


def test_one_forgetting_excuses_one_event_only(log: Settings) -> None:
    gone = leaf(7).get()
    forget_lawfully(gone)
    leaf(7).update(event_id="evt_other")
    leaf(8).update(event_id=gone.event_id, salt=None, body=None)
    assert "leaf 7" in where(verify_log(KEYS))


def test_what_is_forgotten_while_we_verify_is_no_finding(log: Settings) -> None:
    forget_lawfully(leaf(1).get())
    done: list[LoggedEvent] = []

    def forget_meanwhile(event: LoggedEvent) -> None:
        # After the first empty one: by then we have read once what was forgotten.
        if not done and event.leaf_index == 10:
            done.append(event)
            forget_lawfully(leaf(281).get())

    with patched_chunk(10):
        assert verify_log(KEYS, [forget_meanwhile]).ok


@contextmanager
def patched_chunk(rows: int) -> Iterator[None]:
    """Read the log in small pieces."""
    before, verify.CHUNK = verify.CHUNK, rows
    try:
        yield
    finally:
        verify.CHUNK = before


def commitments() -> list[bytes]:
    rows = Event.objects.exclude(leaf_index=None).order_by("leaf_index")
    return [bytes(row.commitment) for row in rows]


def test_a_log_cut_together_with_its_checkpoints_is_found_by_a_kept_one(log: Settings) -> None:
    kept = list(Checkpoint.objects.order_by("size").values_list("note", flat=True))
    assert verify_log(KEYS, kept_notes=kept).ok
    Event.objects.filter(leaf_index__gte=100).delete()
    Checkpoint.objects.filter(size__gt=100).delete()
    LogTile.objects.filter(level=1).delete()
    LogTile.objects.filter(index=1).delete()
    tile = LogTile.objects.get()
    LogTile.objects.update(hashes=bytes(tile.hashes)[: 100 * 32])
    assert verify_log(KEYS).ok
    assert verify_log(KEYS, kept_notes=kept[:1]).ok
    report = verify_log(KEYS, kept_notes=kept)
    assert where(report) == "kept checkpoint 2"
    assert report.finding is not None
    assert "was cut" in report.finding.text


def test_a_kept_checkpoint_of_another_history_is_found(log: Settings) -> None:
    state = checkpoint.LogState(origin="example.org/log", size=150, root=b"\1" * 32)
    assert where(verify_log(KEYS, kept_notes=[checkpoint.write(state, KEY)])) == "kept checkpoint 1"
    assert where(verify_log(KEYS, kept_notes=["nonsense"])) == "kept checkpoint 1"


def test_a_checkpoint_of_another_log_is_found(log: Settings) -> None:
    other = new_signing_key(origin="example.org/other", now=NOW, seed=b"\2" * 32)
    row = Checkpoint.objects.get(size=270)
    state = checkpoint.LogState(origin="example.org/other", size=270, root=bytes(row.root))
    note = checkpoint.write(state, other)
    Checkpoint.objects.filter(pk=row.pk).update(origin=state.origin, note=note, key_id=other.verification.key_id)
    report = verify_log([KEY.verification, other.verification])
    assert where(report) == "record_checkpoint, size 270"


def test_a_checkpoint_after_its_key_was_retired_is_found(log: Settings) -> None:
    about = KEY.verification
    retired = VerificationKey(
        origin=about.origin, public_key=about.public_key, valid_from=NOW, valid_until=NOW + timedelta(seconds=100)
    )
    assert where(verify_log([retired])) == "record_checkpoint, size 283"


def test_without_keys_nothing_verifies_and_the_missing_one_is_named(log: Settings) -> None:
    report = verify_log(())
    assert "record_checkpoint" in where(report)
    assert report.finding is not None
    assert f"log-{KEY.verification.key_id}.json" in report.finding.next_step


def test_a_clock_that_was_set_back_is_no_finding(log: Settings) -> None:
    write(1, first=285)
    sequence(NOW - timedelta(days=365), KEY)
    assert verify_log(KEYS).ok


def test_forgotten_events_are_counted_and_no_finding(log: Settings) -> None:
    for row in [leaf(0).get(), leaf(150).get(), leaf(282).get(), *waiting()]:
        forget_lawfully(row)
    report = verify_log(KEYS)
    assert (report.ok, report.forgotten, report.waiting) == (True, 5, 7)
    sequence(NOW + timedelta(hours=1), KEY)
    report = verify_log(KEYS)
    assert (report.ok, report.forgotten, report.waiting) == (True, 5, 0)
    leaf(150).update(commitment=b"\0" * 32)
    assert not verify_log(KEYS).ok


def test_rooms_above_are_asked_about_events_with_a_source_ref(log: Settings) -> None:
    seen: list[LoggedEvent] = []

    def look(event: LoggedEvent) -> None:
        seen.append(event)

    assert verify_log(KEYS, [look]).ok
    assert [event.leaf_index for event in seen] == [*range(0, 283, 5)]
    assert all(isinstance(event.event, events.BatchesRecorded) for event in seen)

    def missing(event: LoggedEvent) -> str | None:
        assert isinstance(event.event, events.BatchesRecorded)
        return "the ledger has 2 rows of 3" if event.event.first == 100 else None

    report = verify_log(KEYS, [look, missing])
    assert where(report).endswith("leaf 100 (ledger:2026-11-23:matched:100)")
    assert report.finding is not None
    assert report.finding.text == "the ledger has 2 rows of 3"


def test_a_log_that_grows_meanwhile_verifies(log: Settings) -> None:
    """The server goes on appending while the check runs, across the border of a tile."""
    grown: list[LoggedEvent] = []

    def grow(event: LoggedEvent) -> None:
        if not grown:
            grown.append(event)
            write(400, first=285)
            sequence(NOW + timedelta(hours=1), KEY)

    report = verify_log(KEYS, [grow])
    assert report.finding is None
    assert report.size == 283
    assert verify_log(KEYS).size == 685


def test_a_row_that_cannot_be_read_is_a_finding(small_log: Settings) -> None:
    """Flipped bytes in the file can leave text that is no UTF-8, or no time."""
    for statement in (
        "UPDATE record_event SET name = CAST(x'ff' AS TEXT) WHERE leaf_index = 1",
        "UPDATE record_event SET created_at = 'never' WHERE leaf_index = 1",
        "UPDATE record_event SET commitment = 'text' WHERE leaf_index = 1",
        "UPDATE record_event SET body = 7 WHERE leaf_index = 1",
    ):
        with transaction.atomic():
            connection.cursor().execute(statement)
            report = verify_log(KEYS)
            transaction.set_rollback(True)
        assert where(report), statement
