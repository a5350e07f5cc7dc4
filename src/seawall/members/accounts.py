"""How people come to an account: through a one-time link, and through nothing else."""

import hashlib
import itertools
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q

from seawall.members.models import Account, Instance, Person, SetupLink
from seawall.members.people import BadPerson, checked_name
from seawall.members.roles import Role
from seawall.record.events import AccountSet, InstanceNamed, SetUp, SetupLinkMade, SignInChanged
from seawall.record.journal import record

#: Long enough to find a browser, short enough that a link left in a terminal's history is worth nothing (DESIGN §10).
OWNER_LINK_VALID = timedelta(minutes=30)
#: A colleague reads the message tomorrow.
INVITATION_VALID = timedelta(days=3)

#: 256 bits: nobody guesses one.
TOKEN_BYTES = 32
MAX_TOKEN_LENGTH = 64

#: RFC 5321: 64 for the name, 255 for the host, less what a path around it takes.
MAX_EMAIL_LENGTH = 254

#: The wizard's steps in their order, after the account itself; `done` is shown once and ends it.
STEPS = ("name", "surface", "mail", "key", "connect", "test", "done")

#: Of the installation's name: it stands at the top of every page.
MAX_PLACE_LENGTH = 100


class LinkRefused(LookupError):
    """The link is unknown, used, replaced or too old: one answer for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedLink:
    """Whom a valid link is for. `is_new` says that they have no account yet."""

    person: Person
    is_new: bool
    expires_at: datetime


def instance() -> Instance:
    """This installation's one row."""
    return Instance.objects.get_or_create(id=1, defaults={"next_step": STEPS[0]})[0]


def is_set_up() -> bool:
    """Whether the owner has an account. Until then only the set-up link opens anything."""
    return Account.objects.filter(person__is_owner=True).exists()


def new_setup_link(person: Person, *, by: str, now: datetime) -> str:
    """The token of a new link. The person's older ones open nothing any more."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    valid = OWNER_LINK_VALID if person.is_owner else INVITATION_VALID
    with transaction.atomic():
        SetupLink.objects.filter(person=person).delete()
        SetupLink.objects.create(token_hash=_hash(token), person=person, created_at=now, expires_at=now + valid)
        record(SetupLinkMade(by=by, person=person.id), now=now)
    return token


def open_link(token: str, now: datetime) -> OpenedLink:
    """Whom the link is for; it stays valid until `set_account` uses it.

    Raises:
        LinkRefused: it opens nothing.
    """
    link = _valid(token, now, lock=False)
    has_account = Account.objects.filter(person=link.person).exists()
    return OpenedLink(person=link.person, is_new=not has_account, expires_at=link.expires_at)


def set_account(token: str, *, email: str, password: str, name: str | None = None, now: datetime) -> Account:
    """Make the account of the link's person, or give it a new address and password; the link is used up.

    The password must have been checked by Django's validators. A new password ends all second factors: whoever holds
    the link proved to have the data directory, or the owner's word.

    Raises:
        LinkRefused: it opens nothing (any more).
        BadPerson: the address is no address, belongs to another account, or the name cannot be shown.
    """
    address = checked_email(email)
    try:
        with transaction.atomic():
            link = _valid(token, now, lock=True)
            person = link.person
            person.email = address
            person.name = person.name if name is None else checked_name(name)
            person.save(update_fields=["email", "name"])
            account = Account.objects.filter(person=person).first() or Account(person=person)
            account.email = address
            account.set_password(password)
            account.save()
            _forget_second_factors(account)
            link.used_at = now
            link.save(update_fields=["used_at"])
            record(AccountSet(by=person.id, person=person.id), now=now)
    except IntegrityError as error:
        raise BadPerson("this address belongs to another account here") from error
    return account


def set_password(account: Account, password: str, *, now: datetime) -> None:
    """A new password, in the person's own name; it ends their sessions. Django's validators must have checked it."""
    with transaction.atomic():
        account.set_password(password)
        account.save(update_fields=["password"])
        record_sign_in_change(account, "password", now=now)


def record_sign_in_change(account: Account, what: str, *, now: datetime) -> None:
    """That somebody changed how they sign in; `what` as SignInChanged says. In the caller's transaction if there is
    one.
    """
    with transaction.atomic():
        record(SignInChanged(by=account.person_id, person=account.person_id, what=what), now=now)


def name_instance(name: str, *, by: str, now: datetime) -> None:
    """What this installation is called, on its pages.

    Raises:
        BadPerson: it is empty, too long, or cannot be shown on one line.
    """
    trimmed = checked_name(name)
    if len(trimmed) > MAX_PLACE_LENGTH:
        raise BadPerson(f"give a name of 1 to {MAX_PLACE_LENGTH} characters on one line")
    row = instance()
    if row.name == trimmed:
        return
    with transaction.atomic():
        row.name = trimmed
        row.save(update_fields=["name"])
        record(InstanceNamed(by=by), now=now)


def may_take(step: str) -> bool:
    """Whether the wizard has come to this step, or was there before; when it is finished, every step may be redone."""
    reached = instance().next_step
    return step in STEPS and (not reached or STEPS.index(step) <= STEPS.index(reached))


def step_taken(step: str) -> None:
    """Go on to the step after this one. A step that is done again leads nowhere new."""
    following = dict(itertools.pairwise(STEPS))
    # One statement, so that two windows do not lead back behind each other.
    Instance.objects.filter(id=1, next_step=step).update(next_step=following[step])


def finish_setup(*, by: str, now: datetime) -> None:
    """The wizard is done; done again, it changes nothing."""
    row = instance()
    if row.set_up_at is None:
        with transaction.atomic():
            row.set_up_at, row.next_step = now, ""
            row.save(update_fields=["set_up_at", "next_step"])
            record(SetUp(by=by), now=now)


def sweep(now: datetime) -> int:
    """Delete sessions and set-up links whose time is over, used links too; returns how many rows went.

    A stranger makes a session by merely beginning to sign in, and one that is over still says who was signed in.
    """
    over, _rows = Session.objects.filter(expire_date__lte=now).delete()
    links, _rows = SetupLink.objects.filter(Q(expires_at__lte=now) | Q(used_at__isnull=False)).delete()
    return over + links


def checked_email(email: str) -> str:
    """In lower case; BadPerson when it is no address."""
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError as error:
        raise BadPerson("this is not an e-mail address") from error
    if len(address) > MAX_EMAIL_LENGTH:
        raise BadPerson("this e-mail address is too long")
    return address


def role_of(account: Account) -> Role | None:
    """None for someone who left."""
    person = account.person
    return None if person.left_at is not None or not account.is_active else Role(person.role)


def _valid(token: str, now: datetime, *, lock: bool) -> SetupLink:
    links = SetupLink.objects.select_related("person")
    if lock:
        links = links.select_for_update(of=("self",))
    # Looked up by its hash, so that no comparison of secrets takes place.
    found = links.filter(token_hash=_hash(token)).first() if len(token) <= MAX_TOKEN_LENGTH else None
    if found is None or found.used_at is not None or found.person.left_at is not None:
        raise LinkRefused(LinkRefused.__doc__)
    # A clock that went backwards makes no old link valid: it was not made in the future.
    if not found.created_at <= now < found.expires_at:
        raise LinkRefused(LinkRefused.__doc__)
    return found


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _forget_second_factors(account: Account) -> None:
    from allauth.mfa.models import Authenticator

    Authenticator.objects.filter(user=account).delete()
