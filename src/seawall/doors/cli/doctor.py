"""`seawall doctor`: what is well, what is not, and what to do about it."""

from gettext import gettext as _

import click

from seawall.doors.cli.invocation import Command, Invocation, pass_invocation
from seawall.upkeep.examine import Health, findings


@click.command(
    cls=Command,
    short_help=_("Say what is well here, and what is not."),
    help=_(
        "Look at this installation and its data directory: versions, kernel, decoders, database, permissions, disk, "
        "policy, banks, keys, log, connections.\n\n"
        "Exit codes: 0 nothing is bad, 1 something is, 2 usage."
    ),
)
@pass_invocation
@click.pass_context
def doctor(ctx: click.Context, invocation: Invocation) -> None:
    bad = False
    for finding in findings(invocation.settings):
        bad |= finding.health is Health.BAD
        invocation.emit(
            {
                "about": finding.about,
                "health": finding.health,
                "text": finding.text,
                "next_step": finding.next_step or None,
            }
        )
        invocation.say(f"{finding.health:<5} {finding.about:<12} {finding.text}")
        if finding.next_step:
            invocation.say(_("{indent}next: {next_step}").format(indent=" " * 19, next_step=finding.next_step))
    if bad:
        ctx.exit(1)
