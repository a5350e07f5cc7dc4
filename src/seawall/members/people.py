"""Who may act here: the owner, as whom the command line acts, and the people the owner asked to help."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from seawall.members.models import Account, Person
from seawall.members.roles import Role
from seawall.members.sessions import end_sessions
from seawall.record.events import OwnerCreated, PersonAdded, PersonChanged, PersonLeft
from seawall.record.ids import new_id
from seawall.record.journal import record

MAX_NAME_LENGTH = 200

#: When mail about waiting holds is sent to a person.
NOTIFY = ("at_once", "digest", "never")


class BadPerson(ValueError):
    """A person cannot be added or changed like this; the message says what to change."""


class NoSuchPerson(LookupError):
    """Nobody has this id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Present:
    """Someone who is here, and how they sign in. Without an account they have not used their invitation yet."""

    person: Person
    has_account: bool
    last_sign_in: datetime | None
    has_second_factor: bool


def people_here() -> list[Present]:
    """Everyone who has not left, the owner first. One query."""
    from allauth.mfa.models import Authenticator

    rows = Person.objects.filter(left_at__isnull=True).select_related("account").order_by("-is_owner", "created_at")
    rows = rows.annotate(has_second_factor=Exists(Authenticator.objects.filter(user__person=OuterRef("pk"))))
    found = []
    for row in rows:
        account = getattr(row, "account", None)
        found.append(
            Present(
                person=row,
                has_account=account is not None,
                last_sign_in=account.last_login if account else None,
                has_second_factor=row.has_second_factor,
            )
        )
    return found


def present_person(person_id: str) -> Person:
    """The person with this id, if they have not left; NoSuchPerson otherwise."""
    return _among(Person.objects.all(), person_id)


def ensure_owner(now: datetime, *, name: str = "Owner") -> Person:
    """The owner, created with an event when there is none yet."""
    found = Person.objects.filter(is_owner=True).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            person = Person.objects.create(
                id=new_id("per", lambda: now),
                name=name,
                is_owner=True,
                role=Role.OWNER,
                notify="at_once",
                created_at=now,
            )
            record(OwnerCreated(by=person.id, person=person.id), now=now)
    except IntegrityError:
        # Another process was first; there is one owner only.
        return Person.objects.get(is_owner=True)
    return person


def add_person(*, name: str, role: Role, by: str, now: datetime) -> Person:
    """Someone new, who cannot sign in before they used a set-up link (`accounts.new_setup_link`).

    Raises:
        BadPerson: no name, or a second owner.
    """
    if role is Role.OWNER:
        raise BadPerson("there is one owner; add a moderator or a reader")
    with transaction.atomic():
        person = Person.objects.create(
            id=new_id("per", lambda: now),
            name=checked_name(name),
            role=role,
            notify="at_once" if role is Role.MODERATOR else "never",
            created_at=now,
        )
        record(PersonAdded(by=by, person=person.id, role=str(role)), now=now)
    return person


def change_person(
    person_id: str,
    *,
    by: str,
    now: datetime,
    name: str | None = None,
    role: Role | None = None,
    notify: str | None = None,
) -> Person:
    """Change what is given. The owner's role stays.

    Raises:
        NoSuchPerson, BadPerson.
    """
    with transaction.atomic():
        person = _present(person_id)
        if role is not None and person.is_owner != (role is Role.OWNER):
            raise BadPerson("the owner stays the owner, and there is one only")
        if notify is not None and notify not in NOTIFY:
            raise BadPerson(f"mail is sent {', '.join(NOTIFY)}")
        if name is not None:
            person.name = checked_name(name)
        person.role = person.role if role is None else role
        person.notify = person.notify if notify is None else notify
        person.save(update_fields=["name", "role", "notify"])
        record(PersonChanged(by=by, person=person.id, role=str(person.role)), now=now)
    return person


def remove_person(person_id: str, *, by: str, now: datetime) -> Person:
    """They cannot sign in any more and get no mail; their address is forgotten, what they did stays in the record.

    Raises:
        NoSuchPerson, BadPerson: the owner cannot be removed.
    """
    with transaction.atomic():
        person = _present(person_id)
        if person.is_owner:
            raise BadPerson("the owner cannot be removed")
        person.left_at, person.email, person.notify = now, "", "never"
        person.save(update_fields=["left_at", "email", "notify"])
        person.setup_links.all().delete()
        _forget_account(person)
        record(PersonLeft(by=by, person=person.id), now=now)
    return person


def checked_name(name: str) -> str:
    """BadPerson unless it is one line that can be shown."""
    trimmed = " ".join(name.split())
    if not trimmed or len(trimmed) > MAX_NAME_LENGTH or not trimmed.isprintable():
        raise BadPerson(f"give a name of 1 to {MAX_NAME_LENGTH} characters on one line")
    return trimmed


def _present(person_id: str) -> Person:
    return _among(Person.objects.select_for_update(), person_id)


def _among(rows: QuerySet[Person], person_id: str) -> Person:
    # An id out of an address is a stranger's text: PostgreSQL answers a NUL with an error of its own.
    person = rows.filter(id=person_id, left_at__isnull=True).first() if person_id.isprintable() else None
    if person is None:
        raise NoSuchPerson(f"there is no person {person_id[:80]!r}: `seawall person list` shows everyone")
    return person


def _forget_account(person: Person) -> None:
    """With its password, second factors, addresses and sessions."""
    for account in Account.objects.filter(person=person):
        end_sessions(account)
        account.delete()
