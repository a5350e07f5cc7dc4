"""What protects: the counters on the banks always say what counting the signals would."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models import Q
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from seawall.matching import banks, imports
from seawall.matching.banks import BankError
from seawall.matching.imports import import_list, sweep_imports
from seawall.matching.model import BankKind
from seawall.matching.models import Bank, Import, ListedSignal
from seawall.matching.summary import protection
from seawall.matching.testcard import ensure_test_card
from seawall.settings import Settings
from seawall.signals.model import Signal
from tests.plans import assert_lean
from tests.rooms.matching.test_banks import NOW, OWNER
from tests.rooms.matching.test_imports import Clock, interrupt, pdq, write_list


def signals(*numbers: int) -> list[Signal]:
    return [Signal(type="pdq", value=pdq(number), quality=80) for number in numbers]


def counted() -> dict[int, int]:
    """Signals in force by bank, counted one by one."""
    visible = Q(imported_in=None) | Q(imported_in__visible_at__isnull=False)
    rows = ListedSignal.objects.filter(visible, status="active")
    return {bank.number: rows.filter(bank=bank).count() for bank in Bank.objects.all()}


def kept() -> dict[int, int]:
    return dict(Bank.objects.values_list("number", "active_signals"))


def test_an_empty_seawall_has_no_protection(settings: Settings) -> None:
    ensure_test_card(NOW)
    found = protection(NOW)
    assert [one.name for one in found.banks] == ["test-card"]
    assert found.banks[0].signals == 5
    assert (found.signals, found.protecting, found.newest_at, found.newest_age) == (0, (), None, None)


def test_what_protects_from_whom_and_how_old(settings: Settings, tmp_path: Path) -> None:
    clock, hour = Clock(), timedelta(hours=1)
    ensure_test_card(NOW)
    banks.create_bank("own", by=OWNER, now=NOW, labels=["tvec"])
    banks.create_bank("forum", by=OWNER, now=NOW, listed_by="Example Forum")
    banks.create_bank("safe", by=OWNER, now=NOW, kind=BankKind.KNOWN_SAFE)
    banks.create_bank("demo", by=OWNER, now=NOW, counts_as_protection=False)
    banks.create_bank("empty", by=OWNER, now=NOW)
    for name in ("own", "safe", "demo"):
        banks.add_signals(name, signals(1, 2, 3), by=OWNER, now=NOW)
    clock.now = NOW + hour
    import_list("forum", write_list(tmp_path / "list.csv", 20), by=OWNER, clock=clock)
    clock.now = NOW + 2 * hour
    import_list("forum", write_list(tmp_path / "list.csv", 20), by=OWNER, clock=clock)

    found = protection(NOW + 3 * hour)
    assert [one.name for one in found.banks] == ["demo", "empty", "forum", "own", "safe", "test-card"]
    of = {one.name: one for one in found.banks}
    assert [one.name for one in found.protecting] == ["forum", "own"]
    assert (found.signals, found.newest_at, found.newest_age) == (23, NOW + hour, 2 * hour)
    forum, own, empty = of["forum"], of["own"], of["empty"]
    assert (forum.signals, forum.listed_by, forum.default_action) == (20, "Example Forum", "hold")
    # The second time brought nothing new, and still says that the list is up to date.
    assert (forum.newest_at, forum.last_import_at) == (NOW + hour, NOW + 2 * hour)
    assert (own.signals, own.newest_at, own.last_import_at, own.labels) == (3, NOW, None, ("tvec",))
    assert (empty.signals, empty.newest_at, empty.protects) == (0, None, False)
    assert (of["safe"].kind, of["safe"].protects, of["demo"].protects) == (BankKind.KNOWN_SAFE, False, False)


def test_one_query_whatever_there_is(settings: Settings) -> None:
    for number in range(30):
        banks.create_bank(f"bank-{number}", by=OWNER, now=NOW)
    assert len(assert_lean(lambda: protection(NOW), most=1).answer.banks) == 30


def test_a_clock_that_was_set_back_makes_no_negative_age(settings: Settings) -> None:
    banks.create_bank("own", by=OWNER, now=NOW)
    banks.add_signals("own", signals(1), by=OWNER, now=NOW)
    assert protection(NOW - timedelta(days=1)).newest_age == timedelta()


def test_each_operation_counts_itself(settings: Settings) -> None:
    banks.create_bank("own", by=OWNER, now=NOW)
    ids = banks.add_signals("own", signals(1, 2, 2, 3), by=OWNER, now=NOW).ids
    later = NOW + timedelta(hours=1)

    def now_has(count: int, newest: datetime | None) -> None:
        (own,) = protection(later).banks
        assert (own.signals, own.newest_at) == (count, newest)
        assert kept() == counted()

    now_has(3, NOW)
    banks.add_signals("own", signals(1, 2), by="per_other", now=later)
    now_has(3, NOW)
    banks.mute(ids[0], later + timedelta(days=1), by=OWNER, now=later)
    banks.dispute(ids[1], by=OWNER, now=later)
    now_has(3, NOW)
    banks.withdraw(ids[0], by=OWNER, now=later)
    now_has(2, NOW)
    with pytest.raises(BankError):
        banks.withdraw(ids[0], by=OWNER, now=later)
    now_has(2, NOW)
    banks.add_signals("own", signals(1), by=OWNER, now=later)
    now_has(3, later)
    for signal_id in ids:
        banks.withdraw(signal_id, by=OWNER, now=later)
    now_has(0, None)
    banks.rename_bank("own", "ours", by=OWNER, now=later)
    banks.change_bank("ours", max_distance=10, by=OWNER, now=later)
    banks.add_signals("ours", signals(7), by=OWNER, now=later)
    now_has(1, later)
    banks.retire_bank("ours", by=OWNER, now=later)
    assert protection(later).banks == ()
    assert list(kept().values()) == list(counted().values()) == [1]


def test_an_interrupted_import_counts_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "SORTED_ROWS", 50)
    monkeypatch.setattr(imports, "MOST_ROWS", 10)
    banks.create_bank("forum", by=OWNER, now=NOW, listed_by="Example Forum")
    path = write_list(tmp_path / "list.csv", 400)
    with pytest.raises(KeyboardInterrupt):
        import_list("forum", path, by=OWNER, clock=Clock(), progress=interrupt(50))
    assert ListedSignal.objects.exists()
    assert list(kept().values()) == [0]
    # A person takes one of its rows over.
    row = ListedSignal.objects.order_by("id").first()
    assert row is not None
    banks.add_signals("forum", [Signal(type="pdq", value=row.value, quality=80)], by=OWNER, now=NOW)
    sweep_imports(NOW)
    assert kept() == counted()
    assert list(kept().values()) == [1]
    import_list("forum", path, by=OWNER, clock=Clock())
    assert list(kept().values()) == [400]
    assert kept() == counted()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "import", "interrupted", "withdraw", "mute", "confirm", "dispute", "retire", "rename"]),
        st.integers(0, 1),
        st.integers(0, 11),
        st.integers(1, 4),
    ),
    max_size=12,
)


class Room:
    """Two banks and everything one can do to them, chosen by numbers."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.now = NOW
        self.names = [self.fresh(0), self.fresh(1)]

    def fresh(self, which: int) -> str:
        name = f"b{which}-{Bank.objects.count()}"
        return banks.create_bank(name, by=OWNER, now=self.now, listed_by="Example").name

    def do(self, what: str, which: int, first: int, count: int) -> None:
        self.now += timedelta(minutes=1)
        numbers = range(first, first + count)
        if what == "add":
            banks.add_signals(self.names[which], signals(*numbers), by=OWNER, now=self.now)
        elif what == "retire":
            banks.retire_bank(self.names[which], by=OWNER, now=self.now)
            self.names[which] = self.fresh(which)
        elif what == "rename":
            new_name = f"{self.names[which]}r"
            self.names[which] = banks.rename_bank(self.names[which], new_name, by=OWNER, now=self.now).name
        elif what in {"import", "interrupted"}:
            self.bring(self.names[which], numbers, finish=what == "import")
        else:
            self.change(what, which, first)

    def bring(self, name: str, numbers: range, *, finish: bool) -> None:
        path = self.place / "list.csv"
        lines = ["type,value,quality", *(f"pdq,{pdq(number)},80" for number in numbers), "pdq,nonsense,80"]
        path.write_text("\n".join(lines) + "\n")

        def stop(_done: int, _total: int, rows: int) -> None:
            if not finish and rows:
                raise KeyboardInterrupt

        clock = Clock()
        clock.now = self.now
        try:
            import_list(name, path, by=OWNER, clock=clock, progress=stop)
        except KeyboardInterrupt:
            assert not finish

    def change(self, what: str, which: int, place: int) -> None:
        rows = list(ListedSignal.objects.filter(bank__name=self.names[which], bank__retired_at=None).order_by("digest"))
        if not rows:
            return
        signal_id = rows[place % len(rows)].signal_id
        until = self.now + timedelta(days=1)
        doing: dict[str, Callable[[], object]] = {
            "withdraw": lambda: banks.withdraw(signal_id, by=OWNER, now=self.now),
            "mute": lambda: banks.mute(signal_id, until, by=OWNER, now=self.now),
            "confirm": lambda: banks.confirm(signal_id, by="per_other", now=self.now),
            "dispute": lambda: banks.dispute(signal_id, by=OWNER, now=self.now),
        }
        # It was withdrawn, or belongs to an import that never ended.
        with suppress(BankError):
            doing[what]()


