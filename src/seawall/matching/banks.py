"""Banks: create, change, list and retire them, and everything people do with the signals in them.

Each function is one transaction: rows, typed event and new generation (`GENERATION`) together. Errors are `BankError`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, QuerySet

from seawall.matching.checks import (
    LONGEST_NOTE,
    LONGEST_SOURCE,
    BankError,
    checked_action,
    checked_confirmations,
    checked_distance,
    checked_kind,
    checked_labels,
    checked_name,
    checked_words,
)
from seawall.matching.listing import (
    GENERATION,
    Added,
    RefusedSignal,
    add_signals,
    confirm,
    dispute,
    find_bank,
    find_signal,
    mute,
    withdraw,
)
from seawall.matching.model import DEFAULT_MAX_DISTANCE, BankKind, SignalStatus
from seawall.matching.models import DEFAULT_CONFIRMATIONS, Bank, ListedSignal
from seawall.record.events import BankChanged, BankCreated, BankRenamed, BankRetired
from seawall.record.generation import bump
from seawall.record.ids import new_id
from seawall.record.journal import record

__all__ = [
    "GENERATION",
    "Added",
    "BankError",
    "BankSummary",
    "RefusedSignal",
    "add_signals",
    "change_bank",
    "confirm",
    "create_bank",
    "dispute",
    "find_bank",
    "find_signal",
    "list_banks",
    "mute",
    "rename_bank",
    "retire_bank",
    "withdraw",
]

#: What a bank does where nothing else was asked for. A list from outside only holds (DESIGN §5).
DEFAULT_ACTIONS = {BankKind.KNOWN_SAFE: "allow", BankKind.NO_LOOK: "block"}


@dataclass(frozen=True, kw_only=True, slots=True)
class BankSummary:
    """A bank and how many of its signals are in force, muted ones included, in all and by type."""

    bank: Bank
    signals: int
    by_type: Mapping[str, int]
    withdrawn: int


def create_bank(
    name: str,
    *,
    by: str,
    now: datetime,
    kind: BankKind = BankKind.LISTED,
    default_action: str | None = None,
    max_distance: int = DEFAULT_MAX_DISTANCE,
    labels: Iterable[str] = (),
    listed_by: str = "",
    trusted_to_block: bool = False,
    confirmations_to_block: int = DEFAULT_CONFIRMATIONS,
    counts_as_protection: bool = True,
    reporting_duty: str = "",
) -> Bank:
    """A new, empty bank.

    `default_action` left out: *block* for a bank of one's own, *hold* for a list from outside (`listed_by` given).
    Labels csam and ncii make the bank no-look, which needs `reporting_duty`.
    """
    listed_by = checked_words("name of who listed it", listed_by, LONGEST_SOURCE)
    duty = checked_words("reporting duty", reporting_duty, LONGEST_NOTE)
    found_labels = checked_labels(labels)
    kind = checked_kind(kind, found_labels, duty)
    action = default_action or DEFAULT_ACTIONS.get(kind) or ("hold" if listed_by else "block")
    with transaction.atomic():
        generation = bump(GENERATION)
        bank = Bank(
            id=new_id("bnk", lambda: now),
            # The generation grows with every bank, so it numbers them too.
            number=generation,
            name=_free_name(name),
            kind=kind.value,
            default_action=checked_action(action),
            max_distance=checked_distance(max_distance),
            labels=list(found_labels),
            listed_by=listed_by,
            confirmations_to_block=checked_confirmations(confirmations_to_block),
            counts_as_protection=counts_as_protection,
            reporting_duty=duty,
            created_at=now,
            created_by=by,
            changed=generation,
        )
        _trust(bank, trusted=trusted_to_block, by=by, now=now)
        bank.save(force_insert=True)
        record(BankCreated(by=by, bank=bank.id, title=bank.name), now=now)
        record(BankChanged(by=by, bank=bank.id, changed=_told(bank)), now=now)
    return bank


def rename_bank(name: str, new_name: str, *, by: str, now: datetime) -> Bank:
    """Give the bank another name. Rules of the policy go by name: the caller checks that none names this bank."""
    with transaction.atomic():
        generation = bump(GENERATION)
        bank = find_bank(name)
        bank.name = _free_name(new_name)
        bank.changed = generation
        bank.save()
        record(BankRenamed(by=by, bank=bank.id, title=bank.name), now=now)
    return bank


def retire_bank(name: str, *, by: str, now: datetime) -> Bank:
    """Take the bank and all its signals out of force for good; its rows stay for the record, its name is free again."""
    with transaction.atomic():
        generation = bump(GENERATION)
        bank = find_bank(name)
        bank.retired_at = now
        bank.changed = generation
        bank.save()
        record(BankRetired(by=by, bank=bank.id), now=now)
    return bank


def change_bank(
    name: str,
    *,
    by: str,
    now: datetime,
    default_action: str | None = None,
    max_distance: int | None = None,
    labels: Iterable[str] | None = None,
    listed_by: str | None = None,
    trusted_to_block: bool | None = None,
    confirmations_to_block: int | None = None,
    counts_as_protection: bool | None = None,
    reporting_duty: str | None = None,
) -> Bank:
    """Change what is given; None leaves a thing as it is. Trust is recorded with who gave it and when."""
    with transaction.atomic():
        bump(GENERATION)
        bank = find_bank(name)
        before = _told(bank)
        if default_action is not None:
            bank.default_action = checked_action(default_action)
        if max_distance is not None:
            bank.max_distance = checked_distance(max_distance)
        if listed_by is not None:
            bank.listed_by = checked_words("name of who listed it", listed_by, LONGEST_SOURCE)
        if confirmations_to_block is not None:
            bank.confirmations_to_block = checked_confirmations(confirmations_to_block)
        if counts_as_protection is not None:
            bank.counts_as_protection = counts_as_protection
        _relabel(bank, labels, reporting_duty)
        if trusted_to_block is not None:
            _trust(bank, trusted=trusted_to_block, by=by, now=now)
        changed = {key: value for key, value in _told(bank).items() if before[key] != value}
        if changed:
            bank.save()
            record(BankChanged(by=by, bank=bank.id, changed=changed), now=now)
    return bank


def list_banks(*, retired: bool = False) -> list[BankSummary]:
    """The banks in use (or the retired ones) by name, with their counts."""
    # Every row is counted from the index alone; the few that do not count are taken away afterwards.
    rows = ListedSignal.objects.all()
    totals = _counts(rows)
    withdrawn = _counts(rows.filter(changed__isnull=False, status=SignalStatus.WITHDRAWN))
    unfinished = _counts(rows.filter(imported_in__isnull=False, imported_in__visible_at=None))
    summaries = []
    for bank in Bank.objects.filter(retired_at__isnull=not retired).order_by("name"):
        number = bank.number
        by_type = {
            type_name: count - withdrawn.get((number, type_name), 0) - unfinished.get((number, type_name), 0)
            for (of_bank, type_name), count in sorted(totals.items())
            if of_bank == number
        }
        gone = sum(count for (of_bank, _), count in withdrawn.items() if of_bank == number)
        present = {type_name: count for type_name, count in by_type.items() if count}
        summaries.append(BankSummary(bank=bank, signals=sum(present.values()), by_type=present, withdrawn=gone))
    return summaries


def _counts(rows: QuerySet[ListedSignal]) -> dict[tuple[int, str], int]:
    counted = rows.order_by().values_list("bank_id", "type").annotate(rows=Count("*"))
    return {(number, type_name): count for number, type_name, count in counted}


def _free_name(name: str) -> str:
    if Bank.objects.filter(name=checked_name(name), retired_at=None).exists():
        raise BankError(
            "name_taken", f"there is a bank called {name} already", "choose another name, or add to that bank"
        )
    return name


def _relabel(bank: Bank, labels: Iterable[str] | None, reporting_duty: str | None) -> None:
    if reporting_duty is not None:
        bank.reporting_duty = checked_words("reporting duty", reporting_duty, LONGEST_NOTE)
    if labels is not None:
        bank.labels = list(checked_labels(labels))
    bank.kind = checked_kind(BankKind(bank.kind), bank.labels, bank.reporting_duty).value


def _trust(bank: Bank, *, trusted: bool, by: str, now: datetime) -> None:
    bank.trusted_to_block = trusted
    bank.trusted_by = by if trusted else ""
    bank.trusted_at = now if trusted else None


def _told(bank: Bank) -> dict[str, str | int | bool | list[str] | None]:
    """What the record is told of a bank. Free text only as its digest: the record holds no prose."""
    return {
        "kind": str(bank.kind),
        "default_action": bank.default_action,
        "max_distance": bank.max_distance,
        "labels": list(bank.labels),
        "trusted_to_block": bank.trusted_to_block,
        "confirmations_to_block": bank.confirmations_to_block,
        "counts_as_protection": bank.counts_as_protection,
        "listed_by": _digest_of(bank.listed_by),
        "reporting_duty": _digest_of(bank.reporting_duty),
    }


def _digest_of(text: str) -> str | None:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else None
