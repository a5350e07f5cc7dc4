"""`seawall log verify`: is the record what it was when it was written? `seawall log checkpoint`: what to keep of it."""

from collections.abc import Sequence
from gettext import gettext as _
from pathlib import Path

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
        "Whoever holds the signing key can rewrite the log. That shows against a checkpoint that you kept elsewhere: "
        "give its file with --kept.\n\n"
        "Exit codes: 0 all of it holds, 1 something does not and is named, 2 usage."
    )
)
@click.option(
    "--kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help=_("A checkpoint of this log, kept since `seawall log checkpoint` printed it. May be given several times."),
)
@pass_invocation
def verify(invocation: Invocation, kept: Sequence[Path]) -> None:
    settings = invocation.open()
    from seawall.record.signing import load_verification_keys
    from seawall.record.verify import RESTORE, verify_log
    from seawall.screening.ledger import Ledger
    from seawall.screening.ledger.batches import verify_batches

    notes = [path.read_text(encoding="utf-8", errors="replace") for path in kept]
    report = verify_log(load_verification_keys(settings.keys_dir), kept_notes=notes)
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


@log.command(
    help=_(
        "Print the newest signed checkpoint: the log's size and root. Keep it on another machine; "
        "`seawall log verify --kept FILE` shows later whether the log was cut or rewritten since."
    )
)
@pass_invocation
def checkpoint(invocation: Invocation) -> None:
    invocation.open()
    from seawall.record.models import Checkpoint

    newest = Checkpoint.objects.order_by("-size").first()
    if newest is None:
        raise Trouble(_("the log is empty, so that there is no checkpoint yet"), _("start `seawall serve` once"))
    invocation.emit({"size": newest.size, "note": newest.note})
    if not invocation.json:
        # As it was signed, to the last byte.
        click.echo(newest.note, nl=False)
