"""Pages of a bank: in order, to the end, and never of what is not finished; on both databases."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seawall.matching.banks import add_signals, create_bank, find_bank, withdraw
from seawall.matching.browse import (
    find_import,
    imports_of,
    listed_by_import,
    listed_by_people,
    look_up,
    signal_in,
)
from seawall.matching.checks import BankError
from seawall.matching.imports import import_list
from seawall.matching.models import Import, ListedSignal
from seawall.settings import Settings
from seawall.signals.model import Signal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def _sha256(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _add(bank: str, *words: str, now: datetime = NOW) -> tuple[str, ...]:
    signals = [Signal(type="sha256", value=_sha256(word)) for word in words]
    return add_signals(bank, signals, by="per_x", now=now).ids


def _import(bank: str, path: Path, *words: str) -> Import:
    path.write_text("type,value\n" + "".join(f"sha256,{_sha256(word)}\n" for word in words))
    done = import_list(bank, path, by="per_x", clock=lambda: NOW)
    return Import.objects.get(id=done.import_id)


def test_pages_are_in_order_and_end(settings: Settings, tmp_path: Path) -> None:
    bank = create_bank("ours", by="per_x", now=NOW)
    create_bank("other", by="per_x", now=NOW)
    ids = [_add("ours", f"w{n}", now=NOW + timedelta(seconds=n))[0] for n in range(7)]
    _add("other", "w1")
    withdraw(ids[3], by="per_x", now=NOW)
    one = _import("ours", tmp_path / "l.csv", "w0", "i1", "i2", "i3")

    seen: list[str] = []
    before = None
    while True:
        found = listed_by_people(bank, before=before, limit=3)
        seen += [row.signal_id for row in found.rows]
        if found.following is None:
            break
        before = found.following
    assert seen == ids[::-1]

    assert len(listed_by_import(one).rows) == 3
    page = listed_by_import(one, limit=2)
    rest = listed_by_import(one, before=page.following, limit=2)
    values = {row.value for row in (*page.rows, *rest.rows)}
    assert values == {_sha256("i1"), _sha256("i2"), _sha256("i3")}
    assert rest.following is None
    assert [row.id for row in imports_of(bank).rows] == [one.id]
    assert imports_of(find_bank("other")).rows == ()
    assert imports_of(bank, before=one.id).rows == ()
    assert find_import(bank, one.id) == one
    with pytest.raises(BankError, match="no import"):
        find_import(find_bank("other"), one.id)


def test_what_is_not_finished_is_nobodys_business(settings: Settings, tmp_path: Path) -> None:
    bank = create_bank("ours", by="per_x", now=NOW)
    one = _import("ours", tmp_path / "l.csv", "i1")
    row = ListedSignal.objects.get(imported_in=one)
    assert signal_in(bank, row.signal_id) == row
    assert look_up(bank, _sha256("i1")) == [row]
    Import.objects.filter(number=one.number).update(visible_at=None)
    assert imports_of(bank).rows == ()
    assert look_up(bank, _sha256("i1")) == []
    assert look_up(bank, row.signal_id) == []
    with pytest.raises(BankError, match="no signal"):
        signal_in(bank, row.signal_id)
    with pytest.raises(BankError, match="no import"):
        find_import(bank, one.id)


def test_a_value_is_found_whatever_its_type(settings: Settings) -> None:
    bank = create_bank("ours", by="per_x", now=NOW)
    value = _sha256("x")
    signals = [Signal(type=name, value=value) for name in ("sha256", "pdq", "text")]
    signals += [Signal(type="md5", value=value[:32]), Signal(type="url", value="https://a.example/b")]
    ids = add_signals("ours", signals, by="per_x", now=NOW).ids
    assert {row.type for row in look_up(bank, value.upper())} == {"sha256", "pdq", "text"}
    assert [row.type for row in look_up(bank, f" {value[:32]}\n")] == ["md5"]
    assert [row.type for row in look_up(bank, "https://A.EXAMPLE/b")] == ["url"]
    assert [row.signal_id for row in look_up(bank, ids[0])] == [ids[0]]
    assert look_up(bank, _sha256("y")) == []


@pytest.mark.parametrize("text", ["", "x", "sig_", "sig_x", "\0", "sig_\0", "a" * 63, "é" * 64, "x" * 100_000])
def test_what_is_neither_id_nor_value_is_refused(sqlite_settings: Settings, text: str) -> None:
    bank = create_bank("ours", by="per_x", now=NOW)
    with pytest.raises(BankError):
        look_up(bank, text)
    for ask in (listed_by_people, imports_of):
        with pytest.raises(BankError):
            ask(bank, before=text)
