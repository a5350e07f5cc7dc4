"""`seawall key …`: API keys. The text of a key is shown once, when it is made."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from gettext import gettext as _
from typing import Any

import click

from seawall.doors.cli.invocation import Group, Invocation, owner, pass_invocation
from seawall.doors.cli.reasons import ReasonCode
from seawall.doors.cli.trouble import Trouble
from seawall.members.keys import KeyRecord
from seawall.members.scopes import Scope
from seawall.record.clock import system_clock

#: A key that lives longer has no expiry; write that.
LONGEST_DAYS = 3_650


@click.group("key", cls=Group, help=_("API keys for the programs that ask this Seawall."))
def key() -> None:
    pass


@key.command(
    help=_(
        "Make a key for the program NAME and print it. It is shown this once: only its hash is kept. "
        "Creates an empty data directory."
    ),
)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([one.value for one in Scope]),
    multiple=True,
    required=True,
    help=_("What it may do (repeatable)."),
)
@click.option("--surface", "surfaces", multiple=True, help=_("Limit it to this surface (repeatable); else all."))
@click.option("--days", type=click.IntRange(1, LONGEST_DAYS), help=_("Days until it expires; else it does not."))
@pass_invocation
def create(invocation: Invocation, name: str, scopes: Sequence[str], surfaces: Sequence[str], days: int | None) -> None:
    invocation.open(create=True)
    from seawall.members.issue import issue_key

    _require_surfaces(surfaces)
    with invocation.change() as now:
        made, shown = issue_key(
            name=name,
            scopes=scopes,
            by=owner(),
            now=now,
            expires_at=None if days is None else now + timedelta(days=days),
            surfaces=surfaces or None,
        )
    invocation.emit({**_public(made, now), "key": shown})
    invocation.say(shown)
    if not invocation.json:
        invocation.note(
            _("This is shown once. Keep it where {name} finds it; send it as `Authorization: Bearer …`.").format(
                name=name
            )
        )


def _require_surfaces(names: Sequence[str]) -> None:
    from seawall.screening.policies import list_surfaces

    known = {one.name for one in list_surfaces()}
    for name in names:
        if name not in known:
            raise Trouble(
                _("there is no surface {name!r}").format(name=name),
                _("`seawall surface list` shows them; `seawall surface create` makes one"),
            )


@key.command("list", help=_("List all keys: names, scopes, dates; never the keys themselves."))
@pass_invocation
def list_all(invocation: Invocation) -> None:
    invocation.open()
    from seawall.members.issue import key_records

    now = system_clock()
    found = [_public(one, now) for one in key_records().values()]
    for one in found:
        invocation.emit(one)
    if not found:
        invocation.say(_("No key yet: `seawall key create` makes one."))
        return
    invocation.table(
        (_("ID"), _("NAME"), _("SCOPES"), _("SURFACES"), _("STATE")),
        [
            (one["id"], one["name"], ",".join(one["scopes"]), ",".join(one["surfaces"] or [_("all")]), one["state"])
            for one in found
        ],
    )


@key.command(help=_("End the key ID. It is refused everywhere within a second; this cannot be undone."))
@click.argument("key_id", metavar="ID")
@click.option(
    "--reason", type=ReasonCode(), default="", help=_("A short code for the record, such as leaked or unused.")
)
@pass_invocation
def revoke(invocation: Invocation, key_id: str, reason: str) -> None:
    invocation.open()
    from seawall.members.issue import revoke_key

    with invocation.change() as now:
        ended = revoke_key(key_id, by=owner(), now=now, reason=reason)
    invocation.emit(_public(ended, now))
    invocation.say(_("Key {id} ({name}) is revoked.").format(id=ended.key_id, name=ended.name))


def _public(one: KeyRecord, now: datetime) -> dict[str, Any]:
    expired = one.expires_at is not None and one.expires_at <= now
    return {
        "id": one.key_id,
        "name": one.name,
        "scopes": list(one.scopes),
        "surfaces": None if one.surfaces is None else list(one.surfaces),
        "created_at": one.created_at,
        "expires_at": one.expires_at,
        "revoked_at": one.revoked_at,
        "state": "revoked" if one.revoked_at else "expired" if expired else "active",
    }
