"""The tables of the members' room: people, and the API keys that programs use on their behalf."""

from typing import ClassVar

from django.db import models


class Person(models.Model):
    """Someone who may act here. The owner of the instance is the person with `is_owner`."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200)
    is_owner = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "members_person"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_owner"], name="members_person_one_owner", condition=models.Q(is_owner=True)
            ),
        ]

    def __str__(self) -> str:
        return self.id


class ApiKey(models.Model):
    """A key that a program shows. The secret itself is nowhere in here, only its SHA-256."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200)
    secret_hash = models.CharField(max_length=64)
    #: List of `Scope` values, sorted.
    scopes = models.JSONField()
    #: List of surface names the key is limited to; null means every surface.
    surfaces = models.JSONField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "members_apikey"

    def __str__(self) -> str:
        return f"{self.id} {self.name}"
