"""What the index is built from: everything in force, and what changed since."""

from datetime import timedelta
from pathlib import Path

import pytest

from seawall.matching import banks, imports, rows
from seawall.matching.imports import import_list
from seawall.matching.index import Index
from seawall.matching.models import Import, ListedSignal
from seawall.matching.rows import Changes, changed_since, index_rows, indexed_signals
from seawall.record.generation import generations
from seawall.settings import Settings
from seawall.signals.model import Signal
from tests.rooms.matching.test_banks import NOW, OWNER
from tests.rooms.matching.test_imports import Clock, write_list


@pytest.fixture
def filled(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Own signals of every type, an imported list, a withdrawn one, a muted one, a retired bank; pages are small."""
    monkeypatch.setattr(rows, "PAGE", 7)
    banks.create_bank("own", by=OWNER, now=NOW)
    banks.create_bank("forum", by=OWNER, now=NOW)
    banks.create_bank("old", by=OWNER, now=NOW)
    own = [
        Signal(type="pdq", value="0f" * 32, quality=70),
        Signal(type="sha256", value="0a" * 32),
        Signal(type="md5", value="0b" * 16),
        Signal(type="text", value="0c" * 32),
        Signal(type="url", value="https://example.org/"),
        Signal(type="pdq", value="f0" * 32),
    ]
    ids = banks.add_signals("own", own, by=OWNER, now=NOW).ids
    banks.withdraw(ids[5], by=OWNER, now=NOW)
    banks.mute(ids[1], NOW + timedelta(days=1), by=OWNER, now=NOW)
    banks.add_signals("old", own, by=OWNER, now=NOW)
    banks.retire_bank("old", by=OWNER, now=NOW)
    import_list("forum", write_list(tmp_path / "list.csv", 40), by=OWNER, clock=Clock(), labels=["tvec"])


def values(changes: Changes | None) -> list[str]:
    assert changes is not None
    return sorted(one.value for one in changes.added)


def test_everything_in_force_and_nothing_else(filled: None) -> None:
    found = list(indexed_signals())
    assert len({one.signal_id for one in found}) == len(found) == 45
    own = {one.type: one for one in found if one.attributes.bank == "own"}
    assert set(own) == {"pdq", "sha256", "md5", "text", "url"}
    assert own["pdq"].value == "0f" * 32
    assert own["sha256"].attributes.muted_until == NOW + timedelta(days=1)
    assert {one.attributes.bank for one in found} == {"own", "forum"}


def test_equal_attributes_are_one_object(filled: None) -> None:
    forum = [one.attributes for one in indexed_signals() if one.attributes.bank == "forum"]
    assert len(forum) == 40
    assert len({id(one) for one in forum}) == 1


def test_the_fast_way_gives_the_same_index(filled: None) -> None:
    fast, plain = Index(index_rows()), Index.build(indexed_signals())
    assert fast.counts() == plain.counts() == {"md5": 1, "pdq": 41, "sha256": 1, "text": 1, "url": 1}
    for one in indexed_signals():
        assert fast.search(one.type, one.value, 31) == plain.search(one.type, one.value, 31)
        assert one.signal_id in [hit.signal_id for hit in fast.search(one.type, one.value, 0)]


def test_an_empty_database_is_an_empty_index(settings: Settings) -> None:
    assert list(indexed_signals()) == []
    assert Index(index_rows()).counts() == {}
    assert changed_since(0) == Changes(removed=(), added=())


def test_remembering_little_changes_nothing(filled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(indexed_signals())
    monkeypatch.setattr(rows, "_MOST_REMEMBERED", 0)
    assert list(indexed_signals()) == before


def test_an_overlay_of_the_changes_equals_a_new_index(filled: None, tmp_path: Path) -> None:
    base, then = Index(index_rows()), generations()["banks"]
    ids = {one.value: one.signal_id for one in indexed_signals()}
    banks.withdraw(ids["0f" * 32], by=OWNER, now=NOW)
    banks.mute(ids["0a" * 32], None, by=OWNER, now=NOW)
    banks.confirm(next(one.signal_id for one in indexed_signals() if one.attributes.bank == "forum"), by="p", now=NOW)
    banks.add_signals("own", [Signal(type="md5", value="ee" * 16)], by=OWNER, now=NOW)
    import_list("forum", write_list(tmp_path / "more.csv", 60), by=OWNER, clock=Clock())
    banks.rename_bank("own", "mine", by=OWNER, now=NOW)
    changes = changed_since(then)
    assert changes is not None
    overlaid, fresh = base.with_overlay(removed=changes.removed, added=changes.added), Index(index_rows())
    assert overlaid.counts() == fresh.counts()
    for one in indexed_signals():
        assert overlaid.search(one.type, one.value, 31) == fresh.search(one.type, one.value, 31)
    assert overlaid.search("pdq", "0f" * 32, 0) == []


def test_only_what_changed_is_told(filled: None) -> None:
    then = generations()["banks"]
    assert changed_since(then) == Changes(removed=(), added=())
    added = banks.add_signals("own", [Signal(type="md5", value="ee" * 16)], by=OWNER, now=NOW)
    changes = changed_since(then)
    assert values(changes) == ["ee" * 16]
    assert changes is not None
    assert changes.removed == added.ids
    banks.withdraw(added.ids[0], by=OWNER, now=NOW)
    assert changed_since(then) == Changes(removed=added.ids, added=())


def test_retiring_a_bank_removes_its_signals(filled: None) -> None:
    gone = {one.signal_id for one in indexed_signals() if one.attributes.bank == "own"}
    then = generations()["banks"]
    banks.retire_bank("own", by=OWNER, now=NOW)
    changes = changed_since(then)
    assert changes is not None
    assert gone <= set(changes.removed)
    assert changes.added == ()


def test_changing_a_banks_rules_moves_no_signal(filled: None) -> None:
    then = generations()["banks"]
    banks.change_bank("forum", by=OWNER, now=NOW, max_distance=10)
    assert generations()["banks"] == then + 1
    assert changed_since(then) == Changes(removed=(), added=())


def test_more_than_the_limit_is_none(filled: None) -> None:
    assert changed_since(0, limit=10) is None
    then = generations()["banks"]
    banks.rename_bank("forum", "alliance", by=OWNER, now=NOW)
    assert changed_since(then, limit=39) is None
    assert len(values(changed_since(then, limit=40))) == 40


def test_rows_of_an_unfinished_import_stay_unseen(
    filled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_finish", lambda *_, **__: 1 / 0)
    then = generations()["banks"]
    with pytest.raises(ZeroDivisionError):
        import_list("forum", write_list(tmp_path / "more.csv", 90), by=OWNER, clock=Clock())
    assert ListedSignal.objects.filter(imported_in__visible_at=None, imported_in__isnull=False).count() == 50
    assert len(list(indexed_signals())) == 45
    assert changed_since(then) == Changes(removed=(), added=())
    # Even a change of the whole bank shows none of them.
    banks.rename_bank("forum", "alliance", by=OWNER, now=NOW)
    assert len(values(changed_since(then))) == 40
    assert Import.objects.filter(visible_at=None).count() == 1


def test_banks_in_use(filled: None) -> None:
    assert [bank.name for bank in rows.banks_in_use()] == ["forum", "own"]
