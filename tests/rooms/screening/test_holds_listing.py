"""Lists of holds: in order, each row once, and at a cost that does not grow with their number."""

import base64
from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seawall.record.ids import new_id
from seawall.screening.holds import (
    HoldError,
    HoldOutcome,
    HoldState,
    Page,
    ask_for_person,
    count_waiting,
    counts,
    decided_page,
    expire_due,
    resolve,
    settle_due,
    waiting,
    waiting_page,
    why,
)
from seawall.screening.holds import asking as asking_file
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.ledger.batches import append_batches
from seawall.screening.model import HoldExpiry
from seawall.screening.models import Hold
from seawall.screening.recording import Recording
from seawall.settings import Settings
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, clock_at, declare, hold

#: As many as the issue asks for.
MANY = 100_000

FILL = {
    "sqlite": """
        WITH RECURSIVE counter(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n < %s - 1)
        INSERT INTO screening_hold (screening_id, surface, day, held_at, expires_at, on_expiry, state, outcome,
            resolved_at, resolved_by, reason, has_preview, asked_at)
        SELECT printf('scr_01a20a94-a0da-7ec0-a8b8-%%012x', n), 'surface-' || (n %% 10), '2026-11-23',
            '2026-11-23 12:00:00', CASE WHEN n %% 5 = 0 THEN NULL ELSE '2026-11-24 12:00:00' END,
            CASE WHEN n %% 5 = 0 THEN '' ELSE 'refuse' END,
            CASE WHEN n %% 2 = 0 THEN 'waiting' ELSE 'refused' END, CASE WHEN n %% 2 = 0 THEN '' ELSE 'refused' END,
            CASE WHEN n %% 2 = 0 THEN NULL ELSE '2026-11-23 13:00:00' END, '', '', 0,
            CASE WHEN n %% 20 = 0 THEN '2026-11-23 12:30:00' ELSE NULL END
        FROM counter
    """,
    "postgresql": """
        INSERT INTO screening_hold (screening_id, surface, day, held_at, expires_at, on_expiry, state, outcome,
            resolved_at, resolved_by, reason, has_preview, asked_at)
        SELECT 'scr_01a20a94-a0da-7ec0-a8b8-' || lpad(to_hex(n), 12, '0'), 'surface-' || (n %% 10), '2026-11-23',
            '2026-11-23 12:00:00Z', CASE WHEN n %% 5 = 0 THEN NULL ELSE timestamptz '2026-11-24 12:00:00Z' END,
            CASE WHEN n %% 5 = 0 THEN '' ELSE 'refuse' END,
            CASE WHEN n %% 2 = 0 THEN 'waiting' ELSE 'refused' END, CASE WHEN n %% 2 = 0 THEN '' ELSE 'refused' END,
            CASE WHEN n %% 2 = 0 THEN NULL ELSE timestamptz '2026-11-23 13:00:00Z' END, '', '', false,
            CASE WHEN n %% 20 = 0 THEN timestamptz '2026-11-23 12:30:00Z' ELSE NULL END
        FROM generate_series(0, %s - 1) AS n
    """,
}


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    declare()
    return Ledger(settings)


def record(ledger: Ledger, *recordings: Recording) -> None:
    with LedgerRecorder(ledger) as recorder:
        for future in [recorder.submit(recording) for recording in recordings]:
            future.result(PATIENCE)
    append_batches(ledger, now=NOW)


def ids(states: Iterable[HoldState]) -> list[str]:
    return [one.screening_id for one in states]


def walk(page_after: Callable[[str | None], Page[HoldState]]) -> list[str]:
    """Every id of every page, in order."""
    found, cursor = [], None
    while True:
        page = page_after(cursor)
        found += ids(page.items)
        if page.next is None:
            return found
        assert page.items
        cursor = page.next


def test_waiting_holds_come_by_deadline_and_each_of_them_once(ledger: Ledger) -> None:
    declare("other")
    late, soon, other = hold(hours=9), hold(hours=3), hold(surface="other", hours=5)
    # Held in the same batch of requests, they expire in the same millisecond.
    same = [hold(hours=7) for _ in range(7)]
    blocks = [block(), block()]
    record(ledger, late, *same, soon, other, *blocks, allow())
    for one in blocks:
        ask_for_person(ledger, one.verdict.id, claim=None, now=NOW)
    in_order = [soon, other, *sorted(same, key=lambda one: one.verdict.id), late]
    endless = sorted(one.verdict.id for one in blocks)
    expected = [one.verdict.id for one in in_order] + endless
    for limit in (1, 2, 3, 5, 9, 10, 12, 13, 200):
        assert walk(lambda after, n=limit: waiting_page(after=after, limit=n)) == expected  # type: ignore[misc]
    assert ids(waiting()) == expected
    assert ids(waiting_page(surface="other").items) == [other.verdict.id]
    assert waiting_page(surface="nobody's").items == waiting_page(surface="a\0b").items == ()


