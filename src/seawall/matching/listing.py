"""Putting signals into a bank, and what people do with a listed signal: confirm, mute, dispute, withdraw.

Each function is one transaction: rows, typed event and new generation together. `banks` offers these to the outside.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from seawall.matching.checks import (
    LONGEST_NOTE,
    LONGEST_SOURCE,
    LOWEST_QUALITY,
    NAME,
    BankError,
    checked_labels,
    checked_moment,
    checked_percent,
    checked_signal_labels,
    checked_words,
    low_quality,
    shown,
)
from seawall.matching.model import BankKind, SignalStatus
from seawall.matching.models import Bank, ListedSignal
from seawall.matching.summary import count_in, count_out
from seawall.record.clock import rfc3339
from seawall.record.events import SignalConfirmed, SignalDisputed, SignalMuted, SignalsAdded, SignalWithdrawn
from seawall.record.generation import bump
from seawall.record.ids import BadId, new_id, parse_id
from seawall.record.journal import record
from seawall.signals.extract import SIGNAL_TYPES, canonical_signal
from seawall.signals.model import BadSignal, Signal

#: The generation that counts every change of banks and their signals.
GENERATION = "banks"

#: One write transaction of another process beside `serve` has at most this many rows (DESIGN §4).
MOST_ROWS = 5_000

#: How often a call looks again when an import writes the same signals meanwhile.
_ATTEMPTS = 3

#: Rows looked up by one query: below SQLite's limit on the number of parameters.
LOOKED_UP_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedSignal:
    """A signal that was not added, and why, with the next step."""

    type: str
    value: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """What became of the signals: `ids` are new or listed again after a withdrawal, `duplicates` were listed already
    (and are now confirmed by whoever added them again), `refused` are in no bank.
    """

    ids: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    refused: tuple[RefusedSignal, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Template:
    """What all signals of one call share."""

    labels: tuple[str, ...]
    source: str
    confidence: int | None
    note: str
    confirmation: dict[str, str]


def find_bank(name: str) -> Bank:
    """The bank of this name that is in use.

    Raises:
        BankError: there is none; the next step names the nearest ones.
    """
    # What cannot be a name is not asked for: PostgreSQL answers a NUL with an error of its own.
    found = Bank.objects.filter(name=name, retired_at=None).first() if NAME.fullmatch(name) else None
    if found is not None:
        return found
    names = list(Bank.objects.filter(retired_at=None).order_by("name").values_list("name", flat=True))
    near = difflib.get_close_matches(name[:100], names, n=3, cutoff=0.5)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise BankError(
        "unknown_bank", f"there is no bank called {shown(name)}", f"{meant}`seawall bank list` shows all banks"
    )


def add_signals(
    bank: str,
    signals: Iterable[Signal],
    *,
    by: str,
    now: datetime,
    labels: Iterable[str] = (),
    source: str = "",
    confidence: int | None = None,
    note: str = "",
    accept_low_quality: bool = False,
) -> Added:
    """List signals that a person here vouches for: each is confirmed by that person (DESIGN §5).

    At most 5 000 at once. PDQ of quality below 50 is refused unless `accept_low_quality`.

    Raises:
        BankError: unknown bank, bad label, source or confidence, too many signals. Single bad signals are in `refused`.
    """
    template = _Template(
        labels=checked_labels(labels),
        source=checked_words("source", source, LONGEST_SOURCE),
        confidence=checked_percent("confidence", confidence),
        note=checked_words("note", note, LONGEST_NOTE),
        confirmation={"by": by, "at": rfc3339(now)},
    )
    good, refused = sort_out(signals, accept_low_quality=accept_low_quality)
    if len(good) > MOST_ROWS:
        raise BankError(
            "too_many",
            f"{len(good)} signals are too many at once",
            "write them into a list and use `seawall bank import`",
        )
    for _ in range(_ATTEMPTS - 1):
        try:
            return _add(bank, good, template, refused, by=by, now=now)
        except IntegrityError:
            # A running import wrote one of them after we looked; the next look finds its row and takes it over.
            continue
    return _add(bank, good, template, refused, by=by, now=now)


def _add(
    bank: str,
    signals: Sequence[Signal],
    template: _Template,
    refused: Sequence[RefusedSignal],
    *,
    by: str,
    now: datetime,
) -> Added:
    with transaction.atomic():
        generation = bump(GENERATION)
        row = find_bank(bank)
        checked_signal_labels(BankKind(row.kind), template.labels)
        ids, duplicates, confirmed = _list(row, signals, template, generation, now)
        count_in(row, len(ids), now=now)
        if ids:
            record(SignalsAdded(by=by, bank=row.id, signals=ids, count=len(ids)), now=now)
        for signal_id in confirmed:
            record(SignalConfirmed(by=by, bank=row.id, signal=signal_id), now=now)
    return Added(ids=tuple(ids), duplicates=tuple(duplicates), refused=tuple(refused))


def withdraw(signal_id: str, *, by: str, now: datetime, reason: str = "") -> None:
    """Take a signal out of force for good; adding it by hand again brings it back, an import does not.

    `reason` is a short code such as `not_a_match`.
    """
    if reason and not NAME.fullmatch(reason):
        raise BankError("bad_reason", f"{shown(reason)} is no reason code", "use a short code such as not_a_match")
    with _changing(signal_id) as row:
        _require_active(row)
        row.status = SignalStatus.WITHDRAWN
        count_out(row.bank)
        record(SignalWithdrawn(by=by, signal=signal_id, bank=row.bank.id, reason=reason), now=now)


def mute(signal_id: str, until: datetime | None, *, by: str, now: datetime) -> None:
    """Let a signal match nothing until then; None lifts the mute."""
    if until is not None and checked_moment("the end of the mute", until) <= now:
        raise BankError("bad_time", "the mute would end in the past", "give a later time, or none to lift the mute")
    with _changing(signal_id) as row:
        _require_active(row)
        row.muted_until = until
        text = None if until is None else rfc3339(until)
        record(SignalMuted(by=by, signal=signal_id, bank=row.bank.id, until=text), now=now)


def confirm(signal_id: str, *, by: str, now: datetime) -> bool:
    """Put on record that this person here has confirmed the signal; False when they already had."""
    with _changing(signal_id) as row:
        _require_active(row)
        if not _confirm(row, {"by": by, "at": rfc3339(now)}):
            return False
        record(SignalConfirmed(by=by, signal=signal_id, bank=row.bank.id), now=now)
    return True


def dispute(signal_id: str, *, by: str, now: datetime, disputed: bool = True) -> None:
    """Open a dispute, which lowers every block by this signal to a hold; `disputed=False` settles it."""
    with _changing(signal_id) as row:
        row.disputed = disputed
        record(SignalDisputed(by=by, signal=signal_id, bank=row.bank.id, disputed=disputed), now=now)


def find_signal(signal_id: str) -> ListedSignal:
    """The listed signal with this id, locked until the caller's transaction ends.

    Raises:
        BankError: not such an id, unknown, in a retired bank or in an import that is not finished.
    """
    try:
        number = parse_id("sig", signal_id)
    except BadId as error:
        raise BankError("bad_id", str(error), "copy the id from the verdict's matches") from error
    rows = ListedSignal.objects.select_for_update(of=("self",)).select_related("bank", "imported_in")
    row = rows.filter(id=number, bank__retired_at=None).first()
    if row is None or (row.imported_in is not None and row.imported_in.visible_at is None):
        raise BankError(
            "unknown_signal", f"there is no listed signal {signal_id}", "copy the id from the verdict's matches"
        )
    return row


def sort_out(signals: Iterable[Signal], *, accept_low_quality: bool) -> tuple[list[Signal], list[RefusedSignal]]:
    """The signals in canonical form, each once, and those that cannot be listed."""
    good: dict[tuple[str, str], Signal] = {}
    refused = []
    for one in signals:
        try:
            signal = canonical_signal(one.type, one.value, one.quality)
        except BadSignal as error:
            refused.append(RefusedSignal(type=one.type, value=one.value, reason=str(error)))
            continue
        if low_quality(signal.type, signal.quality) and not accept_low_quality:
            refused.append(RefusedSignal(type=one.type, value=one.value, reason=low_quality_text(signal.quality)))
        else:
            good.setdefault((signal.type, signal.value), signal)
    return list(good.values()), refused


def low_quality_text(quality: int | None) -> str:
    return (
        f"quality {quality} is below {LOWEST_QUALITY}, so it would match unlike pictures: "
        "leave it out, or accept it with --accept-low-quality"
    )


def _list(
    bank: Bank, signals: Sequence[Signal], template: _Template, generation: int, now: datetime
) -> tuple[list[str], list[str], list[str]]:
    """Write the rows; ids listed now, ids listed already, and those of the latter that are newly confirmed."""
    known = _known(bank, signals)
    ids, duplicates, confirmed, fresh = [], [], [], []
    for signal in signals:
        row = known.get((signal.type, _digest(signal)))
        if row is None:
            row = ListedSignal(
                id=parse_id("sig", new_id("sig", lambda: now)),
                bank_id=bank.number,
                type=signal.type,
                value=signal.value,
                digest=_digest(signal),
            )
            _fill(row, signal, template, generation)
            fresh.append(row)
        elif row.status == SignalStatus.WITHDRAWN or not _is_visible(row):
            _fill(row, signal, template, generation)
            row.save()
        else:
            duplicates.append(row.signal_id)
            if _confirm(row, template.confirmation):
                confirmed.append(row.signal_id)
                row.changed = generation
                row.save()
            continue
        ids.append(row.signal_id)
    ListedSignal.objects.bulk_create(fresh, batch_size=LOOKED_UP_AT_ONCE)
    return ids, duplicates, confirmed


def _fill(row: ListedSignal, signal: Signal, template: _Template, generation: int) -> None:
    """Make the row this person's listing, whatever an unfinished import or a withdrawn listing had put there."""
    row.quality = signal.quality
    row.labels = list(template.labels)
    row.source, row.confidence, row.note = template.source, template.confidence, template.note
    row.status, row.muted_until, row.disputed = SignalStatus.ACTIVE, None, False
    row.confirmed_by = [template.confirmation]
    row.imported_in, row.changed = None, generation


