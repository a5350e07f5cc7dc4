"""`seawall signal …`: what people do with one listed signal."""

from datetime import datetime, timedelta
from gettext import gettext as _

import click

from seawall.doors.cli.invocation import Group, Invocation, owner, pass_invocation
from seawall.doors.cli.reasons import ReasonCode
from seawall.record.clock import parse_rfc3339, rfc3339, system_clock

#: A mute is for an emergency; what should match nothing for longer is withdrawn.
LONGEST_MUTE_DAYS = 366


@click.group(
    "signal", cls=Group, help=_("One listed signal: confirm, dispute, mute or withdraw it. Ids are in verdicts.")
)
def signal() -> None:
    pass


@signal.command(help=_("Take the signal ID out of force for good. Adding it to its bank again brings it back."))
@click.argument("signal_id", metavar="ID")
@click.option("--reason", type=ReasonCode(), default="", help=_("A short code for the record, such as not_a_match."))
@pass_invocation
def withdraw(invocation: Invocation, signal_id: str, reason: str) -> None:
    invocation.open()
    from seawall.matching import banks

    with invocation.change() as now:
        banks.withdraw(signal_id, by=owner(), now=now, reason=reason)
    _done(invocation, signal_id, "withdrawn", _("{id} matches nothing any more."))


@signal.command(help=_("Let the signal ID match nothing for a while."))
@click.argument("signal_id", metavar="ID")
@click.option("--days", type=click.IntRange(1, LONGEST_MUTE_DAYS), help=_("For how many days."))
@click.option("--until", metavar="TIME", help=_("Until when, such as 2026-12-01T12:00:00Z."))
@pass_invocation
def mute(invocation: Invocation, signal_id: str, days: int | None, until: str | None) -> None:
    if (days is None) == (until is None):
        raise click.UsageError(_("say either --days or --until"))
    end = system_clock() + timedelta(days=days) if days is not None else _moment(until or "")
    invocation.open()
    from seawall.matching import banks

    with invocation.change() as now:
        banks.mute(signal_id, end, by=owner(), now=now)
    _done(invocation, signal_id, "muted", _("{id} matches nothing until {end}."), end=rfc3339(end))


@signal.command(help=_("Lift the mute of the signal ID."))
@click.argument("signal_id", metavar="ID")
@pass_invocation
def unmute(invocation: Invocation, signal_id: str) -> None:
    invocation.open()
    from seawall.matching import banks

    with invocation.change() as now:
        banks.mute(signal_id, None, by=owner(), now=now)
    _done(invocation, signal_id, "active", _("{id} matches again."))


@signal.command(help=_("Put on record that you have confirmed the signal ID; it may then block by itself."))
@click.argument("signal_id", metavar="ID")
@pass_invocation
def confirm(invocation: Invocation, signal_id: str) -> None:
    invocation.open()
    from seawall.matching import banks

    with invocation.change() as now:
        fresh = banks.confirm(signal_id, by=owner(), now=now)
    said = _("{id} is confirmed by you.") if fresh else _("You had confirmed {id} already.")
    _done(invocation, signal_id, "confirmed", said)


@signal.command(help=_("Open a dispute about the signal ID: it can hold but not block until that is settled."))
@click.argument("signal_id", metavar="ID")
@click.option("--settle", is_flag=True, help=_("Settle the dispute instead."))
@pass_invocation
def dispute(invocation: Invocation, signal_id: str, settle: bool) -> None:
    invocation.open()
    from seawall.matching import banks

    with invocation.change() as now:
        banks.dispute(signal_id, by=owner(), now=now, disputed=not settle)
    said = _("The dispute about {id} is settled.") if settle else _("{id} is disputed: it holds and does not block.")
    _done(invocation, signal_id, "settled" if settle else "disputed", said)


def _moment(text: str) -> datetime:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise click.BadParameter(_("write a time in UTC, like 2026-12-01T12:00:00Z"), param_hint="--until") from error


def _done(invocation: Invocation, signal_id: str, state: str, text: str, **values: str) -> None:
    invocation.emit({"signal": signal_id, "state": state, **values})
    invocation.say(text.format(id=signal_id, **values))
