"""Holds: from the ledger row to a person's decision, and the bytes in between."""

import importlib
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

from seawall.record.events import HoldResolved
from seawall.record.journal import read
from seawall.record.models import Event
from seawall.screening.holds import (
    HoldError,
    HoldOutcome,
    HoldPhase,
    expire_due,
    parts,
    resolve,
    state,
    sweep,
    waiting,
)
from seawall.screening.ledger import Ledger, LedgerDamaged, LedgerRecorder
from seawall.screening.ledger.batches import append_batches
from seawall.screening.ledger.held import HeldBytes
from seawall.screening.ledger.retention import drop_expired
from seawall.screening.model import HoldExpiry
from seawall.screening.models import Hold
from seawall.screening.policies import LONGEST_APPEAL_DAYS
from seawall.screening.recording import HeldPart, LedgerUnavailable, Recording
from seawall.settings import Settings
from seawall.signals import Kind
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, declare, hold, key, verdict

PICTURE = b"a harmless picture " * 1000


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    declare()
    return Ledger(settings)


def record(ledger: Ledger, *recordings: Recording) -> None:
    with LedgerRecorder(ledger) as recorder:
        for future in [recorder.submit(recording) for recording in recordings]:
            future.result(PATIENCE)


def resolved() -> list[HoldResolved]:
    rows = Event.objects.filter(name=HoldResolved.name).order_by("serial")
    return [event for event in map(read, rows) if isinstance(event, HoldResolved)]


