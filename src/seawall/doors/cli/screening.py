"""`seawall screen`: what the policy makes of files, as a dry run or with a row in the screening ledger."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from gettext import gettext as _
from pathlib import Path
from typing import Any

import click
import msgspec

from seawall.doors.cli.content import Looked, content_arguments, items, look_at
from seawall.doors.cli.invocation import Command, Invocation, pass_invocation
from seawall.doors.cli.surfaces import PRIVATE
from seawall.doors.cli.trouble import Trouble
from seawall.record.clock import rfc3339, system_clock
from seawall.record.ids import new_id
from seawall.screening.explain import ExplainLinks
from seawall.screening.flow import Searchable, screen_signals
from seawall.screening.model import (
    Action,
    Audience,
    Claim,
    Context,
    FailMode,
    HoldExpiry,
    Outcome,
    Policy,
    Surface,
    Verdict,
    verdict_of,
)
from seawall.screening.recording import Recording, held_parts
from seawall.settings import Settings

FAILED, HELD, BLOCKED, DEGRADED, ALLOWED = 1, 10, 11, 12, 0

#: Of several files the worst counts (DESIGN §10).
WORST_FIRST = (FAILED, BLOCKED, HELD, DEGRADED, ALLOWED)

#: What a dry run is judged by when no surface was named. Its fail mode shows what could not be screened as a hold.
DRY_RUN = Surface(name="dry-run", audience=Audience.PUBLIC, fail_mode=FailMode.HOLD, hold_expiry=HoldExpiry.REFUSE)

#: Makes a verdict durable before it is shown.
Keep = Callable[[Recording], Verdict]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Where verdicts are kept, and what makes the links that go with them."""

    keep: Keep
    links: ExplainLinks


@dataclass(frozen=True, kw_only=True, slots=True)
class Court:
    """Everything that a file is judged by."""

    index: Searchable
    policy: Policy
    surface: Surface
    context: Context | None
    content_id: str | None
    uploader: str | None
    record: Record | None


@click.command(
    cls=Command,
    short_help=_("Say what the policy makes of files."),
    help=_(
        "Say what the policy makes of each FILE, --text, --url or --signal. A dry run: nothing is stored, and the "
        "answer has no id; with --record --surface NAME it is written to the screening ledger like any other.\n\n"
        "Exit codes: 0 allow, 10 hold, 11 block, 12 allowed although not everything could be checked, 2 usage, "
        "1 failure. Of several files the worst counts, in the order 1, 11, 10, 12, 0."
    ),
)
@content_arguments
@click.option("--surface", "surface_name", metavar="NAME", help=_("The surface it is judged for; else a public one."))
@click.option(
    "--record", "recorded", is_flag=True, help=_("Write the verdict to the screening ledger. Needs --surface.")
)
@click.option("--content-id", help=_("Your own id of the content; for a single one."))
@click.option("--uploader", help=_("Your id of the uploader; only a pseudonym of it is kept."))
@click.option(
    "--claim",
    type=click.Choice([one.value for one in Claim]),
    help=_("The uploader's reason why a person should look: a block becomes a hold."),
)
@click.option("--claim-text", default="", help=_("The uploader's own words for it."))
@pass_invocation
@click.pass_context
def screen(
    ctx: click.Context,
    invocation: Invocation,
    files: Sequence[Path],
    kind: str | None,
    texts: Sequence[str],
    urls: Sequence[str],
    signals: Sequence[str],
    surface_name: str | None,
    recorded: bool,
    content_id: str | None,
    uploader: str | None,
    claim: str | None,
    claim_text: str,
) -> None:
    named = items(files=files, kind=kind, texts=texts, urls=urls, signals=signals)
    if recorded and surface_name is None:
        raise click.UsageError(_("--record needs --surface NAME: a recorded verdict belongs to a surface"))
    if claim_text and claim is None:
        raise click.UsageError(_("--claim-text goes with --claim: say which reason it is"))
    if content_id is not None and len(named) > 1:
        raise click.UsageError(_("--content-id names one content, and there are several"))
    settings = invocation.open()
    context = None if claim is None else Context(claim=Claim(claim), text=claim_text)
    policy, index = present(settings)
    surface = _surface(invocation, policy, surface_name)
    with _keeping(settings, recorded=recorded) as record:
        court = Court(
            index=index,
            policy=policy,
            surface=surface,
            context=context,
            content_id=content_id,
            uploader=uploader,
            record=record,
        )
        codes = {_screen_one(invocation, court, looked) for looked in look_at(named, settings)}
    ctx.exit(worst(codes))


def worst(codes: set[int]) -> int:
    return next(code for code in WORST_FIRST if code in codes)


def present(settings: Settings) -> tuple[Policy, Searchable]:
    """Policy and index as the tables have them now: from the server's files where those are up to date, since reading
    a million signals from the tables takes seconds.
    """
    from seawall.screening.publish import published

    found = published(settings.state_dir)
    return (found.state.policy, found.index) if found else (present_policy(), present_index())


def present_policy() -> Policy:
    """The policy as the tables have it now."""
    from seawall.screening.policies import list_surfaces, policy_in_force, rules_of
    from seawall.screening.policy import compile_policy
    from seawall.screening.publish import bank_rules

    version = policy_in_force()
    return compile_policy(
        policy_id=version.policy_id,
        version=version.version,
        rules=rules_of(version),
        banks=bank_rules(),
        surfaces=list_surfaces(),
    )


