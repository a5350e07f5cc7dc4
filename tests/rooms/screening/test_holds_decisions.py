"""A decision can be undone for ten seconds; then it takes effect, whatever happens to clock, process or colleagues."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seawall.record.events import HoldResolved
from seawall.record.journal import read
from seawall.record.models import Event
from seawall.screening.holds import (
    UNDO_SECONDS,
    HoldError,
    HoldOutcome,
    HoldPhase,
    HoldState,
    ask_for_person,
    decide,
    expire_due,
    parts,
    resolve,
    settle_due,
    state,
    undo,
)
from seawall.screening.holds.decisions import _is_due
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.ledger.batches import append_batches
from seawall.screening.models import Hold
from seawall.screening.recording import Recording
from seawall.settings import Settings
from tests.rooms.screening.recordings import NOW, PATIENCE, allow, block, declare, hold, verdict

PICTURE = b"a harmless picture " * 100
WINDOW = timedelta(seconds=UNDO_SECONDS)
MOMENT = timedelta(milliseconds=1)
RELEASED, REFUSED = HoldOutcome.RELEASED, HoldOutcome.REFUSED


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    declare()
    return Ledger(settings)


def held(ledger: Ledger, **about: object) -> str:
    """The id of a fresh hold with bytes."""
    recording = hold(data=PICTURE, **about)  # type: ignore[arg-type]
    record(ledger, recording)
    return recording.verdict.id


def record(ledger: Ledger, *recordings: Recording) -> None:
    with LedgerRecorder(ledger) as recorder:
        for future in [recorder.submit(recording) for recording in recordings]:
            future.result(PATIENCE)


def now_of(screening_id: str) -> HoldState:
    found = state(screening_id)
    assert found is not None
    return found


def resolved() -> list[HoldResolved]:
    rows = Event.objects.filter(name=HoldResolved.name).order_by("serial")
    return [event for event in map(read, rows) if isinstance(event, HoldResolved)]


def refused_code(work: Callable[[], object]) -> str:
    with pytest.raises(HoldError) as caught:
        work()
    assert caught.value.next_step
    return caught.value.code


@pytest.mark.parametrize("outcome", [RELEASED, REFUSED])
def test_a_decision_takes_effect_after_ten_seconds(ledger: Ledger, outcome: HoldOutcome) -> None:
    screening_id = held(ledger)
    decided = decide(ledger, screening_id, outcome, by="per_1", reason="not_a_match", now=NOW)
    assert (decided.state, decided.outcome, decided.resolved_at) == (HoldPhase.WAITING, None, None)
    assert decided.pending is not None
    assert (decided.pending.outcome, decided.pending.by, decided.pending.at) == (outcome, "per_1", NOW)
    assert decided.pending.takes_effect_at == NOW + WINDOW
    assert decided == now_of(screening_id)
    assert settle_due(ledger, now=NOW + WINDOW - MOMENT) == 0
    assert (now_of(screening_id), resolved()) == (decided, [])
    assert parts(ledger, screening_id)
    at = NOW + WINDOW
    assert settle_due(ledger, now=at) == 1
    ended = now_of(screening_id)
    assert (ended.state, ended.outcome, ended.resolved_at, ended.resolved_by) == (str(outcome), outcome, at, "per_1")
    assert (ended.pending, ended.reason) == (None, "not_a_match")
    assert bool(parts(ledger, screening_id)) == (outcome is REFUSED)
    [event] = resolved()
    assert (event.by, event.outcome, event.reason) == ("per_1", str(outcome), "not_a_match")
    assert settle_due(ledger, now=at + WINDOW) == 0
    assert len(resolved()) == 1


def test_undone_it_waits_as_before_with_its_deadline(ledger: Ledger) -> None:
    screening_id = held(ledger)
    append_batches(ledger, now=NOW)
    before = now_of(screening_id)
    decide(ledger, screening_id, REFUSED, by="per_1", reason="Wrong button.", now=NOW)
    assert undo(screening_id, by="per_1", now=NOW + WINDOW - MOMENT) == before == now_of(screening_id)
    assert settle_due(ledger, now=NOW + 2 * WINDOW) == 0
    assert resolved() == []
    assert expire_due(ledger, now=NOW + timedelta(hours=24)) == 1


def test_after_ten_seconds_it_is_too_late_settled_or_not(ledger: Ledger) -> None:
    screening_id = held(ledger)
    decide(ledger, screening_id, RELEASED, by="per_1", reason="", now=NOW)
    assert refused_code(lambda: undo(screening_id, by="per_1", now=NOW + WINDOW)) == "too_late"
    settle_due(ledger, now=NOW + WINDOW)
    assert refused_code(lambda: undo(screening_id, by="per_1", now=NOW + WINDOW)) == "too_late"
    assert now_of(screening_id).state is HoldPhase.RELEASED


def test_a_reason_no_database_takes_is_kept_as_far_as_it_can_be(ledger: Ledger) -> None:
    screening_id = held(ledger)
    decided = decide(ledger, screening_id, RELEASED, by="per_1", reason="a\0b \ud800 c", now=NOW)
    assert decided.pending is not None
    assert decided.pending.reason == "a\N{REPLACEMENT CHARACTER}b ? c"
    assert state("scr_\0") is None


def test_only_who_decided_can_undo(ledger: Ledger) -> None:
    screening_id = held(ledger)
    decide(ledger, screening_id, RELEASED, by="per_1", reason="", now=NOW)
    for by in ("per_2", "", "system"):
        assert refused_code(lambda who=by: undo(screening_id, by=who, now=NOW)) == "bad_actor"  # type: ignore[misc]
    assert now_of(screening_id).pending is not None


def test_what_cannot_be_undone_or_decided_says_why(ledger: Ledger) -> None:
    waits = held(ledger)
    blocked, passed = block(), allow()
    record(ledger, blocked, passed)
    append_batches(ledger, now=NOW)
    assert refused_code(lambda: undo(waits, by="per_1", now=NOW)) == "not_decided"
    for unknown in (verdict().id, "", "nonsense", "scr_\0", "x" * 10_000):
        assert refused_code(lambda one=unknown: undo(one, by="per_1", now=NOW)) == "unknown_screening"  # type: ignore[misc]

    def deciding(screening_id: str, by: str = "per_1") -> str:
        return refused_code(lambda: decide(ledger, screening_id, RELEASED, by=by, reason="", now=NOW))

    assert deciding(blocked.verdict.id) == deciding(passed.verdict.id) == "not_a_hold"
    assert deciding(verdict().id) == deciding("nonsense") == deciding("") == "unknown_screening"
    assert deciding(waits, by="Ada Example") == deciding(waits, by="") == "bad_actor"
    assert now_of(waits).pending is None
    resolve(ledger, waits, RELEASED, by="per_1", now=NOW)
    assert deciding(waits) == "already_resolved"


def test_a_double_click_is_one_decision_and_another_one_is_refused(ledger: Ledger) -> None:
    screening_id = held(ledger)
    first = decide(ledger, screening_id, REFUSED, by="per_1", reason="listed", now=NOW)
    later = NOW + timedelta(seconds=1)
    assert decide(ledger, screening_id, REFUSED, by="per_1", reason="listed", now=later) == first
    for outcome, by, reason in (
        (RELEASED, "per_1", "listed"),
        (REFUSED, "per_2", "listed"),
        (REFUSED, "per_1", "other"),
    ):
        code = refused_code(
            lambda o=outcome, b=by, r=reason: decide(ledger, screening_id, o, by=b, reason=r, now=later)  # type: ignore[misc]
        )
        assert code == "already_decided"
    assert refused_code(lambda: resolve(ledger, screening_id, RELEASED, by="per_2", now=later)) == "already_decided"
    assert now_of(screening_id) == first


def test_whoever_comes_after_its_ten_seconds_finds_it_settled_even_without_a_server(ledger: Ledger) -> None:
    screening_id = held(ledger)
    decide(ledger, screening_id, RELEASED, by="per_1", reason="", now=NOW)
    after = NOW + WINDOW
    assert refused_code(lambda: resolve(ledger, screening_id, REFUSED, by="per_2", now=after)) == "already_resolved"
    ended = now_of(screening_id)
    assert (ended.state, ended.resolved_by) == (HoldPhase.RELEASED, "per_1")
    assert parts(ledger, screening_id) == ()
    assert len(resolved()) == 1


def test_a_decision_made_in_time_wins_over_the_expiry(ledger: Ledger) -> None:
    kept, undone = held(ledger), held(ledger)
    deadline = NOW + timedelta(hours=24)
    for one in (kept, undone):
        decide(ledger, one, RELEASED, by="per_1", reason="", now=deadline - timedelta(seconds=2))
    # The deadline passes while the decisions can still be undone.
    assert expire_due(ledger, now=deadline + timedelta(seconds=1)) == 0
    assert now_of(kept).state is HoldPhase.WAITING
    undo(undone, by="per_1", now=deadline + timedelta(seconds=2))
    # No server ran for an hour: what was decided is settled, what was not has expired.
    assert expire_due(ledger, now=deadline + timedelta(hours=1)) == 1
    assert (now_of(kept).state, now_of(kept).outcome) == (HoldPhase.RELEASED, RELEASED)
    assert (now_of(undone).state, now_of(undone).outcome) == (HoldPhase.EXPIRED, REFUSED)


@pytest.mark.parametrize("back", [timedelta(seconds=3), timedelta(seconds=15), timedelta(days=400)])
def test_a_clock_set_back_neither_hastens_nor_loses_it(ledger: Ledger, back: timedelta) -> None:
    screening_id = held(ledger)
    append_batches(ledger, now=NOW)
    decide(ledger, screening_id, REFUSED, by="per_1", reason="", now=NOW)
    clock = NOW - back
    seconds = 0
    while settle_due(ledger, now=clock) == 0:
        assert now_of(screening_id).state is HoldPhase.WAITING
        clock, seconds = clock + timedelta(seconds=1), seconds + 1
        assert seconds <= 2 * UNDO_SECONDS, "it never takes effect"
    assert seconds >= UNDO_SECONDS
    assert now_of(screening_id).state is HoldPhase.REFUSED


def test_a_clock_set_back_leaves_the_time_to_undo(ledger: Ledger) -> None:
    screening_id = held(ledger)
    decide(ledger, screening_id, REFUSED, by="per_1", reason="", now=NOW)
    settle_due(ledger, now=NOW - timedelta(days=1))
    assert undo(screening_id, by="per_1", now=NOW - timedelta(days=1) + WINDOW - MOMENT).pending is None


@hypothesis_settings(max_examples=200)
@given(decided=st.datetimes(), waited=st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=1)))
def test_nothing_is_due_before_its_ten_seconds(decided: datetime, waited: timedelta) -> None:
    moment = decided.replace(tzinfo=NOW.tzinfo)
    try:
        now = moment + waited
    except OverflowError:
        return
    if waited < WINDOW:
        assert not _is_due(moment, now)
    elif moment.year < 9999:
        assert _is_due(moment, now)


def test_bytes_that_a_crash_leaves_after_a_release_are_swept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from seawall.screening.holds import sweep

    screening_id = held(ledger)
    decide(ledger, screening_id, RELEASED, by="per_1", reason="", now=NOW)

    def killed(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger.held, "destroy", killed)
        with pytest.raises(KeyboardInterrupt):
            settle_due(ledger, now=NOW + WINDOW)
    assert now_of(screening_id).state is HoldPhase.RELEASED
    assert sweep(ledger, now=NOW + WINDOW) == 1
    assert parts(ledger, screening_id) == ()


def test_a_killed_process_has_its_decisions_settled_by_the_next(ledger: Ledger) -> None:
    screening_id = held(ledger)
    decide(ledger, screening_id, RELEASED, by="per_1", reason="fine", now=NOW)
    # Nothing of it is in memory: another ledger object, other connections.
    connections["default"].close()
    assert settle_due(Ledger(ledger.settings), now=NOW + timedelta(days=2)) == 1
    assert (now_of(screening_id).state, now_of(screening_id).reason) == (HoldPhase.RELEASED, "fine")


def test_of_many_at_once_one_decides_and_it_is_settled_once(ledger: Ledger) -> None:
    screening_id = held(ledger)
    append_batches(ledger, now=NOW)
    outcomes: list[str] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
            outcomes.append("done")
        except HoldError as error:
            outcomes.append(error.code)
        finally:
            connections.close_all()

    def together(works: list[Callable[[], object]]) -> None:
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)

    together(
        [
            lambda n=n: decide(ledger, screening_id, RELEASED, by=f"per_{n}", reason="", now=NOW)  # type: ignore[misc]
            for n in range(6)
        ]
    )
    assert sorted(outcomes) == ["already_decided"] * 5 + ["done"]
    outcomes.clear()
    together([lambda: settle_due(ledger, now=NOW + WINDOW) for _ in range(4)])
    assert outcomes == ["done"] * 4
    assert len(resolved()) == 1
    assert Hold.objects.get(screening_id=screening_id).state == "released"


@pytest.mark.parametrize("outcome", [RELEASED, REFUSED])
def test_whatever_comes_at_the_same_moment_a_hold_ends_once(ledger: Ledger, outcome: HoldOutcome) -> None:
    """The last moment to undo, the end of the ten seconds, the deadline, a colleague and the uploader, all together."""
    deadline = NOW + timedelta(hours=24)
    for _ in range(4):
        screening_id = held(ledger)
        append_batches(ledger, now=NOW)
        decide(ledger, screening_id, outcome, by="per_1", reason="mine", now=deadline - WINDOW)
        works: list[Callable[[], object]] = [
            lambda one=screening_id: undo(one, by="per_1", now=deadline - MOMENT),  # type: ignore[misc]
            lambda: settle_due(ledger, now=deadline),
            lambda: expire_due(ledger, now=deadline),
            lambda one=screening_id: resolve(ledger, one, RELEASED, by="per_2", now=deadline),  # type: ignore[misc]
            lambda one=screening_id: ask_for_person(ledger, one, claim=None, now=deadline),  # type: ignore[misc]
        ]
        failures: list[BaseException] = []

        def run(work: Callable[[], object], failures: list[BaseException] = failures) -> None:
            try:
                work()
            except HoldError:
                pass
            except Exception as error:  # noqa: BLE001 - seen below
                failures.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert failures == []
        expire_due(ledger, now=deadline + WINDOW)
        ended = now_of(screening_id)
        ends = [event.outcome for event in resolved() if event.screening == screening_id]
        if ended.state is HoldPhase.WAITING:
            # Refused because its time was over, and then asked about: it waits for a person again.
            assert (ended.asked is not None, ended.expires_at, ends) == (True, None, ["expired"])
        else:
            assert ended.resolved_by in {"per_1", "per_2", "system"}
            assert ends in ([str(ended.state)], ["expired", str(ended.state)])
        assert ended.pending is None
        assert bool(parts(ledger, screening_id)) == (ended.outcome is not RELEASED)
