"""What protects: the banks in use, how many signals each has in force, from whom, and how old. One query.

The figures are counters on the banks, kept by whatever changes a signal; no signal is counted here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from seawall.matching.model import BankKind
from seawall.matching.models import Bank


@dataclass(frozen=True, kw_only=True, slots=True)
class BankProtection:
    """One bank in use. `signals` are in force: visible and not withdrawn; those that are muted for now count too.

    `newest_at` is when signals last came in, None while the bank has none in force. `last_import_at` is when a list was
    last imported whole, whether or not it brought something new. `listed_by` is empty for a bank of one's own.
    """

    bank: str
    name: str
    kind: BankKind
    default_action: str
    listed_by: str
    labels: tuple[str, ...]
    signals: int
    newest_at: datetime | None
    last_import_at: datetime | None
    counts_as_protection: bool

    @property
    def protects(self) -> bool:
        """Whether its signals stop anything that counts: no test card, no demonstration, no known-safe bank."""
        return self.counts_as_protection and self.kind is not BankKind.KNOWN_SAFE and self.signals > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Protection:
    """Every bank in use by name, and the sums over those that protect."""

    as_of: datetime
    banks: tuple[BankProtection, ...]

    @property
    def protecting(self) -> tuple[BankProtection, ...]:
        return tuple(bank for bank in self.banks if bank.protects)

    @property
    def signals(self) -> int:
        return sum(bank.signals for bank in self.protecting)

    @property
    def newest_at(self) -> datetime | None:
        return max((bank.newest_at for bank in self.protecting if bank.newest_at is not None), default=None)

    @property
    def newest_age(self) -> timedelta | None:
        """How long ago signals last came in; never below zero, whatever a clock was set back by."""
        return None if self.newest_at is None else max(timedelta(), self.as_of - self.newest_at)


def protection(now: datetime) -> Protection:
    """What protects at this moment: one query, over the banks alone."""
    rows = Bank.objects.filter(retired_at=None).order_by("name")
    return Protection(as_of=now, banks=tuple(map(_protection_of, rows)))


def _protection_of(bank: Bank) -> BankProtection:
    return BankProtection(
        bank=bank.id,
        name=bank.name,
        kind=BankKind(bank.kind),
        default_action=bank.default_action,
        listed_by=bank.listed_by,
        labels=tuple(bank.labels),
        signals=bank.active_signals,
        newest_at=bank.newest_signal_at if bank.active_signals else None,
        last_import_at=bank.last_import_at,
        counts_as_protection=bank.counts_as_protection,
    )


def count_in(bank: Bank, signals: int, *, now: datetime) -> None:
    """Count signals that came into force, in the transaction that lists them."""
    if signals:
        mine = Bank.objects.filter(number=bank.number)
        mine.update(active_signals=F("active_signals") + signals, newest_signal_at=now)


def count_out(bank: Bank, signals: int = 1) -> None:
    """Count signals that were withdrawn, in the same transaction."""
    Bank.objects.filter(number=bank.number).update(active_signals=F("active_signals") - signals)


def count_import(bank: Bank, signals: int, *, now: datetime) -> None:
    """Count an import, in the transaction that makes it visible; one that brings nothing new is an import too."""
    count_in(bank, signals, now=now)
    Bank.objects.filter(number=bank.number).update(last_import_at=now)
