"""`seawall bank …`: make banks and change them."""

from collections.abc import Sequence
from datetime import datetime
from gettext import gettext as _
from typing import Any

import click

from seawall.doors.cli.invocation import Function, Group, Invocation, owner, pass_invocation
from seawall.doors.cli.trouble import Trouble
from seawall.matching.model import DEFAULT_MAX_DISTANCE, LARGEST_DISTANCE, BankKind, SignalStatus
from seawall.record.clock import rfc3339

#: How many of a bank's signals `bank show` prints unless asked for more.
SHOWN = 20


@click.group("bank", cls=Group, help=_("Banks: named sets of listed signals that share what a match does."))
def bank() -> None:
    pass


def attributes(function: Function) -> Function:
    """The options that `create` and `set` share."""
    for decorate in (
        click.option(
            "--reporting-duty",
            help=_("For csam and ncii: the law or agreement, and whom you report to. Required there."),
        ),
        click.option(
            "--confirmations",
            type=click.IntRange(1, 1_000),
            help=_("How many organisations must have confirmed a signal before it blocks by itself."),
        ),
        click.option(
            "--trust/--no-trust",
            default=None,
            help=_("Your recorded decision that this bank may block although nobody here confirmed its signals."),
        ),
        click.option("--listed-by", help=_("Who the list comes from, as people are told.")),
        click.option("--label", "labels", multiple=True, help=_("What its signals are, such as tvec (repeatable).")),
        click.option(
            "--max-distance",
            type=click.IntRange(0, LARGEST_DISTANCE),
            help=_("How far a perceptual match may lie, in bits. [{default}]").format(default=DEFAULT_MAX_DISTANCE),
        ),
        click.option(
            "--default-action",
            type=click.Choice(["allow", "hold", "block"]),
            help=_(
                "What a match does where no rule names the bank. [block for your own, hold for a list from outside]"
            ),
        ),
    ):
        function = decorate(function)
    return function


@bank.command(
    help=_("Create the bank NAME. With --listed-by it is a list from outside. Creates an empty data directory.")
)
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([one.value for one in BankKind]),
    default=BankKind.LISTED.value,
    show_default=True,
    help=_("listed: matches stop; known_safe: matches never stop; no_look: refused, and nobody is shown anything."),
)
@attributes
@click.option("--not-protection", is_flag=True, help=_("For tests and training: counts as protection in no figure."))
@pass_invocation
def create(
    invocation: Invocation,
    name: str,
    kind: str,
    default_action: str | None,
    max_distance: int | None,
    labels: Sequence[str],
    listed_by: str | None,
    trust: bool | None,
    confirmations: int | None,
    reporting_duty: str | None,
    not_protection: bool,
) -> None:
    invocation.open(create=True)
    from seawall.matching.banks import create_bank
    from seawall.matching.models import DEFAULT_CONFIRMATIONS

    with invocation.change() as now:
        made = create_bank(
            name,
            by=owner(),
            now=now,
            kind=BankKind(kind),
            default_action=default_action,
            max_distance=DEFAULT_MAX_DISTANCE if max_distance is None else max_distance,
            labels=labels,
            listed_by=listed_by or "",
            trusted_to_block=bool(trust),
            confirmations_to_block=confirmations or DEFAULT_CONFIRMATIONS,
            counts_as_protection=not not_protection,
            reporting_duty=reporting_duty or "",
        )
    invocation.emit(_about(made))
    invocation.say(
        _(
            "Bank {name} is there, empty; its default action is {action}. Fill it: `seawall bank add {name} FILE`."
        ).format(name=made.name, action=made.default_action)
    )


@bank.command("set", help=_("Change what is given of the bank NAME; the rest stays."))
@click.argument("name")
@attributes
@click.option("--protection/--not-protection", default=None, help=_("Whether it counts as protection in figures."))
@pass_invocation
def change(
    invocation: Invocation,
    name: str,
    default_action: str | None,
    max_distance: int | None,
    labels: Sequence[str],
    listed_by: str | None,
    trust: bool | None,
    confirmations: int | None,
    reporting_duty: str | None,
    protection: bool | None,
) -> None:
    invocation.open()
    from seawall.matching.banks import change_bank

    wanted: dict[str, Any] = {
        "default_action": default_action,
        "max_distance": max_distance,
        "labels": labels or None,
        "listed_by": listed_by,
        "trusted_to_block": trust,
        "confirmations_to_block": confirmations,
        "reporting_duty": reporting_duty,
        "counts_as_protection": protection,
    }
    if all(value is None for value in wanted.values()):
        raise click.UsageError(_("say what to change, such as --default-action hold"))
    with invocation.change() as now:
        changed = change_bank(name, by=owner(), now=now, **wanted)
    invocation.emit(_about(changed))
    invocation.say(_("Bank {name} is changed.").format(name=changed.name))


