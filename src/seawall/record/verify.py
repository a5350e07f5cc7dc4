"""Checks the whole record against itself: every commitment, leaf, tile, root and signature; names the first bad thing.

Works beside a running server: it looks at the log as of the newest checkpoint when it began, in short reads and bounded
memory.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from django.db import DatabaseError

from seawall.record import canonical_json, checkpoint, events, journal, merkle, tiles
from seawall.record.models import Checkpoint, Event, LogTile
from seawall.record.sequencer import load_tile
from seawall.record.signing import VerificationKey

#: Rows read at once: some 2 MB.
CHUNK = 2_000

RESTORE = "Stop the server, keep a copy of the data directory as evidence, and restore the last backup that verifies."


@dataclass(frozen=True, kw_only=True)
class LoggedEvent:
    """An event whose commitment was found right, for checks from above. `leaf_index` is None while it waits."""

    event_id: str
    leaf_index: int | None
    source_ref: str
    event: events.Event


#: Looks at an event with a `source_ref`; returns what is wrong with the rows it speaks of, in plain words, or None.
BatchCheck = Callable[[LoggedEvent], str | None]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The first bad thing: `where` names table and row, `text` says what is wrong with it."""

    where: str
    text: str
    next_step: str = RESTORE


@dataclass(frozen=True, kw_only=True)
class LogReport:
    """What was checked. `size` and `root` are those of the newest checkpoint; `forgotten` counts events whose salt and
    body were destroyed, so that only their place in the log could be checked.
    """

    size: int
    root: bytes
    events: int
    waiting: int
    forgotten: int
    checkpoints: int
    tiles: int
    finding: Finding | None

    @property
    def ok(self) -> bool:
        return self.finding is None


class _Damage(Exception):
    def __init__(self, where: str, text: str, next_step: str = RESTORE) -> None:
        super().__init__(text)
        self.finding = Finding(where=where, text=text, next_step=next_step)


@dataclass(kw_only=True)
class _Walk:
    """How far the check has come."""

    keys: tuple[VerificationKey, ...]
    batch_checks: tuple[BatchCheck, ...]
    size: int = 0
    edge: merkle.CompactRange = field(default_factory=merkle.CompactRange)
    #: The unfinished tile of each level.
    open_tiles: list[bytearray] = field(default_factory=list)
    #: Ids of the events that others say were forgotten, read when the first empty one is met.
    lawful: set[str] = field(default_factory=set)
    events: int = 0
    waiting: int = 0
    forgotten: int = 0
    checkpoints: int = 0
    tiles: int = 0


def verify_log(
    keys: Iterable[VerificationKey], batch_checks: Iterable[BatchCheck] = (), kept_notes: Iterable[str] = ()
) -> LogReport:
    """Check everything, stopping at the first finding.

    Args:
        keys: every key the log signed with (`load_verification_keys`).
        batch_checks: called with each readable event that has a `source_ref`, in log order; rooms above check there
            that their own rows still are what the event says.
        kept_notes: checkpoints of this log that were kept elsewhere. Only they can show that somebody who holds the
            signing key rewrote the log or cut it together with its checkpoints.
    """
    newest = Checkpoint.objects.order_by("-size").first()
    walk = _Walk(keys=tuple(keys), batch_checks=tuple(batch_checks), size=newest.size if newest else 0)
    finding = None
    try:
        _check_log(walk, sorted(_kept(walk, kept_notes), key=lambda kept: kept[0].size))
    except _Damage as damage:
        finding = damage.finding
    except (DatabaseError, TypeError, ValueError, AttributeError) as error:
        # A flipped byte can also make a row unreadable for the database or of another type than its column's.
        finding = Finding(
            where=f"the database, at leaf {walk.edge.size}",
            text=f"a row cannot be read: {error}",
            next_step=f"Verify again. If it says the same: {RESTORE}",
        )
    return LogReport(
        size=walk.size,
        root=bytes(newest.root) if newest else merkle.EMPTY_ROOT,
        events=walk.events,
        waiting=walk.waiting,
        forgotten=walk.forgotten,
        checkpoints=walk.checkpoints,
        tiles=walk.tiles,
        finding=finding,
    )


def _check_log(walk: _Walk, kept: list[tuple[checkpoint.LogState, str]]) -> None:
    # Every stated root is computed again from the same leaves: that they all hold is their consistency.
    for state, where in _by_size(_checkpoints(walk), kept):
        _advance(walk, state.size)
        if walk.edge.root() != state.root:
            raise _Damage(where, f"its root is not that of the first {state.size} events: the log was altered")
    _advance(walk, walk.size)
    _check_edge(walk)
    _check_waiting(walk)


