"""Banks: each change with its event, its generation, and refusals that say what to do."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError

from seawall.matching import banks
from seawall.matching.banks import BankError
from seawall.matching.model import BankKind
from seawall.matching.models import Bank
from seawall.record.events import BankChanged, BankCreated, BankRenamed, BankRetired, Event
from seawall.record.generation import generations
from seawall.record.journal import read
from seawall.record.models import Event as EventRow
from seawall.settings import Settings
from seawall.signals.model import Signal

NOW = datetime(2026, 11, 23, 20, 28, tzinfo=UTC)
OWNER = "per_owner"


def events() -> list[Event]:
    found = [read(row) for row in EventRow.objects.order_by("serial")]
    return [event for event in found if event is not None]


def generation() -> int:
    return generations().get("banks", 0)


@pytest.mark.parametrize(
    ("given", "action"),
    [
        ({}, "block"),
        ({"listed_by": "Example Forum"}, "hold"),
        ({"listed_by": "Example Forum", "default_action": "block"}, "block"),
        ({"kind": BankKind.KNOWN_SAFE}, "allow"),
        ({"kind": BankKind.NO_LOOK, "reporting_duty": "Law 1"}, "block"),
    ],
)
def test_own_banks_block_and_lists_from_outside_hold(settings: Settings, given: dict[str, str], action: str) -> None:
    bank = banks.create_bank("forum", by=OWNER, now=NOW, **given)  # type: ignore[arg-type]
    assert bank.default_action == action
    assert bank.id.startswith("bnk_")
    assert Bank.objects.get(name="forum").default_action == action


def test_creating_a_bank_is_recorded_whole(settings: Settings) -> None:
    bank = banks.create_bank(
        "forum", by=OWNER, now=NOW, labels=["tvec"], listed_by="Example Forum", trusted_to_block=True
    )
    created, changed = events()
    assert created == BankCreated(by=OWNER, bank=bank.id, title="forum")
    assert isinstance(changed, BankChanged)
    assert changed.changed["trusted_to_block"] is True
    assert changed.changed["labels"] == ["tvec"]
    assert "Example Forum" not in str(changed)
    assert (bank.trusted_by, bank.trusted_at) == (OWNER, NOW)
    assert generation() == 1


@pytest.mark.parametrize("name", ["", "Forum", "a b", "x" * 64, "a/b", "a'b"])
def test_bad_names_leave_nothing_behind(settings: Settings, name: str) -> None:
    with pytest.raises(BankError, match="cannot name a bank"):
        banks.create_bank(name, by=OWNER, now=NOW)
    assert not Bank.objects.exists()
    assert events() == []
    assert generation() == 0


def test_two_banks_never_share_a_name(settings: Settings) -> None:
    first = banks.create_bank("forum", by=OWNER, now=NOW)
    with pytest.raises(BankError) as caught:
        banks.create_bank("forum", by=OWNER, now=NOW)
    assert caught.value.code == "name_taken"
    with pytest.raises(IntegrityError):
        Bank.objects.create(
            id="bnk_x", number=99, name="forum", kind="listed", default_action="hold", created_at=NOW, changed=1
        )
    banks.retire_bank("forum", by=OWNER, now=NOW)
    second = banks.create_bank("forum", by=OWNER, now=NOW)
    assert first.id != second.id
    assert first.number != second.number
    assert [one.bank.id for one in banks.list_banks()] == [second.id]
    assert [one.bank.id for one in banks.list_banks(retired=True)] == [first.id]


def test_an_unknown_bank_names_the_nearest(settings: Settings) -> None:
    for name in ("forum-tvec", "forum-hate", "own"):
        banks.create_bank(name, by=OWNER, now=NOW)
    with pytest.raises(BankError) as caught:
        banks.find_bank("forum-tvce")
    assert caught.value.code == "unknown_bank"
    assert "forum-tvec" in caught.value.next_step
    assert "seawall bank list" in caught.value.next_step
    assert "own" not in caught.value.next_step
    with pytest.raises(BankError, match="seawall bank list"):
        banks.find_bank("\0'; DROP TABLE matching_bank; --")


def test_rename(settings: Settings) -> None:
    bank = banks.create_bank("forum", by=OWNER, now=NOW)
    banks.create_bank("taken", by=OWNER, now=NOW)
    with pytest.raises(BankError, match="already"):
        banks.rename_bank("forum", "taken", by=OWNER, now=NOW)
    before = generation()
    banks.rename_bank("forum", "alliance", by=OWNER, now=NOW)
    assert generation() == before + 1
    assert banks.find_bank("alliance").id == bank.id
    assert events()[-1] == BankRenamed(by=OWNER, bank=bank.id, title="alliance")
    with pytest.raises(BankError, match="no bank called"):
        banks.find_bank("forum")


def test_retire(settings: Settings) -> None:
    bank = banks.create_bank("forum", by=OWNER, now=NOW)
    banks.retire_bank("forum", by=OWNER, now=NOW)
    assert events()[-1] == BankRetired(by=OWNER, bank=bank.id)
    for call in (banks.retire_bank, banks.change_bank):
        with pytest.raises(BankError, match="no bank called"):
            call("forum", by=OWNER, now=NOW)


def test_change_tells_only_what_changed(settings: Settings) -> None:
    bank = banks.create_bank("forum", by=OWNER, now=NOW)
    later = datetime(2026, 11, 24, tzinfo=UTC)
    banks.change_bank("forum", by="per_other", now=later, max_distance=12, default_action="hold", trusted_to_block=True)
    told = BankChanged(
        by="per_other",
        bank=bank.id,
        changed={"max_distance": 12, "default_action": "hold", "trusted_to_block": True},
    )
    assert events()[-1] == told
    found = banks.find_bank("forum")
    assert (found.max_distance, found.default_action) == (12, "hold")
    assert (found.trusted_by, found.trusted_at) == ("per_other", later)
    banks.change_bank("forum", by=OWNER, now=later, trusted_to_block=False)
    found = banks.find_bank("forum")
    assert (found.trusted_to_block, found.trusted_by, found.trusted_at) == (False, "", None)
    count = len(events())
    banks.change_bank("forum", by=OWNER, now=later, max_distance=12)
    assert len(events()) == count


@pytest.mark.parametrize(
    "change",
    [
        {"max_distance": 65},
        {"max_distance": -1},
        {"default_action": "remove"},
        {"confirmations_to_block": 0},
        {"labels": ["Bad"]},
        {"labels": ["csam"]},
        {"listed_by": "x" * 201},
        {"reporting_duty": "a\0b"},
    ],
)
def test_a_bad_change_changes_nothing(settings: Settings, change: dict[str, object]) -> None:
    bank = banks.create_bank("forum", by=OWNER, now=NOW)
    count = len(events())
    with pytest.raises(BankError):
        banks.change_bank("forum", by=OWNER, now=NOW, **change)  # type: ignore[arg-type]
    assert Bank.objects.filter(id=bank.id).values().get() == Bank.objects.filter(id=bank.id).values().get()
    assert banks.find_bank("forum").max_distance == 31
    assert len(events()) == count


def test_a_no_look_bank_needs_the_reporting_duty(settings: Settings) -> None:
    with pytest.raises(BankError) as caught:
        banks.create_bank("dark", by=OWNER, now=NOW, labels=["ncii"])
    assert caught.value.code == "reporting_duty_missing"
    bank = banks.create_bank("dark", by=OWNER, now=NOW, labels=["ncii"], reporting_duty="Law 1, to the hotline")
    assert bank.kind == BankKind.NO_LOOK
    with pytest.raises(BankError, match="reporting duty"):
        banks.change_bank("dark", by=OWNER, now=NOW, reporting_duty="")
    banks.create_bank("own", by=OWNER, now=NOW)
    banks.change_bank("own", by=OWNER, now=NOW, labels=["csam"], reporting_duty="Law 2")
    assert banks.find_bank("own").kind == BankKind.NO_LOOK


def test_the_list_counts_what_is_in_force(settings: Settings) -> None:
    banks.create_bank("empty", by=OWNER, now=NOW)
    banks.create_bank("own", by=OWNER, now=NOW)
    added = banks.add_signals(
        "own",
        [Signal(type="pdq", value="0f" * 32), Signal(type="pdq", value="f0" * 32), Signal(type="md5", value="a" * 32)],
        by=OWNER,
        now=NOW,
    )
    banks.withdraw(added.ids[0], by=OWNER, now=NOW)
    banks.mute(added.ids[1], datetime(2027, 1, 1, tzinfo=UTC), by=OWNER, now=NOW)
    found = {one.bank.name: one for one in banks.list_banks()}
    assert (found["empty"].signals, found["empty"].by_type) == (0, {})
    assert (found["own"].signals, found["own"].by_type, found["own"].withdrawn) == (2, {"md5": 1, "pdq": 1}, 1)
