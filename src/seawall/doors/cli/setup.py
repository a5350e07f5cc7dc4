"""`seawall setup-link` and `seawall person …`: how people come to an account, and how they go."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from gettext import gettext as _
from typing import Any

import click

from seawall.doors.cli.invocation import Command, Group, Invocation, owner, pass_invocation
from seawall.doors.cli.trouble import Trouble
from seawall.members.roles import Role
from seawall.record.clock import rfc3339

#: Roles that can be given; there is one owner.
GIVEN = (Role.MODERATOR.value, Role.READER.value)


@click.command(
    "setup-link",
    cls=Command,
    short_help=_("Print a one-time link for the owner."),
    help=_(
        "Print a one-time link with which the owner makes an account in the console, or sets address, password and "
        "second factors anew. It works for 30 minutes; links made before open nothing any more. Whoever may run this "
        "may be the owner."
    ),
)
@pass_invocation
def setup_link(invocation: Invocation) -> None:
    invocation.open(create=True)
    from seawall.members.models import Person

    with invocation.change() as now:
        _print_link(invocation, Person.objects.get(id=owner()), now)


@click.group("person", cls=Group, help=_("The people who may act here."))
def person() -> None:
    pass


@person.command(
    help=_(
        "Add the person NAME and print a one-time link, valid for three days, with which they make their account. Give "
        "it to them yourself: Seawall sends it to nobody."
    )
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(GIVEN),
    required=True,
    help=_("moderator: decides held uploads and lists content; reader: sees, and changes nothing."),
)
@pass_invocation
def add(invocation: Invocation, name: str, role: str) -> None:
    invocation.open()
    from seawall.members.people import add_person

    with _refusals(), invocation.change() as now:
        added = add_person(name=name, role=Role(role), by=owner(), now=now)
        _print_link(invocation, added, now)


@person.command(help=_("Print a new one-time link for the person ID, who lost password or second factor."))
@click.argument("person_id", metavar="ID")
@pass_invocation
def link(invocation: Invocation, person_id: str) -> None:
    invocation.open()
    from seawall.members.people import present_person

    with _refusals(), invocation.change() as now:
        _print_link(invocation, present_person(person_id), now)


@person.command("list", help=_("List the people who may act here."))
@pass_invocation
def list_all(invocation: Invocation) -> None:
    invocation.open()
    from seawall.members.people import people_here

    found = people_here()
    for one in found:
        invocation.emit(_public(one))
    invocation.table(
        (_("ID"), _("NAME"), _("ROLE"), _("LAST SIGN-IN"), _("SECOND FACTOR")),
        [
            (
                one.person.id,
                one.person.name,
                one.person.role,
                rfc3339(one.last_sign_in)[:16] if one.last_sign_in else "-",
                _("yes") if one.has_second_factor else _("no"),
            )
            for one in found
        ],
    )


@person.command(help=_("Remove the person ID: they cannot sign in any more. What they did stays in the record."))
@click.argument("person_id", metavar="ID")
@pass_invocation
def remove(invocation: Invocation, person_id: str) -> None:
    invocation.open()
    from seawall.members.people import remove_person

    with _refusals(), invocation.change() as now:
        removed = remove_person(person_id, by=owner(), now=now)
    invocation.emit({"id": removed.id, "removed": True})
    invocation.say(_("{name} cannot sign in any more.").format(name=removed.name))


@contextmanager
def _refusals() -> Iterator[None]:
    """What the room refuses, as two plain lines."""
    from seawall.members.people import BadPerson, NoSuchPerson

    try:
        yield
    except NoSuchPerson as error:
        raise Trouble(str(error).partition(":")[0], _("`seawall person list` shows everyone with their id")) from error
    except BadPerson as error:
        raise Trouble(str(error), _("change that and run the command again")) from error


def _print_link(invocation: Invocation, about: Any, now: datetime) -> None:
    """The link on standard output, what it is on standard error: so it can be piped on."""
    from seawall.members.accounts import new_setup_link, open_link

    token = new_setup_link(about, by=owner(), now=now)
    until = open_link(token, now).expires_at
    url = f"{invocation.settings.people_url}/setup/{token}"
    invocation.emit({"id": about.id, "url": url, "expires_at": until})
    invocation.say(url)
    if not invocation.json:
        text = _("It works once, until {when} UTC. If people reach this Seawall elsewhere, set SEAWALL_PUBLIC_URL.")
        invocation.note(text.format(when=f"{until:%Y-%m-%d %H:%M}"))


def _public(one: Any) -> dict[str, Any]:
    return {
        "id": one.person.id,
        "name": one.person.name,
        "role": one.person.role,
        "has_account": one.has_account,
        "last_sign_in": one.last_sign_in,
        "has_second_factor": one.has_second_factor,
    }
