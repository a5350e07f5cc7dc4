from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from seawall.members.models import Person
from seawall.members.people import ensure_owner
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
