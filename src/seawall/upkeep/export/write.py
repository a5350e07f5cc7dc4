"""Exporting: everything the owner has, in forms that other programs read. Leaving is possible.

Tables come from Django's registry, so that none is forgotten; what would let a reader act as somebody (hashes of
secrets, second factors, sessions) is left out, and the README of the export says so. Beside a running server this is
fine: each file is of the moment when it is written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from gettext import gettext as _
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from django.db.models import Model

from seawall.matching.checks import NO_LOOK_LABELS
from seawall.matching.model import BankKind, SignalStatus
from seawall.matching.models import Bank, Import, ListedSignal
from seawall.record import tiles
from seawall.record.clock import rfc3339
from seawall.record.models import Checkpoint, Event, LogTile
from seawall.record.signing import load_verification_keys
from seawall.screening.ledger import KeyDestroyed, Ledger, LedgerDamaged
from seawall.screening.ledger.model import Partition, Row
from seawall.screening.ledger.sealing import unseal
from seawall.screening.models import PolicyVersion
from seawall.settings import Settings
from seawall.upkeep.backup.make import require_outside
from seawall.upkeep.export.shelf import Shelf, shelf
from seawall.upkeep.model import Progress, nothing
from seawall.upkeep.tables import columns_of, rows_of, table_of, tables

#: Rows read at once; no transaction is held open in between.
PAGE = 2_000

#: Tables that are nothing but secrets or scaffolding, and why they stay.
LEFT_OUT = {
    "sessions.Session": "who is signed in at the moment",
    "mfa.Authenticator": "second factors and recovery codes: set them up anew",
    "account.EmailConfirmation": "one-time links",
    "members.SetupLink": "one-time links",
    "contenttypes.ContentType": "Django's own numbers for its tables",
    "auth.Permission": "Django's own names for what can be done to its tables",
    "record.Outbox": "what is about to be sent; it may hold one-time links",
    "record.LogTile": "in log/tile/, as other programs read tiles",
    "record.Event": "in log/events.jsonl",
    "record.Checkpoint": "in log/checkpoints.jsonl",
}

#: Columns that would let a reader act as somebody, by their names.
SECRET = re.compile(r"(^|_)(secret|password|token|hash|passphrase|credential)(_|$)")

#: The names by which people look for these; the others are called as their tables.
NAMES = {
    "members.Person": "people",
    "members.ApiKey": "keys",
    "matching.Bank": "banks",
    "matching.ListedSignal": "signals",
    "screening.SurfaceRow": "surfaces",
    "screening.Hold": "holds",
}

README = _(
    """\
An export of Seawall {version}, made {time}.

All texts are UTF-8. Files that end in .jsonl have one JSON object on each line; times are RFC 3339 in UTC, bytes are
base64 where nothing else is said.

banks/NAME.jsonl      The signals of each bank in use, in the form that `seawall bank import` reads.
banks.jsonl           Every bank with all it is set to, retired ones too.
signals.jsonl         Every listed signal with its state, who confirmed it and who disputes it; `bank_id` is the
                      `number` of its bank.
policies/             Every version of the rules, as `seawall policy save` reads them.
surfaces.jsonl        What was declared about each surface, in `body`.
people.jsonl          Who may act here.
keys.jsonl            API keys: names, scopes and times. The keys themselves are nowhere; make new ones.
holds.jsonl           Uploads that were held, and what became of them.
holds/ID/             With --with-held-content: the held bytes, and in parts.json what each file is.
ledger/DAY.jsonl      Screenings as they were answered. Private signals and uploaders are keyed hashes, in hex. A row
                      that cannot be deciphered any more says so.
log/events.jsonl      What happened, in order. SHA-256 of `salt` (hex) and `body` (as text) is `commitment` (hex), and
                      leaf `leaf` of the log is that commitment hashed as RFC 6962 does.
log/checkpoint        The newest signed checkpoint (C2SP tlog-checkpoint); all of them in log/checkpoints.jsonl.
log/tile/             The Merkle tree in tiles (C2SP tlog-tiles).
log/keys.txt          The public keys that signed the checkpoints.
tables/               Every other table.

