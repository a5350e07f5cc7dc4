"""From the tables to the files the gate answers from: every change arrives, few as overlay, many as a snapshot."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seawall.matching import banks, rows
from seawall.members.issue import issue_key, key_records, revoke_key
from seawall.members.keys import KeyRecord
from seawall.record.models import Event
from seawall.screening import publish
from seawall.screening.gate_state import STATE_FILE, BadGateState, LoadedState, load, read_state, state_stamp
from seawall.screening.model import Action, Audience, FailMode, HoldExpiry, Surface
from seawall.screening.policies import ensure_built_in, save_surface
from seawall.screening.policy import PolicyError
from seawall.screening.publish import Publisher, bank_rules
from seawall.screening.publish import published as published_now
from seawall.settings import Settings
from seawall.signals.model import Signal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PDQ = "f0" * 32


def sha256(number: int) -> Signal:
    return Signal(type="sha256", value=hashlib.sha256(b"%d" % number).hexdigest())


@pytest.fixture
def publisher(settings: Settings) -> Publisher:
    banks.create_bank("test-card", by="system", now=NOW)
    banks.create_bank("ours", by="system", now=NOW)
    ensure_built_in(banks=bank_rules(), by="system", now=NOW)
    return Publisher(settings.state_dir)


def published(publisher: Publisher, settings: Settings, before: LoadedState | None = None) -> LoadedState:
    assert publisher.publish_if_changed(NOW)
    assert not publisher.publish_if_changed(NOW)
    return load(settings.state_dir, before)


def test_everything_the_gate_decides_by_is_in_the_files(publisher: Publisher, settings: Settings) -> None:
    surface = Surface(name="posts", audience=Audience.PUBLIC, fail_mode=FailMode.HOLD, hold_expiry=HoldExpiry.REFUSE)
    save_surface(surface, by="system", now=NOW)
    key, _ = issue_key(name="k", scopes=["screen"], by="system", now=NOW)
    loaded = published(publisher, settings)
    assert loaded.state.policy.surfaces == {"posts": surface}
    assert loaded.state.policy.banks["ours"].default_action is Action.BLOCK
    assert loaded.state.keys[key.key_id].secret_hash == key.secret_hash
    revoke_key(key.key_id, by="system", now=NOW)
    assert published(publisher, settings, loaded).state.keys[key.key_id].revoked_at == NOW


def test_few_changes_travel_as_an_overlay_over_the_same_snapshot(publisher: Publisher, settings: Settings) -> None:
    first = published(publisher, settings)
    added = banks.add_signals("ours", [Signal(type="pdq", value=PDQ, quality=90)], by="per_x", now=NOW)
    second = published(publisher, settings, first)
    assert second.state.snapshot == first.state.snapshot
    (hit,) = second.index.search("pdq", PDQ, 31)
    assert (hit.signal_id, hit.attributes.confirmed_here, hit.attributes.quality) == (added.ids[0], True, 90)
    banks.withdraw(hit.signal_id, by="per_x", now=NOW)
    third = published(publisher, settings, second)
    assert third.index.search("pdq", PDQ, 64) == []


def test_many_changes_are_folded_into_the_next_snapshot(
    publisher: Publisher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published(publisher, settings)
    monkeypatch.setattr(rows.changed_since, "__kwdefaults__", {"limit": 10})
    banks.add_signals("ours", [sha256(number) for number in range(11)], by="per_x", now=NOW)
    second = published(publisher, settings, first)
    assert second.state.snapshot != first.state.snapshot
    assert (second.state.overlay, second.index.counts()) == ((), {"sha256": 11})
    (hit,) = second.index.search("sha256", sha256(3).value, 0)
    banks.withdraw(hit.signal_id, by="per_x", now=NOW)
    third = published(publisher, settings, second)
    assert (third.state.removed, third.index.counts()) == ((hit.signal_id,), {"sha256": 10})
    assert len(list(settings.state_dir.glob("*.snapshot"))) == 2


def test_a_retired_bank_takes_its_signals_with_it(publisher: Publisher, settings: Settings) -> None:
    banks.add_signals("ours", [sha256(1)], by="per_x", now=NOW)
    first = published(publisher, settings)
    banks.retire_bank("ours", by="system", now=NOW)
    second = published(publisher, settings, first)
    assert "ours" not in second.state.policy.banks
    assert second.index.search("sha256", sha256(1).value, 0) == []


def test_a_new_publisher_starts_from_the_tables(publisher: Publisher, settings: Settings) -> None:
    banks.add_signals("ours", [sha256(1)], by="per_x", now=NOW)
    published(publisher, settings)
    again = published(Publisher(settings.state_dir), settings)
    assert again.index.counts() == {"sha256": 1}


def test_a_policy_that_fits_no_more_keeps_the_last_state(publisher: Publisher, settings: Settings) -> None:
    published(publisher, settings)
    before = state_stamp(settings.state_dir)
    banks.retire_bank("test-card", by="system", now=NOW)
    with pytest.raises(PolicyError, match="test-card"):
        publisher.publish_if_changed(NOW)
    assert state_stamp(settings.state_dir) == before


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "foreign"])
def test_a_damaged_state_is_refused(publisher: Publisher, settings: Settings, damage: str) -> None:
    published(publisher, settings)
    path: Path = settings.state_dir / STATE_FILE
    whole = path.read_bytes()
    body = b'{"schema":99}'
    damaged = {
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "flipped": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:],
        "foreign": hashlib.sha256(body).hexdigest().encode() + b"\n" + body,
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(BadGateState):
        read_state(settings.state_dir)


def test_what_was_published_is_used_as_long_as_nothing_changed(publisher: Publisher, settings: Settings) -> None:
    assert published_now(settings.state_dir) is None
    banks.add_signals("ours", [sha256(1)], by="per_x", now=NOW)
    published(publisher, settings)
    found = published_now(settings.state_dir)
    assert found is not None
    assert found.index.counts() == {"sha256": 1}
    assert found.state.policy.banks["ours"].name == "ours"
    banks.add_signals("ours", [sha256(2)], by="per_x", now=NOW)
    assert published_now(settings.state_dir) is None
    published(publisher, settings)
    found = published_now(settings.state_dir)
    assert found is not None
    assert found.index.counts() == {"sha256": 2}


def test_a_change_while_it_is_published_makes_it_old(
    publisher: Publisher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile() -> dict[str, KeyRecord]:
        banks.add_signals("ours", [sha256(7)], by="per_x", now=NOW)
        return key_records()

    monkeypatch.setattr(publish, "key_records", meanwhile)
    publisher.publish_if_changed(NOW)
    assert published_now(settings.state_dir) is None


def test_the_files_of_another_database_are_not_used(publisher: Publisher, settings: Settings) -> None:
    """Equal generations do not make it the same database: a backup was restored and went another way."""
    published(publisher, settings)
    Event.objects.order_by("-serial").delete()
    assert published_now(settings.state_dir) is None


def test_a_damaged_snapshot_is_not_used(publisher: Publisher, settings: Settings) -> None:
    banks.add_signals("ours", [sha256(1)], by="per_x", now=NOW)
    published(publisher, settings)
    (snapshot,) = settings.state_dir.glob("*.snapshot")
    whole = bytearray(snapshot.read_bytes())
    whole[whole.index(bytes.fromhex(sha256(1).value))] ^= 1
    snapshot.write_bytes(whole)
    assert published_now(settings.state_dir) is None
    snapshot.unlink()
    assert published_now(settings.state_dir) is None
