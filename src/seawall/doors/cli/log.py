"""`seawall log verify`: is the record what it was when it was written?"""

from gettext import gettext as _

import click

from seawall.doors.cli.invocation import Group, Invocation, pass_invocation
from seawall.doors.cli.trouble import Trouble


@click.group("log", cls=Group, help=_("The transparency log: what happened here, provably in order."))
def log() -> None:
    pass


@log.command(
    help=_(
        "Check every event, leaf, tile and checkpoint, and every batch of the screening ledger against them. Beside a "
        "running server this is fine.\n\n"
        "Exit codes: 0 all of it holds, 1 something does not and is named, 2 usage."
    )
)
@pass_invocation
def verify(invocation: Invocation) -> None:
    settings = invocation.open()
    from seawall.record.signing import load_verification_keys
    from seawall.record.verify import RESTORE, verify_log
    from seawall.screening.ledger import Ledger
    from seawall.screening.ledger.batches import verify_batches

    report = verify_log(load_verification_keys(settings.keys_dir))
    finding = report.finding
    problem = None if finding else next(iter(verify_batches(Ledger(settings))), None)
    counts = {
        "leaves": report.size,
        "checkpoints": report.checkpoints,
        "pending": report.waiting,
        "forgotten": report.forgotten,
        "root": report.root.hex(),
    }
    invocation.emit({"ok": finding is None and problem is None, **counts})
    invocation.say(
        _("{leaves} leaves, {checkpoints} checkpoints, {pending} events pending, {forgotten} forgotten").format(
            **counts
        )
    )
    invocation.say(_("root {root}").format(root=report.root.hex()))
    if finding is not None:
        raise Trouble(_("{where}: {text}").format(where=finding.where, text=finding.text), finding.next_step)
    if problem is not None:
        batch = "" if problem.batch is None else _(", batch {number}").format(number=problem.batch)
        where = _("screening ledger, {partition}{batch}").format(partition=problem.partition, batch=batch)
        raise Trouble(_("{where}: {text}").format(where=where, text=problem.text), RESTORE)
    invocation.say(_("The record is whole: everything is as it was written."))
