"""The large fixture is what it says, and what the console's first pages read from stays lean on it."""

from datetime import timedelta

import pytest
from django.db.models import Count

from seawall.matching.models import Bank, ListedSignal
from seawall.matching.summary import protection
from seawall.members.models import ApiKey
from seawall.record.models import Event
from seawall.record.signing import load_verification_keys
from seawall.record.verify import verify_log
from seawall.screening.ledger import Ledger
from seawall.screening.ledger.batches import verify_batches
from seawall.screening.models import Hold, PolicyVersion, ScreeningTotals
from seawall.screening.totals import totals
from tests.plans import assert_lean, time_calls
from tests.plenty import DAYS, EVENTS, HOLDS, KEYS, POLICY_VERSIONS, READABLE, SIGNALS, Plenty


def test_there_is_plenty(plenty: Plenty) -> None:
    own = ListedSignal.objects.exclude(bank__name="test-card")
    assert (Hold.objects.count(), own.count(), Event.objects.count()) == (HOLDS, SIGNALS, EVENTS)
    assert (ApiKey.objects.count(), PolicyVersion.objects.count()) == (KEYS, POLICY_VERSIONS)
    assert Bank.objects.exclude(name="test-card").count() == 5
    states = dict(Hold.objects.values_list("state").annotate(holds=Count("*")))
    assert set(states) == {"waiting", "released", "refused", "expired"}
    assert min(states.values()) > HOLDS // 50
    assert Hold.objects.filter(state="waiting", asked_at__isnull=False).count() > 100
    assert Hold.objects.values("surface").distinct().count() == 6
    span = Hold.objects.latest("held_at").held_at - Hold.objects.earliest("held_at").held_at
    assert timedelta(days=DAYS - 1) < span <= timedelta(days=DAYS)


def test_the_newest_waiting_holds_can_be_read(plenty: Plenty) -> None:
    newest = Hold.objects.filter(state="waiting").order_by("-held_at").values_list("screening_id", flat=True)
    assert tuple(newest[:READABLE]) == plenty.readable
    first_due = Hold.objects.filter(state="waiting").order_by("expires_at").values_list("screening_id", flat=True)
    assert set(first_due[:READABLE]) == set(plenty.readable)
    entry = Ledger(plenty.settings).read(plenty.readable[0])
    assert entry is not None
    assert entry.verdict.matches[0].signal == plenty.signal
    assert list(verify_batches(Ledger(plenty.settings))) == []


def test_the_counters_agree_with_the_rows(plenty: Plenty) -> None:
    active = dict(ListedSignal.objects.filter(status="active").values_list("bank").annotate(signals=Count("*")))
    assert active == dict(Bank.objects.values_list("number", "active_signals"))
    states = dict(Hold.objects.values_list("state").annotate(holds=Count("*")))
    whole = totals((plenty.now - timedelta(days=DAYS + 1)).date(), plenty.now.date()).funnel
    assert (whole.held, whole.pending) == (HOLDS, states["waiting"])
    assert (whole.released, whole.refused, whole.expired) == (states["released"], states["refused"], states["expired"])


def test_the_figures_of_the_first_pages_are_lean(plenty: Plenty) -> None:
    found = assert_lean(lambda: protection(plenty.now), most=1).answer
    assert found.signals == sum(bank.signals for bank in found.banks if bank.name not in {"known-safe", "test-card"})
    month = plenty.now.date() - timedelta(days=30)
    assert assert_lean(lambda: totals(month, plenty.now.date()), most=2).answer.funnel.uploads > HOLDS
    print("protection", time_calls(lambda: protection(plenty.now), 50))  # noqa: T201 - read with -s
    print("totals", time_calls(lambda: totals(month, plenty.now.date()), 50))  # noqa: T201


def test_planted_bad_queries_are_caught_on_it(plenty: Plenty) -> None:
    for bad in (
        lambda: Hold.objects.filter(state="waiting").count(),
        lambda: list(Hold.objects.order_by("held_at")[:25]),
        lambda: ListedSignal.objects.filter(bank__name="own").count(),
        lambda: list(ListedSignal.objects.filter(note="x")[:25]),
        lambda: list(ScreeningTotals.objects.order_by("uploads")) and Event.objects.count(),
    ):
        with pytest.raises(AssertionError, match=r"full scan|too many rows"):
            assert_lean(bad)


def test_the_log_verifies(plenty: Plenty) -> None:
    report = verify_log(load_verification_keys(plenty.settings.keys_dir))
    assert (report.finding, report.size, report.waiting) == (None, EVENTS, 0)
