"""`seawall holds`: what waits for a person. `seawall release` and `seawall refuse`: a person's decision about it."""

from gettext import gettext as _
from typing import Any

import click
import msgspec

from seawall.doors.cli.invocation import Command, Invocation, owner, pass_invocation
from seawall.record.clock import rfc3339

REASON = _("Why. A short code such as not_a_match goes into the record; a sentence stays with the hold.")


#: A screenful; whoever wants more says so.
LISTED = 50
MOST_LISTED = 10_000


@click.command(
    cls=Command,
    short_help=_("List the uploads that wait for a person."),
    help=_(
        "List the uploads that wait for a person, those that expire first at the top, with the reasons why. With "
        "--decided those that were decided, the newest first."
    ),
)
@click.option("--surface", help=_("Only those of this surface."))
@click.option("--asked", is_flag=True, help=_("Only those whose uploader asked for a person, the first to ask first."))
@click.option("--decided", is_flag=True, help=_("Those that were decided or have expired instead."))
@click.option(
    "--limit", type=click.IntRange(1, MOST_LISTED), default=LISTED, show_default=True, help=_("At most this many.")
)
@pass_invocation
def holds(invocation: Invocation, surface: str | None, asked: bool, decided: bool, limit: int) -> None:
    if asked and decided:
        raise click.UsageError(_("say either --asked or --decided"))
    settings = invocation.open()
    from seawall.screening.holds import decided_page, waiting_page, why
    from seawall.screening.ledger import Ledger

    ledger, cursor, shown = Ledger(settings), None, 0
    while True:
        if decided:
            page = decided_page(after=cursor, limit=limit - shown, surface=surface)
        else:
            page = waiting_page(after=cursor, limit=limit - shown, surface=surface, asked_only=asked)
        verdicts = why(ledger, [one.screening_id for one in page.items])
        for one in page.items:
            _list(invocation, one, verdicts.get(one.screening_id))
        shown, cursor = shown + len(page.items), page.next
        if cursor is None or shown >= limit:
            break
    if not shown:
        invocation.say(_("Nothing was decided yet.") if decided else _("Nothing waits for a person."))
    elif cursor is not None:
        invocation.note(_("There are more: --limit shows up to {most}.").format(most=MOST_LISTED))


def _list(invocation: Invocation, hold: Any, verdict: Any) -> None:
    reasons = [] if verdict is None else [reason.text for reason in verdict.reasons]
    invocation.emit({**msgspec.to_builtins(hold), "reasons": reasons})
    if hold.resolved_at is not None:
        what = _("{state} {when} by {who}").format(
            state=hold.state, when=rfc3339(hold.resolved_at), who=hold.resolved_by
        )
    elif hold.pending is not None:
        what = _("{outcome} by {who}, takes effect {when}").format(
            outcome=hold.pending.outcome, who=hold.pending.by, when=rfc3339(hold.pending.takes_effect_at)
        )
    elif hold.expires_at is not None:
        what = _("waits until {when}").format(when=rfc3339(hold.expires_at))
    else:
        what = _("waits for a person")
    asked = _(", its uploader asked for a person") if hold.asked is not None else ""
    invocation.say(f"{hold.screening_id}  {hold.surface}  {what}{asked}")
    for reason in reasons:
        invocation.say(f"    {reason}")


@click.command(cls=Command, help=_("Release the hold ID: the content may be published. Its kept bytes are destroyed."))
@click.argument("screening_id", metavar="ID")
@click.option("--reason", required=True, help=REASON)
@pass_invocation
def release(invocation: Invocation, screening_id: str, reason: str) -> None:
    _resolve(invocation, screening_id, "released", reason)


@click.command(
    cls=Command,
    help=_(
        "Refuse the hold ID: the content stays unpublished. Its kept bytes stay encrypted until its appeal window ends."
    ),
)
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
