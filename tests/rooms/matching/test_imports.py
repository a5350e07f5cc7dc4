"""Lists into banks: everything told, nothing lost, nothing visible before the end."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from seawall.matching import banks, imports, list_format
from seawall.matching.banks import BankError
from seawall.matching.imports import ImportLost, import_digest, import_list, sweep_imports
from seawall.matching.model import BankKind
from seawall.matching.models import Import, ListedSignal
from seawall.matching.rows import indexed_signals
from seawall.matching.sql import id_hex
from seawall.record.events import SignalsImported
from seawall.record.generation import generations
from seawall.settings import Settings
from seawall.signals.model import Signal
from tests.rooms.matching.test_banks import NOW, OWNER, events


class Clock:
    """Stands still unless moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def forum(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bank for lists. Blocks, runs and batches are made small, so that small lists have many of them."""
    monkeypatch.setattr(list_format, "BLOCK_BYTES", 4_096)
    monkeypatch.setattr(imports, "SORTED_ROWS", 200)
    monkeypatch.setattr(imports, "MOST_ROWS", 50)
    banks.create_bank("forum", by=OWNER, now=NOW, listed_by="Example Forum")
    return "forum"


def pdq(number: int) -> str:
    # Multiplied so that neighbours in the file are no neighbours in the index.
    return f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95 % 2**256:064x}"


def write_list(path: Path, count: int, bad: dict[int, str] | None = None) -> Path:
    """A CSV of this many signals; `bad` replaces lines, counted from 1 (the header)."""
    lines = ["type,value,quality", *(f"pdq,{pdq(number)},80" for number in range(count))]
    for line, text in (bad or {}).items():
        lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_list_becomes_visible_in_one_event(forum: str, tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []
    path = write_list(tmp_path / "list.csv", 1_200)
    before = generations()["banks"]
    done = import_list(
        forum,
        path,
        by=OWNER,
        clock=Clock(),
        labels=["tvec"],
        source="Example",
        progress=lambda *args: told.append(args),
    )
    assert (done.lines, done.added, done.duplicates, done.errors) == (1_200, 1_200, 0, 0)
    assert generations()["banks"] == before + 1
    assert Import.objects.get().worker == ""
    event = events()[-1]
    assert event == SignalsImported(
        by=OWNER, bank=banks.find_bank(forum).id, import_id=done.import_id, count=1_200, digest=done.digest, errors=0
    )
    found = list(indexed_signals())
    assert {one.value for one in found} == {pdq(number) for number in range(1_200)}
    (attributes,) = {one.attributes for one in found}
    assert (attributes.labels, attributes.source, attributes.quality) == (("tvec",), "Example", 80)
    assert (attributes.confirmed_by, attributes.confirmed_here) == (0, False)
    size = path.stat().st_size
    assert told[-1] == (size, size, 1_200)
    assert [step[0] for step in told] == sorted(step[0] for step in told)


def test_bad_lines_are_told_and_the_good_ones_imported(forum: str, tmp_path: Path) -> None:
    bad = {3: "pdq,abc,80", 7: f"pdq,{pdq(1)},49", 503: "pdq", 1_001: "magic,x,"}
    path = write_list(tmp_path / "list.csv", 1_000, bad)
    report = tmp_path / "list.csv.errors"
    done = import_list(forum, path, by=OWNER, clock=Clock(), report=report)
    assert (done.lines, done.added, done.errors) == (1_000, 996, 4)
    assert [one.line for one in done.bad_lines] == [3, 7, 503, 1_001]
    assert "--accept-low-quality" in done.bad_lines[1].text
    assert report.read_text(encoding="utf-8").splitlines() == [str(one) for one in done.bad_lines]
    assert ListedSignal.objects.count() == 996


def test_a_report_never_overwrites_the_list(forum: str, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list.csv", 3)
    before = path.read_bytes()
    (tmp_path / "link.csv").symlink_to(path)
    for report in (path, tmp_path / "link.csv"):
        with pytest.raises(BankError) as caught:
            import_list(forum, path, by=OWNER, clock=Clock(), report=report)
        assert caught.value.code == "report_is_list"
    assert path.read_bytes() == before
    assert not Import.objects.exists()


def test_only_the_first_bad_lines_are_kept_but_all_are_counted(forum: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("type,value\n" + "pdq,x\n" * 2_500 + f"pdq,{pdq(1)}\n")
    report = tmp_path / "errors"
    done = import_list(forum, path, by=OWNER, clock=Clock(), report=report)
    assert (done.lines, done.errors, len(done.bad_lines), done.added) == (2_501, 2_500, 1_000, 1)
    assert len(report.read_text().splitlines()) == 2_500


def test_poor_pictures_come_in_with_an_explicit_yes(forum: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"type,value,quality\npdq,{pdq(1)},0\npdq,{pdq(2)},\npdq,{pdq(3)},50\n")
    assert import_list(forum, path, by=OWNER, clock=Clock()).added == 2
    assert import_list(forum, path, by=OWNER, clock=Clock(), accept_low_quality=True).added == 1
    assert sorted((one.attributes.quality or 0) for one in indexed_signals()) == [0, 0, 50]


def test_duplicates_in_the_file_and_in_the_bank_are_counted(forum: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("type,value\n" + f"pdq,{pdq(1)}\n" * 3 + f"pdq,{pdq(1).upper()}\npdq,{pdq(2)}\n")
    first = import_list(forum, path, by=OWNER, clock=Clock())
    assert (first.added, first.duplicates, first.errors) == (2, 3, 0)
    again = import_list(forum, path, by=OWNER, clock=Clock())
    assert (again.added, again.duplicates, again.errors) == (0, 5, 0)
    assert ListedSignal.objects.count() == 2


def test_an_import_undoes_nothing_that_a_person_decided(forum: str, tmp_path: Path) -> None:
    kept, gone = banks.add_signals(
        forum, [Signal(type="pdq", value=pdq(1)), Signal(type="pdq", value=pdq(2))], by=OWNER, now=NOW
    ).ids
    banks.withdraw(gone, by=OWNER, now=NOW)
    done = import_list(forum, write_list(tmp_path / "list.csv", 4), by=OWNER, clock=Clock())
    assert (done.added, done.duplicates) == (2, 2)
    found = {one.signal_id: one for one in indexed_signals()}
    assert gone not in found
    assert found[kept].attributes.confirmed_here


@pytest.mark.parametrize("text", ["", "\n", "type,value\n", "nonsense\n", "type;value\n"])
def test_a_file_that_is_no_list_changes_nothing(forum: str, tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    count, before = len(events()), generations()["banks"]
    with pytest.raises(BankError):
        import_list(forum, path, by=OWNER, clock=Clock())
    assert not ListedSignal.objects.exists()
    assert (len(events()), generations()["banks"]) == (count, before)
    # It is in nobody's way either.
    assert import_list(forum, write_list(path, 2), by=OWNER, clock=Clock()).added == 2


def test_unknown_and_retired_banks(forum: str, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list.csv", 3)
    with pytest.raises(BankError, match="did you mean forum"):
        import_list("forun", path, by=OWNER, clock=Clock())
    with pytest.raises(FileNotFoundError):
        import_list(forum, tmp_path / "missing.csv", by=OWNER, clock=Clock())
    assert not Import.objects.exists()


def test_no_look_labels_in_a_list_for_people_are_refused(forum: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"type,value,labels\npdq,{pdq(1)},csam\npdq,{pdq(2)},tvec\npdq,{pdq(3)},csam\n")
    done = import_list(forum, path, by=OWNER, clock=Clock())
    assert (done.added, [one.line for one in done.bad_lines]) == (1, [2, 4])
    banks.create_bank("dark", by=OWNER, now=NOW, kind=BankKind.NO_LOOK, reporting_duty="Law 1")
    assert import_list("dark", path, by=OWNER, clock=Clock()).added == 3


def interrupt(after: int) -> Callable[[int, int, int], None]:
    def progress(done: int, total: int, rows: int) -> None:
        if rows >= after:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_import_shows_nothing_and_is_swept(forum: str, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list.csv", 1_000)
    before = generations()["banks"]
    with pytest.raises(KeyboardInterrupt):
        import_list(forum, path, by=OWNER, clock=Clock(), progress=interrupt(300))
    left = ListedSignal.objects.count()
    assert 300 <= left < 1_000
    assert list(indexed_signals()) == []
    assert banks.list_banks()[0].signals == 0
    assert generations()["banks"] == before
    assert sweep_imports(NOW) == left
    assert not ListedSignal.objects.exists()
    assert not Import.objects.exists()
    assert sweep_imports(NOW) == 0


def test_a_signal_added_by_hand_survives_the_sweep_of_an_import(forum: str, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list.csv", 100)
    with pytest.raises(KeyboardInterrupt):
        import_list(forum, path, by=OWNER, clock=Clock(), progress=interrupt(100))
    added = banks.add_signals(forum, [Signal(type="pdq", value=pdq(5))], by=OWNER, now=NOW)
    assert len(added.ids) == 1
    assert [one.signal_id for one in indexed_signals()] == list(added.ids)
    assert sweep_imports(NOW) == 99
    (one,) = indexed_signals()
    assert one.attributes.confirmed_here
    done = import_list(forum, path, by=OWNER, clock=Clock())
    assert (done.added, done.duplicates) == (99, 1)


KILLED = """
import os, sys
from pathlib import Path
from seawall import app
from seawall.settings import Settings
app.bind(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))
from seawall.matching import imports, list_format
from seawall.record.clock import system_clock
imports.SORTED_ROWS = 200
list_format.BLOCK_BYTES = 4096
def progress(done, total, rows):
    if rows >= 200:
        os.kill(os.getpid(), 9)
