"""The whole product in one line: signals → matches → decision. Performs nothing (DESIGN §1).

Live upload, hash-only screening, dry run, back-test and replay call this same function. An index, a policy and a
clock's reading go in; an outcome with its reasons comes out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from seawall.matching.model import BankKind, Hit
from seawall.screening.model import (
    CODE_BANK_DEFAULT,
    CODE_KNOWN_SAFE,
    CODE_LOW_QUALITY,
    CODE_NO_LOOK,
    CODE_NOT_SCREENED,
    CODE_PERSON_ASKED,
    CODE_UNCONFIRMED,
    LOWEST_BLOCKING_QUALITY,
    Action,
    BankRules,
    Context,
    Degradation,
    FailMode,
    Match,
    Outcome,
    Policy,
    PolicyName,
    Reason,
    SignalSeen,
    Surface,
)
from seawall.screening.policy import PUBLIC_BLOCK, PUBLIC_HOLD, PUBLIC_TEST_HOLD, applies, may_block, search_radius
from seawall.signals.model import Gap, Signal

ON_FAILURE = {FailMode.OPEN: Action.ALLOW, FailMode.HOLD: Action.HOLD, FailMode.CLOSED: Action.BLOCK}

PUBLIC_NOT_SCREENED = "We could not check this upload. Please try again later, or send it in another format."
LOW_QUALITY_HOLD = Reason(
    rule=None,
    code=CODE_LOW_QUALITY,
    text="Held, not blocked: the picture has too little detail for a reliable perceptual match.",
)
NOT_A_FINDING = "This is a technical match, not a finding about anyone."


class Searchable(Protocol):
    """What the flow needs of an index: every listed signal within `radius`, nearest first."""

    def search(self, type: str, value: str, radius: int) -> Sequence[Hit]: ...  # noqa: A002 - DESIGN §10 names it so


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A hit that is in force: which signal of the content it belongs to, and under which bank's rules."""

    signal: Signal
    hit: Hit
    bank: BankRules


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What one found match comes to, and why. `held_text` is what the person is told where a block becomes a hold."""

    action: Action
    reasons: tuple[Reason, ...]
    public_text: str
    held_text: str = PUBLIC_HOLD


def screen_signals(
    signals: Sequence[Signal],
    surface: Surface,
    context: Context | None,
    index: Searchable,
    policy: Policy,
    now: datetime,
    gaps: Sequence[Gap] = (),
) -> Outcome:
    """Decide about content whose signals these are. `gaps` is what could not be looked at."""
    found, cleared = set_aside_known_safe(find_matches(signals, index, policy, now))
    judged = [judge(match, policy) for match in found]
    worst = most_severe(judged)
    action, public_text, held_text = worst.action, worst.public_text, worst.held_text
    reasons = [reason for verdict in judged for reason in verdict.reasons] + cleared + _low_quality(signals)
    no_look = any(match.bank.kind is BankKind.NO_LOOK for match in found)

    failed = ON_FAILURE[surface.fail_mode] if gaps else Action.ALLOW
    if gaps:
        reasons.append(Reason(rule=None, code=CODE_NOT_SCREENED, text=_what_failed(gaps, surface.fail_mode)))
    if failed.severity > action.severity:
        action, public_text, held_text = failed, PUBLIC_NOT_SCREENED, PUBLIC_NOT_SCREENED

    if action is Action.BLOCK and context is not None and not no_look:
        action, public_text = Action.HOLD, held_text
        reasons.append(Reason(rule=None, code=CODE_PERSON_ASKED, text=_who_asked(context)))

    return Outcome(
        verdict=action,
        degraded=bool(gaps),
        degraded_reasons=tuple(Degradation(part=gap.part, code=gap.code, text=gap.text) for gap in gaps),
        hold_expires_at=now + timedelta(hours=surface.hold_hours) if action is Action.HOLD else None,
        policy=PolicyName(id=policy.id, version=policy.version),
        reasons=_once(reasons),
        public_reason=public_text or None,
        signals=() if no_look else tuple(_seen(signal) for signal in signals),
        matches=() if no_look else tuple(_match(match) for match in found),
    )


def find_matches(signals: Iterable[Signal], index: Searchable, policy: Policy, now: datetime) -> list[Found]:
    """Every hit that is in force now: its bank is known and reaches that far, and it is not muted."""
    radius = search_radius(policy)
    found = []
    for signal in signals:
        for hit in index.search(signal.type, signal.value, radius):
            bank = policy.banks.get(hit.attributes.bank)
            muted_until = hit.attributes.muted_until
            if bank is None or hit.distance > bank.max_distance or (muted_until is not None and now < muted_until):
                continue
            found.append(Found(signal=signal, hit=hit, bank=bank))
    return found


def set_aside_known_safe(found: Sequence[Found]) -> tuple[list[Found], list[Reason]]:
    """Drop the matches of a signal that lies at least as near to a known-safe one, and say that we did.

    Nearest wins: a known-safe picture must not shelter a listed one that the content resembles more. A no-look match
    is never dropped.
    """
    safe = [match for match in found if match.bank.kind is BankKind.KNOWN_SAFE]
    farthest_first = sorted(safe, key=_distance, reverse=True)
    nearest = {(match.signal.part, match.signal.type): match for match in farthest_first}
    kept, reasons = [], []
    for match in found:
        if match.bank.kind is BankKind.KNOWN_SAFE:
            continue
        shelter = nearest.get((match.signal.part, match.signal.type))
        if shelter is None or match.bank.kind is BankKind.NO_LOOK or match.hit.distance < shelter.hit.distance:
            kept.append(match)
        else:
            text = f"A match in {match.bank.name} was set aside: the content is in the known-safe bank "
            reasons.append(Reason(rule=None, code=CODE_KNOWN_SAFE, text=f"{text}{shelter.bank.name}."))
    return kept, reasons


def judge(match: Found, policy: Policy) -> Judged:
    """What the rules, or else the bank's own default, make of one match."""
    if match.bank.kind is BankKind.NO_LOOK:
        return _refuse_unseen(match)
    attributes = match.hit.attributes
    held_text = PUBLIC_HOLD if match.bank.counts_as_protection else PUBLIC_TEST_HOLD
    speaking = [
        rule
        for rule in policy.rules
        if applies(
            rule,
            bank=match.bank.name,
            labels=(*attributes.labels, *match.bank.labels),
            distance=match.hit.distance,
            confirmed_by=attributes.confirmed_by,
        )
    ]
    if speaking:
        action = max((rule.action for rule in speaking), key=lambda one: one.severity)
        public_text = next(rule.public_text for rule in speaking if rule.action is action)
        reasons = [Reason(rule=rule.name, code=rule.code, text=rule.text) for rule in speaking]
    else:
        action = match.bank.default_action
        public_text = {Action.ALLOW: "", Action.HOLD: held_text, Action.BLOCK: PUBLIC_BLOCK}[action]
        reasons = [Reason(rule=None, code=CODE_BANK_DEFAULT, text=_resembles(match))]
    lowered = why_not_block(match) if action is Action.BLOCK else None
    if lowered is not None:
        return Judged(action=Action.HOLD, reasons=(*reasons, lowered), public_text=held_text, held_text=held_text)
    return Judged(action=action, reasons=tuple(reasons), public_text=public_text, held_text=held_text)


