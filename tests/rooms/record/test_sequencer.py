import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import transaction

from seawall.record import checkpoint, merkle, sequencer, tiles
from seawall.record.journal import forget, record
from seawall.record.models import Checkpoint, Event, LogTile
from seawall.record.sequencer import LogDamaged, load_tile, sequence
from seawall.record.signing import new_signing_key
from seawall.record.verify import verify_log
from seawall.settings import Settings
from tests.rooms.record.logs import KEY, KEYS, NOW, confirmed, write


def leaves() -> list[bytes]:
    rows = Event.objects.exclude(leaf_index=None).order_by("leaf_index")
    return [merkle.leaf_hash(bytes(row.commitment)) for row in rows]


def places() -> list[tuple[int, int | None]]:
    return list(Event.objects.order_by("serial").values_list("serial", "leaf_index"))


def test_nothing_waiting_changes_nothing(settings: Settings) -> None:
    assert sequence(NOW, KEY) == 0
    assert not Checkpoint.objects.exists()
    write(1)
    assert sequence(NOW, KEY) == 1
    assert sequence(NOW, KEY) == 0
    assert Checkpoint.objects.count() == 1


def test_events_get_leaves_in_the_order_they_were_written(settings: Settings) -> None:
    write(3)
    assert sequence(NOW, KEY) == 3
    write(4, first=3)
    assert sequence(NOW + timedelta(seconds=1), KEY) == 4
    assert [leaf for _, leaf in places()] == list(range(7))
    for row in Checkpoint.objects.all():
        state, key = checkpoint.read(row.note, KEYS)
        assert (state.size, state.root, key.key_id) == (row.size, bytes(row.root), row.key_id)
        assert state.root == merkle.root_of(leaves()[: row.size])
    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [3, 7]


def test_gaps_in_the_serials_are_no_gaps_in_the_log(settings: Settings) -> None:
    """A rolled-back transaction uses serials up on PostgreSQL; here rows are removed before they were numbered."""
    write(12)
    first = places()[0][0]
    Event.objects.filter(serial__in=[first + 1, first + 4, first + 5, first + 11]).delete()
    assert sequence(NOW, KEY) == 8
    assert [leaf for _, leaf in places()] == list(range(8))
    assert verify_log(KEYS).ok


def test_an_event_that_was_committed_late_comes_after_those_that_were_numbered(settings: Settings) -> None:
    write(3)
    late = Event.objects.order_by("serial")[1]
    Event.objects.filter(serial=late.serial).delete()
    sequence(NOW, KEY)
    late.save(force_insert=True)
    sequence(NOW, KEY)
    assert [leaf for _, leaf in places()] == [0, 2, 1]
    assert verify_log(KEYS).ok


def test_batches_are_bounded_and_each_has_its_checkpoint(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "BATCH", 7)
    write(30)
    assert sequence(NOW, KEY) == 30
    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [7, 14, 21, 28, 30]
    assert verify_log(KEYS).ok