def _by_size(
    stated: Iterator[tuple[checkpoint.LogState, str]], kept: list[tuple[checkpoint.LogState, str]]
) -> Iterator[tuple[checkpoint.LogState, str]]:
    """Both in one order of size, without holding all checkpoints in memory."""
    ahead = list(kept)
    for state in stated:
        while ahead and ahead[0][0].size <= state[0].size:
            yield ahead.pop(0)
        yield state
    yield from ahead


def _kept(walk: _Walk, notes: Iterable[str]) -> Iterator[tuple[checkpoint.LogState, str]]:
    for number, note in enumerate(notes, start=1):
        where = f"kept checkpoint {number}"
        try:
            state, _ = checkpoint.read(note, walk.keys)
        except checkpoint.BadCheckpoint as error:
            raise _Damage(where, str(error), "Check that you gave the file as it was kept.") from error
        if state.size > walk.size:
            raise _Damage(where, f"it states {state.size} events and the log has {walk.size}: the log was cut")
        yield state, where


def _checkpoints(walk: _Walk) -> Iterator[tuple[checkpoint.LogState, str]]:
    """Every checkpoint up to the newest, signature and columns checked, smallest first."""
    origin, signed_at, size = None, None, -(1 << 63)
    while True:
        rows = list(Checkpoint.objects.filter(size__gt=size, size__lte=walk.size).order_by("size")[:CHUNK])
        for row in rows:
            where = f"record_checkpoint, size {row.size}"
            state = _check_note(walk, row, where)
            if origin not in {None, state.origin}:
                raise _Damage(where, f"it belongs to another log, {state.origin}")
            if signed_at and row.created_at < signed_at:
                raise _Damage(where, "it is dated before the checkpoint that precedes it")
            origin, signed_at, size = state.origin, row.created_at, row.size
            walk.checkpoints += 1
            yield state, where
        if len(rows) < CHUNK:
            return


def _check_note(walk: _Walk, row: Checkpoint, where: str) -> checkpoint.LogState:
    try:
        state, key = checkpoint.read(row.note, walk.keys)
    except checkpoint.UnknownSigner as error:
        missing = f"Copy log-{row.key_id}.json from a backup into the keys directory and verify again. If there never "
        raise _Damage(where, str(error), f"{missing}was one: {RESTORE}") from error
    except checkpoint.BadCheckpoint as error:
        raise _Damage(where, str(error)) from error
    if (state.origin, state.size, state.root, key.key_id) != (row.origin, row.size, bytes(row.root), row.key_id):
        raise _Damage(where, "its columns differ from its signed note")
    if state.size == 0 or not key.was_valid(row.created_at):
        raise _Damage(where, f"it is dated outside the validity of key {key.key_id}, or states an empty log")
    return state


def _advance(walk: _Walk, size: int) -> None:
    """Check events and tiles until `size` leaves stand."""
    while walk.edge.size < size:
        begin = walk.edge.size
        end = min(size, begin + CHUNK)
        rows = list(Event.objects.filter(leaf_index__gte=begin, leaf_index__lt=end).order_by("leaf_index"))
        for row in rows:
            if row.leaf_index != walk.edge.size:
                break
            _check_event(walk, row)
            leaf = merkle.leaf_hash(bytes(row.commitment))
            walk.edge.append(leaf)
            _add_to_tile(walk, 0, leaf)
        if walk.edge.size < end:
            raise _Damage(
                f"record_event, leaf {walk.edge.size}",
                f"it is missing, of {walk.size} that were signed: the log was cut",
            )


def _check_event(walk: _Walk, row: Event) -> None:
    walk.events += 1
    where = f"record_event {row.event_id}, " + ("waiting" if row.leaf_index is None else f"leaf {row.leaf_index}")
    if len(row.commitment) != merkle.HASH_BYTES:
        raise _Damage(where, "its commitment has not 32 bytes")
    if row.salt is None and row.body is None:
        _check_forgotten(walk, row, where)
        return
    if row.salt is None or row.body is None:
        raise _Damage(where, "only one of salt and body is gone: forgetting takes both")
    if journal.commitment_of(bytes(row.salt), bytes(row.body)) != bytes(row.commitment):
        raise _Damage(where, "body and salt do not give its commitment: one of the three was altered")
    try:
        envelope = canonical_json.decode(bytes(row.body))
        fields = envelope.pop("event", None)
        event = events.from_fields(row.name, row.schema, fields if isinstance(fields, dict) else {})
    except (canonical_json.BadJson, events.BadEvent) as error:
        raise _Damage(where, f"its body cannot be read: {error}") from error
    # A later version may write more into the envelope; what this one knows must agree with the columns.
    if not envelope.items() >= journal.envelope(row).items():
        raise _Damage(where, "its columns differ from its body")
    if row.source_ref is not None:
        _ask_above(walk, row, row.source_ref, event, where)