imports.import_list("forum", Path(sys.argv[3]), by="per_owner", clock=system_clock, progress=progress)
"""


def test_a_killed_import_does_not_stand_in_the_way(settings: Settings, forum: str, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list.csv", 1_000)
    command = [sys.executable, "-c", KILLED, str(settings.data_dir), settings.database_url, str(path)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9
    assert ListedSignal.objects.count() >= 200
    assert list(indexed_signals()) == []
    done = import_list(forum, path, by=OWNER, clock=lambda: datetime.now(tz=UTC))
    assert (done.added, done.duplicates) == (1_000, 0)
    assert Import.objects.count() == 1


def a_running_import(worker: str, active_at: datetime) -> Import:
    bank = banks.find_bank("forum")
    return Import.objects.create(
        id="imp_other", number=10**6, bank=bank, started_at=NOW, started_by=OWNER, worker=worker, active_at=active_at
    )


def test_two_imports_into_one_bank_do_not_mix(forum: str, tmp_path: Path) -> None:
    path = write_list(tmp_path / "list.csv", 3)
    a_running_import("another-machine:1", NOW)
    with pytest.raises(BankError) as caught:
        import_list(forum, path, by=OWNER, clock=Clock())
    assert caught.value.code == "import_running"
    clock = Clock()
    clock.now += timedelta(seconds=61)
    assert import_list(forum, path, by=OWNER, clock=clock).added == 3


def test_a_living_process_of_this_machine_is_waited_for(forum: str) -> None:
    host = os.uname().nodename
    a_running_import(f"{host}:{os.getpid()}", NOW)
    assert sweep_imports(NOW + timedelta(seconds=5)) == 0
    assert Import.objects.exists()
    Import.objects.update(worker=f"{host}:{2**22 + 1}")
    sweep_imports(NOW + timedelta(seconds=5))
    assert not Import.objects.exists()


def test_an_import_that_was_swept_while_it_stood_still_stops(forum: str, tmp_path: Path) -> None:
    def sweep(done: int, total: int, rows: int) -> None:
        sweep_imports(NOW + timedelta(hours=1))

    with pytest.raises(ImportLost, match="import the list again"):
        import_list(forum, write_list(tmp_path / "list.csv", 1_000), by=OWNER, clock=Clock(), progress=sweep)
    sweep_imports(NOW)
    assert not ListedSignal.objects.exists()


def test_a_long_digest_is_no_standing_still(forum: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading millions of rows for the digest takes longer than an import may be silent."""
    clock = Clock()
    monkeypatch.setattr(imports, "PAGE", 10)

    def slow(raw: Any) -> str:
        clock.now += timedelta(seconds=1)
        if clock.now.second == 0:
            sweep_imports(clock.now)
        return id_hex(raw)

    monkeypatch.setattr(imports, "id_hex", slow)
    done = import_list(forum, write_list(tmp_path / "list.csv", 200), by=OWNER, clock=clock)
    assert done.added == len(list(indexed_signals())) == 200