def test_those_somebody_asked_about_come_in_the_order_of_asking(ledger: Ledger) -> None:
    first, second, silent, third = hold(hours=9), hold(hours=3), hold(), block()
    record(ledger, first, second, silent, third)
    for minute, one in enumerate((first, second, third)):
        ask_for_person(ledger, one.verdict.id, claim=None, now=NOW + timedelta(minutes=minute))
    expected = [one.verdict.id for one in (first, second, third)]
    assert walk(lambda after: waiting_page(after=after, limit=1, asked_only=True)) == expected
    assert (count_waiting(), count_waiting(asked_only=True)) == (4, 3)
    assert (counts(limit=2).waiting, counts(limit=2).asked, counts().asked) == (2, 2, 3)


def test_decided_holds_come_newest_first_whoever_decided(ledger: Ledger) -> None:
    released, refused, waits = hold(hours=90), hold(hours=90), hold(hours=90)
    expired = [hold(hours=24, expiry=HoldExpiry.RELEASE) for _ in range(3)]
    record(ledger, released, refused, waits, *expired)
    resolve(ledger, released.verdict.id, HoldOutcome.RELEASED, by="per_1", now=NOW)
    assert expire_due(ledger, now=NOW + timedelta(hours=24)) == 3
    resolve(ledger, refused.verdict.id, HoldOutcome.REFUSED, by="per_1", now=NOW + timedelta(hours=25))
    together = sorted((one.verdict.id for one in expired), reverse=True)
    expected = [refused.verdict.id, *together, released.verdict.id]
    for limit in (1, 2, 4, 5, 6):
        assert walk(lambda after, n=limit: decided_page(after=after, limit=n)) == expected  # type: ignore[misc]
    assert walk(lambda after: decided_page(after=after, surface="posts", limit=2)) == expected
    assert decided_page(surface="other").items == ()


def test_a_page_goes_on_where_it_ended_although_holds_come_and_go(ledger: Ledger) -> None:
    recordings = [hold(hours=hours) for hours in range(1, 7)]
    record(ledger, *recordings)
    first = waiting_page(limit=3)
    resolve(ledger, first.items[-1].screening_id, HoldOutcome.RELEASED, by="per_1", now=NOW)
    record(ledger, hold(hours=1))
    expected = [one.verdict.id for one in recordings[3:]]
    assert ids(waiting_page(after=first.next, limit=3).items) == expected


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "====", "é", "AAAA", "W10", "\0", "a" * 100_000, base64.urlsafe_b64encode(b"[" * 5_000).decode()],
)
@pytest.mark.usefixtures("sqlite_settings")
def test_a_cursor_that_is_none_says_so(cursor: str) -> None:
    for page in (waiting_page, decided_page):
        with pytest.raises(HoldError) as caught:
            page(after=cursor)
        assert caught.value.code == "bad_cursor"


def test_a_cursor_of_another_list_says_so(ledger: Ledger) -> None:
    record(ledger, hold(), hold())
    cursor = waiting_page(limit=1).next
    for page in (decided_page(), waiting_page(asked_only=True)):
        assert page.items == ()
    with pytest.raises(HoldError, match="where a page of this list ends"):
        decided_page(after=cursor)
    with pytest.raises(HoldError, match="where a page of this list ends"):
        waiting_page(after=cursor, asked_only=True)


@hypothesis_settings(max_examples=50)
@given(text=st.text(max_size=80))
def test_no_cursor_breaks_anything(text: str) -> None:
    with pytest.raises(HoldError):
        decided_page(after=text)


def test_sizes_that_make_no_sense_are_bounded(ledger: Ledger) -> None:
    record(ledger, hold(), hold())
    assert len(waiting_page(limit=0).items) == len(waiting_page(limit=-5).items) == 1
    assert len(waiting_page(limit=10**9).items) == 2


