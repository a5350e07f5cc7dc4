"""The person concerned: asks for a person to look, and learns what they may, and nothing more."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest

from seawall.doors.web.application import read_screening
from seawall.record.events import HoldLooked, HoldResolved, PersonAsked
from seawall.record.journal import read
from seawall.record.models import Event, Outbox
from seawall.record.outbox import PERSON_ASKED
from seawall.screening.holds import (
    DecidedBy,
    Explained,
    ExplainedState,
    HoldError,
    HoldOrigin,
    HoldOutcome,
    HoldPhase,
    HoldState,
    ask_for_person,
    decide,
    expire_due,
    explained,
    resolve,
    reveal,
    settle_due,
    state,
    undo,
)
from seawall.screening.holds import asking as asking_file
from seawall.screening.holds.asking import LONGEST_TEXT
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.ledger.batches import append_batches
from seawall.screening.ledger.retention import drop_expired
from seawall.screening.model import Action, Claim, Degradation, HoldExpiry, PolicyName, Reason, Verdict
from seawall.screening.recording import HeldPart, Recording
from seawall.settings import Settings
from seawall.signals import Kind
from seawall.signals.extract import CLEAR_FUNCTION, SEALED_FUNCTION
from seawall.signals.jail import InProcess
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, declare, hold, match, seen, verdict
from tests.rooms.signals.pictures import jpeg

HOSTILE = "<script>alert(1)</script> \0 \ud800 '; DROP TABLE screening_hold; -- \u202e {{ 7*7 }}"


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    declare(appeal_days=30)
    return Ledger(settings)


def record(ledger: Ledger, *recordings: Recording) -> None:
    with LedgerRecorder(ledger) as recorder:
        for future in [recorder.submit(recording) for recording in recordings]:
            future.result(PATIENCE)


def recorded(ledger: Ledger, recording: Recording) -> str:
    record(ledger, recording)
    return recording.verdict.id


def now_of(screening_id: str) -> HoldState:
    found = state(screening_id)
    assert found is not None
    return found


def events(kind: type[PersonAsked] | type[HoldResolved] | type[HoldLooked]) -> list[object]:
    return [read(row) for row in Event.objects.filter(name=kind.name).order_by("serial")]


def refused_code(work: Callable[[], object]) -> str:
    with pytest.raises(HoldError) as caught:
        work()
    assert caught.value.next_step
    return caught.value.code


def told(ledger: Ledger, screening_id: str, now: datetime = NOW) -> Explained:
    found = explained(ledger, screening_id, now)
    assert found is not None
    return found


def test_a_block_becomes_a_hold_that_only_a_person_ends(ledger: Ledger) -> None:
    screening_id = recorded(ledger, block())
    asked = ask_for_person(ledger, screening_id, claim=Claim.JOURNALISM, text="A news report.", now=NOW)
    assert (asked.newly, asked.claim, asked.asked_at) == (True, Claim.JOURNALISM, NOW)
    found = now_of(screening_id)
    assert (found.state, found.origin, found.has_preview) == (HoldPhase.WAITING, HoldOrigin.ASKED, False)
    assert (found.expires_at, found.held_at, found.surface) == (None, NOW, "posts")
    assert found.asked is not None
    assert (found.asked.text, found.asked.claim) == ("A news report.", Claim.JOURNALISM)
    assert expire_due(ledger, now=NOW + timedelta(days=5_000)) == 0
    done = resolve(ledger, screening_id, HoldOutcome.RELEASED, by="per_1", now=NOW)
    assert (done.state, done.outcome) == (HoldPhase.RELEASED, HoldOutcome.RELEASED)


def test_the_event_says_that_somebody_asked_and_not_in_which_words(ledger: Ledger) -> None:
    screening_id = recorded(ledger, block())
    ask_for_person(ledger, screening_id, claim=Claim.ART, text="unmistakable words", now=NOW)
    assert events(PersonAsked) == [PersonAsked(by="uploader", screening=screening_id, claim="art", opened=True)]
    assert not [row for row in Event.objects.all() if row.body and b"unmistakable" in bytes(row.body)]
    [row] = Outbox.objects.filter(topic=PERSON_ASKED)
    assert "unmistakable" not in row.payload
    assert screening_id in row.payload


def test_a_hold_is_marked_once(ledger: Ledger) -> None:
    screening_id = recorded(ledger, hold())
    ask_for_person(ledger, screening_id, claim=None, text="first", now=NOW)
    later = NOW + timedelta(minutes=1)
    again = ask_for_person(ledger, screening_id, claim=Claim.RESEARCH, text="second", now=later)
    assert (again.newly, again.claim, again.asked_at) == (False, None, NOW)
    found = now_of(screening_id)
    assert found.asked is not None
    assert (found.asked.text, found.origin) == ("first", HoldOrigin.SCREENED)
    assert found.expires_at == NOW + timedelta(hours=24)
    assert events(PersonAsked) == [PersonAsked(by="uploader", screening=screening_id, claim="", opened=False)]
    assert Outbox.objects.filter(topic=PERSON_ASKED).count() == 1


def test_a_strangers_words_are_kept_as_words(ledger: Ledger) -> None:
    screening_id = recorded(ledger, block())
    ask_for_person(ledger, screening_id, claim=None, text=HOSTILE, now=NOW)
    found = now_of(screening_id)
    assert found.asked is not None
    assert found.asked.text == HOSTILE.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("\ud800", "?")
    assert "script" not in repr(found)


def test_who_cannot_ask_is_told_why_without_any_detail(ledger: Ledger) -> None:
    blocked, passed, released, refused = block(), allow(), hold(), hold()
    record(ledger, blocked, passed, released, refused)
    resolve(ledger, released.verdict.id, HoldOutcome.RELEASED, by="per_reviewer", reason="secret", now=NOW)
    resolve(ledger, refused.verdict.id, HoldOutcome.REFUSED, by="per_reviewer", reason="secret", now=NOW)
    for screening_id, text, now, code in (
        (passed.verdict.id, "", NOW, "not_stopped"),
        (released.verdict.id, "", NOW, "not_stopped"),
        (refused.verdict.id, "", NOW, "already_resolved"),
        (verdict().id, "", NOW, "unknown_screening"),
        ("scr_\0", "", NOW, "unknown_screening"),
        (blocked.verdict.id, "a" * (LONGEST_TEXT + 1), NOW, "text_too_long"),
        (blocked.verdict.id, "", NOW + timedelta(days=30, seconds=1), "too_late"),
    ):
        with pytest.raises(HoldError) as caught:
            ask_for_person(ledger, screening_id, claim=None, text=text, now=now)
        assert caught.value.code == code
        assert not [one for one in ("per_reviewer", "secret", "forum") if one in str(caught.value)]
    assert state(blocked.verdict.id) is None
    assert ask_for_person(ledger, blocked.verdict.id, claim=None, text="a" * LONGEST_TEXT, now=NOW).newly


def test_what_nobody_looked_at_in_time_waits_again_for_a_person(ledger: Ledger) -> None:
    screening_id = recorded(ledger, hold(data=b"picture"))
    append_batches(ledger, now=NOW)
    # Asking in time is not enough: nobody looked all the same.
    ask_for_person(ledger, screening_id, claim=None, text="in time", now=NOW)
    after = NOW + timedelta(hours=24)
    expire_due(ledger, now=after)
    assert told(ledger, screening_id, after).can_ask
    assert ask_for_person(ledger, screening_id, claim=None, text="again", now=after).newly
    found = now_of(screening_id)
    assert (found.state, found.outcome, found.expires_at, found.resolved_at) == (HoldPhase.WAITING, None, None, None)
    assert (found.has_preview, found.keep_bytes_until) == (True, None)
    assert ledger.held.parts(screening_id)
    assert not ask_for_person(ledger, screening_id, claim=None, text="a third time", now=after).newly
    assert expire_due(ledger, now=after + timedelta(days=3_000)) == 0
    done = resolve(ledger, screening_id, HoldOutcome.REFUSED, by="per_1", now=after)
    assert done.keep_bytes_until == after + timedelta(days=30)
    assert not told(ledger, screening_id, after).can_ask


def test_what_was_released_because_nobody_looked_cannot_be_asked_about(ledger: Ledger) -> None:
    screening_id = recorded(ledger, hold(expiry=HoldExpiry.RELEASE))
    append_batches(ledger, now=NOW)
    after = NOW + timedelta(hours=24)
    expire_due(ledger, now=after)
    assert refused_code(lambda: ask_for_person(ledger, screening_id, claim=None, now=after)) == "not_stopped"


def test_those_who_upload_by_the_thousand_do_not_bury_the_others(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare("other")
    monkeypatch.setattr(asking_file, "MOST_ASKED_A_DAY", 3)
    flood = [block() for _ in range(4)]
    elsewhere = Recording(verdict=verdict(Action.BLOCK, surface="other"))
    waits = hold()
    record(ledger, *flood, elsewhere, waits)
    for one in flood[:3]:
        ask_for_person(ledger, one.verdict.id, claim=None, now=NOW)
    last = flood[3].verdict.id
    assert refused_code(lambda: ask_for_person(ledger, last, claim=None, now=NOW)) == "too_many_asked"
    assert state(last) is None
    # Another surface is not full, and a hold waits anyway.
    assert ask_for_person(ledger, elsewhere.verdict.id, claim=None, now=NOW).newly
    assert ask_for_person(ledger, waits.verdict.id, claim=None, now=NOW).newly
    # Room again once some were decided, and the next day.
    for one in flood[:2]:
        resolve(ledger, one.verdict.id, HoldOutcome.REFUSED, by="per_1", now=NOW)
    assert ask_for_person(ledger, last, claim=None, now=NOW).newly


def test_a_blocked_day_stays_while_somebody_waits_for_an_answer(ledger: Ledger) -> None:
    screening_id = recorded(ledger, block())
    ask_for_person(ledger, screening_id, claim=None, now=NOW)
    assert drop_expired(ledger, now=NOW + timedelta(days=300)) == []
    decided = NOW + timedelta(days=300)
    resolve(ledger, screening_id, HoldOutcome.REFUSED, by="per_1", now=decided)
    assert drop_expired(ledger, now=decided + timedelta(days=29)) == []
    assert len(drop_expired(ledger, now=decided + timedelta(days=31))) == 1


def test_the_states_of_a_stopped_upload_in_plain_words(ledger: Ledger) -> None:
    blocked, held, expiring, passed = block(), hold(), hold(expiry=HoldExpiry.REFUSE), allow()
    record(ledger, blocked, held, expiring, passed)
    # Of the last second: the tables do not know them yet.
    assert told(ledger, held.verdict.id).state is ExplainedState.HELD
    append_batches(ledger, now=NOW)
    at_first = told(ledger, blocked.verdict.id)
    assert (at_first.state, at_first.public_reason, at_first.decided_by) == (ExplainedState.BLOCKED, "p", None)
    assert (at_first.can_ask, at_first.appeal_until) == (True, NOW + timedelta(days=30))
    assert not told(ledger, blocked.verdict.id, NOW + timedelta(days=31)).can_ask
    ask_for_person(ledger, blocked.verdict.id, claim=None, now=NOW)
    asked = told(ledger, blocked.verdict.id)
    assert (asked.state, asked.asked_at, asked.can_ask) == (ExplainedState.HELD, NOW, False)
    assert (asked.decides_at, asked.appeal_until) == (None, None)
    waiting = told(ledger, held.verdict.id)
    assert (waiting.decides_at, waiting.can_ask, waiting.appeal_until) == (NOW + timedelta(hours=24), True, None)
    decide(ledger, held.verdict.id, HoldOutcome.RELEASED, by="per_1", reason="", now=NOW)
    assert told(ledger, held.verdict.id).state is ExplainedState.HELD
    undo(held.verdict.id, by="per_1", now=NOW)
    resolve(ledger, held.verdict.id, HoldOutcome.RELEASED, by="per_1", now=NOW)
    done = told(ledger, held.verdict.id)
    assert (done.state, done.decided_by, done.decided_at) == (ExplainedState.RELEASED, DecidedBy.PERSON, NOW)
    assert (done.can_ask, done.appeal_until, done.decides_at) == (False, None, None)
    after = NOW + timedelta(hours=24)
    expire_due(ledger, now=after)
    refused = told(ledger, expiring.verdict.id, after)
    assert (refused.state, refused.decided_by) == (ExplainedState.REFUSED, DecidedBy.EXPIRY)
    assert refused.appeal_until == after + timedelta(days=30)
    for screening_id in (passed.verdict.id, verdict().id, "nonsense", "scr_\0"):
        assert explained(ledger, screening_id, NOW) is None


def planted(action: Action) -> Verdict:
    """Every field that the uploader may not see holds a word of its own."""
    listed = msgspec.structs.replace(
        match(),
        part="planted-part",
        bank="planted-bank",
        signal="sig_planted-signal",
        distance=77_777,
        max_distance=88_888,
        labels=("planted-label",),
        source="planted-source",
        opinion="planted-opinion",
        confirmed_by=99_999,
    )
    return msgspec.structs.replace(
        verdict(action, matches=(listed,)),
        content_id="planted-content",
        policy=PolicyName(id="planted-policy", version=66_666),
        reasons=(Reason(rule="planted-rule", code="planted-code", text="planted-text"),),
        degraded=True,
        degraded_reasons=(Degradation(part="planted-part", code="planted-gap", text="planted-gap-text"),),
        public_reason="What the public may know.",
        signals=(seen("planted-type", "planted-value", 55_555),),
        explain_url="planted-url",
    )


@pytest.mark.parametrize("action", [Action.HOLD, Action.BLOCK])
def test_the_person_concerned_never_learns_how_it_was_found_or_who_decided(ledger: Ledger, action: Action) -> None:
    made = planted(action)
    record(ledger, Recording(verdict=made, uploader="planted-uploader", hold_expiry=HoldExpiry.REFUSE))
    append_batches(ledger, now=NOW)
    shown = [told(ledger, made.id)]
    ask_for_person(ledger, made.id, claim=Claim.ARCHIVE, text="planted-asked-text", now=NOW)
    shown.append(told(ledger, made.id))
    decide(ledger, made.id, HoldOutcome.REFUSED, by="per_planted", reason="planted-reason", now=NOW)
    shown.append(told(ledger, made.id))
    undo(made.id, by="per_planted", now=NOW)
    resolve(ledger, made.id, HoldOutcome.REFUSED, by="per_planted", reason="planted-reason", now=NOW)
    shown.append(told(ledger, made.id))
    assert [one.state for one in shown[1:]] == [ExplainedState.HELD, ExplainedState.HELD, ExplainedState.REFUSED]
    for one in shown:
        written = msgspec.json.encode(one).decode() + repr(one)
        assert "planted" not in written
        assert not [number for number in ("55555", "66666", "77777", "88888", "99999") if number in written]
        assert "posts" not in written
        assert one.public_reason == "What the public may know."
    # A field added later has to be thought about here.
    assert {field.name for field in dataclasses.fields(Explained)} == {
        "screening_id", "state", "public_reason", "screened_at", "decides_at", "decided_at", "decided_by", "asked_at",
        "can_ask", "appeal_until",
    }  # fmt: skip


def test_what_nobody_may_look_at_cannot_be_asked_about(ledger: Ledger) -> None:
    made = msgspec.structs.replace(
        verdict(Action.BLOCK, matches=()), reasons=(Reason(rule=None, code="no_look", text="t"),), signals=()
    )
    record(ledger, Recording(verdict=made))
    assert refused_code(lambda: ask_for_person(ledger, made.id, claim=Claim.RESEARCH, now=NOW)) == "no_look"
    assert not told(ledger, made.id).can_ask
    assert state(made.id) is None


def test_what_was_stopped_without_words_for_the_public_has_some(ledger: Ledger) -> None:
    made = msgspec.structs.replace(verdict(Action.BLOCK), public_reason=None)
    record(ledger, Recording(verdict=made))
    assert told(ledger, made.id).public_reason


def several(ledger: Ledger) -> str:
    """A hold with a picture, a text, an address, a file and a broken picture."""
    held = (
        HeldPart(name="photo", kind=Kind.IMAGE, data=jpeg()),
        HeldPart(name="words", kind=Kind.TEXT, data="Zuppa è pronta".encode()),
        HeldPart(name="link", kind=Kind.URL, data=b"https://example.org/"),
        HeldPart(name="archive", kind=Kind.FILE, data=b"PK"),
        HeldPart(name="broken", kind=Kind.IMAGE, data=b"no picture"),
        HeldPart(name="long", kind=Kind.TEXT, data=b"a" * 50_000),
    )
    made = verdict(Action.HOLD)
    record(ledger, Recording(verdict=made, held_parts=held, hold_expiry=HoldExpiry.REFUSE))
    append_batches(ledger, now=NOW)
    return made.id


def test_each_look_is_noted_before_anything_is_shown(ledger: Ledger) -> None:
    screening_id = several(ledger)
    with InProcess(functions=(SEALED_FUNCTION, CLEAR_FUNCTION)) as jail:

        def look(number: int, *, clear: bool = False, by: str = "per_1") -> tuple[bytes | None, str | None, int]:
            shown = reveal(ledger, screening_id, number, clear=clear, by=by, jail=jail, now=NOW)
            assert shown.number == number
            return shown.picture, shown.text, len(shown.problems)

        sealed, clear = look(0), look(0, clear=True)
        assert sealed[0] is not None
        assert clear[0] is not None
        assert sealed != clear
        assert look(1) == (None, "Zuppa è pronta", 0)
        assert look(2) == (None, "https://example.org/", 0)
        assert look(3) == look(4) == (None, None, 1)
        assert look(5) == (None, "a" * 20_000, 1)
        looked = events(HoldLooked)
        assert looked[:2] == [
            HoldLooked(by="per_1", screening=screening_id, part=0, clear=False),
            HoldLooked(by="per_1", screening=screening_id, part=0, clear=True),
        ]
        assert len(looked) == 7
        for number in (-1, 6, 10**9):
            assert refused_code(lambda one=number: look(one)) == "no_preview"  # type: ignore[misc]
        assert refused_code(lambda: look(0, by="Ada Example")) == "bad_actor"
        resolve(ledger, screening_id, HoldOutcome.RELEASED, by="per_1", now=NOW)
        assert refused_code(lambda: look(0)) == "no_preview"
        for unknown in (verdict().id, "scr_\0"):
            code = refused_code(
                lambda one=unknown: reveal(ledger, one, 0, clear=False, by="per_1", jail=jail, now=NOW)  # type: ignore[misc]
            )
            assert code == "unknown_screening"
    assert len(events(HoldLooked)) == 7


def test_the_platform_sees_a_released_block_where_it_asks_for_a_screening(ledger: Ledger) -> None:
    screening_id = recorded(ledger, block())
    before = read_screening(ledger, screening_id)
    assert before is not None
    assert before.hold is None
    ask_for_person(ledger, screening_id, claim=None, now=NOW)
    decide(ledger, screening_id, HoldOutcome.RELEASED, by="per_1", reason="", now=NOW)
    pending = read_screening(ledger, screening_id)
    assert pending is not None
    assert pending.hold is not None
    assert (pending.verdict.verdict, pending.hold.state, pending.hold.outcome) == ("block", "waiting", None)
    settle_due(ledger, now=NOW + timedelta(seconds=10))
    after = read_screening(ledger, screening_id)
    assert after is not None
    assert after.hold is not None
    assert (after.hold.state, after.hold.outcome) == ("released", "released")
