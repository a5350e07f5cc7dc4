"""Imports: a whole list into a bank, in short transactions, visible in the last one.

Rows of an import match nothing until its `visible_at` is set, together with the one event that names their digest. An
interrupted import leaves rows that nobody ever sees; the next import or `seawall serve` sweeps them away.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, TypeAlias
from uuid import UUID

import msgspec
import numpy as np
from django.db import connection, transaction

from seawall.matching.checks import (
    LONGEST_SOURCE,
    BankError,
    checked_labels,
    checked_signal_labels,
    checked_words,
    low_quality,
)
from seawall.matching.list_format import BadLine, Block, Details, read_list
from seawall.matching.listing import GENERATION, MOST_ROWS, find_bank, low_quality_text
from seawall.matching.model import BankKind
from seawall.matching.models import Bank, Import, ListedSignal
from seawall.matching.sql import FIRST, id_bytes, id_hex, id_parameter, on_postgresql, statement
from seawall.matching.summary import count_import
from seawall.record.clock import Clock
from seawall.record.events import SignalsImported
from seawall.record.generation import bump
from seawall.record.ids import new_id, uuid7
from seawall.record.journal import record

#: Told after each part of the file and each batch: bytes read, bytes in all, rows written so far.
Progress = Callable[[int, int, int], None]

#: Rows sorted together before they are written: neighbours in a batch are then neighbours in the table's index, which
#: makes each transaction small. About 100 MB of memory.
SORTED_ROWS = 200_000

#: As many bad lines are kept in the answer; all are counted, and a report file has all.
MOST_BAD_LINES_KEPT = 1_000

#: An import of another machine that wrote nothing for so long is taken for interrupted. A batch takes far less than a
#: second, and a busy SQLite makes a writer wait 20 at most.
ABANDONED_AFTER = timedelta(seconds=60)

#: Rows read at once to compute the digest.
PAGE = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What became of a list. `lines` had content; each is in `added`, `duplicates` (the list or the bank has the same
    signal already) or `errors`. `bad_lines` has the first 1 000 of the latter.
    """

    import_id: str
    bank: str
    lines: int
    added: int
    duplicates: int
    errors: int
    bad_lines: tuple[BadLine, ...]
    digest: str


def import_list(
    bank: str,
    path: Path,
    *,
    by: str,
    clock: Clock,
    source: str = "",
    labels: Iterable[str] = (),
    accept_low_quality: bool = False,
    progress: Progress | None = None,
    report: Path | None = None,
) -> Imported:
    """Import a CSV or JSON-lines file. Good lines are imported, bad ones reported; an import confirms nothing.

    `source` stands in for lines without their own, `labels` are put on every line. `report` is a file to write all bad
    lines into.

    Raises:
        BankError: unknown bank, the file as a whole is no list, the report is the list itself, or another import into
            the bank is running. Nothing of the file can match then.
        OSError: the file cannot be read.
    """
    shared = Details(checked_labels(labels), checked_words("source", source, LONGEST_SOURCE), None, "")
    with ExitStack() as stack:
        lines = stack.enter_context(path.open("rb"))
        total = os.fstat(lines.fileno()).st_size
        blocks = read_list(lines, path.name)
        # A file that is no list is refused before anything is written.
        first = next(blocks)
        if report and report.exists() and report.samefile(path):
            raise BankError("report_is_list", "the report would overwrite the list", "name another file as report")
        told = stack.enter_context(report.open("w", encoding="utf-8")) if report else None
        running = _start(bank, by=by, source=shared.source, clock=clock)
        writer = _Writer(running, shared, accept_low_quality=accept_low_quality, clock=clock, report=told)
        try:
            for block in chain([first], blocks):
                writer.take(block)
                if progress:
                    progress(block.done, total, writer.written)
            writer.flush()
            if progress:
                progress(total, total, writer.written)
            return _finish(writer, by=by, clock=clock)
        except BaseException:
            # Also for Ctrl-C: the rows are nobody's now, and the next sweep need not wait for them.
            Import.objects.filter(number=running.number, visible_at=None).update(worker="")
            raise


def sweep_imports(now: datetime) -> int:
    """Remove what interrupted imports left, in short transactions; how many rows went."""
    removed = 0
    for left in Import.objects.filter(visible_at=None).select_related("bank"):
        if not _is_abandoned(left, now):
            continue
        # Should its process live after all, this makes its next batch stop.
        Import.objects.filter(number=left.number, visible_at=None).update(worker="")
        removed += _discard(left)
    return removed


class ImportLost(BankError):
    """The import was taken for interrupted and swept while it stood still. Import the list again."""

    def __init__(self) -> None:
        super().__init__(
            "import_lost", "the import stood still for so long that it was swept away", "import the list again"
        )


