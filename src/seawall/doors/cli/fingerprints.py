"""`seawall hash`: the signals of files, without a server or a data directory."""

from collections.abc import Sequence
from gettext import gettext as _
from pathlib import Path

import click

from seawall.doors.cli.content import Looked, content_arguments, items, look_at
from seawall.doors.cli.invocation import Command, Invocation, pass_invocation


@click.command(
    "hash",
    cls=Command,
    short_help=_("Print the signals of files."),
    help=_(
        "Print the signals of each FILE: PDQ of pictures, SHA-256 and MD5 of every file; of texts and addresses "
        "their fingerprint. Needs no data directory and tells nobody.\n\n"
        "Exit codes: 0 all were hashed, 1 something could not be read completely, 2 usage."
    ),
)
@content_arguments
@pass_invocation
@click.pass_context
def hash_command(
    ctx: click.Context,
    invocation: Invocation,
    files: Sequence[Path],
    kind: str | None,
    texts: Sequence[str],
    urls: Sequence[str],
    signals: Sequence[str],
) -> None:
    named = items(files=files, kind=kind, texts=texts, urls=urls, signals=signals)
    failed = False
    for looked in look_at(named, invocation.settings):
        failed |= bool(looked.problem or looked.extraction.gaps)
        _show(invocation, looked)
    if failed:
        ctx.exit(1)


def _show(invocation: Invocation, looked: Looked) -> None:
    found = looked.extraction
    gaps = [{"code": gap.code, "text": gap.text} for gap in found.gaps]
    if looked.problem:
        gaps = [{"code": "unusable", "text": looked.problem}]
    invocation.emit(
        {
            "file": looked.item.label,
            "signals": [
                {"type": one.type, "version": one.version, "value": one.value, "quality": one.quality}
                for one in found.signals
            ],
            "degraded_reasons": gaps,
        }
    )
    invocation.say(looked.item.shown)
    for one in found.signals:
        quality = "" if one.quality is None else _("  quality {quality}").format(quality=one.quality)
        invocation.say(f"  {one.type:<7} {one.value}{quality}")
    for gap in gaps:
        invocation.note(f"seawall: {looked.item.shown}: {gap['text']}")
