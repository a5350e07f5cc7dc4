"""Making banks and changing what a match in them does."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from seawall.doors.console.access import page, person_of
from seawall.doors.console.banks.forms import BankForm, RenameForm, RulesForm, rules_of
from seawall.doors.console.banks.views import about, bank_called
from seawall.doors.console.context import context_of
from seawall.doors.console.saying import drawn, say
from seawall.matching.banks import change_bank, create_bank, rename_bank, retire_bank
from seawall.matching.checks import BankError
from seawall.matching.model import BankKind
from seawall.members.roles import Right
from seawall.screening.policies import rules_naming


class _Named(BankError):
    """A rule of the policy names the bank, so that it can be neither renamed nor retired."""

    def __init__(self, rule: str) -> None:
        super().__init__(
            "named",
            _("the policy's rule {rule} names this bank").format(rule=rule),
            _("take the bank out of that rule first"),
        )


@page(Right.CONFIGURE)
def new_bank(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return drawn(request, "console/banks/new.html", {"form": BankForm()})
    form = BankForm(request.POST)
    if form.is_valid():
        found = form.cleaned_data
        try:
            made = create_bank(
                found["name"],
                by=person_of(request).id,
                now=context_of(request).clock(),
                kind=BankKind(found["kind"]),
                default_action=found["default_action"] or None,
                labels=found["labels"],
                listed_by=found["listed_by"],
                reporting_duty=found["reporting_duty"],
            )
        except BankError as error:
            form.refuse(error)
        else:
            say(request, _("Bank {name} is there, empty. Now put signals into it.").format(name=made.name))
            return redirect("bank", made.name)
    return drawn(request, "console/banks/new.html", {"form": form}, status=422)


@page(Right.CONFIGURE)
def change(request: HttpRequest, name: str) -> HttpResponse:
    bank = bank_called(name)
    if request.method != "POST":
        form = RulesForm(initial=rules_of(bank))
        return drawn(request, "console/banks/rules.html", {"form": form, "bank": bank, "about": about(bank)})
    form = RulesForm(request.POST)
    if form.is_valid():
        try:
            change_bank(name, by=person_of(request).id, now=context_of(request).clock(), **form.changes(bank))
        except BankError as error:
            form.refuse(error)
        else:
            say(request, _("The rules of {name} are saved. They take effect within a second.").format(name=name))
            return redirect("bank", name)
    shown = {"form": form, "bank": bank, "about": about(bank)}
    return drawn(request, "console/banks/rules.html", shown, status=422)


@page(Right.CONFIGURE)
def rename(request: HttpRequest, name: str) -> HttpResponse:
    bank = bank_called(name)
    form = RenameForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            with transaction.atomic():
                _require_unnamed(name)
                renamed = rename_bank(
                    name, form.cleaned_data["name"], by=person_of(request).id, now=context_of(request).clock()
                )
        except BankError as error:
            form.refuse(error)
        else:
            say(request, _("Bank {old} is now called {new}.").format(old=name, new=renamed.name))
            return redirect("bank", renamed.name)
    shown = {"form": form, "bank": bank, "rules": rules_naming(name)}
    return drawn(request, "console/banks/rename.html", shown, status=422 if form.is_bound else 200)


@page(Right.CONFIGURE)
def retire(request: HttpRequest, name: str) -> HttpResponse:
    """First what will change, then the change: it cannot be undone."""
    bank = bank_called(name)
    problem = ""
    if request.method == "POST":
        try:
            with transaction.atomic():
                _require_unnamed(name)
                retire_bank(name, by=person_of(request).id, now=context_of(request).clock())
        except BankError as error:
            problem = str(error)
        else:
            say(request, _("Bank {name} is retired. Its signals match nothing within a second.").format(name=name))
            return redirect("banks")
    shown = {"bank": bank, "about": about(bank), "rules": rules_naming(name), "problem": problem}
    return drawn(request, "console/banks/retire.html", shown, status=422 if problem else 200)


def _require_unnamed(name: str) -> None:
    rules = rules_naming(name)
    if rules:
        raise _Named(rules[0])