Left out:
{left_out}
"""
)


@dataclass(kw_only=True)
class Exported:
    """What was exported: files, rows, and which tables and columns were left out, with the reason."""

    path: Path
    files: int = 0
    rows: int = 0
    #: Holds whose bytes were asked for and not given, and why.
    without_content: dict[str, str] = field(default_factory=dict)


class _Export:
    """One export while it is made."""

    def __init__(self, settings: Settings, place: Shelf, done: Exported, progress: Progress, total: int) -> None:
        self.settings = settings
        self.ledger = Ledger(settings)
        self._place = place
        self._done = done
        self._progress = progress
        self._total = total

    def lines(self, name: str, objects: Iterator[Any]) -> None:
        """A file of JSON lines."""
        encode = msgspec.json.Encoder().encode
        with self._place.file(name) as out:
            for one in objects:
                out.write(encode(one) + b"\n")
                self._done.rows += 1
                if self._done.rows % PAGE == 0:
                    self._progress(min(self._done.rows, self._total), self._total)
        self._done.files += 1

    def bytes(self, name: str, data: bytes) -> None:
        with self._place.file(name) as out:
            out.write(data)
        self._done.files += 1

    def withhold(self, screening_id: str, why: str) -> None:
        self._done.without_content[screening_id] = why


def export(
    settings: Settings,
    target: Path,
    *,
    now: datetime,
    with_held_content: bool = False,
    progress: Progress = nothing,
) -> Exported:
    """Write everything into the new directory `target`, or a ZIP file where its name ends so. Django is bound.

    Raises:
        UpkeepRefused: something is there already, or the disk filled up; nothing is left behind.
    """
    require_outside(settings, target)
    total = sum(rows_of(model).count() for model in tables() if label(model) not in LEFT_OUT)
    done = Exported(path=target)
    with shelf(target, now=now) as place:
        work = _Export(settings, place, done, progress, total)
        _tables(work)
        _banks(work)
        _policies(work)
        _log(work)
        _ledger(work)
        if with_held_content:
            _held_content(work)
        work.bytes("README.txt", _readme(now).encode())
    progress(total, total)
    return done


def label(model: type[Model]) -> str:
    return model._meta.label  # noqa: SLF001 - documented by Django


def secret_columns(model: type[Model]) -> list[str]:
    """The columns that stay here."""
    return [column.attname for column in columns_of(model) if SECRET.search(column.attname)]


def _readme(now: datetime) -> str:
    lines = [f"- {name}: {why}" for name, why in LEFT_OUT.items()]
    hidden = [f"{table_of(model)}.{column}" for model in tables() for column in secret_columns(model)]
    lines.append(f"- {', '.join(hidden)}: what a secret is checked with")
    return README.format(version=version("seawall"), time=rfc3339(now), left_out="\n".join(lines))


def _tables(work: _Export) -> None:
    for model in tables():
        if label(model) not in LEFT_OUT:
            name = NAMES.get(label(model), f"tables/{table_of(model)}")
            work.lines(f"{name}.jsonl", _rows(model))


def _rows(model: type[Model]) -> Iterator[dict[str, Any]]:
    hidden = set(secret_columns(model))
    names = [column.attname for column in columns_of(model) if column.attname not in hidden]
    for row in _pages(model):
        yield {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _pages(model: type[Model], **only: Any) -> Iterator[Any]:
    """Rows in order of their keys, page by page."""
    rows = rows_of(model).filter(**only).order_by("pk")
    page = list(rows[:PAGE])
    while page:
        yield from page
        page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE]) if len(page) == PAGE else []


def _banks(work: _Export) -> None:
    for bank in Bank.objects.filter(retired_at=None).order_by("number"):
        work.lines(f"banks/{bank.name}.jsonl", _listed(bank))


def _listed(bank: Bank) -> Iterator[dict[str, Any]]:
    """Lines as docs/how-to/import-a-list.md describes them; what was withdrawn or is still being imported is not."""
    visible = {None, *Import.objects.filter(bank=bank).exclude(visible_at=None).values_list("number", flat=True)}
    for row in _pages(ListedSignal, bank_id=bank.number):
        if row.status == SignalStatus.WITHDRAWN or row.imported_in_id not in visible:
            continue
        line = {
            "type": row.type,
            "value": row.value,
            "quality": row.quality,
            "labels": row.labels,
            "source": row.source,
            "confidence": row.confidence,
            "note": row.note,
        }
        yield {name: value for name, value in line.items() if value not in (None, "", [])}


def _policies(work: _Export) -> None:
    for row in _pages(PolicyVersion):
        work.bytes(f"policies/{row.policy_id}-{row.version}.json", row.rules.encode())


def _log(work: _Export) -> None:
    work.lines("log/events.jsonl", map(_event, _pages(Event)))
    work.lines("log/checkpoints.jsonl", map(_checkpoint, _pages(Checkpoint)))
    newest = Checkpoint.objects.order_by("-size").first()
    if newest is not None:
        work.bytes("log/checkpoint", newest.note.encode())
    for tile in _pages(LogTile):
        work.bytes(_tile_path(tile), bytes(tile.hashes))
    keys = load_verification_keys(work.settings.keys_dir)
    work.bytes("log/keys.txt", "".join(f"{key.as_text()}\n" for key in keys).encode())


def _event(row: Event) -> dict[str, Any]:
    return {
        "leaf": row.leaf_index,
        "id": row.event_id,
        "name": row.name,
        "schema": row.schema,
        "at": row.created_at,
        "salt": None if row.salt is None else bytes(row.salt).hex(),
        "body": None if row.body is None else bytes(row.body).decode(),
        "commitment": bytes(row.commitment).hex(),
    }


def _checkpoint(row: Checkpoint) -> dict[str, Any]:
    return {"size": row.size, "root": bytes(row.root).hex(), "at": row.created_at, "note": row.note}


def _tile_path(tile: LogTile) -> str:
    """C2SP tlog-tiles: groups of three digits, and the width of a tile that is not full."""
    digits = str(tile.index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    partial = "" if len(tile.hashes) == tiles.TILE_BYTES else f".p/{len(tiles.split(bytes(tile.hashes)))}"
    return f"log/tile/{tile.level}/{path}{partial}"


def _ledger(work: _Export) -> None:
    with work.ledger.opened() as storage:
        days = storage.partitions()
    for day in days:
        work.lines(f"ledger/{day}.jsonl", _screenings(work.ledger, day))


def _screenings(ledger: Ledger, day: Partition) -> Iterator[dict[str, Any]]:
    with ledger.opened() as storage:
        for row in storage.rows(day):
            yield _screening(ledger, day, row)


def _screening(ledger: Ledger, day: Partition, row: Row) -> dict[str, Any]:
    try:
        entry = unseal(row, day, ledger.keys)
    except (KeyDestroyed, LedgerDamaged) as error:
        clear = {"id": row.screening_id, "surface": row.surface, "verdict": row.verdict, "degraded": row.degraded}
        return {"unreadable": str(error), **clear}
    return {
        "verdict": entry.verdict,
        "batch": entry.batch,
        "pseudonym": None if entry.pseudonym is None else entry.pseudonym.hex(),
        "keyed_signals": [None if one is None else one.hex() for one in entry.keyed_signals],
        "hold_expiry": entry.hold_expiry,
        "context": entry.context,
    }


def _held_content(work: _Export) -> None:
    # A bank that is not here any more may have been any.
    may_look = set(Bank.objects.exclude(kind=BankKind.NO_LOOK).values_list("name", flat=True))
    may_look -= set(Bank.objects.filter(kind=BankKind.NO_LOOK).values_list("name", flat=True))
    for screening_id in work.ledger.held.ids():
        why = _why_not(work.ledger, screening_id, may_look)
        if why:
            work.withhold(screening_id, why)
            continue
        try:
            parts = work.ledger.held.parts(screening_id)
        except LedgerDamaged as error:
            work.withhold(screening_id, str(error))
            continue
        for number, part in enumerate(parts):
            work.bytes(f"holds/{screening_id}/{number:04d}", part.data)
        about = [{"file": f"{number:04d}", "name": part.name, "kind": part.kind} for number, part in enumerate(parts)]
        work.bytes(f"holds/{screening_id}/parts.json", msgspec.json.encode(about))


def _why_not(ledger: Ledger, screening_id: str, may_look: set[str]) -> str:
    """Why the bytes of a hold stay here; empty when they may be given. In doubt they stay."""
    try:
        entry = ledger.read(screening_id)
    except (KeyDestroyed, LedgerDamaged) as error:
        return str(error)
    if entry is None:
        return _("its screening is not in the ledger, so that nobody can say what it matched")
    if any(match.bank not in may_look or NO_LOOK_LABELS & set(match.labels) for match in entry.verdict.matches):
        return _("it matched a bank that nobody may look into")
    return ""
