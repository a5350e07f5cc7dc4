"""Signals in a bank: added by people, confirmed, muted, disputed, withdrawn."""

import itertools
from datetime import datetime, timedelta

import pytest

from seawall.matching import banks, listing
from seawall.matching.banks import Added, BankError
from seawall.matching.model import Attributes, IndexedSignal
from seawall.matching.models import ListedSignal
from seawall.matching.rows import indexed_signals
from seawall.record.events import SignalConfirmed, SignalDisputed, SignalMuted, SignalsAdded, SignalWithdrawn
from seawall.record.generation import generations
from seawall.settings import Settings
from seawall.signals.model import Signal
from tests.rooms.matching.test_banks import NOW, OWNER, events

PDQ = Signal(type="pdq", value="0f" * 32, quality=90)
SHA = Signal(type="sha256", value="AB" * 32)
URL = Signal(type="url", value="http://Example.org:80/a?utm_source=x#top")


@pytest.fixture
def own(settings: Settings) -> str:
    banks.create_bank("own", by=OWNER, now=NOW)
    return "own"


def add(*signals: Signal, by: str = OWNER, accept_low_quality: bool = False) -> Added:
    return banks.add_signals("own", signals, by=by, now=NOW, accept_low_quality=accept_low_quality)


def only() -> IndexedSignal:
    (one,) = indexed_signals()
    return one


def test_what_a_person_adds_is_confirmed_here(own: str) -> None:
    added = banks.add_signals(
        own, [PDQ, SHA, URL], by=OWNER, now=NOW, labels=["tvec", "a"], source="Own", confidence=80, note="seen"
    )
    assert (len(added.ids), added.duplicates, added.refused) == (3, (), ())
    found = {one.type: one for one in indexed_signals()}
    assert found["sha256"].value == "ab" * 32
    assert found["url"].value == "https://example.org/a"
    assert found["pdq"].attributes == Attributes(
        bank="own",
        labels=("a", "tvec"),
        source="Own",
        confirmed_by=1,
        confirmed_here=True,
        confidence=80,
        quality=90,
    )
    bank = banks.find_bank(own)
    assert events()[-1] == SignalsAdded(by=OWNER, bank=bank.id, signals=list(added.ids), count=3)
    assert ListedSignal.objects.get(type="pdq").note == "seen"


def test_duplicates_are_counted_once_and_confirmed_by_whoever_adds_them_again(own: str) -> None:
    first = add(PDQ, PDQ, Signal(type="pdq", value=PDQ.value.upper()))
    assert len(first.ids) == 1
    count = len(events())
    again = add(PDQ)
    assert (again.ids, again.duplicates) == ((), first.ids)
    assert len(events()) == count
    other = add(PDQ, by="per_other")
    assert other.duplicates == first.ids
    assert isinstance(events()[-1], SignalConfirmed)
    # One organisation, however many of its people.
    assert only().attributes.confirmed_by == 1


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (Signal(type="pdq", value="ab"), "expected 64"),
        (Signal(type="pdq", value=""), "expected 64"),
        (Signal(type="pdq", value="z" * 64), "0-9 and a-f"),
        (Signal(type="nonsense", value="a"), "no signal type"),
        (Signal(type="sha256", value="ab" * 32, quality=5), "no quality"),
        (Signal(type="pdq", value="0f" * 32, quality=101), "0 to 100"),
        (Signal(type="url", value="ftp://example.org"), "http"),
        (Signal(type="pdq", value="0" * 2_000_000), "expected 64"),
    ],
)
def test_one_bad_signal_does_not_spoil_the_others(own: str, bad: Signal, says: str) -> None:
    added = add(bad, SHA)
    assert len(added.ids) == 1
    assert [one.value for one in added.refused] == [bad.value]
    assert says in added.refused[0].reason
    assert "\n" not in added.refused[0].reason


def test_poor_pictures_need_an_explicit_yes(own: str) -> None:
    poor = Signal(type="pdq", value="0f" * 32, quality=49)
    assert "--accept-low-quality" in add(poor).refused[0].reason
    assert not ListedSignal.objects.exists()
    assert len(add(poor, accept_low_quality=True).ids) == 1
    assert only().attributes.quality == 49
    assert len(add(Signal(type="pdq", value="1f" * 32, quality=50), Signal(type="pdq", value="2f" * 32)).ids) == 2


