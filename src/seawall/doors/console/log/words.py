"""Events in words: who did what, with the names people know instead of ids."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from seawall.doors.console.numbers import number
from seawall.matching.models import Bank
from seawall.members.models import ApiKey, Person
from seawall.record import events

#: Those that act without being a person or a key.
SYSTEM = "system"
UPLOADER = "uploader"


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What the people, banks and keys of a page of events are called, by id."""

    known: Mapping[str, str]

    @classmethod
    def of(cls, shown: Iterable[events.Event]) -> "Names":
        """Three queries, however many events."""
        ids = {one for event in shown for one in _ids(event)}
        people = Person.objects.filter(id__in=[one for one in ids if one.startswith("per_")]).values_list("id", "name")
        banks = Bank.objects.filter(id__in=[one for one in ids if one.startswith("bnk_")]).values_list("id", "name")
        keys = ApiKey.objects.filter(id__in=[one for one in ids if one.startswith("key_")]).values_list("id", "name")
        return cls(known={**dict(people), **dict(banks), **dict(keys)})

    def __getitem__(self, one: str) -> str:
        if one == SYSTEM:
            return _("Seawall itself")
        if one == UPLOADER:
            return _("the person who uploaded it")
        return self.known.get(one, one)


def sentence(event: events.Event, names: Names) -> str:
    """What happened, without who did it. An event of a later release is called by its own name."""
    wording = wordings().get(event.name)
    if wording is None:
        name = event.written_name if isinstance(event, events.Unrecognised) else event.name
        return _("{name} (this release has no words for it)").format(name=name)
    return _variant(event, wording).format_map(_Fields(event, names))


def wordings() -> dict[str, str]:
    """A sentence for each kind of event; braces name its fields."""
    return {
        events.BankCreated.name: _("Made the bank {bank}"),
        events.BankRenamed.name: _("Renamed a bank; it is now called {title}"),
        events.BankRetired.name: _("Retired the bank {bank}: its signals match no more"),
        events.BankChanged.name: _("Changed what a match in the bank {bank} does: {changed}"),
        events.SignalsAdded.name: _("Added {count} signals to the bank {bank}"),
        events.SignalsImported.name: _("Imported {count} signals into the bank {bank}; {errors} lines were refused"),
        events.SignalWithdrawn.name: _("Withdrew a signal of the bank {bank}"),
        events.SignalMuted.name: _("Muted a signal of the bank {bank} until {until}"),
        events.SignalConfirmed.name: _("Confirmed a signal of the bank {bank}"),
        events.SignalDisputed.name: _("Disputed a signal of the bank {bank}"),
        events.PolicySaved.name: _("Saved the policy {policy} as version {version}"),
        events.SurfaceSaved.name: _("Saved the surface {surface}"),
        events.BatchesRecorded.name: _("Recorded {rows} verdicts of {day} ({family})"),
        events.HoldResolved.name: _("A held upload was {outcome}"),
        events.PersonAsked.name: _("Asked for a person to look at an upload that was stopped"),
        events.HoldLooked.name: _("Looked at part {part} of a held upload"),
        events.DayDropped.name: _("Destroyed the verdicts of {day} ({family}), as they were kept long enough"),
        events.KeyIssued.name: _("Made the key {key} for {scopes}"),
        events.KeyRevoked.name: _("Revoked the key {key}"),
        events.EventForgotten.name: _("Destroyed what an earlier event said; its place in the log stays"),
        events.OwnerCreated.name: _("This installation has an owner"),
        events.PersonAdded.name: _("Added {person} as {role}"),
        events.PersonChanged.name: _("Changed {person}, who is {role}"),
        events.PersonLeft.name: _("Removed {person}"),
        events.SetupLinkMade.name: _("Made a set-up link for {person}"),
        events.AccountSet.name: _("{person} set their address and password with a set-up link"),
        events.SetUp.name: _("Finished the first set-up"),
        events.InstanceNamed.name: _("Gave this installation a name"),
        events.SignInChanged.name: _("Changed how {person} signs in: {what}"),
        events.MailServerChosen.name: _("Chose the mail server that mail goes through (encryption: {security})"),
    }


def _variant(event: events.Event, wording: str) -> str:
    """Some events say the opposite with the same name."""
    if isinstance(event, events.SignalMuted) and event.until is None:
        return _("Ended the mute of a signal of the bank {bank}")
    if isinstance(event, events.SignalDisputed) and not event.disputed:
        return _("Settled the dispute about a signal of the bank {bank}")
    if isinstance(event, events.SignInChanged):
        return {
            "password": _("{person} set a new password"),
            "totp_added": _("{person} set up an authenticator app"),
            "totp_removed": _("{person} removed the authenticator app"),
            "webauthn_added": _("{person} added a passkey"),
            "webauthn_removed": _("{person} removed a passkey"),
            "recovery_codes_added": _("{person} was given recovery codes"),
            "recovery_codes_reset": _("{person} made new recovery codes"),
            "recovery_codes_removed": _("The recovery codes of {person} ended"),
        }.get(event.what, wording)
    if isinstance(event, events.MailServerChosen) and event.security == "off":
        return _("Stopped sending mail")
    if isinstance(event, events.HoldResolved) and event.outcome == "expired":
        return _("Nobody decided about a held upload in time, so the rule of its surface did")
    return wording


class _Fields(dict[str, str]):
    """The event's fields as they are read aloud."""

    def __init__(self, event: events.Event, names: Names) -> None:
        super().__init__()
        self._fields = events.fields_of(event)
        self._names = names

    def __missing__(self, field: str) -> str:
        if field == "rows":
            return number(sum(rows for rows, _digest in self._fields["batches"]))
        return self._spoken(self._fields.get(field))

    def _spoken(self, value: Any) -> str:
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, int):
            return number(value)
        if isinstance(value, dict):
            return ", ".join(f"{name} = {self._spoken(one)}" for name, one in value.items())
        if isinstance(value, list):
            return ", ".join(map(self._spoken, value))
        return self._names[value] if isinstance(value, str) else "-"


def _ids(event: events.Event) -> Iterable[str]:
    """Whatever may be the id of a person, bank or key."""
    return [value for value in events.fields_of(event).values() if isinstance(value, str)]