def _refuse_unseen(match: Found) -> Judged:
    """No-look material is refused without anyone's confirmation here, because nobody here may look to confirm."""
    text = "Refused without a look: listed material of a kind that nobody may view or keep."
    reason = Reason(rule=None, code=CODE_NO_LOOK, text=text)
    if _too_little_detail(match):
        return Judged(action=Action.HOLD, reasons=(reason, LOW_QUALITY_HOLD), public_text=PUBLIC_HOLD)
    return Judged(action=Action.BLOCK, reasons=(reason,), public_text=PUBLIC_BLOCK)


def why_not_block(match: Found) -> Reason | None:
    """The reason why a machine alone may not block on this match, or None when it may (DESIGN §5)."""
    attributes = match.hit.attributes
    if _too_little_detail(match):
        return LOW_QUALITY_HOLD
    if may_block(
        confirmed_here=attributes.confirmed_here,
        confirmed_by=attributes.confirmed_by,
        disputed=attributes.disputed,
        bank=match.bank,
    ):
        return None
    text = (
        "Held, not blocked: the listing is disputed."
        if attributes.disputed
        else ("Held, not blocked: nobody here, and not enough organisations elsewhere, have confirmed this listing.")
    )
    return Reason(rule=None, code=CODE_UNCONFIRMED, text=text)


def most_severe(judged: Iterable[Judged]) -> Judged:
    """The most severe action wins; its public text is what the person is told. A test card speaks last."""
    nothing = Judged(action=Action.ALLOW, reasons=(), public_text="")
    return max(judged, key=lambda one: (one.action.severity, one.held_text == PUBLIC_HOLD), default=nothing)


def _too_little_detail(match: Found) -> bool:
    """Whether either side of a perceptual match is too poor to block on."""
    qualities = (match.signal.quality, match.hit.attributes.quality)
    return match.signal.type == "pdq" and any(q is not None and q < LOWEST_BLOCKING_QUALITY for q in qualities)


def _distance(match: Found) -> int:
    return match.hit.distance


def _resembles(match: Found) -> str:
    listed_by = match.bank.listed_by or match.hit.attributes.source or match.bank.name
    how = "Is identical to" if match.hit.distance == 0 else "Closely resembles"
    return f"{how} an item listed by {listed_by}. {NOT_A_FINDING}"


def _low_quality(signals: Iterable[Signal]) -> list[Reason]:
    poor = [s for s in signals if s.type == "pdq" and s.quality is not None and s.quality < LOWEST_BLOCKING_QUALITY]
    text = "has too little detail for a reliable perceptual hash; only exact copies of it are recognised reliably."
    return [Reason(rule=None, code=CODE_LOW_QUALITY, text=f"Part {s.part!r} {text}") for s in poor]


def _what_failed(gaps: Sequence[Gap], mode: FailMode) -> str:
    parts = ", ".join(sorted({gap.part for gap in gaps}))
    return f"Could not be screened completely (part {parts}); this surface's fail mode is {mode}."


def _who_asked(context: Context) -> str:
    claim = context.claim.replace("_", "-")
    return f"Held, not blocked: the uploader says this is {claim} and asks that a person look."


def _seen(signal: Signal) -> SignalSeen:
    return SignalSeen(
        part=signal.part, type=signal.type, version=signal.version, value=signal.value, quality=signal.quality
    )


def _match(found: Found) -> Match:
    attributes = found.hit.attributes
    return Match(
        part=found.signal.part,
        type=found.signal.type,
        distance=found.hit.distance,
        max_distance=found.bank.max_distance,
        bank=found.bank.name,
        signal=found.hit.signal_id,
        labels=tuple(dict.fromkeys((*attributes.labels, *found.bank.labels))),
        source=attributes.source,
        opinion=attributes.opinion,
        confirmed_by=attributes.confirmed_by,
    )


def _once(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Every reason, each said once, in the order they were found."""
    return tuple(dict.fromkeys(reasons))
