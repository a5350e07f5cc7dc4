"""`seawall release` and `seawall refuse`: a person's decision about a hold."""

from gettext import gettext as _

import click
import msgspec

from seawall.doors.cli.invocation import Command, Invocation, owner, pass_invocation
from seawall.record.clock import rfc3339

REASON = _("Why. A short code such as not_a_match goes into the record; a sentence stays with the hold.")


@click.command(cls=Command, help=_("Release the hold ID: the content may be published. Its kept bytes are destroyed."))
@click.argument("screening_id", metavar="ID")
@click.option("--reason", required=True, help=REASON)
@pass_invocation
def release(invocation: Invocation, screening_id: str, reason: str) -> None:
    _resolve(invocation, screening_id, "released", reason)


@click.command(cls=Command, help=_("Refuse the hold ID: the content stays unpublished. Its kept bytes are destroyed."))
@click.argument("screening_id", metavar="ID")
@click.option("--reason", required=True, help=REASON)
@pass_invocation
def refuse(invocation: Invocation, screening_id: str, reason: str) -> None:
    _resolve(invocation, screening_id, "refused", reason)


def _resolve(invocation: Invocation, screening_id: str, outcome: str, reason: str) -> None:
    settings = invocation.open()
    from seawall.screening.holds import HoldOutcome, resolve
    from seawall.screening.ledger import Ledger

    with invocation.change() as now:
        state = resolve(Ledger(settings), screening_id, HoldOutcome(outcome), by=owner(), reason=reason, now=now)
    invocation.emit(msgspec.to_builtins(state))
    invocation.say(
        _("{id} is {outcome} since {when}; GET {url}/v1/screenings/{id} tells the platform.").format(
            id=state.screening_id,
            outcome=state.outcome,
            when=rfc3339(state.resolved_at or now),
            url=settings.base_url,
        )
    )
