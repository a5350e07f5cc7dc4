"""Changing the rules: each change is a new version, in force at once, and says which version it was made on."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from seawall.doors.console.access import page, person_of
from seawall.doors.console.context import context_of
from seawall.doors.console.policy.forms import BasedOn, RuleForm, filled
from seawall.doors.console.policy.views import CHANGES_SHOWN, saved, saved_version
from seawall.doors.console.policy.words import differences, sentence
from seawall.doors.console.saying import drawn, say
from seawall.matching.model import BankKind
from seawall.members.roles import Right
from seawall.screening.model import Action, Rule
from seawall.screening.models import PolicyVersion
from seawall.screening.policies import PolicyMoved, policy_in_force, policy_version, rules_of, save_policy
from seawall.screening.policy import PUBLIC_HOLD, PolicyError
from seawall.screening.publish import bank_rules


@page(Right.CONFIGURE)
def new_rule(request: HttpRequest) -> HttpResponse:
    newest, banks = policy_in_force(), _bank_names()
    if request.method != "POST":
        begin = {"based_on": newest.version, "min_confirmed_by": 0, "priority": 0}
        return _rule_page(request, RuleForm(initial=begin, banks=banks), None)
    return _rule_sent(request, RuleForm(request.POST, banks=banks), None)


@page(Right.CONFIGURE)
def rule(request: HttpRequest, name: str) -> HttpResponse:
    newest, banks = policy_in_force(), _bank_names()
    present = _rule_called(newest, name)
    if request.method != "POST":
        if present is None:
            raise Http404
        return _rule_page(request, RuleForm(initial=filled(present, based_on=newest.version), banks=banks), name)
    return _rule_sent(request, RuleForm(request.POST, banks=banks), name)


@page(Right.CONFIGURE)
def remove_rule(request: HttpRequest, name: str) -> HttpResponse:
    newest = policy_in_force()
    present = _rule_called(newest, name)
    form = BasedOn(request.POST) if request.method == "POST" else BasedOn(initial={"based_on": newest.version})
    sent = form.is_bound and form.is_valid()
    if present is None and not (sent and form.cleaned_data["based_on"] != newest.version):
        raise Http404
    moved = None
    if sent:
        rules = [one for one in rules_of(newest) if one.name != name]
        done = _save(request, rules, form, said=_("Rule {name} is removed.").format(name=name))
        if isinstance(done, HttpResponse):
            return done
        moved = done
        if moved is None and len(rules) == 0:
            form.add_error(None, _("It is the only rule. To remove it, add another one first."))
    shown = {"form": form, "name": name, "sentence": sentence(present) if present else "", **_both(form, moved)}
    return drawn(request, "console/policy/remove.html", shown, status=_status(form, moved))


@page(Right.CONFIGURE)
def restore(request: HttpRequest, number: int) -> HttpResponse:
    """An old version as a new one. It is linted like any other: its banks may be gone."""
    old, newest = saved_version(number), policy_in_force()
    begin = {"based_on": newest.version, "note": _("version {number} again").format(number=number)}
    form = BasedOn(request.POST) if request.method == "POST" else BasedOn(initial=begin)
    moved: PolicyVersion | None = None
    problems: tuple[str, ...] = ()
    if form.is_bound and form.is_valid():
        said = _("Version {number} is in force again.").format(number=number)
        try:
            done = _save(request, rules_of(old), form, said=said, tell=False)
        except PolicyError as error:
            problems = error.problems
        else:
            if isinstance(done, HttpResponse):
                return done
            moved = done
    changes = differences(rules_of(newest), rules_of(old))
    shown = {
        "form": form,
        "saved": saved([old])[0],
        "in_force": newest.version,
        "changes": changes[:CHANGES_SHOWN],
        "more_changes": len(changes) - CHANGES_SHOWN,
        "problems": problems,
        **_both(form, moved),
    }
    return drawn(request, "console/policy/restore.html", shown, status=422 if problems else _status(form, moved))


def _rule_sent(request: HttpRequest, form: RuleForm, name: str | None) -> HttpResponse:
    """The preview, the new version saved, or the form with what is wrong. `name` None is a rule that is added."""
    if "preview" in request.POST:
        form.is_valid()
        return _rule_page(request, form, name, preview=True)
    if not form.is_valid():
        return _rule_page(request, form, name, status=422)
    made = form.rule()
    rules = [one for one in rules_of(policy_in_force()) if one.name != name]
    said = _("Rule {name} is saved and in force within a second.").format(name=made.name)
    done = _save(request, [*rules, made], form, said=said)
    if isinstance(done, HttpResponse):
        return done
    return _rule_page(request, form, name, moved=done, status=_status(form, done))


def _save(
    request: HttpRequest, rules: Sequence[Rule], form: BasedOn, *, said: str, tell: bool = True
) -> HttpResponse | PolicyVersion | None:
    """Away to the policy when it was saved; the version that somebody else saved meanwhile; None when it was refused,
    with the reasons in the form (unless not `tell`: then PolicyError).
    """
    found = form.cleaned_data
    try:
        save_policy(
            rules,
            banks=bank_rules(),
            by=person_of(request).id,
            now=context_of(request).clock(),
            note=found["note"],
            based_on=found["based_on"],
        )
    except PolicyMoved as error:
        return error.newest
    except PolicyError as error:
        if not tell:
            raise
        if isinstance(form, RuleForm):
            form.refuse(error.problems)
        return None
    say(request, said)
    return redirect("policy")


def _rule_page(
    request: HttpRequest,
    form: RuleForm,
    name: str | None,
    *,
    preview: bool = False,
    moved: PolicyVersion | None = None,
    status: int = 200,
) -> HttpResponse:
    found = getattr(form, "cleaned_data", {})
    shown = {
        "form": form,
        "name": name,
        "preview": preview,
        "action": found.get("action", ""),
        "public_text": found.get("public_text", ""),
        "held_text": PUBLIC_HOLD if found.get("action") == Action.BLOCK else "",
        **_both(form, moved, name),
    }
    if moved is not None:
        shown["mine"] = sentence(form.rule())
    return drawn(request, "console/policy/rule.html", shown, status=status)


def _both(form: BasedOn, moved: PolicyVersion | None, name: str | None = None) -> dict[str, Any]:
    """What somebody else changed since the form was made, for whoever is refused because of it."""
    if moved is None:
        return {"moved": None}
    before = policy_version(form.cleaned_data["based_on"])
    theirs = _rule_called(moved, name) if name else None
    changes = differences(rules_of(before), rules_of(moved)) if before else []
    return {
        "moved": saved([moved])[0],
        "changes": changes[:CHANGES_SHOWN],
        "more_changes": len(changes) - CHANGES_SHOWN,
        "theirs": sentence(theirs) if theirs else "",
        "their_rule": theirs,
    }


def _status(form: BasedOn, moved: PolicyVersion | None) -> int:
    if moved is not None:
        return 409
    return 422 if form.errors else 200


def _rule_called(version: PolicyVersion, name: str | None) -> Rule | None:
    return next((one for one in rules_of(version) if one.name == name), None)


def _bank_names() -> list[str]:
    """Banks that a rule can name: the effect of the others is fixed."""
    return [bank.name for bank in bank_rules() if bank.kind is BankKind.LISTED]
