"""Gives each recorded event its place in the transparency log. Only the process that holds the serve lock runs it."""

from datetime import datetime
from itertools import groupby

from django.db import transaction
from django.db.models import F

from seawall.record import checkpoint, merkle, tiles
from seawall.record.models import Checkpoint, Event, LogTile
from seawall.record.signing import SigningKey

#: Rows of one write transaction (DESIGN §4): other processes wait no longer than it lasts.
BATCH = 5_000


class LogDamaged(RuntimeError):
    """The log's tables do not agree with its last checkpoint, so nothing is signed: run `seawall log verify`."""


def sequence(now: datetime, signing_key: SigningKey) -> int:
    """Append all waiting events to the log, in the order they were written, and sign the new size: how many they were.

    Works in transactions of at most `BATCH` events, each with its own checkpoint: killed at any point, the next call
    goes on where the last commit ended.

    Raises:
        LogDamaged: the tables were altered; nothing was written.
    """
    total = 0
    while True:
        with transaction.atomic():
            count = _sequence_batch(now, signing_key)
        total += count
        if count < BATCH:
            return total


def load_tile(level: int, index: int) -> bytes:
    """The tile's bytes from its table, empty when there is none."""
    found = LogTile.objects.filter(level=level, index=index).values_list("hashes", flat=True).first()
    return b"" if found is None else bytes(found)


def _sequence_batch(now: datetime, signing_key: SigningKey) -> int:
    waiting = list(Event.objects.filter(leaf_index=None).order_by("serial").values_list("serial", "commitment")[:BATCH])
    if not waiting:
        return 0
    last = Checkpoint.objects.order_by("-size").first()
    size = _trusted_size(last)
    _number([serial for serial, _ in waiting], size)
    changed = tiles.extend(size, [merkle.leaf_hash(bytes(commitment)) for _, commitment in waiting], load_tile)
    LogTile.objects.bulk_create(
        [LogTile(level=level, index=index, hashes=data) for (level, index), data in changed.items()],
        update_conflicts=True,
        unique_fields=["level", "index"],
        update_fields=["hashes"],
    )
    # A clock that was set back must not make the log look forged: its times never go backwards.
    moment = max(now, signing_key.verification.valid_from, last.created_at if last else now)
    _sign(size + len(waiting), changed, moment, signing_key)
    return len(waiting)


def _trusted_size(last: Checkpoint | None) -> int:
    """The log's size by its last checkpoint, once its root was found in the tiles again."""
    size = last.size if last else 0
    try:
        root = merkle.tree_root(size, tiles.nodes_from(load_tile))
    except tiles.BadTile as error:
        raise LogDamaged(f"{LogDamaged.__doc__} {error}") from error
    if (last and bytes(last.root) != root) or Event.objects.filter(leaf_index__gte=size).exists():
        raise LogDamaged(LogDamaged.__doc__)
    return size


def _number(serials: list[int], size: int) -> None:
    """Leaf numbers from `size` on. One UPDATE for each run of neighbouring serials, which is nearly always one."""
    places = enumerate(serials, start=size)
    for shift, run in groupby(places, key=lambda place: place[0] - place[1]):
        members = [serial for _, serial in run]
        within = Event.objects.filter(serial__gte=members[0], serial__lte=members[-1])
        if within.update(leaf_index=F("serial") + shift) != len(members):
            raise LogDamaged(LogDamaged.__doc__)


def _sign(size: int, changed: dict[tuple[int, int], bytes], now: datetime, signing_key: SigningKey) -> None:
    def load(level: int, index: int) -> bytes:
        return changed[level, index] if (level, index) in changed else load_tile(level, index)

    root = merkle.tree_root(size, tiles.nodes_from(load))
    key = signing_key.verification
    state = checkpoint.LogState(origin=key.origin, size=size, root=root)
    Checkpoint.objects.create(
        size=size,
        root=root,
        origin=key.origin,
        note=checkpoint.write(state, signing_key),
        created_at=now,
        key_id=key.key_id,
    )