def files_below(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_a_hold_waits_with_its_bytes_encrypted(ledger: Ledger) -> None:
    recording = hold(data=PICTURE)
    record(ledger, recording)
    append_batches(ledger, now=NOW)
    found = state(recording.verdict.id)
    assert found is not None
    assert (found.state, found.outcome, found.has_preview) == (HoldPhase.WAITING, None, True)
    assert found.held_at == NOW
    assert found.expires_at == NOW + timedelta(hours=24)
    assert parts(ledger, recording.verdict.id) == recording.held_parts
    stored = files_below(ledger.settings.holds_dir)
    assert stored
    assert not [path for path in stored if b"harmless" in path.read_bytes()]
    assert {path.stat().st_mode & 0o777 for path in stored} == {0o600}


def test_a_hash_only_hold_has_no_preview(ledger: Ledger) -> None:
    recording = hold()
    record(ledger, recording)
    append_batches(ledger, now=NOW)
    found = state(recording.verdict.id)
    assert found is not None
    assert not found.has_preview
    assert parts(ledger, recording.verdict.id) == ()


def test_a_person_releases_and_the_bytes_are_destroyed(ledger: Ledger) -> None:
    outcome = HoldOutcome.RELEASED
    recording = hold(data=PICTURE)
    record(ledger, recording)
    # No batch was appended yet: the decision does not have to wait for that.
    done = resolve(ledger, recording.verdict.id, outcome, by="per_1", reason="not_a_match", now=NOW)
    assert (done.state, done.outcome, done.resolved_at, done.resolved_by) == (str(outcome), outcome, NOW, "per_1")
    assert done == state(recording.verdict.id)
    assert files_below(ledger.settings.holds_dir) == []
    assert list((ledger.settings.keys_dir / "holds").iterdir()) == []
    [event] = resolved()
    assert (event.by, event.screening, event.outcome) == ("per_1", recording.verdict.id, str(outcome))
    assert event.reason == "not_a_match"
    assert not done.has_preview


def test_the_bytes_of_a_refused_upload_stay_until_its_appeal_window_ends(ledger: Ledger) -> None:
    declare(appeal_days=100)
    recording = hold(data=PICTURE)
    record(ledger, recording)
    done = resolve(ledger, recording.verdict.id, HoldOutcome.REFUSED, by="per_1", now=NOW)
    end = NOW + timedelta(days=100)
    assert (done.keep_bytes_until, done.has_preview) == (end, True)
    # A shorter window declared later takes nothing away from who was refused under the longer one.
    declare(appeal_days=1)
    assert sweep(ledger, now=end - timedelta(seconds=1)) == 0
    assert parts(ledger, recording.verdict.id) == recording.held_parts
    assert drop_expired(ledger, now=end - timedelta(seconds=1)) == []
    assert not [path for path in files_below(ledger.settings.holds_dir) if b"harmless" in path.read_bytes()]
    assert sweep(ledger, now=end) == 1
    assert parts(ledger, recording.verdict.id) == ()
    assert files_below(ledger.settings.holds_dir) == list((ledger.settings.keys_dir / "holds").iterdir()) == []
    after = state(recording.verdict.id)
    assert after is not None
    assert (after.keep_bytes_until, after.has_preview, after.state) == (None, False, HoldPhase.REFUSED)


def test_a_hash_only_refusal_keeps_nothing(ledger: Ledger) -> None:
    recording = hold()
    record(ledger, recording)
    done = resolve(ledger, recording.verdict.id, HoldOutcome.REFUSED, by="per_1", now=NOW)
    assert (done.keep_bytes_until, done.has_preview) == (None, False)


def test_a_window_longer_than_the_calendar_keeps_them_to_its_end(ledger: Ledger) -> None:
    declare(appeal_days=LONGEST_APPEAL_DAYS)
    recording = hold(data=PICTURE)
    record(ledger, recording)
    done = resolve(ledger, recording.verdict.id, HoldOutcome.REFUSED, by="per_1", now=NOW.replace(year=9999))
    assert done.keep_bytes_until is not None
    assert sweep(ledger, now=NOW) == 0


@pytest.mark.parametrize("others", [(), (300, 20)])
def test_on_a_surface_nobody_declared_the_longest_window_counts(
    sqlite_settings: Settings, others: tuple[int, ...]
) -> None:
    ledger = Ledger(sqlite_settings)
    for days in others:
        declare(f"surface-{days}", appeal_days=days)
    recording = hold(data=PICTURE, surface="undeclared")
    record(ledger, recording)
    done = resolve(ledger, recording.verdict.id, HoldOutcome.REFUSED, by="per_1", now=NOW)
    assert done.keep_bytes_until == NOW + timedelta(days=max(others, default=183))


def test_free_text_stays_out_of_the_event(ledger: Ledger) -> None:
    recording = hold()
    record(ledger, recording)
    reason = "It is a museum's picture, I rang Ms. Example."
    done = resolve(ledger, recording.verdict.id, HoldOutcome.RELEASED, by="per_1", reason=reason, now=NOW)
    assert done.reason == reason
    assert resolved()[0].reason == ""


def test_what_cannot_be_resolved_says_why_and_what_next(ledger: Ledger) -> None:
    held, refused, passed = hold(), block(), allow()
    record(ledger, held, refused, passed)
    resolve(ledger, held.verdict.id, HoldOutcome.RELEASED, by="per_1", now=NOW)
    for screening_id, code in (
        (held.verdict.id, "already_resolved"),
        (refused.verdict.id, "not_a_hold"),
        (passed.verdict.id, "not_a_hold"),
        (verdict().id, "unknown_screening"),
        ("nonsense", "unknown_screening"),
        ("", "unknown_screening"),
        ("scr_../../../etc/passwd", "unknown_screening"),
    ):
        with pytest.raises(HoldError) as caught:
            resolve(ledger, screening_id, HoldOutcome.REFUSED, by="per_2", now=NOW)
        assert caught.value.code == code
        assert caught.value.next_step
    assert len(resolved()) == 1


def test_who_decides_must_be_somebody(ledger: Ledger) -> None:
    recording = hold(data=PICTURE)
    record(ledger, recording)
    for by in ("", "Ada Example", "ada@example.org"):
        with pytest.raises(HoldError, match="does not say who") as caught:
            resolve(ledger, recording.verdict.id, HoldOutcome.RELEASED, by=by, now=NOW)
        assert caught.value.code == "bad_actor"
    found = state(recording.verdict.id)
    assert found is not None
    assert found.state is HoldPhase.WAITING
    assert parts(ledger, recording.verdict.id)


def test_expiry_does_what_the_surface_declared(ledger: Ledger) -> None:
    declare("kind", HoldExpiry.RELEASE)
    declare("strict", HoldExpiry.REFUSE)
    kind = hold(surface="kind", data=PICTURE, expiry=HoldExpiry.RELEASE)
    strict = hold(surface="strict", expiry=HoldExpiry.REFUSE)
    unknown, later = hold(surface="undeclared", expiry=None), hold(hours=48)
    record(ledger, kind, strict, unknown, later)
    # Declared otherwise before its batch is logged: what was promised when it was held counts.
    declare("kind", HoldExpiry.REFUSE)
    append_batches(ledger, now=NOW)
    assert expire_due(ledger, now=NOW + timedelta(hours=23, minutes=59)) == 0
    assert expire_due(ledger, now=NOW + timedelta(hours=24)) == 2
    assert expire_due(ledger, now=NOW + timedelta(hours=24)) == 0
    outcomes = {}
    for recording in (kind, strict, unknown, later):
        found = state(recording.verdict.id)
        assert found is not None
        outcomes[found.surface, found.state] = found.outcome
    assert outcomes == {
        ("kind", HoldPhase.EXPIRED): HoldOutcome.RELEASED,
        ("strict", HoldPhase.EXPIRED): HoldOutcome.REFUSED,
        ("undeclared", HoldPhase.WAITING): None,
        ("posts", HoldPhase.WAITING): None,
    }
    assert {(event.by, event.outcome, event.reason) for event in resolved()} == {
        ("system", "expired", "expiry_released"),
        ("system", "expired", "expiry_refused"),
    }
    assert files_below(ledger.settings.holds_dir) == []


def test_bytes_of_what_expiry_refuses_are_kept_for_an_appeal_too(ledger: Ledger) -> None:
    strict, kind = hold(data=PICTURE), hold(data=PICTURE, expiry=HoldExpiry.RELEASE)
    record(ledger, strict, kind)
    append_batches(ledger, now=NOW)
    assert expire_due(ledger, now=NOW + timedelta(hours=24)) == 2
    assert ledger.held.ids() == [strict.verdict.id]
    assert sweep(ledger, now=NOW + timedelta(hours=47)) == 0
    assert sweep(ledger, now=NOW + timedelta(hours=48)) == 1


def test_those_that_expire_first_are_shown_first(ledger: Ledger) -> None:
    late, soon = hold(hours=9), hold(hours=3)
    record(ledger, late, soon)
    append_batches(ledger, now=NOW)
    assert [one.screening_id for one in waiting()] == [soon.verdict.id, late.verdict.id]
    assert len(waiting(limit=1)) == 1


def test_bytes_that_no_waiting_hold_needs_are_swept(ledger: Ledger) -> None:
    kept, decided = hold(data=PICTURE), hold(data=PICTURE)
    record(ledger, kept, decided)
    resolve(ledger, decided.verdict.id, HoldOutcome.RELEASED, by="per_1", now=NOW)
    # As a crash leaves them: after the release, before the row, and just now.
    orphan = verdict(now=NOW + timedelta(minutes=1)).id
    for screening_id in (decided.verdict.id, orphan):
        ledger.held.keep(screening_id, kept.held_parts)
    later = NOW + timedelta(hours=2)
    fresh = verdict(now=later).id
    ledger.held.keep(fresh, kept.held_parts)
    assert sweep(ledger, now=later) == 2
    assert set(ledger.held.ids()) == {kept.verdict.id, fresh}
    assert parts(ledger, kept.verdict.id) == kept.held_parts


def test_one_unreadable_day_keeps_its_bytes_and_nothing_else_from_being_swept(sqlite_settings: Settings) -> None:
    declare(now=NOW - timedelta(days=9))
    ledger = Ledger(sqlite_settings)
    parts_of_it = hold(data=PICTURE).held_parts
    unsure, orphan = verdict(now=NOW - timedelta(days=1)).id, verdict(now=NOW - timedelta(hours=2)).id
    for screening_id in (unsure, orphan):
        ledger.held.keep(screening_id, parts_of_it)
    (sqlite_settings.ledger_dir / "2026-11-22.sqlite3").write_bytes(b"damaged" * 100)
    assert sweep(ledger, now=NOW) == 1
    assert ledger.held.ids() == [unsure]


@pytest.mark.parametrize("furnished", [True, False])
def test_bytes_of_another_database_are_not_ours_to_destroy(
    settings: Settings, caplog: pytest.LogCaptureFixture, *, furnished: bool
) -> None:
    """Started once without SEAWALL_DATABASE_URL, Seawall finds a fresh database beside the bytes of the real one."""
    ledger = Ledger(settings)
    theirs = [verdict(now=NOW - timedelta(days=away)).id for away in (1, 40)]
    for screening_id in theirs:
        ledger.held.keep(screening_id, hold(data=PICTURE).held_parts)
    if furnished:
        declare()
    for minutes in range(3):
        assert sweep(ledger, now=NOW + timedelta(minutes=minutes)) == 0
    assert ledger.held.ids() == sorted(theirs)
    [line] = [record.getMessage() for record in caplog.records]
    assert "2 held uploads" in line
    assert "SEAWALL_DATABASE_URL" in line


def test_a_part_is_named_without_its_bytes_and_deciphered_alone(tmp_path: Path) -> None:
    held = HeldBytes(tmp_path / "holds", keys_dir=tmp_path / "keys")
    given = tuple(HeldPart(name=f"part-{n}", kind=Kind.IMAGE, data=b"x" * n) for n in range(3))
    mine = verdict().id
    assert held.names(mine) == ()
    held.keep(mine, given)
    assert [(one.name, one.kind, one.size) for one in held.names(mine)] == [
        (one.name, one.kind, len(one.data)) for one in given
    ]
    assert held.part(mine, 2) == given[2]
    # A damaged part spoils its own look, not the page and not the others.
    (tmp_path / "holds" / mine / "0001.data").write_bytes(b"damaged")
    assert len(held.names(mine)) == 3
    assert held.part(mine, 2) == given[2]
    for work in (lambda: held.part(mine, 1), lambda: held.parts(mine), lambda: held.part(mine, 3)):
        with pytest.raises(LedgerDamaged):
            work()
    (tmp_path / "keys" / f"{mine}.key").unlink()
    with pytest.raises(LedgerDamaged):
        held.names(mine)


def test_a_key_half_made_for_held_bytes_is_swept(sqlite_settings: Settings) -> None:
    ledger = Ledger(sqlite_settings)
    ledger.held.keep(verdict().id, hold(data=PICTURE).held_parts)
    partial = sqlite_settings.keys_dir / "holds" / f".{verdict().id}.key.123.abcd"
    partial.write_bytes(bytes(32))
    os.utime(partial, (0, 0))
    sweep(ledger, now=NOW)
    assert not partial.exists()
    assert len(ledger.held.ids()) == 1


def test_a_hold_whose_bytes_cannot_be_kept_is_not_answered(sqlite_settings: Settings) -> None:
    declare()
    ledger = Ledger(sqlite_settings)
    sqlite_settings.holds_dir.rmdir()
    sqlite_settings.holds_dir.write_bytes(b"in the way")
    recording = hold(data=PICTURE)
    with LedgerRecorder(ledger) as recorder:
        with pytest.raises(LedgerUnavailable, match="held bytes"):
            recorder.submit(recording).result(PATIENCE)
        recorder.submit(hold()).result(PATIENCE)
    assert ledger.read(recording.verdict.id) is None
    assert list((sqlite_settings.keys_dir / "holds").iterdir()) == []


def test_a_repeated_request_leaves_one_set_of_bytes(ledger: Ledger) -> None:
    first, second = hold(data=PICTURE), hold(data=PICTURE)
    again = [Recording(verdict=one.verdict, held_parts=one.held_parts, idempotency=key()) for one in (first, second)]
    with LedgerRecorder(ledger) as recorder:
        answers = [future.result(PATIENCE).verdict.id for future in [recorder.submit(one) for one in again]]
    assert answers[0] == answers[1]
    assert ledger.held.ids() == [answers[0]]


def test_the_same_id_twice_does_not_touch_the_first_ones_bytes(ledger: Ledger) -> None:
    recording = hold(data=PICTURE)
    record(ledger, recording)
    with LedgerRecorder(ledger) as recorder, pytest.raises(LedgerUnavailable):
        recorder.submit(recording).result(PATIENCE)
    assert parts(ledger, recording.verdict.id) == recording.held_parts


def test_held_parts_of_every_size_come_back_and_alterations_show(tmp_path: Path) -> None:
    held = HeldBytes(tmp_path / "holds", keys_dir=tmp_path / "keys")
    made = tuple(
        HeldPart(name=name, kind=kind, data=data)
        for name, kind, data in (
            ("", Kind.TEXT, b""),
            ("../../etc", Kind.FILE, b"x"),
            ("ü" * 300, Kind.IMAGE, bytes(3_000_000)),
            ("same", Kind.TEXT, b"1"),
            ("same", Kind.TEXT, b"2"),
        )
    )
    screening_id = verdict().id
    held.keep(screening_id, made)
    assert held.parts(screening_id) == made
    place = tmp_path / "holds" / screening_id
    for path in sorted(place.iterdir()):
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        with pytest.raises(LedgerDamaged):
            held.parts(screening_id)
        path.write_bytes(original[:5])
        with pytest.raises(LedgerDamaged):
            held.parts(screening_id)
        path.write_bytes(original)
    (place / "0004.head").unlink()
    with pytest.raises(LedgerDamaged):
        held.parts(screening_id)
    held.destroy(screening_id)
    assert held.parts(screening_id) == ()
    held.destroy(screening_id)
    assert held.ids() == []


def test_holds_that_the_first_release_decided_say_that_their_bytes_are_gone(ledger: Ledger) -> None:
    old, waits = hold(data=PICTURE), hold(data=PICTURE)
    record(ledger, old, waits)
    append_batches(ledger, now=NOW)
    Hold.objects.filter(screening_id=old.verdict.id).update(state="refused", outcome="refused", resolved_at=NOW)
    migration = importlib.import_module("seawall.screening.migrations.0003_holds_decided_asked_kept")
    with connection.schema_editor() as editor:
        migration.forget_old_previews(apps, editor)
    assert dict(Hold.objects.values_list("screening_id", "has_preview")) == {
        old.verdict.id: False,
        waits.verdict.id: True,
    }
    assert sweep(ledger, now=NOW) == 1


def test_the_release_before_can_write_a_hold_into_the_new_table(ledger: Ledger) -> None:
    """Its INSERT names no column that came later."""
    recording = hold()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO screening_hold (screening_id, surface, day, held_at, on_expiry, state, outcome, resolved_by,"
            " reason, has_preview) VALUES (%s, 'posts', %s, %s, '', 'waiting', '', '', '', %s)",
            [recording.verdict.id, NOW.date(), NOW, False],
        )
    found = state(recording.verdict.id)
    assert found is not None
    assert (found.origin, found.pending, found.asked) == ("screened", None, None)
    assert resolve(ledger, recording.verdict.id, HoldOutcome.REFUSED, by="per_1", now=NOW).outcome == "refused"
