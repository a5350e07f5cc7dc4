"""`seawall policy …`: show, check and save the rules that decide."""

import sys
from collections.abc import Sequence
from gettext import gettext as _
from pathlib import Path

import click

from seawall.doors.cli.invocation import Group, Invocation, owner, pass_invocation
from seawall.doors.cli.trouble import Trouble

#: A thousand rules with long texts are half a megabyte; more is not a policy.
LARGEST_FILE = 4 * 1024 * 1024


@click.group("policy", cls=Group, help=_("The rules: what a match in which bank, with which label, leads to."))
def policy() -> None:
    pass


@policy.command(
    help=_("Print the rules in force. With --json they come as the list that `policy save` takes; edit and save it."),
)
@pass_invocation
def show(invocation: Invocation) -> None:
    invocation.open()
    from seawall.screening.policies import policy_in_force, rules_of

    version = policy_in_force()
    rules = rules_of(version)
    invocation.emit(rules)
    invocation.say(
        _("Policy {name}, version {version}, saved {when:%Y-%m-%d %H:%M} UTC. {note}").format(
            name=version.policy_id, version=version.version, when=version.saved_at, note=version.note
        )
    )
    for rule in rules:
        invocation.say()
        invocation.say(f"{rule.name}: {rule.action} ({rule.code})")
        banks, labels = _or(_("bank {name}"), rule.banks), _or(_("label {name}"), rule.labels)
        limits = [] if rule.max_distance is None else [_("distance up to {n}").format(n=rule.max_distance)]
        limits += [_("confirmed by {n} or more").format(n=rule.min_confirmed_by)] if rule.min_confirmed_by else []
        where = _(" and ").join(one for one in (banks, labels, *limits) if one)
        invocation.say(_("  when     {where}").format(where=where))
        invocation.say(_("  says     {text}").format(text=rule.text))
        invocation.say(_("  public   {text}").format(text=rule.public_text or "-"))


@policy.command("list", help=_("List every version that was ever saved; the newest is in force."))
@pass_invocation
def list_versions(invocation: Invocation) -> None:
    invocation.open()
    from seawall.screening.models import PolicyVersion
    from seawall.screening.policies import rules_of

    rows = []
    for version in PolicyVersion.objects.order_by("version"):
        count = len(rules_of(version))
        said = {"version": version.version, "rules": count, "saved_at": version.saved_at, "note": version.note}
        invocation.emit({"policy": version.policy_id, **said, "saved_by": version.saved_by})
        rows.append((version.version, count, f"{version.saved_at:%Y-%m-%d %H:%M}", version.note))
    invocation.table((_("VERSION"), _("RULES"), _("SAVED (UTC)"), _("NOTE")), rows)


@policy.command(help=_("Say whether FILE (or - for standard input) could be saved, and what is wrong with it if not."))
@click.argument("file", type=click.Path(path_type=Path))
@pass_invocation
def check(invocation: Invocation, file: Path) -> None:
    invocation.open()
    from seawall.screening.policies import parse_rules
    from seawall.screening.policy import lint
    from seawall.screening.publish import bank_rules

    rules = parse_rules(_text(file))
    problems = lint(rules, {bank.name: bank for bank in bank_rules()})
    invocation.emit({"file": str(file), "rules": len(rules), "problems": problems})
    for problem in problems:
        invocation.say(_("problem: {problem}").format(problem=problem))
    if problems:
        raise Trouble(
            _("{file} cannot be saved: {count} problems").format(file=file, count=len(problems)),
            _("correct each problem named above and check again"),
        )
    invocation.say(
        _("{file} is fine: {count} rules. `seawall policy save {file}` puts them in force.").format(
            file=file, count=len(rules)
        )
    )


@policy.command(help=_("Put the rules in FILE (or - for standard input) in force, as the next version, at once."))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--note", default="", help=_("Why, for whoever reads `policy list` later."))
@pass_invocation
def save(invocation: Invocation, file: Path, note: str) -> None:
    invocation.open()
    from seawall.screening.policies import parse_rules, save_policy
    from seawall.screening.publish import bank_rules

    rules = parse_rules(_text(file))
    with invocation.change() as now:
        saved = save_policy(rules, banks=bank_rules(), by=owner(), now=now, note=note)
    invocation.emit({"policy": saved.policy_id, "version": saved.version, "rules": len(rules)})
    invocation.say(_("Saved as version {version}; it is in force.").format(version=saved.version))


def _or(form: str, names: Sequence[str]) -> str:
    return _(" or ").join(form.format(name=name) for name in names)


def _text(file: Path) -> bytes:
    if str(file) == "-":
        body = sys.stdin.buffer.read(LARGEST_FILE + 1)
    else:
        with file.open("rb") as source:
            body = source.read(LARGEST_FILE + 1)
    if len(body) > LARGEST_FILE:
        raise Trouble(
            _("{file} has more than {most} bytes").format(file=file, most=LARGEST_FILE),
            _("a policy is a JSON list of rules; `seawall policy show --json` prints the one in force"),
        )
    return body
