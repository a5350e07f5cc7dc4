"""The tool that guards every page finds what it is there to find, and lets good queries pass, on both databases."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import Exists, OuterRef

from seawall.record.models import Event, Generation
from seawall.screening.ledger import Ledger
from seawall.settings import Settings
from tests.plans import assert_lean, percentile, time_calls

ROWS = 12_000
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
FILLING = (
    "INSERT INTO record_generation (name, value) SELECT 'n' || (100000 + i), i FROM n",
    (
        "INSERT INTO record_event (event_id, name, schema, commitment, created_at, leaf_index)"
        " SELECT 'evt_' || i, 'a:b:c', 1, '', '2026-11-23 12:00:00+00', CASE WHEN i >= 10 THEN i END FROM n"
    ),
)


@pytest.fixture
def many(settings: Settings) -> Settings:
    """Two tables with many rows, as the databases keep them after a while."""
    with connection.cursor() as cursor:
        for filling in FILLING:
            into, _, rows = filling.partition(" SELECT ")
            cursor.execute(f"{into} {NUMBERS} SELECT {rows}", [ROWS - 1])
        if settings.on_postgresql:
            cursor.execute("VACUUM ANALYZE record_generation, record_event")
    return settings


def raw(sql: str, *values: str | int) -> Callable[[], object]:
    def call() -> object:
        with connection.cursor() as cursor:
            cursor.execute(sql, list(values))
            return cursor.fetchall()

    return call


BAD = {
    "no index": lambda: list(Generation.objects.filter(value=7)),
    "no index under another name": raw("SELECT g.name FROM record_generation AS g WHERE g.value = %s", 7),
    "counting all": Generation.objects.count,
    "reading a whole index": lambda: list(Generation.objects.order_by("name").values_list("name", flat=True)),
    "sorting by what has no index": lambda: list(Generation.objects.order_by("value")[:10]),
    "a far page": lambda: list(Generation.objects.order_by("name").values_list("name")[ROWS - 20 : ROWS - 10]),
    "the last of the table's own key, searched": lambda: list(Event.objects.filter(schema=2).order_by("-serial")[:10]),
    "searching for what most have": Event.objects.filter(name="a:b:c").count,
    "inside another query": lambda: list(
        Generation.objects.filter(name="n100007").filter(Exists(Generation.objects.filter(value=-1)))
    ),
    "changing by what has no index": lambda: Generation.objects.filter(value=-1).update(value=0),
}

GOOD = {
    "by key": lambda: Generation.objects.get(name="n100007"),
    "the last of the table's own key": lambda: list(Event.objects.order_by("-serial")[:10]),
    "the first of an index": lambda: list(Generation.objects.order_by("name")[:10]),
    "after a cursor": lambda: list(Generation.objects.filter(name__gt="n109000").order_by("name")[:10]),
    "counting no further than needed": lambda: len(Generation.objects.order_by("name").values_list("name")[:101]),
    "the few that a partial index has": lambda: list(Event.objects.filter(leaf_index=None).order_by("serial")),
    "each by key": lambda: list(
        Generation.objects.filter(
            Exists(Event.objects.filter(serial=OuterRef("value"))), name__in=["n100007", "n100008"]
        )
    ),
    "changing by key": lambda: Generation.objects.filter(name="n100007").update(value=7),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_a_query_that_grows_with_the_rows_is_caught(many: Settings, call: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match=r"full scan|too many rows"):
        assert_lean(call)


@pytest.mark.parametrize("call", GOOD.values(), ids=GOOD)
def test_a_query_that_does_not_passes(many: Settings, call: Callable[[], object]) -> None:
    assert len(assert_lean(call).queries) == 1


def test_small_tables_may_be_read_whole(settings: Settings) -> None:
    Generation.objects.bulk_create([Generation(name=f"n{number}", value=number) for number in range(100)])
    assert len(assert_lean(lambda: list(Generation.objects.filter(value__gt=50))).answer) == 49


def test_too_many_queries_are_caught_and_named(settings: Settings) -> None:
    def ask(times: int) -> None:
        for number in range(times):
            Generation.objects.filter(name=f"n{number}").exists()

    assert len(assert_lean(lambda: ask(15)).queries) == 15
    with pytest.raises(AssertionError, match="16 queries, at most 15") as caught:
        assert_lean(lambda: ask(16))
    assert "record_generation" in str(caught.value)


def test_reads_of_the_ledger_are_counted(settings: Settings) -> None:
    ledger = Ledger(settings)
    read = lambda: ledger.read("scr_01933b6e-0000-7000-8000-000000000000")  # noqa: E731
    lean = assert_lean(read)
    assert (lean.answer, lean.queries) == (None, ())
    assert lean.ledger_reads >= 2
    with pytest.raises(AssertionError, match="reads of the ledger, at most 1"):
        assert_lean(read, most_ledger_reads=1)
    assert Ledger(settings).read("scr_01933b6e-0000-7000-8000-000000000000") is None


def test_times_are_those_of_the_calls() -> None:
    calls = []
    timed = time_calls(lambda: calls.append(sum(range(1_000))), 20, warm_up=2)
    assert (len(calls), timed.calls) == (22, 20)
    assert 0 < timed.wall_p50 <= timed.wall_p95
    assert "p50 / p95 of 20 calls" in str(timed)


def test_percentiles() -> None:
    values = [float(one) for one in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 95), percentile(values[:1], 95)) == (50, 95, 100)