def test_a_bank_retired_meanwhile_takes_no_list(forum: str, tmp_path: Path) -> None:
    def retire(done: int, total: int, rows: int) -> None:
        if banks.list_banks():
            banks.retire_bank("forum", by=OWNER, now=NOW)

    with pytest.raises(BankError, match="retired meanwhile"):
        import_list(forum, write_list(tmp_path / "list.csv", 30), by=OWNER, clock=Clock(), progress=retire)
    assert list(indexed_signals()) == []


def test_the_digest_is_that_of_the_rows(forum: str, tmp_path: Path) -> None:
    done = import_list(forum, write_list(tmp_path / "list.csv", 50), by=OWNER, clock=Clock(), labels=["b", "a"])
    number = Import.objects.get().number
    assert import_digest(number) == (done.digest, 50)
    banks.withdraw(f"sig_{ListedSignal.objects.first().id}", by=OWNER, now=NOW)  # type: ignore[union-attr]
    assert import_digest(number) == (done.digest, 50)
    for change in ({"quality": 7}, {"source": "x"}, {"labels": ["a"]}, {"confidence": 1}, {"digest": b"\xff" * 32}):
        row = ListedSignal.objects.order_by("id")[7]
        before = {name: getattr(row, name) for name in change}
        ListedSignal.objects.filter(id=row.id).update(**change)
        assert import_digest(number)[0] != done.digest
        ListedSignal.objects.filter(id=row.id).update(**before)
    assert import_digest(number) == (done.digest, 50)


