"""Putting signals into a bank: by value, from a file, from a list file."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from seawall.doors.console.access import page, person_of
from seawall.doors.console.banks.forms import LARGEST_LIST_BYTES, FileForm, HashForm, ImportForm
from seawall.doors.console.banks.views import bank_called
from seawall.doors.console.context import context_of
from seawall.doors.console.numbers import number
from seawall.doors.console.saying import drawn, say
from seawall.matching.banks import Added, add_signals
from seawall.matching.checks import LOWEST_QUALITY, BankError, shown
from seawall.matching.imports import Imported, import_list
from seawall.matching.list_format import BadLine
from seawall.matching.model import BankKind
from seawall.matching.models import Bank
from seawall.members.roles import Right
from seawall.signals.extract import extract, kind_of
from seawall.signals.model import Extraction, Kind, Part, Signal

#: Of a file we have in hand the SHA-256 says all that its MD5 could, and nobody can forge it.
LEFT_OUT = "md5"

#: Refused values and lines that are shown; all are counted.
MOST_SHOWN = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A value that was not listed, in words."""

    value: str
    why: str


@page(Right.LIST)
def add(request: HttpRequest, name: str) -> HttpResponse:
    bank = bank_called(name)
    form = HashForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _add_page(request, bank, form)
    found = form.cleaned_data
    signals = [Signal(type=found["type"], value=value, quality=found["quality"]) for value in found["values"]]
    return _list(request, bank, signals, form)


@page(Right.LIST)
def add_file(request: HttpRequest, name: str) -> HttpResponse:
    bank = bank_called(name)
    if bank.kind == BankKind.NO_LOOK:
        # Such material is nothing to have on one's machine, not even to hash it.
        raise Http404
    form = FileForm(request.POST, request.FILES) if request.method == "POST" else FileForm()
    if not form.is_valid():
        return _add_page(request, bank, form)
    content = form.cleaned_data["file"].read()
    kind = Kind.FILE if form.cleaned_data["exact_only"] else kind_of(content)
    found = extract([Part(name="file", kind=kind, data=content)], context_of(request).jail)
    if found.gaps:
        form.add_error("file", _why_not(found))
        return _add_page(request, bank, form)
    return _list(request, bank, [one for one in found.signals if one.type != LEFT_OUT], form)


def _why_not(found: Extraction) -> str:
    """What could not be looked at, in words that stand on their own: nothing of the file is repeated."""
    said = " ".join(gap.text for gap in found.gaps)
    exact = _("To list its exact bytes alone, tick “List only its exact bytes”.")
    return f"{said} {exact}" if any(one.type == "sha256" for one in found.signals) else said


def _list(request: HttpRequest, bank: Bank, signals: Sequence[Signal], form: HashForm | FileForm) -> HttpResponse:
    """List the signals in the person's name: back to the bank, or to the form with what was refused."""
    now, by = context_of(request).clock(), person_of(request).id
    try:
        added = add_signals(bank.name, signals, by=by, now=now, **form.shared())
    except BankError as error:
        form.refuse(error)
        return _add_page(request, bank, form)
    said = _came_to(added, signals)
    if added.refused:
        return _add_page(request, bank, form, added=said, refused=_refused(added), count=len(added.refused))
    say(request, said)
    if len(added.ids) + len(added.duplicates) == 1:
        return redirect("signal", bank.name, (*added.ids, *added.duplicates)[0])
    return redirect("bank", bank.name)


def _came_to(added: Added, signals: Sequence[Signal]) -> str:
    """In a sentence or two; of a picture the quality of its hash too."""
    said = []
    if added.ids:
        said.append(
            _("Listed and confirmed by you: {count}. They match within a second.").format(count=number(len(added.ids)))
        )
    if added.duplicates:
        said.append(_("Listed already, and now confirmed by you: {count}.").format(count=number(len(added.duplicates))))
    qualities = sorted({one.quality for one in signals if one.quality is not None})
    if qualities:
        said.append(
            _("Quality of the PDQ hash: {quality} of 100.").format(quality=" · ".join(map(str, qualities[:20])))
        )
    return " ".join(said)


def _refused(added: Added) -> list[Refused]:
    return [
        Refused(value=f"{one.type} {shown(one.value)}", why=_in_the_console(one.reason))
        for one in added.refused[:MOST_SHOWN]
    ]


def _in_the_console(why: str) -> str:
    """The same words, except where the room's name an option of the command line."""
    if f"below {LOWEST_QUALITY}" not in why:
        return why
    return _(
        "its quality is below 50: it has so little detail that unlike pictures would match it. Leave it out, or "
        "tick “List PDQ hashes of quality below 50 too”; such a signal can hold, never block."
    )


def _add_page(
    request: HttpRequest,
    bank: Bank,
    form: HashForm | FileForm,
    *,
    added: str = "",
    refused: Sequence[Refused] = (),
    count: int = 0,
) -> HttpResponse:
    shown_form = {"form": form, "by_file": isinstance(form, FileForm), "looks": bank.kind != BankKind.NO_LOOK}
    came_to = {"added": added, "refused": refused, "more": count - len(refused)}
    status = 422 if form.is_bound else 200
    return drawn(request, "console/banks/add.html", {"bank": bank, **shown_form, **came_to}, status=status)


@page(Right.LIST)
def import_file(request: HttpRequest, name: str) -> HttpResponse:
    """A whole list. Its report is this very answer: which lines were refused is kept nowhere."""
    bank, context = bank_called(name), context_of(request)
    shown_always = {"bank": bank, "most": min(LARGEST_LIST_BYTES, context.settings.max_body_bytes)}
    if request.method != "POST":
        return drawn(request, "console/banks/import.html", {"form": ImportForm(), **shown_always})
    form = ImportForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            done = _import(request, bank, form)
        except BankError as error:
            form.refuse(error)
        except OSError:
            form.add_error("file", _("The list could not be written down: is the disk full? Nothing was imported."))
        else:
            if done.errors:
                return drawn(request, "console/banks/report.html", {"bank": bank, **_report(done)})
            say(request, _("The whole list is in: its signals match within a second."))
            return redirect("imported", bank.name, done.import_id)
    return drawn(request, "console/banks/import.html", {"form": form, **shown_always}, status=422)


def _report(done: Imported) -> dict[str, object]:
    bad = [BadLine(one.line, _in_the_console(one.text)) for one in done.bad_lines[:MOST_SHOWN]]
    return {
        "done": done,
        "bad": bad,
        "all_shown": done.errors <= len(bad),
        "nothing": done.errors == done.lines,
        "added": number(done.added),
        "duplicates": number(done.duplicates),
        "errors": number(done.errors),
    }


def _import(request: HttpRequest, bank: Bank, form: ImportForm) -> Imported:
    """From a file without a name, of which nothing is left whatever happens meanwhile."""
    context, found = context_of(request), form.cleaned_data
    with tempfile.TemporaryFile(dir=context.settings.data_dir) as file:
        for chunk in found["file"].chunks():
            file.write(chunk)
        file.seek(0)
        return import_list(
            bank.name,
            Path(f"/dev/fd/{file.fileno()}"),
            by=person_of(request).id,
            clock=context.clock,
            source=found["source"],
            labels=found["labels"],
            accept_low_quality=found["accept_low_quality"],
        )
