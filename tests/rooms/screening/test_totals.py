"""Uploads → screened → matched → held → decided: counted once each, in the pass that logs them, whatever crashes."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace
from psycopg.sql import SQL

from seawall.record.ids import id_time
from seawall.screening import holds
from seawall.screening.holds import HoldOutcome
from seawall.screening.ledger import Ledger, LedgerFamily, LedgerRecorder, Partition, batches
from seawall.screening.ledger.batches import append_batches
from seawall.screening.ledger.counting import count_rows
from seawall.screening.ledger.postgresql import PostgresStorage, _statement
from seawall.screening.ledger.retention import drop_expired
from seawall.screening.ledger.sqlite import SqliteStorage
from seawall.screening.ledger.statements import read_statements
from seawall.screening.ledger.storage import RowCount
from seawall.screening.model import Action, Degradation, HoldExpiry
from seawall.screening.models import Hold, ScreeningTotals
from seawall.screening.policies import list_surfaces, save_surface
from seawall.screening.recording import Recording
from seawall.screening.totals import Funnel, totals
from seawall.settings import Settings
from tests.plans import assert_lean
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, declare, hold, verdict

TODAY = NOW.date()
BY = "per_test"


def screened(action: Action, *, surface: str = "posts", degraded: bool = False, matched: bool = True) -> Recording:
    made = verdict(action, surface=surface, matches=None if matched else ())
    gaps = (Degradation(part="image", code="timeout", text="t"),) if degraded else ()
    made = replace(made, degraded=degraded, degraded_reasons=gaps)
    return Recording(verdict=made, uploader="u", hold_expiry=HoldExpiry.REFUSE if action is Action.HOLD else None)


def log(ledger: Ledger, *recordings: Recording) -> list[str]:
    """Record in one or several batches and log them; the ids."""
    with LedgerRecorder(ledger) as recorder:
        waiting = [recorder.submit(one) for one in recordings]
        ids = [one.result(PATIENCE).verdict.id for one in waiting]
    append_batches(ledger, now=NOW)
    return ids


def today() -> Funnel:
    return totals(TODAY, TODAY).funnel


def test_each_step_of_the_funnel(settings: Settings) -> None:
    ledger = Ledger(settings)
    ids = log(
        ledger,
        screened(Action.ALLOW),
        screened(Action.ALLOW, degraded=True),
        screened(Action.BLOCK),
        screened(Action.HOLD, degraded=True, matched=False),
        hold(),
        hold(),
        hold(),
        hold(),
    )
    expected = Funnel(uploads=8, degraded=2, matched=6, matched_degraded=1, held=5, blocked=1)
    assert today() == expected
    assert (expected.screened, expected.decided, expected.pending) == (6, 0, 5)
    holds.resolve(ledger, ids[4], HoldOutcome.RELEASED, by=BY, now=NOW)
    holds.resolve(ledger, ids[5], HoldOutcome.REFUSED, by=BY, now=NOW)
    assert holds.expire_due(ledger, now=NOW + timedelta(hours=48)) == 3
    decided = today()
    assert (decided.released, decided.refused, decided.expired) == (1, 1, 3)
    assert (decided.decided, decided.pending, decided.held) == (5, 0, 5)


def test_by_day_and_surface(settings: Settings) -> None:
    ledger = Ledger(settings)
    yesterday = NOW - timedelta(days=1)
    log(ledger, allow(), allow(), hold(surface="avatars"), allow(yesterday), hold(yesterday))
    found = totals(TODAY - timedelta(days=1), TODAY)
    assert [(one.day, one.surface, one.funnel.uploads, one.funnel.held) for one in found.days] == [
        (yesterday.date(), "posts", 2, 1),
        (TODAY, "avatars", 1, 1),
        (TODAY, "posts", 2, 0),
    ]
    assert found.funnel.uploads == 5
    assert totals(TODAY, TODAY).funnel.uploads == 3
    before = TODAY - timedelta(days=9)
    assert (totals(before, before).funnel, totals(before, before).days) == (Funnel(), ())
    assert totals(TODAY, before).funnel == Funnel()


def test_two_queries_say_it(settings: Settings) -> None:
    log(Ledger(settings), allow(), hold())
    assert len(assert_lean(lambda: totals(TODAY - timedelta(days=60), TODAY), most=2).queries) == 2


def test_surfaces_that_store_nothing_unmatched_are_named(settings: Settings) -> None:
    declare("posts")
    declare("avatars")
    (avatars,) = (one for one in list_surfaces() if one.name == "avatars")
    save_surface(replace(avatars, store_unmatched=False), by=BY, now=NOW)
    log(Ledger(settings), allow(), allow(store=False))
    found = totals(TODAY, TODAY)
    assert (found.not_counted, found.funnel.uploads) == (("avatars",), 1)


def test_nothing_is_counted_twice(settings: Settings) -> None:
    ledger = Ledger(settings)
    log(ledger, allow(), hold())
    for again in (ledger, Ledger(settings)):
        append_batches(again, now=NOW)
    log(Ledger(settings), allow())
    assert today() == Funnel(uploads=3, matched=1, held=1)


def test_a_crash_before_the_commit_counts_nothing_and_after_it_everything(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(settings)
    counted = count_rows

    def crash(partition: Partition, counts: list[RowCount]) -> None:
        counted(partition, counts)
        raise KeyboardInterrupt

    with monkeypatch.context() as planted:
        planted.setattr(batches, "count_rows", crash)
        with pytest.raises(KeyboardInterrupt):
            log(ledger, allow(), hold())
    assert not ScreeningTotals.objects.exists()
    append_batches(Ledger(settings), now=NOW)
    assert today() == Funnel(uploads=2, matched=1, held=1)


def test_days_that_were_logged_before_there_were_totals_are_counted_whole(settings: Settings) -> None:
    """As after an upgrade: the ledger and its holds are there, the totals are not."""
    ledger = Ledger(settings)
    ids = log(ledger, allow(), hold(), hold(), screened(Action.BLOCK, surface="avatars"))
    holds.resolve(ledger, ids[1], HoldOutcome.RELEASED, by=BY, now=NOW)
    expected = today()
    assert expected == Funnel(uploads=4, matched=3, held=2, blocked=1, released=1)
    ScreeningTotals.objects.all().delete()
    holds.resolve(ledger, ids[2], HoldOutcome.REFUSED, by=BY, now=NOW)
    # Nothing is there to count it in yet; that comes with the day as a whole.
    assert today() == Funnel()
    for process in (Ledger(settings), Ledger(settings)):
        append_batches(process, now=NOW)
        assert today() == Funnel(uploads=4, matched=3, held=2, blocked=1, released=1, refused=1)
    # Also for a day that gets more rows meanwhile.
    ScreeningTotals.objects.all().delete()
    log(Ledger(settings), allow())
    assert today().uploads == 5


def test_a_day_that_was_never_logged_is_not_counted_early(settings: Settings) -> None:
    ledger = Ledger(settings)
    with LedgerRecorder(ledger) as recorder:
        recorder.submit(allow()).result(PATIENCE)
    assert today() == Funnel()
    append_batches(ledger, now=NOW)
    assert today().uploads == 1


def test_what_was_asked_about_a_block_is_not_counted_as_a_hold(settings: Settings) -> None:
    ledger = Ledger(settings)
    (screening_id,) = log(ledger, block())
    holds.ask_for_person(ledger, screening_id, claim=None, now=NOW)
    holds.resolve(ledger, screening_id, HoldOutcome.RELEASED, by=BY, now=NOW)
    assert Hold.objects.get().state == "released"
    assert today() == Funnel(uploads=1, matched=1, blocked=1)


def test_the_counts_stay_when_the_day_is_dropped(settings: Settings) -> None:
    ledger = Ledger(settings)
    log(ledger, allow(), block())
    before = today()
    later = NOW + timedelta(days=400)
    assert len(drop_expired(ledger, now=later)) == 2
    assert append_batches(Ledger(settings), now=later) == 0
    assert today() == before


def test_counts_read_the_asked_batches_and_no_others(settings: Settings) -> None:
    ledger = Ledger(settings)
    for _ in range(3):
        log(ledger, allow(), allow())
    partition = Partition(day=TODAY, family=LedgerFamily.UNMATCHED)
    with ledger.opened() as storage:
        last = storage.batches(partition)[-1].number
        assert storage.counts(partition, after=0, last=last) == [RowCount("posts", "allow", False, 6)]
        each = [storage.counts(partition, after=number - 1, last=number) for number in range(1, last + 1)]
        assert sum(one.rows for counts in each for one in counts) == 6
        assert all(each)
        assert storage.counts(partition, after=last, last=last) == []
        assert storage.counts(partition, after=last, last=last + 1) == []
        gone = Partition(day=TODAY - timedelta(days=1), family=LedgerFamily.MATCHED)
        assert storage.counts(gone, after=0, last=1) == []


@pytest.mark.parametrize("name", ["counts", "holds"])
def test_a_pass_reads_a_range_of_the_days_rows_and_not_the_day(settings: Settings, name: str) -> None:
    """Each second, also at the end of a day with millions of rows."""
    ledger = Ledger(settings)
    log(ledger, *(hold() for _ in range(20)))
    partition = Partition(day=TODAY, family=LedgerFamily.MATCHED)
    with ledger.opened() as storage:
        if isinstance(storage, PostgresStorage):
            values = {"day": TODAY, "after": 0, "last": 1}
            server = storage.connect()
            # So few rows fit on a page that is read at once; with many it chooses by itself.
            server.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
            plan = server.execute(SQL("EXPLAIN ") + _statement(name, partition), values).fetchall()
            ranges = [line for (line,) in plan if "Index Cond" in line and '"position" >' in line]
        else:
            assert isinstance(storage, SqliteStorage)
            file = storage.connect(partition)
            assert file is not None
            plan = file.execute(f"EXPLAIN QUERY PLAN {read_statements('sqlite')[name]}", (0, 1)).fetchall()
            ranges = [row[3] for row in plan if "rowid>? AND rowid<?" in row[3]]
        assert len(ranges) == 1, plan
        assert not [row for row in plan if "SCAN" in str(row[-1]).upper().split()[:1]], plan


ACTIONS = st.tuples(st.sampled_from(list(Action)), st.sampled_from(["posts", "avatars"]), st.booleans(), st.booleans())


@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(passes=st.lists(st.lists(ACTIONS, max_size=6), max_size=4), ends=st.lists(st.sampled_from(list(HoldOutcome))))
def test_totals_are_what_counting_one_by_one_gives(
    settings: Settings, passes: list[list[tuple[Action, str, bool, bool]]], ends: list[HoldOutcome]
) -> None:
    ScreeningTotals.objects.all().delete()
    start = Counter[str]()
    # What earlier examples left in the ledger is counted when a new process looks.
    append_batches(Ledger(settings), now=NOW)
    before = today()
    ledger, made, waiting = Ledger(settings), [], []
    for group in passes:
        recordings = [screened(action, surface=on, degraded=d, matched=m) for action, on, d, m in group]
        ids = log(ledger, *recordings)
        made += recordings
        waiting += [one for one, of in zip(ids, recordings, strict=True) if of.verdict.verdict is Action.HOLD]
    for screening_id, outcome in zip(waiting, ends, strict=False):
        holds.resolve(ledger, screening_id, outcome, by=BY, now=NOW)
        start[str(outcome)] += 1
    after = today()
    verdicts = [one.verdict for one in made]
    families = [bool(one.matches) or one.verdict is not Action.ALLOW for one in verdicts]
    grown = {name: getattr(after, name) - getattr(before, name) for name in Funnel.__dataclass_fields__}
    assert grown == {
        "uploads": len(verdicts),
        "degraded": sum(one.degraded for one in verdicts),
        "matched": sum(families),
        "matched_degraded": sum(one.degraded for one, family in zip(verdicts, families, strict=True) if family),
        "held": sum(one.verdict is Action.HOLD for one in verdicts),
        "blocked": sum(one.verdict is Action.BLOCK for one in verdicts),
        "released": start["released"],
        "refused": start["refused"],
        "expired": 0,
    }
    assert all(id_time("scr", one.id).date() == TODAY for one in verdicts)
