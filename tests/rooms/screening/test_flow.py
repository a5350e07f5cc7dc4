"""The whole product in one line: what is found, what may block, what a person must see."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.matching.model import Attributes, BankKind, Hit
from seawall.screening.flow import PUBLIC_NOT_SCREENED, screen_signals
from seawall.screening.model import (
    Action,
    Audience,
    BankRules,
    Claim,
    Context,
    FailMode,
    HoldExpiry,
    Outcome,
    Rule,
    Surface,
    verdict_of,
)
from seawall.screening.policy import PUBLIC_HOLD, PUBLIC_TEST_HOLD, compile_policy
from seawall.signals.model import Gap, Signal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PICTURE = Signal(type="pdq", value="f" * 64, quality=90, part="image")
SIG = "sig_01933b6e-0000-7000-8000-000000000001"
CONFIRMED = Attributes(bank="listed", confirmed_here=True, confirmed_by=1, quality=95, source="us")
RULE = Rule(name="any", banks=("unused",), action=Action.ALLOW, code="x", text="x", public_text="")


class Finds:
    """An index that finds these hits, whatever is asked, within the radius."""

    def __init__(self, *hits: Hit) -> None:
        self.hits = hits

    def search(self, type: str, value: str, radius: int) -> list[Hit]:  # noqa: A002
        return [hit for hit in self.hits if hit.distance <= radius]


def surface(**changes: object) -> Surface:
    given: dict[str, object] = {
        "name": "posts",
        "audience": Audience.PUBLIC,
        "fail_mode": FailMode.HOLD,
        "hold_expiry": HoldExpiry.REFUSE,
    }
    return Surface(**(given | changes))  # type: ignore[arg-type]


def screen(
    *hits: Hit,
    bank: BankRules | None = None,
    more_banks: tuple[BankRules, ...] = (),
    rules: tuple[Rule, ...] = (),
    context: Context | None = None,
    gaps: tuple[Gap, ...] = (),
    signal: Signal = PICTURE,
    on: Surface | None = None,
) -> Outcome:
    listed = bank or BankRules(name="listed", default_action=Action.BLOCK)
    banks = (listed, BankRules(name="unused"), *more_banks)
    policy = compile_policy(policy_id="default", version=7, rules=(RULE, *rules), banks=banks, surfaces=())
    return screen_signals([signal], on or surface(), context, Finds(*hits), policy, NOW, gaps)


def hit(distance: int = 6, attributes: Attributes = CONFIRMED) -> Hit:
    return Hit(signal_id=SIG, distance=distance, attributes=attributes)


def codes(outcome: Outcome) -> list[str]:
    return [reason.code for reason in outcome.reasons]


def test_nothing_found_is_allowed_and_says_nothing() -> None:
    outcome = screen()
    assert (outcome.verdict, outcome.matches, outcome.reasons, outcome.public_reason) == (Action.ALLOW, (), (), None)
    assert [signal.value for signal in outcome.signals] == [PICTURE.value]
    assert outcome.policy.version == 7


def test_a_match_that_a_person_here_confirmed_blocks() -> None:
    outcome = screen(hit())
    assert outcome.verdict is Action.BLOCK
    assert outcome.hold_expires_at is None
    assert outcome.matches[0].distance == 6
    assert outcome.matches[0].max_distance == 31
    assert "not a finding about anyone" in outcome.reasons[0].text


def test_the_person_never_learns_distance_bank_signal_or_threshold() -> None:
    said = screen(hit()).public_reason
    assert said
    for secret in ("listed bank", "31", SIG, "us", "pdq"):
        assert secret not in said.split()


@pytest.mark.parametrize(
    ("attributes", "action", "code"),
    [
        (Attributes(bank="listed"), Action.HOLD, "unconfirmed"),
        (Attributes(bank="listed", confirmed_by=2), Action.HOLD, "unconfirmed"),
        (Attributes(bank="listed", confirmed_by=3), Action.BLOCK, "listed"),
        (Attributes(bank="listed", confirmed_by=9, disputed=True), Action.HOLD, "unconfirmed"),
        (Attributes(bank="listed", confirmed_here=True, disputed=True), Action.HOLD, "unconfirmed"),
        (Attributes(bank="listed", confirmed_here=True, quality=49), Action.HOLD, "low_quality"),
        (Attributes(bank="listed", confirmed_here=True, quality=50), Action.BLOCK, "listed"),
    ],
)
def test_a_machine_alone_blocks_only_what_people_confirmed(attributes: Attributes, action: Action, code: str) -> None:
    outcome = screen(hit(attributes=attributes))
    assert outcome.verdict is action
    assert code in codes(outcome)


def test_the_owners_trust_lets_an_unconfirmed_list_block_but_never_a_disputed_entry() -> None:
    trusted = BankRules(name="listed", default_action=Action.BLOCK, trusted_to_block=True)
    assert screen(hit(attributes=Attributes(bank="listed")), bank=trusted).verdict is Action.BLOCK
    assert screen(hit(attributes=Attributes(bank="listed", disputed=True)), bank=trusted).verdict is Action.HOLD


def test_a_featureless_upload_holds_and_its_quality_is_said() -> None:
    flat = Signal(type="pdq", value="0" * 64, quality=0, part="image")
    outcome = screen(hit(), signal=flat)
    assert outcome.verdict is Action.HOLD
    assert "low_quality" in codes(outcome)
    assert outcome.signals[0].quality == 0
    assert "low_quality" in codes(screen(signal=flat))


def test_the_banks_distance_is_the_ceiling() -> None:
    near = BankRules(name="listed", default_action=Action.BLOCK, max_distance=10)
    assert screen(hit(10), bank=near).verdict is Action.BLOCK
    assert screen(hit(11), bank=near).matches == ()


def test_a_rule_speaks_before_the_banks_default_and_the_most_severe_wins() -> None:
    allow = Rule(name="a", banks=("listed",), action=Action.ALLOW, code="seen", text="Seen.", public_text="")
    hold = Rule(name="h", labels=("tvec",), action=Action.HOLD, code="tvec", text="T.", public_text="Held.")
    attributes = Attributes(bank="listed", labels=("tvec",), confirmed_here=True)
    assert screen(hit(), rules=(allow,)).verdict is Action.ALLOW
    both = screen(hit(attributes=attributes), rules=(allow, hold))
    assert (both.verdict, both.public_reason) == (Action.HOLD, "Held.")
    assert {"seen", "tvec"} <= set(codes(both))
    assert both.hold_expires_at == NOW + timedelta(hours=24)


def test_a_rule_that_blocks_is_lowered_like_any_block() -> None:
    block = Rule(name="b", banks=("listed",), action=Action.BLOCK, code="b", text="B.", public_text="B.")
    outcome = screen(hit(attributes=Attributes(bank="listed")), rules=(block,))
    assert (outcome.verdict, codes(outcome)) == (Action.HOLD, ["b", "unconfirmed"])


def test_asking_for_a_person_turns_a_block_into_a_hold_and_nothing_else() -> None:
    asked = Context(claim=Claim.JOURNALISM)
    outcome = screen(hit(), context=asked)
    assert outcome.verdict is Action.HOLD
    assert "person_asked" in codes(outcome)
    assert screen(context=asked).verdict is Action.ALLOW


@pytest.mark.parametrize(
    ("safe_distance", "listed_distance", "action"),
    [(0, 6, Action.ALLOW), (6, 6, Action.ALLOW), (7, 6, Action.BLOCK)],
)
def test_known_safe_shelters_what_lies_nearer_to_it(safe_distance: int, listed_distance: int, action: Action) -> None:
    safe = BankRules(name="ours", kind=BankKind.KNOWN_SAFE)
    outcome = screen(hit(safe_distance, Attributes(bank="ours")), hit(listed_distance), more_banks=(safe,))
    assert outcome.verdict is action
    assert ("known_safe" in codes(outcome)) is (action is Action.ALLOW)


def test_no_look_refuses_and_shows_nothing_whoever_asks() -> None:
    dark = BankRules(name="listed", kind=BankKind.NO_LOOK)
    outcome = screen(hit(), bank=dark, context=Context(claim=Claim.ART))
    assert outcome.verdict is Action.BLOCK
    assert (outcome.matches, outcome.signals) == ((), ())
    assert "no_look" in codes(outcome)


def test_a_no_look_match_of_too_little_detail_is_held_and_still_shows_nothing() -> None:
    dark = BankRules(name="listed", kind=BankKind.NO_LOOK)
    outcome = screen(hit(attributes=Attributes(bank="listed", quality=10)), bank=dark)
    assert (outcome.verdict, outcome.matches, outcome.signals) == (Action.HOLD, (), ())


def test_known_safe_never_shelters_no_look() -> None:
    dark, safe = BankRules(name="listed", kind=BankKind.NO_LOOK), BankRules(name="ours", kind=BankKind.KNOWN_SAFE)
    outcome = screen(hit(0, Attributes(bank="ours")), hit(3), bank=dark, more_banks=(safe,))
    assert outcome.verdict is Action.BLOCK


def test_muted_signals_match_nothing_until_their_time() -> None:
    for until, action in ((NOW + timedelta(seconds=1), Action.ALLOW), (NOW, Action.BLOCK)):
        muted = Attributes(bank="listed", confirmed_here=True, muted_until=until)
        assert screen(hit(attributes=muted)).verdict is action


@pytest.mark.parametrize(
    ("mode", "action"),
    [(FailMode.OPEN, Action.ALLOW), (FailMode.HOLD, Action.HOLD), (FailMode.CLOSED, Action.BLOCK)],
)
def test_what_could_not_be_looked_at_follows_the_fail_mode_and_is_said(mode: FailMode, action: Action) -> None:
    gap = Gap(part="image", code="decoder_died", text="The decoder died.")
    outcome = screen(gaps=(gap,), on=surface(fail_mode=mode))
    assert (outcome.verdict, outcome.degraded) == (action, True)
    assert outcome.degraded_reasons[0].code == "decoder_died"
    assert "not_screened" in codes(outcome)


def test_a_gap_never_lowers_a_match() -> None:
    gap = Gap(part="film", code="unsupported_kind", text="…")
    assert screen(hit(), gaps=(gap,), on=surface(fail_mode=FailMode.OPEN)).verdict is Action.BLOCK


def test_a_bank_that_the_policy_does_not_know_matches_nothing() -> None:
    assert screen(hit(attributes=Attributes(bank="retired", confirmed_here=True))).verdict is Action.ALLOW


def test_a_verdict_carries_every_field_of_its_outcome() -> None:
    outcome = screen(hit())
    verdict = verdict_of(outcome, screening_id="scr_x", surface="posts", content_id=None, now=NOW)
    assert all(getattr(verdict, name) == getattr(outcome, name) for name in Outcome.__struct_fields__)


ATTRIBUTES = st.builds(
    Attributes,
    bank=st.sampled_from(["listed", "unused", "gone"]),
    labels=st.sampled_from([(), ("tvec",)]),
    confirmed_by=st.integers(0, 4),
    confirmed_here=st.booleans(),
    disputed=st.booleans(),
    quality=st.sampled_from([None, 0, 49, 50, 100]),
)
HITS = st.lists(st.builds(Hit, signal_id=st.just(SIG), distance=st.integers(0, 40), attributes=ATTRIBUTES), max_size=5)


@given(hits=HITS, asked=st.booleans())
def test_no_block_without_a_confirmed_undisputed_clear_match(hits: list[Hit], asked: bool) -> None:
    outcome = screen(*hits, context=Context(claim=Claim.RESEARCH) if asked else None)
    entitled = [
        one
        for one in hits
        if one.attributes.bank == "listed"
        and one.distance <= 31
        and (one.attributes.confirmed_here or one.attributes.confirmed_by >= 3)
        and not one.attributes.disputed
        and (one.attributes.quality is None or one.attributes.quality >= 50)
    ]
    assert (outcome.verdict is Action.BLOCK) is (bool(entitled) and not asked)


@given(hits=HITS)
def test_more_matches_never_make_an_outcome_milder_and_every_reason_is_kept(hits: list[Hit]) -> None:
    whole = screen(*hits)
    for one in hits:
        alone = screen(one)
        assert alone.verdict.severity <= whole.verdict.severity
        assert set(alone.reasons) <= set(whole.reasons)


def test_a_test_card_that_is_held_is_not_called_listed_material() -> None:
    card = BankRules(name="listed", default_action=Action.BLOCK, counts_as_protection=False)
    unconfirmed = Attributes(bank="listed")
    asked = Context(claim=Claim.RESEARCH)
    for outcome in (
        screen(hit(), bank=card, context=asked),
        screen(hit(attributes=unconfirmed), bank=card),
        screen(hit(), bank=BankRules(name="listed", default_action=Action.HOLD, counts_as_protection=False)),
    ):
        assert (outcome.verdict, outcome.public_reason) == (Action.HOLD, PUBLIC_TEST_HOLD)
    # Beside it a listed picture speaks first, whichever was found first.
    real = BankRules(name="real", default_action=Action.BLOCK)
    both = [hit(), hit(attributes=Attributes(bank="real", confirmed_here=True))]
    for hits in (both, both[::-1]):
        outcome = screen(*hits, bank=card, more_banks=(real,), context=asked)
        assert (outcome.verdict, outcome.public_reason) == (Action.HOLD, PUBLIC_HOLD)


def test_who_asks_about_what_could_not_be_screened_is_not_told_of_a_match() -> None:
    gap = Gap(part="image", code="corrupt", text="This picture is damaged.")
    closed = surface(fail_mode=FailMode.CLOSED)
    outcome = screen(gaps=(gap,), on=closed, context=Context(claim=Claim.ART))
    assert (outcome.verdict, outcome.matches) == (Action.HOLD, ())
    assert outcome.public_reason == PUBLIC_NOT_SCREENED
