"""The group `seawall` and everything in it."""

from gettext import gettext as _
from importlib.metadata import version

import click

from seawall.doors.cli.banks import bank
from seawall.doors.cli.demo.command import demo
from seawall.doors.cli.doctor import doctor
from seawall.doors.cli.fingerprints import hash_command
from seawall.doors.cli.holds import holds, refuse, release
from seawall.doors.cli.invocation import Group, everywhere
from seawall.doors.cli.keys import key
from seawall.doors.cli.listing import add, import_into
from seawall.doors.cli.log import log
from seawall.doors.cli.mail import mail
from seawall.doors.cli.policies import policy
from seawall.doors.cli.screening import screen
from seawall.doors.cli.serving import serve
from seawall.doors.cli.setup import person, setup_link
from seawall.doors.cli.signals import signal
from seawall.doors.cli.surfaces import surface
from seawall.doors.cli.upkeep import backup, export, move_to_postgresql, restore, upgrade


@click.group(
    "seawall",
    cls=Group,
    params=list(everywhere()),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=_(
        "Checks uploads against terrorist content that others have already confirmed, before it is published.\n\n"
        "New here: `seawall demo` starts a demonstration; `seawall serve` starts your own.\n\n"
        "Exit codes: 0 done, 1 failure (one line says what, one what to do next), 2 usage. `seawall screen` also "
        "answers 10 hold, 11 block, 12 allowed although not everything could be checked; of several files the worst "
        "counts, in the order 1, 11, 10, 12, 0."
    ),
)
@click.version_option(version("seawall"), prog_name="seawall", message="%(prog)s %(version)s")
def root() -> None:
    pass


bank.add_command(add)
bank.add_command(import_into)
for command in (
    serve,
    demo,
    setup_link,
    person,
    screen,
    hash_command,
    bank,
    signal,
    policy,
    surface,
    key,
    holds,
    release,
    refuse,
    log,
    mail,
    doctor,
    backup,
    restore,
    upgrade,
    move_to_postgresql,
    export,
):
    root.add_command(command)


def main() -> None:
    """Run the command line and leave with its exit code."""
    root(prog_name="seawall")