def present_index() -> Searchable:
    """Every signal that can match now, from the tables: what a bank was given a moment ago is in it already."""
    from seawall.matching.index import Index
    from seawall.matching.rows import index_rows

    return Index(index_rows())


def _surface(invocation: Invocation, policy: Policy, name: str | None) -> Surface:
    if name is None:
        invocation.note(_("dry run for a temporary surface: public, fail mode hold (name one of yours with --surface)"))
        return DRY_RUN
    if name not in policy.surfaces:
        raise Trouble(
            _("there is no surface {name!r}").format(name=name),
            _("`seawall surface list` shows them; `seawall surface create` makes one"),
        )
    surface = policy.surfaces[name]
    if surface.audience is Audience.PRIVATE and not surface.private_basis.strip():
        raise Trouble(PRIVATE, _("leave private messages alone, or record the basis on the surface"))
    return surface


@contextmanager
def _keeping(settings: Settings, *, recorded: bool) -> Iterator[Record | None]:
    """What writes verdicts to the ledger; None for a dry run. The ledger has one writer: the lock's holder."""
    if not recorded:
        yield None
        return
    from seawall.app import try_lock
    from seawall.screening.ledger import Ledger, LedgerRecorder
    from seawall.screening.ledger.batches import append_batches

    with try_lock(settings.data_dir) as holder:
        if holder is not None:
            raise Trouble(
                _("a server (process {holder}) runs on {place}, and it alone writes the screening ledger").format(
                    holder=holder, place=settings.data_dir
                ),
                _("send the content to its screening API instead: POST {url}/v1/screen").format(url=settings.base_url),
            )
        ledger = Ledger(settings)
        links = ExplainLinks(settings.keys_dir, base_url=settings.base_url, now=system_clock())
        with LedgerRecorder(ledger) as recorder:
            yield Record(keep=lambda recording: recorder.submit(recording).result().verdict, links=links)
        now = system_clock()
        append_batches(ledger, now=now)
        _sequence(settings, now)


def _sequence(settings: Settings, now: datetime) -> None:
    from seawall.record.sequencer import sequence
    from seawall.record.signing import load_or_create_signing_key

    sequence(now, load_or_create_signing_key(settings.keys_dir, now))


def _screen_one(invocation: Invocation, court: Court, looked: Looked) -> int:
    """Judge one item and say so; its exit code."""
    if looked.problem or looked.part is None:
        invocation.emit({"file": looked.item.label, "error": looked.problem})
        invocation.note(f"seawall: {looked.item.shown}: {looked.problem}")
        return FAILED
    now = system_clock()
    found = looked.extraction
    outcome = screen_signals(found.signals, court.surface, court.context, court.index, court.policy, now, found.gaps)
    verdict = verdict_of(
        outcome,
        screening_id=new_id("scr", lambda: now),
        surface=court.surface.name,
        content_id=court.content_id,
        now=now,
    )
    if court.record is not None:
        verdict = court.record.keep(
            Recording(
                verdict=court.record.links.linked(verdict),
                uploader=court.uploader,
                held_parts=held_parts((looked.part,), outcome),
                store=court.surface.store_unmatched,
                hold_expiry=court.surface.hold_expiry,
                context=court.context,
            )
        )
    invocation.emit(_line(looked.item.label, verdict, recorded=court.record is not None))
    _tell(invocation, looked.item.shown, verdict, recorded=court.record is not None)
    return exit_code(outcome)


def exit_code(outcome: Outcome) -> int:
    if outcome.verdict is Action.ALLOW:
        return DEGRADED if outcome.degraded else ALLOWED
    return HELD if outcome.verdict is Action.HOLD else BLOCKED


def _line(label: str, verdict: Verdict, *, recorded: bool) -> dict[str, Any]:
    """The verdict as the API gives it, and which file it is about. A dry run's has no id: nobody could look it up."""
    fields: dict[str, Any] = msgspec.to_builtins(verdict)
    return {"file": label, "recorded": recorded, **fields, "id": verdict.id if recorded else None}


def _tell(invocation: Invocation, label: str, verdict: Verdict, *, recorded: bool) -> None:
    unsure = _(" (not everything could be checked)") if verdict.degraded else ""
    invocation.say(f"{label}: {verdict.verdict.upper()}{unsure}")
    for reason in verdict.reasons:
        invocation.say(_("  because  {text} ({code})").format(text=reason.text, code=reason.code))
    for match in verdict.matches:
        invocation.say(
            _("  match    {type}, distance {distance} of at most {most}, bank {bank}, {signal}").format(
                type=match.type, distance=match.distance, most=match.max_distance, bank=match.bank, signal=match.signal
            )
        )
    for gap in verdict.degraded_reasons:
        invocation.say(_("  not seen {text}").format(text=gap.text))
    if verdict.public_reason:
        invocation.say(_("  tell     {text}").format(text=verdict.public_reason))
    if recorded:
        invocation.say(_("  id       {id}").format(id=verdict.id))
    if verdict.explain_url is not None:
        invocation.say(_("  show     {address} to the uploader").format(address=verdict.explain_url))
    if recorded and verdict.hold_expires_at is not None:
        invocation.say(_("  until    {when}").format(when=rfc3339(verdict.hold_expires_at)))