def test_twenty_thousand_lines_in_transactions_no_larger_than_allowed(
    sqlite_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    banks.create_bank("forum", by=OWNER, now=NOW)
    sizes = []
    insert = imports._insert

    def watched(values: Sequence[tuple[Any, ...]]) -> int:
        sizes.append(len(values))
        return insert(values)

    monkeypatch.setattr(imports, "_insert", watched)
    path = write_list(tmp_path / "list.csv", 20_000, {9_999: "pdq,broken,80"})
    done = import_list("forum", path, by=OWNER, clock=Clock())
    assert (done.added, done.bad_lines[0].line) == (19_999, 9_999)
    assert sizes == [5_000, 5_000, 5_000, 4_999]


LINES = st.lists(
    st.tuples(
        st.sampled_from(["pdq", "sha256", "md5", "url", "nonsense"]),
        st.integers(0, 40),
        st.booleans(),
        st.none() | st.integers(45, 55),
    ),
    min_size=1,
    max_size=25,
)


def value_of(kind: str, number: int, good: bool) -> str:
    if not good:
        return f"bad-{number}"
    if kind == "url":
        return f"https://example.org/{number}"
    return f"{number:0{32 if kind == 'md5' else 64}x}"


@examples(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=LINES)
def test_importing_a_list_is_adding_its_signals_one_by_one(
    sqlite_settings: Settings, tmp_path: Path, entries: list[tuple[str, int, bool, int | None]]
) -> None:
    for name in ("one", "two"):
        if any(summary.bank.name == name for summary in banks.list_banks()):
            banks.retire_bank(name, by=OWNER, now=NOW)
        banks.create_bank(name, by=OWNER, now=NOW)
    signals = [
        Signal(type=kind, value=value_of(kind, number, good), quality=quality if kind == "pdq" else None)
        for kind, number, good, quality in entries
    ]
    path = tmp_path / "list.jsonl"
    path.write_text(
        "\n".join(json.dumps({"type": one.type, "value": one.value, "quality": one.quality}) for one in signals)
    )
    done = import_list("one", path, by=OWNER, clock=Clock())
    one_by_one = [banks.add_signals("two", [one], by=OWNER, now=NOW) for one in signals]
    assert done.lines == len(signals)
    assert done.added == sum(len(one.ids) for one in one_by_one)
    assert done.duplicates == sum(len(one.duplicates) for one in one_by_one)
    assert done.errors == sum(len(one.refused) for one in one_by_one)
    found: dict[str, set[tuple[str, str, int | None]]] = {"one": set(), "two": set()}
    for listed in indexed_signals():
        if listed.attributes.bank in found:
            found[listed.attributes.bank].add((listed.type, listed.value, None))
    assert found["one"] == found["two"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_line_500_000_of_a_million_is_told_by_its_number(sqlite_settings: Settings, tmp_path: Path) -> None:
    banks.create_bank("forum", by=OWNER, now=NOW)
    path = write_list(tmp_path / "list.csv", 1_000_000, {500_000: "pdq,broken,80"})
    done = import_list("forum", path, by=OWNER, clock=lambda: datetime.now(tz=UTC))
    assert [one.line for one in done.bad_lines] == [500_000]
    assert done.added == 999_999