@examples(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_after_anything_the_counters_say_what_counting_does(
    settings: Settings, tmp_path: Path, steps: list[tuple[str, int, int, int]]
) -> None:
    room = Room(tmp_path)
    for step in steps:
        room.do(*step)
        assert kept() == counted(), step
    found = {one.name: one for one in protection(room.now).banks}
    for summary in banks.list_banks():
        assert found[summary.bank.name].signals == summary.signals


def test_an_older_database_is_counted_once_when_it_is_upgraded(settings: Settings, tmp_path: Path) -> None:
    ensure_test_card(NOW)
    banks.create_bank("forum", by=OWNER, now=NOW, listed_by="Example Forum")
    banks.create_bank("empty", by=OWNER, now=NOW)
    banks.create_bank("old", by=OWNER, now=NOW)
    import_list("forum", write_list(tmp_path / "list.csv", 50), by=OWNER, clock=Clock())
    ids = banks.add_signals("forum", signals(100, 101), by=OWNER, now=NOW + timedelta(hours=1)).ids
    banks.withdraw(ids[0], by=OWNER, now=NOW + timedelta(hours=2))
    banks.add_signals("old", signals(1), by=OWNER, now=NOW)
    banks.retire_bank("old", by=OWNER, now=NOW)
    # Half an import, as a killed process leaves it.
    started = imports._start("empty", by=OWNER, source="", clock=Clock())
    ListedSignal.objects.filter(value=pdq(7)).update(imported_in=started)
    before = protection(NOW)
    assert sum(counted().values()) == sum(kept().values()) - 1

    call_command("migrate", "matching", "0001", verbosity=0)
    call_command("migrate", "matching", verbosity=0)
    assert kept() == counted()
    after = {one.name: one for one in protection(NOW).banks}
    assert [one.name for one in before.banks] == sorted(after)
    forum = after["forum"]
    assert (forum.signals, forum.newest_at, forum.last_import_at) == (50, NOW + timedelta(hours=1), NOW)
    assert (after["empty"].signals, after["empty"].newest_at, after["empty"].last_import_at) == (0, None, None)
    assert after["test-card"].signals == 5
    assert Import.objects.filter(visible_at=None).exists()