def test_why_reads_a_page_in_one_go_for_each_day(ledger: Ledger) -> None:
    today = [hold(), block(), hold()]
    before = [hold(now=NOW - timedelta(days=1))]
    record(ledger, *today, *before, allow())
    gone = new_id("scr", clock_at(NOW))
    wanted = [one.verdict.id for one in (*today, *before)]
    found = why(ledger, [*wanted, gone])
    assert set(found) == set(wanted)
    for one in (*today, *before):
        assert found[one.verdict.id].reasons == one.verdict.reasons
        assert found[one.verdict.id].matches == one.verdict.matches
    assert why(ledger, []) == {}


def test_a_row_that_cannot_be_read_keeps_no_other_from_being_shown(ledger: Ledger) -> None:
    kept, lost = hold(), hold(now=NOW - timedelta(days=1))
    record(ledger, kept, lost)
    for key in (ledger.settings.keys_dir / "ledger").glob("2026-11-22.matched.key"):
        key.unlink()
    assert set(why(Ledger(ledger.settings), [kept.verdict.id, lost.verdict.id])) == {kept.verdict.id}


def fill(count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL[connection.vendor], [count])
        cursor.execute("ANALYZE")


def plans(work: Callable[[], object]) -> list[str]:
    """The plan of each SELECT on holds that the work makes."""
    with CaptureQueriesContext(connection) as captured:
        work()
    found = []
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    for query in captured.captured_queries:
        if "screening_hold" in query["sql"] and query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(explain + query["sql"])
                found.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
    return found


def is_full(plan: str) -> bool:
    """Whether a whole table (or an index from end to end, or everything sorted) stands in it."""
    if connection.vendor == "sqlite":
        lines = [line for line in plan.splitlines() if "screening_hold" in line or "TEMP B-TREE" in line]
        # An index that holds only what is asked for may be read from its beginning: the limit ends it.
        ordered = "USING INDEX screening_hold_", "USING COVERING INDEX screening_hold_"
        return any(
            "TEMP B-TREE" in line or ("SCAN" in line and not any(one in line for one in ordered)) for line in lines
        )
    return "Seq Scan" in plan or "Sort" in plan


def many_pages() -> dict[str, Callable[[], object]]:
    """Every list, its first page and one from the middle."""
    deep = waiting_page(limit=100)
    for _ in range(3):
        deep = waiting_page(after=deep.next, limit=100)
    endless = waiting_page(surface="surface-0", limit=200)
    asked, of_one = waiting_page(asked_only=True), waiting_page(asked_only=True, surface="surface-0")
    done, done_one = decided_page(), decided_page(surface="surface-1")
    return {
        "waiting": waiting_page,
        "waiting, later": lambda: waiting_page(after=deep.next),
        "waiting, of a surface": lambda: waiting_page(surface="surface-2"),
        "waiting, of a surface, later": lambda: waiting_page(after=endless.next, surface="surface-0"),
        "asked": lambda: waiting_page(asked_only=True),
        "asked, later": lambda: waiting_page(asked_only=True, after=asked.next),
        "asked, of a surface": lambda: waiting_page(asked_only=True, surface="surface-0"),
        "asked, of a surface, later": lambda: waiting_page(asked_only=True, surface="surface-0", after=of_one.next),
        "decided": decided_page,
        "decided, later": lambda: decided_page(after=done.next),
        "decided, of a surface": lambda: decided_page(surface="surface-1"),
        "decided, of a surface, later": lambda: decided_page(surface="surface-1", after=done_one.next),
        "counts": counts,
    }


def test_no_list_reads_more_than_its_page_among_100_000_holds(ledger: Ledger) -> None:
    fill(MANY)
    assert Hold.objects.count() == MANY
    for name, work in many_pages().items():
        with CaptureQueriesContext(connection) as captured:
            work()
        assert len(captured) <= 2, name
        for plan in plans(work):
            assert not is_full(plan), f"{name}\n{plan}"
    for work in (lambda: settle_due(ledger, now=NOW), lambda: expire_due(ledger, now=NOW)):
        for plan in plans(work):
            assert not is_full(plan), plan


def test_the_flood_guard_counts_without_a_full_scan(ledger: Ledger) -> None:
    fill(20_000)
    asked = block()
    record(ledger, asked)
    for plan in plans(lambda: ask_for_person(ledger, asked.verdict.id, claim=None, now=NOW)):
        assert not is_full(plan), plan
    assert asking_file.MOST_ASKED_A_DAY == 1_000


@pytest.mark.usefixtures("ledger")
def test_the_check_of_plans_finds_a_full_scan() -> None:
    fill(20_000)
    unindexed: QuerySet[Hold] = Hold.objects.order_by("reason")
    assert all(is_full(plan) for plan in plans(lambda: list(unindexed[:5])))
