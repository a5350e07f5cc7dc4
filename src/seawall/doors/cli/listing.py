"""`seawall bank add` and `seawall bank import`: putting signals into a bank."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path
from typing import Any

import click

from seawall.doors.cli.content import Looked, content_arguments, items, look_at, progress
from seawall.doors.cli.invocation import Command, Function, Invocation, owner, pass_invocation
from seawall.signals.model import Signal

#: Of a file we have in hand the SHA-256 says all that its MD5 could, and nobody can forge it.
LEFT_OUT = "md5"

#: A shorter list is imported before anyone could read a progress bar.
PROGRESS_BYTES = 500_000

#: More refused lines than this would scroll the summary away.
SHOWN_BAD_LINES = 20


def provenance(function: Function) -> Function:
    """Where signals come from and what they are."""
    for decorate in (
        click.option("--accept-low-quality", is_flag=True, help=_("Also list PDQ hashes of quality below 50.")),
        click.option("--note", default="", help=_("A remark for colleagues.")),
        click.option("--confidence", type=click.IntRange(0, 100), help=_("How sure the source is, 0 to 100.")),
        click.option("--source", default="", help=_("Where it comes from.")),
        click.option("--label", "labels", multiple=True, help=_("What it is, such as tvec (repeatable).")),
    ):
        function = decorate(function)
    return function


@click.command(
    cls=Command,
    short_help=_("List files, texts, addresses or hashes in a bank."),
    help=_(
        "List each FILE, --text, --url or --signal in BANK, confirmed by you. Of a picture its PDQ and SHA-256 are "
        "listed, of other files the SHA-256. The files themselves are not kept.\n\n"
        "Exit codes: 0 all are listed, 1 something was refused, 2 usage."
    ),
)
@click.argument("bank_name", metavar="BANK")
@content_arguments
@provenance
@pass_invocation
@click.pass_context
def add(
    ctx: click.Context,
    invocation: Invocation,
    /,
    bank_name: str,
    files: Sequence[Path],
    kind: str | None,
    texts: Sequence[str],
    urls: Sequence[str],
    signals: Sequence[str],
    **about: Any,
) -> None:
    named = items(files=files, kind=kind, texts=texts, urls=urls, signals=signals)
    settings = invocation.open()
    from seawall.matching.banks import find_bank

    find_bank(bank_name)
    by = owner()
    with invocation.change():
        refused = [not _add_one(invocation, bank_name, by, looked, about) for looked in look_at(named, settings)]
    if any(refused):
        ctx.exit(1)


def _add_one(invocation: Invocation, bank_name: str, by: str, looked: Looked, about: dict[str, Any]) -> bool:
    """List what was found in one item; whether all of it is listed now."""
    from seawall.matching.banks import add_signals
    from seawall.record.clock import system_clock

    problems = _why_not(looked)
    if problems:
        _tell(invocation, looked, bank_name, (), (), problems)
        return False
    added = add_signals(bank_name, _to_list(looked), by=by, now=system_clock(), **about)
    problems = [f"{one.type}: {one.reason}" for one in added.refused]
    _tell(invocation, looked, bank_name, added.ids, added.duplicates, problems)
    return not problems


def _to_list(looked: Looked) -> list[Signal]:
    given = looked.part is not None and looked.part.signals is not None
    return [one for one in looked.extraction.signals if given or one.type != LEFT_OUT]


def _why_not(looked: Looked) -> list[str]:
    if looked.problem:
        return [looked.problem]
    gaps = [gap.text for gap in looked.extraction.gaps]
    if gaps and any(one.type == "sha256" for one in looked.extraction.signals):
        gaps.append(_("To list its exact bytes alone, add it with --kind file."))
    if not gaps and not looked.extraction.signals:
        gaps.append(_("there is nothing in it that could be listed: add a longer text or a file"))
    return gaps


def _tell(
    invocation: Invocation,
    looked: Looked,
    bank_name: str,
    ids: Sequence[str],
    duplicates: Sequence[str],
    problems: Sequence[str],
) -> None:
    label = looked.item.shown
    invocation.emit(
        {
            "file": looked.item.label,
            "bank": bank_name,
            "added": list(ids),
            "duplicates": list(duplicates),
            "refused": list(problems),
        }
    )
    if ids:
        invocation.say(
            _("{label}: {count} signals listed: {ids}").format(label=label, count=len(ids), ids=", ".join(ids))
        )
    if duplicates:
        invocation.say(_("{label}: listed already: {ids}").format(label=label, ids=", ".join(duplicates)))
    for problem in problems:
        invocation.note(_("seawall: {label}: {problem}").format(label=label, problem=problem))


@click.command(
    "import",
    cls=Command,
    short_help=_("Import a CSV or JSON-lines list into a bank."),
    help=_(
        "Import LIST, a CSV or JSON-lines file, into BANK. Good lines are imported and confirm nothing; each bad line "
        "is named with its number. Beside a running server this is fine: the signals match a second after the end.\n\n"
        "Exit codes: 0 every line is listed now, 1 some lines were refused, or all, 2 usage."
    ),
)
@click.argument("bank_name", metavar="BANK")
@click.argument("path", metavar="LIST", type=click.Path(path_type=Path))
@click.option("--label", "labels", multiple=True, help=_("A label for every line (repeatable)."))
@click.option("--source", default="", help=_("The source of lines that name none."))
@click.option("--accept-low-quality", is_flag=True, help=_("Also list PDQ hashes of quality below 50."))
@click.option(
    "--report", type=click.Path(path_type=Path), help=_("Write all refused lines, with the reason, to this file.")
)
@pass_invocation
@click.pass_context
def import_into(
    ctx: click.Context, invocation: Invocation, /, bank_name: str, path: Path, report: Path | None, **about: Any
) -> None:
    invocation.open()
    from seawall.matching.imports import import_list
    from seawall.record.clock import system_clock

    size = path.stat().st_size
    by = owner()
    with invocation.change(), progress(size, _("importing"), least=PROGRESS_BYTES) as advance:
        read = 0

        def follow(done: int, _total: int, _rows: int) -> None:
            nonlocal read
            advance(done - read)
            read = done

        with _without_collector():
            done = import_list(bank_name, path, by=by, clock=system_clock, report=report, progress=follow, **about)
    _tell_import(invocation, done, report)
    if done.errors:
        ctx.exit(1)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of rows make no cycles; looking for some among them costs a tenth of the time of an import."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _tell_import(invocation: Invocation, done: Any, report: Path | None) -> None:
    counts = {"lines": done.lines, "added": done.added, "duplicates": done.duplicates, "refused": done.errors}
    invocation.emit({"import": done.import_id, "bank": done.bank, **counts, "digest": done.digest})
    for bad in done.bad_lines:
        invocation.emit({"line": bad.line, "problem": bad.text})
    invocation.say(
        _("{bank}: {added} signals listed, {duplicates} were listed already, {refused} lines refused").format(
            bank=done.bank, **counts
        )
    )
    if invocation.json:
        return
    for bad in done.bad_lines[:SHOWN_BAD_LINES]:
        invocation.note(f"  {bad}")
    if report is not None and done.errors:
        invocation.note(_("  all refused lines are in {report}").format(report=report))
    elif done.errors > SHOWN_BAD_LINES:
        invocation.note(
            _("  and {count} more: --report FILE keeps them all").format(count=done.errors - SHOWN_BAD_LINES)
        )
