"""Who may act here. This release knows one person: the owner, as whom the command line acts."""

from datetime import datetime

from django.db import IntegrityError, transaction

from seawall.members.models import Person
from seawall.record.events import OwnerCreated
from seawall.record.ids import new_id
from seawall.record.journal import record


def ensure_owner(now: datetime, *, name: str = "Owner") -> Person:
    """The owner, created with an event when there is none yet."""
    found = Person.objects.filter(is_owner=True).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            person = Person.objects.create(id=new_id("per", lambda: now), name=name, is_owner=True, created_at=now)
            record(OwnerCreated(by=person.id, person=person.id), now=now)
    except IntegrityError:
        # Another process was first; there is one owner only.
        return Person.objects.get(is_owner=True)
    return person