def test_too_many_at_once_are_sent_to_the_import(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listing.MOST_ROWS == 5_000
    monkeypatch.setattr(listing, "MOST_ROWS", 600)
    many = [Signal(type="sha256", value=f"{number:064x}") for number in range(601)]
    with pytest.raises(BankError, match="seawall bank import"):
        add(*many)
    assert not ListedSignal.objects.exists()
    assert len(add(*many[:-1]).ids) == 600


def test_nothing_at_all_is_no_error(own: str) -> None:
    assert add() == Added()


def test_a_no_look_label_needs_a_no_look_bank(own: str) -> None:
    with pytest.raises(BankError, match="no-look bank"):
        banks.add_signals(own, [PDQ], by=OWNER, now=NOW, labels=["csam"])
    assert not ListedSignal.objects.exists()


def test_withdraw_and_bring_back(own: str) -> None:
    (signal_id,) = add(PDQ).ids
    banks.withdraw(signal_id, by=OWNER, now=NOW, reason="not_a_match")
    assert list(indexed_signals()) == []
    bank = banks.find_bank(own)
    assert events()[-1] == SignalWithdrawn(by=OWNER, signal=signal_id, bank=bank.id, reason="not_a_match")
    with pytest.raises(BankError, match="not_a_match"):
        banks.withdraw(signal_id, by=OWNER, now=NOW, reason="Not a match, says A. Person")
    for call in (banks.withdraw, banks.confirm):
        with pytest.raises(BankError, match="add it to the bank again"):
            call(signal_id, by=OWNER, now=NOW)
    with pytest.raises(BankError, match="withdrawn"):
        banks.mute(signal_id, None, by=OWNER, now=NOW)
    assert add(PDQ, by="per_other").ids == (signal_id,)
    assert only().attributes.confirmed_here


def test_mute(own: str) -> None:
    (signal_id,) = add(PDQ).ids
    until = NOW + timedelta(days=3, microseconds=5)
    banks.mute(signal_id, until, by=OWNER, now=NOW)
    assert only().attributes.muted_until == until
    event = events()[-1]
    assert isinstance(event, SignalMuted)
    assert event.until == "2026-11-26T20:28:00.000Z"
    banks.mute(signal_id, None, by=OWNER, now=NOW)
    assert only().attributes.muted_until is None
    for bad in (NOW, NOW - timedelta(days=1), datetime(2030, 1, 1)):  # noqa: DTZ001 - the point of the test
        with pytest.raises(BankError):
            banks.mute(signal_id, bad, by=OWNER, now=NOW)


def test_confirm_counts_a_person_once(own: str) -> None:
    (signal_id,) = add(PDQ).ids
    assert not banks.confirm(signal_id, by=OWNER, now=NOW)
    assert banks.confirm(signal_id, by="per_other", now=NOW)
    assert not banks.confirm(signal_id, by="per_other", now=NOW)
    assert [one["by"] for one in ListedSignal.objects.get().confirmed_by] == [OWNER, "per_other"]


def test_other_organisations_count_beside_this_one(own: str) -> None:
    add(PDQ)
    row = ListedSignal.objects.get()
    row.confirmed_by = [
        {"organisation": "org_a", "at": "2026-01-01T00:00:00Z"},
        {"organisation": "org_a", "at": "2026-01-02T00:00:00Z"},
        {"organisation": "org_b", "at": "2026-01-02T00:00:00Z"},
    ]
    row.save()
    assert (only().attributes.confirmed_by, only().attributes.confirmed_here) == (2, False)
    banks.confirm(row.signal_id, by=OWNER, now=NOW)
    assert (only().attributes.confirmed_by, only().attributes.confirmed_here) == (3, True)


def test_dispute_and_settle(own: str) -> None:
    (signal_id,) = add(PDQ).ids
    banks.dispute(signal_id, by=OWNER, now=NOW)
    assert only().attributes.disputed
    assert isinstance(events()[-1], SignalDisputed)
    banks.dispute(signal_id, by=OWNER, now=NOW, disputed=False)
    assert not only().attributes.disputed


@pytest.mark.parametrize("signal_id", ["", "sig_", "sig_x", "scr_01933b6e-0000-7000-8000-000000000000", "x" * 100_000])
def test_what_is_no_signal_id_is_refused(own: str, signal_id: str) -> None:
    for call in (banks.withdraw, banks.confirm, banks.dispute):
        with pytest.raises(BankError) as caught:
            call(signal_id, by=OWNER, now=NOW)
        assert caught.value.code == "bad_id"
        assert len(str(caught.value)) < 400


def test_an_unknown_id_and_a_retired_bank_are_alike(own: str) -> None:
    (signal_id,) = add(PDQ).ids
    banks.retire_bank(own, by=OWNER, now=NOW)
    for unknown in (signal_id, "sig_01933b6e-0000-7000-8000-000000000000"):
        with pytest.raises(BankError) as caught:
            banks.withdraw(unknown, by=OWNER, now=NOW)
        assert caught.value.code == "unknown_signal"


def test_each_change_counts_one_generation(own: str) -> None:
    (signal_id,) = add(PDQ).ids
    seen = [generations()["banks"]]
    changes = (
        lambda: banks.mute(signal_id, NOW + timedelta(days=1), by=OWNER, now=NOW),
        lambda: banks.confirm(signal_id, by="per_other", now=NOW),
        lambda: banks.dispute(signal_id, by=OWNER, now=NOW),
        lambda: banks.withdraw(signal_id, by=OWNER, now=NOW),
    )
    for change in changes:
        change()
        seen.append(generations()["banks"])
        assert ListedSignal.objects.get().changed == seen[-1]
    assert [later - earlier for earlier, later in itertools.pairwise(seen)] == [1, 1, 1, 1]
