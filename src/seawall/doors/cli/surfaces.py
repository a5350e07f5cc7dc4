"""`seawall surface …`: the places where people publish, and what happens there."""

from gettext import gettext as _

import click

from seawall.doors.cli.invocation import Group, Invocation, owner, pass_invocation
from seawall.doors.cli.trouble import Trouble
from seawall.screening.model import Audience, FailMode, HoldExpiry, Surface

PRIVATE = _(
    "private communication is not screened without a legal basis: in the EU the confidentiality of communications "
    "forbids it (Directive 2002/58/EC, Article 5)"
)


@click.group("surface", cls=Group, help=_("The places where people publish."))
def surface() -> None:
    pass


@surface.command(
    help=_(
        "Declare the surface NAME. Audience, fail mode and hold expiry decide over somebody's upload, so they have no "
        "default."
    ),
)
@click.argument("name")
@click.option(
    "--audience",
    type=click.Choice([one.value for one in Audience]),
    required=True,
    help=_("Who can read what is published there."),
)
@click.option(
    "--fail-mode",
    type=click.Choice([one.value for one in FailMode]),
    required=True,
    help=_("What happens to content that could not be screened: publish it, hold it for a person, or refuse it."),
)
@click.option(
    "--hold-expiry",
    type=click.Choice([one.value for one in HoldExpiry]),
    required=True,
    help=_("What happens when nobody has looked at a hold in time."),
)
@click.option("--hold-hours", type=int, default=24, show_default=True, help=_("How long a person has to look."))
@click.option("--appeal-days", type=int, default=183, show_default=True, help=_("How long people may appeal."))
@click.option(
    "--store-unmatched/--no-store-unmatched",
    default=True,
    show_default=True,
    help=_("Whether screenings without a match leave a row in the screening ledger."),
)
@click.option(
    "--private-basis", default="", help=_("For a private surface: the legal basis that allows screening, recorded.")
)
@click.option("--replace", is_flag=True, help=_("Change the surface if it is there already."))
@pass_invocation
def create(
    invocation: Invocation,
    name: str,
    audience: str,
    fail_mode: str,
    hold_expiry: str,
    hold_hours: int,
    appeal_days: int,
    store_unmatched: bool,
    private_basis: str,
    replace: bool,
) -> None:
    invocation.open()
    from seawall.screening.policies import list_surfaces, save_surface

    made = Surface(
        name=name,
        audience=Audience(audience),
        fail_mode=FailMode(fail_mode),
        hold_expiry=HoldExpiry(hold_expiry),
        hold_hours=hold_hours,
        appeal_days=appeal_days,
        store_unmatched=store_unmatched,
        private_basis=private_basis.strip(),
    )
    if made.audience is Audience.PRIVATE and not made.private_basis:
        raise Trouble(PRIVATE, _("leave private messages alone, or record the basis with --private-basis"))
    if not replace and any(one.name == name for one in list_surfaces()):
        raise Trouble(
            _("there is a surface {name!r} already").format(name=name),
            _("choose another name, or change it with --replace"),
        )
    with invocation.change() as now:
        save_surface(made, by=owner(), now=now)
    invocation.emit(made)
    invocation.say(_("Surface {name} is saved.").format(name=name))


@surface.command("list", help=_("List the surfaces with everything they declare."))
@pass_invocation
def list_all(invocation: Invocation) -> None:
    invocation.open()
    from seawall.screening.policies import list_surfaces

    found = list_surfaces()
    for one in found:
        invocation.emit(one)
    if not found:
        invocation.say(_("No surface yet: `seawall surface create` makes one."))
        return
    invocation.table(
        (_("NAME"), _("AUDIENCE"), _("FAIL MODE"), _("HOLD"), _("THEN"), _("APPEAL")),
        [
            (one.name, one.audience, one.fail_mode, f"{one.hold_hours} h", one.hold_expiry, f"{one.appeal_days} d")
            for one in found
        ],
    )
