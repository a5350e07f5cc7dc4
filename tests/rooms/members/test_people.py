from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from seawall.members.accounts import new_setup_link, set_account
from seawall.members.models import Account, Person, SetupLink
from seawall.members.people import (
    BadPerson,
    NoSuchPerson,
    add_person,
    change_person,
    ensure_owner,
    people_here,
    present_person,
    remove_person,
)
from seawall.members.roles import Role
from seawall.record.events import OwnerCreated
from seawall.record.ids import parse_id
from seawall.record.journal import read
from seawall.record.models import Event
from seawall.settings import Settings

NOW = datetime(2026, 11, 23, 20, 28, tzinfo=UTC)


def test_the_owner_is_created_once(settings: Settings) -> None:
    owner = ensure_owner(NOW)
    assert parse_id("per", owner.id).version == 7
    assert ensure_owner(NOW + timedelta(days=1)).id == owner.id
    assert Person.objects.count() == 1
    assert read(Event.objects.get()) == OwnerCreated(by=owner.id, person=owner.id)


def test_there_cannot_be_two_owners(settings: Settings) -> None:
    ensure_owner(NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.create(id="per_2", name="Second", is_owner=True, created_at=NOW)
    Person.objects.create(id="per_2", name="Second", is_owner=False, created_at=NOW)
    Person.objects.create(id="per_3", name="Third", is_owner=False, created_at=NOW)


def test_of_two_processes_that_create_the_owner_one_wins(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ensure_owner(NOW)
    with monkeypatch.context() as patch:
        # The second process looked before the first had committed.
        patch.setattr(Person.objects, "filter", lambda **_: Person.objects.none())
        assert ensure_owner(NOW).id == first.id
    assert Person.objects.count() == 1
    assert Event.objects.count() == 1


def test_people_come_change_and_leave(settings: Settings) -> None:
    owner = ensure_owner(NOW)
    mo = add_person(name=" Mo  Derator", role=Role.MODERATOR, by=owner.id, now=NOW)
    assert (mo.name, mo.notify) == ("Mo Derator", "at_once")
    changed = change_person(mo.id, by=owner.id, now=NOW, role=Role.READER, notify="digest", name="Mo")
    assert (changed.role, changed.notify, changed.name) == (Role.READER, "digest", "Mo")
    token = new_setup_link(mo, by=owner.id, now=NOW)
    set_account(token, email="mo@example.org", password="a long made-up sentence", now=NOW)
    new_setup_link(mo, by=owner.id, now=NOW)
    gone = remove_person(mo.id, by=owner.id, now=NOW)
    assert (gone.email, gone.notify, gone.name) == ("", "never", "Mo")
    assert not Account.objects.exists()
    assert not SetupLink.objects.exists()
    with pytest.raises(NoSuchPerson, match="person list"):
        remove_person(mo.id, by=owner.id, now=NOW)
    assert Event.objects.order_by("-serial")[0].name == "members:person:left"


def test_who_is_here_and_how_they_sign_in(settings: Settings) -> None:
    from allauth.mfa.models import Authenticator

    owner = ensure_owner(NOW)
    mo = add_person(name="Mo", role=Role.MODERATOR, by=owner.id, now=NOW)
    rea = add_person(name="Rea", role=Role.READER, by=owner.id, now=NOW)
    token = new_setup_link(mo, by=owner.id, now=NOW)
    account = set_account(token, email="mo@example.org", password="a long made-up sentence", now=NOW)
    Authenticator.objects.create(user=account, type="totp", data={"secret": "x"})
    Account.objects.update(last_login=NOW)
    remove_person(rea.id, by=owner.id, now=NOW)
    found = [(one.person.name, one.has_account, one.last_sign_in, one.has_second_factor) for one in people_here()]
    assert found == [("Owner", False, None, False), ("Mo", True, NOW, True)]


def test_the_owner_stays_the_owner(sqlite_settings: Settings) -> None:
    owner = ensure_owner(NOW)
    with pytest.raises(BadPerson):
        remove_person(owner.id, by=owner.id, now=NOW)
    with pytest.raises(BadPerson):
        change_person(owner.id, by=owner.id, now=NOW, role=Role.READER)
    with pytest.raises(BadPerson):
        add_person(name="Second", role=Role.OWNER, by=owner.id, now=NOW)
    assert Person.objects.get().role == Role.OWNER


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\x00b", "\u202e"])
def test_a_name_that_cannot_be_shown_is_refused(sqlite_settings: Settings, name: str) -> None:
    owner = ensure_owner(NOW)
    with pytest.raises(BadPerson):
        add_person(name=name, role=Role.READER, by=owner.id, now=NOW)


@pytest.mark.parametrize("person_id", ["", "per_x", "x" * 100_000, "\x00", "' OR 1=1"])
def test_nobody_has_a_made_up_id(sqlite_settings: Settings, person_id: str) -> None:
    ensure_owner(NOW)
    with pytest.raises(NoSuchPerson) as caught:
        present_person(person_id)
    assert len(str(caught.value)) < 200
    with pytest.raises(NoSuchPerson):
        change_person(person_id, by="per_x", now=NOW, name="x")