def _known(bank: Bank, signals: Sequence[Signal]) -> dict[tuple[str, bytes], ListedSignal]:
    """The bank's rows for these signals, those of unfinished imports among them."""
    known = {}
    rows = ListedSignal.objects.select_for_update(of=("self",)).select_related("imported_in").filter(bank=bank)
    for type_name in {signal.type for signal in signals}:
        digests = [_digest(signal) for signal in signals if signal.type == type_name]
        for start in range(0, len(digests), LOOKED_UP_AT_ONCE):
            for row in rows.filter(type=type_name, digest__in=digests[start : start + LOOKED_UP_AT_ONCE]):
                known[type_name, bytes(row.digest)] = row
    return known


def _digest(signal: Signal) -> bytes:
    return SIGNAL_TYPES[signal.type].digest(signal.value)


def _is_visible(row: ListedSignal) -> bool:
    return row.imported_in is None or row.imported_in.visible_at is not None


def _confirm(row: ListedSignal, confirmation: dict[str, str]) -> bool:
    if any(one.get("by") == confirmation["by"] for one in row.confirmed_by):
        return False
    row.confirmed_by = [*row.confirmed_by, confirmation]
    return True


def _require_active(row: ListedSignal) -> None:
    if row.status == SignalStatus.WITHDRAWN:
        raise BankError("withdrawn", f"{row.signal_id} was withdrawn", "add it to the bank again to bring it back")


@contextmanager
def _changing(signal_id: str) -> Iterator[ListedSignal]:
    """The row, to be changed in one transaction with a new generation; saved at the end."""
    with transaction.atomic():
        generation = bump(GENERATION)
        row = find_signal(signal_id)
        yield row
        row.changed = generation
        row.save()