#: Labels (as JSON), source, confidence and note of a row as they are stored.
_Words: TypeAlias = tuple[str, str, int | None, str]
#: Type, value, digest and quality, then the words.
_Stored: TypeAlias = tuple[str, str, bytes, int | None, str, str, int | None, str]

_by_type, _by_digest = itemgetter(0), itemgetter(2)


class _Writer:
    """Takes the blocks of a list, keeps count, and writes the rows in sorted runs."""

    def __init__(
        self, running: Import, shared: Details, *, accept_low_quality: bool, clock: Clock, report: IO[str] | None
    ) -> None:
        self.running = running
        self.lines = self.written = self.duplicates = self.errors = 0
        self.bad_lines: list[BadLine] = []
        self._shared = shared
        self._accept_low_quality = accept_low_quality
        self._clock = clock
        self._report = report
        self._rows: list[_Stored] = []
        self._words: dict[Details, _Words] = {}

    def take(self, block: Block) -> None:
        self.lines += len(block.rows) + len(block.bad)
        bad = list(block.bad)
        for row in block.rows:
            if low_quality(row.type, row.quality) and not self._accept_low_quality:
                bad.append(BadLine(row.line, low_quality_text(row.quality)))
                continue
            try:
                words = self._words.get(row.details) or self._combine(row.details)
            except BankError as error:
                bad.append(BadLine(row.line, str(error)))
                continue
            self._rows.append((row.type, row.value, row.digest, row.quality, *words))
        if bad:
            self._tell(sorted(bad))
        if len(self._rows) >= SORTED_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what has come in so far."""
        # Two sorts by one plain key each take less than half the time of one by both.
        self._rows.sort(key=_by_digest)
        self._rows.sort(key=_by_type)
        for start in range(0, len(self._rows), MOST_ROWS):
            self._write(self._rows[start : start + MOST_ROWS])
        self._rows.clear()
        # A list whose every line has a note of its own must not fill the memory.
        self._words.clear()

    def _write(self, rows: Sequence[_Stored]) -> None:
        now = self._clock()
        bank, number = self.running.bank.number, self.running.number
        ids = _ids(len(rows), now)
        values = [(signal_id, bank, number, *row) for signal_id, row in zip(ids, rows, strict=True)]
        with transaction.atomic():
            _claim(self.running, now)
            added = _insert(values)
        self.written += added
        self.duplicates += len(rows) - added

    def _combine(self, details: Details) -> _Words:
        """What is stored for these details, together with what all lines share."""
        labels = tuple(sorted({*details.labels, *self._shared.labels}))
        checked_signal_labels(BankKind(self.running.bank.kind), labels)
        encoded = msgspec.json.encode(labels).decode()
        words = (encoded, details.source or self._shared.source, details.confidence, details.note)
        self._words[details] = words
        return words

    def _tell(self, bad: Sequence[BadLine]) -> None:
        self.errors += len(bad)
        self.bad_lines += bad[: MOST_BAD_LINES_KEPT - len(self.bad_lines)]
        if self._report:
            self._report.writelines(f"{line}\n" for line in bad)


def _ids(count: int, now: datetime) -> list[str]:
    """New signal ids (32 hex characters) in ascending order, so that rows are appended to the index, not scattered."""
    ids = np.frombuffer(secrets.token_bytes(16 * count), np.uint8).reshape(-1, 16).copy()
    # Time, version and variant as in any UUIDv7; the rest is random.
    made = np.frombuffer(uuid7(now, bytes(10)).bytes, np.uint8)
    ids[:, :6] = made[:6]
    ids[:, 6] = ids[:, 6] & 0x0F | made[6]
    ids[:, 8] = ids[:, 8] & 0x3F | made[8]
    together = ids.tobytes().hex()
    return sorted(together[at : at + 32] for at in range(0, len(together), 32))


def _insert(values: Sequence[tuple[Any, ...]]) -> int:
    """Write the rows that the bank has not yet; how many there were."""
    with connection.cursor() as cursor:
        if on_postgresql():
            cursor.execute(statement("incoming_postgresql"))
            with cursor.copy(statement("copy_postgresql")) as copy:
                for row in values:
                    copy.write_row(row)
            cursor.execute(statement("insert_postgresql"))
        else:
            cursor.executemany(statement("insert_sqlite"), values)
        return int(cursor.rowcount)


def _start(bank: str, *, by: str, source: str, clock: Clock) -> Import:
    """The import's own row, after sweeping what an interrupted one left."""
    sweep_imports(clock())
    now = clock()
    with transaction.atomic():
        number = bump("imports")
        into = find_bank(bank)
        other = Import.objects.filter(bank=into, visible_at=None).exclude(worker="").first()
        if other is not None:
            raise BankError(
                "import_running",
                f"another import into {bank} is running, or was interrupted a moment ago",
                f"wait for it, or try again in {int(ABANDONED_AFTER.total_seconds())} seconds",
            )
        return Import.objects.create(
            id=new_id("imp", lambda: now),
            number=number,
            bank=into,
            source=source,
            started_at=now,
            started_by=by,
            worker=_this_worker(),
            active_at=now,
        )


