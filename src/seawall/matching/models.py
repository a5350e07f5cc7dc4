"""The tables of the banks. Written by `banks` and `imports`, read for the index by `rows`."""

from typing import ClassVar

from django.db import models

from seawall.matching.model import DEFAULT_MAX_DISTANCE, BankKind, SignalStatus

#: How many organisations must have confirmed a listed signal before it blocks by itself (DESIGN §5).
DEFAULT_CONFIRMATIONS = 3


class Bank(models.Model):
    """A named set of listed signals that share what a match with them does."""

    id = models.CharField(max_length=64, primary_key=True)
    #: What signals refer to: a million rows carry a small number, not a 40-character id.
    number = models.BigIntegerField(unique=True)
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in BankKind])
    #: `allow`, `hold` or `block`, where no rule of the policy names the bank.
    default_action = models.CharField(max_length=10)
    #: Bits, 0..64.
    max_distance = models.PositiveSmallIntegerField(default=DEFAULT_MAX_DISTANCE)
    #: Sorted list of label names; every match in the bank carries them.
    labels = models.JSONField(default=list)
    #: Who the list comes from, as people are told; empty for a bank of one's own.
    listed_by = models.CharField(max_length=200, default="", blank=True)
    #: The owner's recorded decision to let this bank block although nobody here confirmed its signals.
    trusted_to_block = models.BooleanField(default=False)
    trusted_by = models.CharField(max_length=80, default="", blank=True)
    trusted_at = models.DateTimeField(null=True)
    confirmations_to_block = models.PositiveSmallIntegerField(default=DEFAULT_CONFIRMATIONS)
    #: Test cards and demonstrations match like any bank but count as protection in no figure.
    counts_as_protection = models.BooleanField(default=True)
    #: For no-look banks: the law or agreement under which the owner reports what is found.
    reporting_duty = models.TextField(default="", blank=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    retired_at = models.DateTimeField(null=True)
    #: Generation of "banks" at which something changed that every signal of the bank carries into the index.
    changed = models.BigIntegerField()
    # Kept by `listing` and `imports` in the transactions that change the signals, so that nobody must count a million
    # rows to say how many there are. `summary` reads them.
    #: Signals that are visible and not withdrawn, muted ones included; of a retired bank as many as it had.
    active_signals = models.BigIntegerField(default=0, db_default=0)
    #: When signals last came in: added, listed again, or made visible by an import. A withdrawal does not set it back.
    newest_signal_at = models.DateTimeField(null=True)
    #: When a list was last imported whole, also where the bank had all of it already.
    last_import_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "matching_bank"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"], name="matching_bank_name", condition=models.Q(retired_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Import(models.Model):
    """One list, imported. Until `visible_at` is set none of its rows can match anything."""

    id = models.CharField(max_length=64, primary_key=True)
    number = models.BigIntegerField(unique=True)
    bank = models.ForeignKey(Bank, on_delete=models.PROTECT, related_name="imports")
    source = models.CharField(max_length=200, default="", blank=True)
    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=80)
    #: The process that writes it, as `host:process id`, and when it last did: how an interrupted import is told.
    worker = models.CharField(max_length=200)
    active_at = models.DateTimeField()
    visible_at = models.DateTimeField(null=True)
    added = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    #: SHA-256 over the rows as they were written (docs/reference/banks.md), hex.
    digest = models.CharField(max_length=64, default="", blank=True)
    #: Generation of "banks" at which the rows became visible.
    changed = models.BigIntegerField(null=True)

    class Meta:
        db_table = "matching_import"
        indexes: ClassVar = [
            models.Index(
                fields=["bank", "id"], name="matching_import_of_bank", condition=models.Q(visible_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.id


class ListedSignal(models.Model):
    """One listed signal. Its public id is `sig_` and the UUIDv7."""

    id = models.UUIDField(primary_key=True)
    #: No index of its own: the constraint below begins with the bank.
    bank = models.ForeignKey(
        Bank, to_field="number", db_column="bank_number", on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    type = models.CharField(max_length=20)
    #: Canonical text.
    value = models.TextField()
    #: What is compared: 32 bytes, for MD5 16. Unique in place of `value`, because a URL is too long for an index.
    digest = models.BinaryField()
    #: 0..100 where the type has one and it is known.
    quality = models.PositiveSmallIntegerField(null=True)
    #: Sorted list of label names.
    labels = models.JSONField(default=list)
    source = models.CharField(max_length=200, default="", blank=True)
    opinion = models.CharField(max_length=20, default="positive")
    #: The source's own confidence, 0..100.
    confidence = models.PositiveSmallIntegerField(null=True)
    note = models.TextField(default="", blank=True)
    status = models.CharField(max_length=20, default=SignalStatus.ACTIVE.value)
    #: While this lies ahead the signal matches nothing.
    muted_until = models.DateTimeField(null=True)
    #: List of `{"by": …, "at": …}` for people here and `{"organisation": …, "at": …}` for other organisations.
    confirmed_by = models.JSONField(default=list)
    disputed = models.BooleanField(default=False)
    imported_in = models.ForeignKey(
        Import,
        to_field="number",
        db_column="import_number",
        on_delete=models.PROTECT,
        db_index=False,
        null=True,
        related_name="+",
    )
    #: Generation of "banks" at which the row last changed; null while nothing changed since its import.
    changed = models.BigIntegerField(null=True)

    class Meta:
        db_table = "matching_signal"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bank", "type", "digest"], name="matching_signal_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["changed"], name="matching_signal_changed", condition=models.Q(changed__isnull=False)),
            models.Index(
                fields=["imported_in", "id"],
                name="matching_signal_imported",
                condition=models.Q(imported_in__isnull=False),
            ),
            # What people listed, in its order; an import of a million rows does not touch it.
            models.Index(
                fields=["bank", "id"], name="matching_signal_by_people", condition=models.Q(imported_in__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.signal_id

    @property
    def signal_id(self) -> str:
        return f"sig_{self.id}"