def test_tiles_grow_across_their_borders(settings: Settings) -> None:
    write(250)
    sequence(NOW, KEY)
    write(300, first=250)
    sequence(NOW, KEY)
    held = {(tile.level, tile.index): len(bytes(tile.hashes)) // 32 for tile in LogTile.objects.all()}
    assert held == {(0, 0): 256, (0, 1): 256, (0, 2): 38, (1, 0): 2}
    nodes = tiles.nodes_from(load_tile)
    root = merkle.root_of(leaves())
    assert merkle.tree_root(550, nodes) == root
    for index in (0, 249, 250, 511, 512, 549):
        proof = merkle.inclusion_proof(index, 550, nodes)
        merkle.verify_inclusion(leaves()[index], index=index, size=550, proof=proof, root=root)
    old = bytes(Checkpoint.objects.get(size=250).root)
    proof = merkle.consistency_proof(250, 550, nodes)
    merkle.verify_consistency(old_size=250, old_root=old, new_size=550, new_root=root, proof=proof)


def test_forgetting_before_and_after_leaves_every_proof_valid(settings: Settings) -> None:
    write(10)
    ids = list(Event.objects.order_by("serial").values_list("event_id", flat=True))
    with transaction.atomic():
        forget(ids[2], by="per_1", now=NOW)
    sequence(NOW, KEY)
    before = [merkle.inclusion_proof(index, 11, tiles.nodes_from(load_tile)) for index in range(11)]
    with transaction.atomic():
        forget(ids[7], by="per_1", now=NOW)
    root = bytes(Checkpoint.objects.get().root)
    for index, leaf in enumerate(leaves()):
        proof = merkle.inclusion_proof(index, 11, tiles.nodes_from(load_tile))
        assert proof == before[index]
        merkle.verify_inclusion(leaf, index=index, size=11, proof=proof, root=root)
    report = verify_log(KEYS)
    assert (report.ok, report.forgotten, report.events) == (True, 2, 12)


def test_a_new_key_goes_on_where_the_old_one_ended(settings: Settings) -> None:
    write(3)
    sequence(NOW, KEY)
    new = new_signing_key(origin="example.org/log", now=NOW + timedelta(days=1), seed=b"\2" * 32)
    write(3, first=3)
    sequence(NOW + timedelta(days=1), new)
    assert verify_log([KEY.verification, new.verification]).ok
    assert not verify_log(KEYS).ok


@pytest.mark.parametrize(
    "damage",
    [
        lambda: LogTile.objects.all().delete(),
        lambda: LogTile.objects.update(hashes=b"\0" * 32 * 5),
        lambda: LogTile.objects.update(hashes=b"\0" * 7),
        lambda: Checkpoint.objects.update(root=b"\0" * 32),
        lambda: Checkpoint.objects.update(size=4),
        lambda: Checkpoint.objects.all().delete(),
    ],
    ids=["no tile", "false tile", "short tile", "false root", "false size", "no checkpoint"],
)
def test_a_damaged_log_is_never_signed(settings: Settings, damage: object) -> None:
    write(5)
    sequence(NOW, KEY)
    assert callable(damage)
    damage()
    write(2, first=5)
    before = list(Checkpoint.objects.values_list("size", flat=True))
    with pytest.raises(LogDamaged, match="seawall log verify"):
        sequence(NOW, KEY)
    assert list(Checkpoint.objects.values_list("size", flat=True)) == before
    assert Event.objects.filter(leaf_index=None).count() == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from seawall import app
from seawall.settings import Settings

app.bind(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))

from seawall.record import sequencer
from tests.rooms.record.logs import KEY, NOW

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def then_kill(function):
    def call(*given, **named):
        function(*given, **named)
        kill()
    return call

place = sys.argv[3]
if place == "before tiles":
    sequencer.tiles.extend = kill
elif place == "before signing":
    sequencer._sign = kill
elif place == "before the commit":
    sequencer._sign = then_kill(sequencer._sign)
elif place == "after the commit":
    sequencer.sequence = then_kill(sequencer.sequence)
sequencer.sequence(NOW, KEY)
"""


@pytest.mark.parametrize("place", ["before tiles", "before signing", "before the commit", "after the commit"])
def test_killed_anywhere_the_next_call_goes_on(settings: Settings, place: str) -> None:
    write(4)
    sequence(NOW, KEY)
    write(300, first=4)
    command = [sys.executable, "-c", KILLED, str(settings.data_dir), settings.database_url, place]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert verify_log(KEYS).ok
    assert sequence(NOW, KEY) == (0 if place == "after the commit" else 300)
    assert [leaf for _, leaf in places()] == list(range(304))
    report = verify_log(KEYS)
    assert (report.ok, report.size, report.waiting) == (True, 304, 0)


def test_events_of_an_open_transaction_are_not_numbered(settings: Settings) -> None:
    write(2)
    with transaction.atomic():
        record(confirmed(99), now=NOW)
        transaction.set_rollback(True)
    assert sequence(NOW, KEY) == 2
    assert verify_log(KEYS).events == 2