@bank.command(help=_("Give the bank NAME another name. Not while a rule of the policy names it."))
@click.argument("name")
@click.argument("new_name")
@pass_invocation
def rename(invocation: Invocation, name: str, new_name: str) -> None:
    invocation.open()
    from seawall.matching.banks import rename_bank

    _refuse_while_named(name)
    with invocation.change() as now:
        renamed = rename_bank(name, new_name, by=owner(), now=now)
    invocation.emit(_about(renamed))
    invocation.say(_("Bank {old} is now called {new}.").format(old=name, new=renamed.name))


@bank.command(help=_("Take the bank NAME and all its signals out of force, for good. Not while a rule names it."))
@click.argument("name")
@pass_invocation
def retire(invocation: Invocation, name: str) -> None:
    invocation.open()
    from seawall.matching.banks import retire_bank

    _refuse_while_named(name)
    with invocation.change() as now:
        retired = retire_bank(name, by=owner(), now=now)
    invocation.emit(_about(retired))
    invocation.say(_("Bank {name} is retired; its signals match nothing any more.").format(name=name))


def _refuse_while_named(name: str) -> None:
    from seawall.matching.banks import find_bank
    from seawall.screening.policies import rules_naming

    find_bank(name)
    rules = rules_naming(name)
    if rules:
        raise Trouble(
            _("the policy's rule {rule} names the bank {name}").format(rule=rules[0], name=name),
            _("take the bank out of that rule first: `seawall policy show --json`, edit, `seawall policy save FILE`"),
        )


@bank.command("list", help=_("List the banks and how many signals each has in force."))
@click.option("--retired", is_flag=True, help=_("List the retired banks instead."))
@pass_invocation
def list_all(invocation: Invocation, retired: bool) -> None:
    invocation.open()
    from seawall.matching.banks import list_banks

    rows = []
    for one in list_banks(retired=retired):
        about = _about(one.bank)
        invocation.emit({**about, "signals": one.signals, "by_type": dict(one.by_type), "withdrawn": one.withdrawn})
        remark = "" if one.bank.counts_as_protection else _("counts as no protection")
        rows.append((one.bank.name, one.bank.kind, one.bank.default_action, one.signals, one.bank.listed_by, remark))
    invocation.table((_("NAME"), _("KIND"), _("ACTION"), _("SIGNALS"), _("LISTED BY"), ""), rows)


@bank.command(help=_("Show the bank NAME: what it declares, and its newest signals with their ids."))
@click.argument("name")
@click.option(
    "--limit", type=click.IntRange(0, 100_000), default=SHOWN, show_default=True, help=_("How many signals to print.")
)
@pass_invocation
def show(invocation: Invocation, name: str, limit: int) -> None:
    invocation.open()
    from seawall.matching.banks import find_bank
    from seawall.matching.models import ListedSignal

    found = find_bank(name)
    for key, value in _about(found).items():
        invocation.say(f"{key:<24}{_words(value)}")
    if found.kind == BankKind.NO_LOOK:
        invocation.emit({**_about(found), "newest": None})
        invocation.say(_("A no-look bank shows nothing of what it holds."))
        return
    newest = [_listed(row) for row in _visible(ListedSignal.objects.filter(bank=found)).order_by("-id")[:limit]]
    invocation.emit({**_about(found), "newest": newest})
    for one in newest:
        invocation.say()
        invocation.say(f"{one['id']}  {one['state']}  {one['type']}")
        invocation.say(f"  {one['value']}")
        if one["labels"] or one["source"] or one["note"]:
            invocation.say("  " + "; ".join(filter(None, [", ".join(one["labels"]), one["source"], one["note"]])))


def _words(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    return ", ".join(value) if isinstance(value, list) else "-" if value is None or value == "" else str(value)


def _visible(rows: Any) -> Any:
    """Rows of an import that is still running are nobody's business yet."""
    return rows.exclude(imported_in__isnull=False, imported_in__visible_at=None)


def _about(one: Any) -> dict[str, Any]:
    """What a bank declares, for programs and, line by line, for people."""
    return {
        "bank": one.name,
        "id": one.id,
        "kind": str(one.kind),
        "default_action": one.default_action,
        "max_distance": one.max_distance,
        "labels": list(one.labels),
        "listed_by": one.listed_by,
        "trusted_to_block": one.trusted_to_block,
        "confirmations_to_block": one.confirmations_to_block,
        "counts_as_protection": one.counts_as_protection,
        "created_at": one.created_at,
        "retired_at": one.retired_at,
    }


def _listed(row: Any) -> dict[str, Any]:
    state = str(row.status)
    if state == SignalStatus.ACTIVE and row.disputed:
        state = "disputed"
    return {
        "id": row.signal_id,
        "type": row.type,
        "value": row.value,
        "quality": row.quality,
        "state": state,
        "muted_until": row.muted_until,
        "labels": list(row.labels),
        "source": row.source,
        "confidence": row.confidence,
        "note": row.note,
        "confirmed_by": len(row.confirmed_by),
    }
