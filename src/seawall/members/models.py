"""The tables of the members' room: people and how they sign in, and the API keys that programs use on their behalf."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from seawall.members.roles import Role


class Person(models.Model):
    """Someone who may act here. The owner of the instance is the person with `is_owner`."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=200)
    is_owner = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    #: A `Role`; the owner's is `owner`.
    role = models.CharField(max_length=20, default=Role.READER)
    #: Where mail goes; empty = none. Who signs in does so with their account's address, which is the same.
    email = models.CharField(max_length=254, blank=True)
    #: `at_once`, `digest` or `never`.
    notify = models.CharField(max_length=10, default="never")
    #: Someone who left keeps their name in the record and can do nothing any more.
    left_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "members_person"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_owner"], name="members_person_one_owner", condition=models.Q(is_owner=True)
            ),
        ]

    def __str__(self) -> str:
        return self.id


class Accounts(BaseUserManager["Account"]):
    """What Django calls the manager of users. Accounts are made by `members.accounts`, never by a sign-up form."""

    def get_by_natural_key(self, username: str | None) -> "Account":
        return self.get(email__iexact=username)


class Account(AbstractBaseUser):
    """How a person signs in to the console: an e-mail address and a password; second factors hang on it."""

    person = models.OneToOneField(Person, on_delete=models.CASCADE, related_name="account")
    #: Lower case throughout, so that it is one account however it is typed.
    email = models.EmailField(max_length=254, unique=True)
    is_active = models.BooleanField(default=True)

    objects: ClassVar[Accounts] = Accounts()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "members_account"

    def __str__(self) -> str:
        return self.person_id

    @property
    def name(self) -> str:
        """The person's, for who checks that a password is not made of it."""
        return self.person.name


class Instance(models.Model):
    """This installation as its owner named it: one row, there from the moment the wizard is opened."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    #: What people are told is asking or answering them.
    name = models.CharField(max_length=100, blank=True)
    #: The step of the wizard that comes next; empty when it was finished.
    next_step = models.CharField(max_length=20, blank=True)
    set_up_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "members_instance"
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(id=1), name="members_instance_one_row")]

    def __str__(self) -> str:
        return self.name


class SetupLink(models.Model):
    """A one-time link with which a person makes or renews their account. Only the token's SHA-256 is kept."""

    token_hash = models.CharField(max_length=64, primary_key=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="setup_links")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "members_setup_link"

    def __str__(self) -> str:
        return f"a link for {self.person_id}"


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
