"""Whether a call stays fast with many rows: how many queries it makes, what the database plans for each, how much it
reads for it, and how long it takes.

`assert_lean(lambda: client.get("/banks/"))` on a large fixture (`tests.plenty`) is the assertion every page has.
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection

from seawall.screening.ledger.postgresql import PostgresStorage
from seawall.screening.ledger.sqlite import SqliteStorage

Answer = TypeVar("Answer")

#: A table with at most so many rows may be read whole.
SMALL_TABLE = 1_000

#: A query may look at so many rows of a large table: a page shows some dozens.
MOST_ROWS = 2_000

#: SQLite's virtual machine takes 2 to 4 steps for a row that it passes over, and some 40 for one with many columns
#: that it returns.
MOST_STEPS = 10 * MOST_ROWS

#: How finely SQLite's steps are counted.
STEPS_AT_ONCE = 100

_READS = re.compile(r"\s*(SELECT|WITH|VALUES)\b", re.IGNORECASE)
_PLANNED = re.compile(r"\s*(SELECT|WITH|VALUES|UPDATE|DELETE)\b", re.IGNORECASE)
_TRANSACTION = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
_LIMIT = re.compile(r"\bLIMIT\s+(\d|%s|\?)", re.IGNORECASE)
_SCAN = re.compile(r"SCAN (?:TABLE )?(?P<table>\S+)(?: AS (?P<alias>\S+))?(?P<index> USING .*INDEX (?P<name>\S+))?")
#: What may follow a table's name and is no alias of it.
_KEYWORDS = "as|on|where|inner|left|right|full|cross|join|order|group|limit|set|union|having|natural|using|for|indexed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One statement as it was sent, with its parameters."""

    sql: str
    parameters: Any

    def __str__(self) -> str:
        text = " ".join(self.sql.split())
        return text if len(text) <= 300 else f"{text[:200]} … {text[-80:]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lean(Generic[Answer]):
    """What the call answered, the queries it made, and how often it asked the screening ledger's own connections."""

    answer: Answer
    queries: tuple[Query, ...]
    ledger_reads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """Milliseconds of clock and of CPU (all threads of this process) for one call."""

    calls: int
    wall_p50: float
    wall_p95: float
    cpu_p50: float
    cpu_p95: float

    def __str__(self) -> str:
        wall, cpu = f"{self.wall_p50:.1f} / {self.wall_p95:.1f}", f"{self.cpu_p50:.1f} / {self.cpu_p95:.1f}"
        return f"p50 / p95 of {self.calls} calls: {wall} ms, CPU {cpu} ms"


def assert_lean(call: Callable[[], Answer], *, most: int = 15, most_ledger_reads: int | None = None) -> Lean[Answer]:
    """Make the call and fail where it asks too often or would read a large table whole.

    Queries of other threads and connections are not seen. Transaction statements are not counted.
    """
    seen: list[Query] = []
    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(_Noting(seen)))
        reads = stack.enter_context(_ledger_reads())
        answer = call()
    queries = tuple(query for query in seen if not _TRANSACTION.match(query.sql))
    listing = "\n".join(f"  {number}. {query}" for number, query in enumerate(queries, 1))
    assert len(queries) <= most, f"{len(queries)} queries, at most {most} are allowed:\n{listing}"
    ledger_reads = len(reads)
    if most_ledger_reads is not None:
        assert ledger_reads <= most_ledger_reads, f"{ledger_reads} reads of the ledger, at most {most_ledger_reads}"
    problems = [problem for query in dict.fromkeys(map(_hashable, queries)) for problem in wasteful(query)]
    assert not problems, "\n".join(problems)
    return Lean(answer=answer, queries=queries, ledger_reads=ledger_reads)


def wasteful(query: Query) -> list[str]:
    """What is wrong with how the database would answer this, one sentence each."""
    if not _PLANNED.match(query.sql):
        return []
    found = _wasteful_on_postgresql(query) if connection.vendor == "postgresql" else _wasteful_on_sqlite(query)
    return [f"{problem}: {query}" for problem in found]