def _finish(writer: _Writer, *, by: str, clock: Clock) -> Imported:
    """Make all rows visible at once, with the event that names their digest."""
    running = writer.running
    while True:
        digest, count = import_digest(running.number, alive=lambda: _keep_alive(running, clock()))
        now = clock()
        with transaction.atomic():
            generation = bump(GENERATION)
            _claim(running, now)
            # Someone may have taken a row over by adding its signal by hand after the digest was made.
            if ListedSignal.objects.filter(imported_in=running).count() != count:
                continue
            running.visible_at, running.changed, running.digest = now, generation, digest
            running.added, running.duplicates, running.errors = (
                count,
                writer.lines - writer.errors - count,
                writer.errors,
            )
            # Which machine and process it was is nobody's business once it is done.
            running.worker = ""
            running.save()
            count_import(running.bank, count, now=now)
            event = SignalsImported(
                by=by, bank=running.bank.id, import_id=running.id, count=count, digest=digest, errors=writer.errors
            )
            record(event, now=now)
        return Imported(
            import_id=running.id,
            bank=running.bank.name,
            lines=writer.lines,
            added=count,
            duplicates=running.duplicates,
            errors=writer.errors,
            bad_lines=tuple(writer.bad_lines),
            digest=digest,
        )


def import_digest(number: int, *, alive: Callable[[], None] | None = None) -> tuple[str, int]:
    """SHA-256 (hex) over an import's rows in order of their ids, and how many they are.

    Each row is one line: id, type, digest in hex, quality, labels (JSON), source, confidence, separated by tabs.
    `alive` is called with each page: reading millions of rows takes longer than a silent import may live.
    """
    found, count, after = hashlib.sha256(), 0, FIRST
    labels_as_json: dict[str, str] = {}
    with connection.cursor() as cursor:
        while True:
            cursor.execute(statement("imported"), [number, id_parameter(after), PAGE])
            rows = cursor.fetchall()
            if not rows:
                return found.hexdigest(), count
            for raw_labels in {row[4] for row in rows}.difference(labels_as_json):
                # Databases write JSON with different white space.
                labels_as_json[raw_labels] = msgspec.json.encode(msgspec.json.decode(raw_labels)).decode()
            lines = [
                f"{id_hex(raw_id)}\t{type_name}\t{digest.hex()}\t{'' if quality is None else quality}"
                f"\t{labels_as_json[raw_labels]}\t{source}\t{'' if confidence is None else confidence}\n"
                for raw_id, type_name, digest, quality, raw_labels, source, confidence in rows
            ]
            found.update("".join(lines).encode())
            count += len(rows)
            if alive:
                alive()
            after = UUID(bytes=id_bytes(rows[-1][0]))


def _claim(running: Import, now: datetime) -> None:
    """Say that the import is alive, while its bank is in use."""
    _say_alive(running, now)
    if Bank.objects.filter(number=running.bank.number).exclude(retired_at=None).exists():
        raise BankError(
            "bank_retired", f"{running.bank.name} was retired meanwhile", "import the list into another bank"
        )


def _say_alive(running: Import, now: datetime) -> None:
    """ImportLost when a sweep has taken the import."""
    mine = Import.objects.filter(number=running.number, visible_at=None, worker=running.worker)
    if not mine.update(active_at=now):
        raise ImportLost
    running.active_at = now


def _keep_alive(running: Import, now: datetime) -> None:
    """The same where nothing is written meanwhile; a transaction now and then is enough."""
    if now - running.active_at > ABANDONED_AFTER / 10:
        _say_alive(running, now)


def _this_worker() -> str:
    return f"{os.uname().nodename[:150]}:{os.getpid()}"


def _is_abandoned(left: Import, now: datetime) -> bool:
    host, _, process = left.worker.rpartition(":")
    if not left.worker or now - left.active_at > ABANDONED_AFTER:
        return True
    if host != os.uname().nodename[:150] or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _discard(left: Import) -> int:
    rows = ListedSignal.objects.filter(imported_in=left)
    removed = 0
    while True:
        with transaction.atomic():
            gone, _ = rows.filter(id__in=rows.order_by("id").values("id")[:MOST_ROWS]).delete()
            if not gone:
                Import.objects.filter(number=left.number, visible_at=None).delete()
                return removed
        removed += gone