def _check_forgotten(walk: _Walk, row: Event, where: str) -> None:
    """An event may only be empty where another one says that it was forgotten; that one is checked in its own place."""
    if row.event_id not in walk.lawful:
        # Read again each time that one is missing: it may have been forgotten while we were on our way here.
        walk.lawful.update(_forgotten_ids())
    if row.event_id not in walk.lawful or row.name == events.EventForgotten.name:
        raise _Damage(where, f"salt and body are gone, and no {events.EventForgotten.name} event says so")
    walk.forgotten += 1


def _forgotten_ids() -> Iterator[str]:
    for row in Event.objects.filter(name=events.EventForgotten.name).order_by("serial").iterator(chunk_size=CHUNK):
        # One that cannot be read excuses nothing; the walk names it when it comes there.
        with suppress(canonical_json.BadJson, events.BadEvent, KeyError, TypeError):
            event = journal.read(row)
            if isinstance(event, events.EventForgotten):
                yield event.event


def _ask_above(walk: _Walk, row: Event, source_ref: str, event: events.Event, where: str) -> None:
    logged = LoggedEvent(event_id=row.event_id, leaf_index=row.leaf_index, source_ref=source_ref, event=event)
    for check in walk.batch_checks:
        if problem := check(logged):
            raise _Damage(f"{where} ({source_ref})", problem)


def _add_to_tile(walk: _Walk, level: int, node: bytes) -> None:
    if level == len(walk.open_tiles):
        walk.open_tiles.append(bytearray())
    tile = walk.open_tiles[level]
    tile += node
    if len(tile) < tiles.TILE_BYTES:
        return
    index = (walk.edge.size >> (tiles.HEIGHT * (level + 1))) - 1
    _compare_tile(walk, level, index, load_tile(level, index), bytes(tile))
    walk.open_tiles[level] = bytearray()
    _add_to_tile(walk, level + 1, tiles.tile_root(bytes(tile)))


def _compare_tile(walk: _Walk, level: int, index: int, stored: bytes, expected: bytes) -> None:
    if stored == expected:
        walk.tiles += 1
        return
    where = f"record_logtile, level {level}, tile {index}"
    if len(stored) != len(expected):
        held = f"{len(stored)} bytes instead of {len(expected)}"
        raise _Damage(where, f"it holds {held}" if stored else "it is missing")
    pairs = zip(tiles.split(stored), tiles.split(expected), strict=True)
    place = next(at for at, (left, right) in enumerate(pairs) if left != right)
    raise _Damage(where, f"its hash {place} is not that of the events: the tile was altered")


def _check_edge(walk: _Walk) -> None:
    """Partial tiles, and nothing beyond the newest checkpoint."""
    if Event.objects.filter(leaf_index__lt=0).exists():
        raise _Damage("record_event", "an event has a leaf number below 0")
    beyond = Event.objects.filter(leaf_index__gte=walk.size).order_by("-leaf_index").first()
    rows = {(row.level, row.index): bytes(row.hashes) for row in _edge_tiles(walk)}
    # The server may have gone on meanwhile; then a newer checkpoint says so.
    newest = Checkpoint.objects.order_by("-size").first()
    limit = newest.size if newest else 0
    if beyond is not None and beyond.leaf_index is not None and beyond.leaf_index >= limit:
        raise _Damage(f"record_event {beyond.event_id}, leaf {beyond.leaf_index}", f"only {limit} events were signed")
    for level, tile in enumerate(walk.open_tiles):
        index = walk.size >> (tiles.HEIGHT * (level + 1))
        stored = rows.pop((level, index), b"")
        if limit > walk.size:
            stored = stored[: len(tile)]
        if tile or stored:
            _compare_tile(walk, level, index, stored, bytes(tile))
    for (level, index), stored in rows.items():
        if limit == walk.size or len(stored) > tiles.width_at(limit, level, index) * merkle.HASH_BYTES:
            raise _Damage(f"record_logtile, level {level}, tile {index}", "it is beyond the end of the signed log")


def _edge_tiles(walk: _Walk) -> Iterator[LogTile]:
    """The tiles that are not full at the checked size, and any beyond."""
    for level in range(len(walk.open_tiles)):
        complete = walk.size >> (tiles.HEIGHT * (level + 1))
        # A few are enough to compare; a flood of invented ones is found by its first.
        yield from LogTile.objects.filter(level=level, index__gte=complete).order_by("index")[:CHUNK]
        yield from LogTile.objects.filter(level=level, index__lt=0)[:1]
    yield from LogTile.objects.filter(level__gte=len(walk.open_tiles))[:CHUNK]


def _check_waiting(walk: _Walk) -> None:
    """Events that have no leaf yet."""
    after = 0
    while rows := list(Event.objects.filter(leaf_index=None, serial__gt=after).order_by("serial")[:CHUNK]):
        for row in rows:
            walk.waiting += 1
            _check_event(walk, row)
        after = rows[-1].serial