def time_calls(call: Callable[[], object], n: int, *, warm_up: int = 1) -> Timed:
    """Time n calls one after another, after `warm_up` that are not timed."""
    for _ in range(warm_up):
        call()
    wall, cpu = [], []
    for _ in range(n):
        started, used = time.perf_counter(), time.process_time()
        call()
        cpu.append((time.process_time() - used) * 1000)
        wall.append((time.perf_counter() - started) * 1000)
    return Timed(
        calls=n,
        wall_p50=percentile(wall, 50),
        wall_p95=percentile(wall, 95),
        cpu_p50=percentile(cpu, 50),
        cpu_p95=percentile(cpu, 95),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class _Noting:
    """Django calls it in place of each statement."""

    def __init__(self, seen: list[Query]) -> None:
        self._seen = seen

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self._seen.append(Query(sql=sql, parameters=None if many else params))
        return execute(sql, params, many, context)


@contextmanager
def _ledger_reads() -> Iterator[list[str]]:
    """Grows by one with each call that reaches the ledger's own connections."""
    reads: list[str] = []
    with ExitStack() as stack:
        for storage in (SqliteStorage, PostgresStorage):
            original = storage._using

            def noting(self: Any, *args: Any, original: Any = original, **options: Any) -> Any:
                reads.append(type(self).__name__)
                return original(self, *args, **options)

            stack.callback(setattr, storage, "_using", original)
            storage._using = noting  # type: ignore[method-assign]
        yield reads


def _hashable(query: Query) -> Query:
    """The same query with parameters that can be compared: what is asked twice is planned once."""
    parameters = query.parameters
    return Query(sql=query.sql, parameters=tuple(parameters) if isinstance(parameters, list) else parameters)


def _wasteful_on_sqlite(query: Query) -> list[str]:
    large = {name for name in connection.introspection.table_names() if _is_large(name)}
    aliases = _aliases(query.sql, large)
    bounded = _LIMIT.search(query.sql) is not None
    problems = []
    plan = _sqlite_plan(query)
    # The first rows in the order of the table's own key are read as a "scan", which ends early: the steps tell.
    first_rows = bounded and "ORDER BY" in query.sql.upper() and not any("TEMP B-TREE" in one for one in plan)
    for detail in plan:
        scan = _SCAN.match(detail)
        table = scan and aliases.get((scan["alias"] or scan["table"]).strip('"').lower())
        if not scan or not table:
            continue
        if not scan["index"]:
            if first_rows:
                continue
            problems.append(f"full scan of {table} ({detail})")
        elif not bounded and not _is_partial(scan["name"]):
            problems.append(f"full scan of an index of {table} ({detail})")
    if not problems and aliases and _READS.match(query.sql):
        steps = _sqlite_steps(query)
        if steps > MOST_STEPS:
            problems.append(f"reads too many rows: {steps} steps of SQLite, at most {MOST_STEPS}")
    return problems


def _sqlite_plan(query: Query) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters)
        return [row[3] for row in cursor.fetchall()]


def _sqlite_steps(query: Query) -> int:
    """Steps that SQLite takes to answer, in units of STEPS_AT_ONCE."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(count, STEPS_AT_ONCE)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query.sql, query.parameters)
            cursor.fetchall()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return counted * STEPS_AT_ONCE


def _is_partial(index: str) -> bool:
    """An index over some rows only may be read whole where those are few, which the steps tell."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = %s", [index.strip('"')])
        found = cursor.fetchone()
    return bool(found and found[0] and re.search(r"\bWHERE\b", found[0], re.IGNORECASE))


def _aliases(sql: str, tables: set[str]) -> dict[str, str]:
    """Each name that one of the tables goes by in the statement, in lower case, and that table."""
    found: dict[str, str] = {}
    for table in tables:
        named = rf'"?\b{re.escape(table)}\b"?(?!\s*\.)(?:\s+(?:AS\s+)?"?(?!(?:{_KEYWORDS})\b)(\w+)"?)?'
        for use in re.finditer(named, sql, re.IGNORECASE):
            found[table.lower()] = table
            if use[1]:
                found[use[1].lower()] = table
    return found


def _is_large(table: str) -> bool:
    with connection.cursor() as cursor:
        name = connection.ops.quote_name(table)
        cursor.execute(f"SELECT COUNT(*) FROM (SELECT 1 FROM {name} LIMIT {SMALL_TABLE + 1}) AS first_rows")
        return bool(cursor.fetchone()[0] > SMALL_TABLE)


def _wasteful_on_postgresql(query: Query) -> list[str]:
    reads = _READS.match(query.sql) is not None
    options = "FORMAT JSON, ANALYZE, TIMING OFF" if reads else "FORMAT JSON"
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({options}) {query.sql}", query.parameters)
        raw = cursor.fetchone()[0]
    plan = json.loads(raw) if isinstance(raw, str) else raw
    problems = []
    for node in _nodes(plan[0]["Plan"]):
        table = node.get("Relation Name")
        if table is None:
            # A bitmap's index is read below the node that names the table.
            continue
        if node["Node Type"] == "Seq Scan" and _is_large(table):
            problems.append(f"full scan of {table}")
        elif reads and (rows := _rows_looked_at(node)) > MOST_ROWS and _is_large(table):
            problems.append(f"reads too many rows: {node['Node Type']} of {table} looks at {rows}, at most {MOST_ROWS}")
    return problems


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows_looked_at(node: dict[str, Any]) -> int:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node.get("Actual Rows", 0) + removed) * node.get("Actual Loops", 1))
