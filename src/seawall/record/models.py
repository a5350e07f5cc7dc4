"""The tables of the record.

Rows of `Event` are written by `journal` and given their leaf by `sequencer`; `forget` may empty `salt` and `body`.
Nothing else ever changes them.
"""

from typing import ClassVar

from django.db import models

#: Longer ones are somebody putting content into a reference.
SOURCE_REF_LENGTH = 200


class Event(models.Model):
    """One thing that happened. `serial` is the order of writing; `leaf_index` the place in the transparency log."""

    serial = models.BigAutoField(primary_key=True)
    event_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=100)
    schema = models.PositiveIntegerField()
    #: Canonical JSON of the envelope (see `journal`); empty once forgotten.
    body = models.BinaryField(null=True)
    salt = models.BinaryField(null=True)
    #: SHA-256(salt ‖ body), 32 bytes: the entry of the log's leaf. Never changes.
    commitment = models.BinaryField()
    created_at = models.DateTimeField()
    #: Where an event that may arrive twice came from, such as `ledger:2026-11-23:matched:17`.
    source_ref = models.CharField(max_length=SOURCE_REF_LENGTH, null=True, unique=True)  # noqa: DJ001  several rows have none
    leaf_index = models.BigIntegerField(null=True, unique=True)

    class Meta:
        db_table = "record_event"
        indexes: ClassVar = [
            models.Index(fields=["serial"], name="record_event_pending", condition=models.Q(leaf_index__isnull=True)),
            models.Index(fields=["name", "serial"], name="record_event_name"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} {self.name}"


class LogTile(models.Model):
    """Up to 256 hashes of one level of the Merkle tree, 32 bytes each, in order (C2SP tlog-tiles)."""

    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        db_table = "record_logtile"
        constraints: ClassVar = [models.UniqueConstraint(fields=["level", "index"], name="record_logtile_place")]

    def __str__(self) -> str:
        return f"tile {self.level}/{self.index}"


class Checkpoint(models.Model):
    """A signed statement of the log's size and root. `note` is the signed text; the columns repeat it for queries."""

    size = models.BigIntegerField(unique=True)
    root = models.BinaryField()
    origin = models.CharField(max_length=200)
    note = models.TextField()
    created_at = models.DateTimeField()
    key_id = models.CharField(max_length=16)

    class Meta:
        db_table = "record_checkpoint"

    def __str__(self) -> str:
        return f"checkpoint at size {self.size}"


class Outbox(models.Model):
    """Something another room or the outside shall be told, written in the transaction of what it tells of."""

    id = models.CharField(max_length=64, primary_key=True)
    topic = models.CharField(max_length=100)
    #: Canonical JSON.
    payload = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "record_outbox"
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="record_outbox_waiting", condition=models.Q(done_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.topic}"


class Generation(models.Model):
    """Counts the changes to one part of the tables, so that whoever holds a copy can tell cheaply that it is stale."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "record_generation"

    def __str__(self) -> str:
        return f"{self.name} {self.value}"
