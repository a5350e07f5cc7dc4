"""From a recorded verdict to the outbox: whoever opens holds says so in the same transaction, once for all of them."""

import json
from typing import Any

import pytest
from django.db import transaction

from seawall.record.models import Outbox
from seawall.record.outbox import HOLDS_WAITING, put
from seawall.screening.ledger import Ledger, LedgerRecorder, batches
from seawall.screening.ledger.batches import append_batches
from seawall.screening.models import Hold
from seawall.settings import Settings
from tests.rooms.screening.recordings import NOW, PATIENCE, block, declare, hold


def record(ledger: Ledger, *surfaces: str) -> None:
    with LedgerRecorder(ledger) as recorder:
        for surface in surfaces:
            recorder.submit(hold(surface=surface) if surface else block()).result(PATIENCE)


def test_holds_that_are_opened_together_are_one_row(settings: Settings) -> None:
    for surface in ("posts", "avatars"):
        declare(surface)
    ledger = Ledger(settings)
    record(ledger, "posts", "", "avatars", "posts")
    append_batches(ledger, now=NOW)
    row = Outbox.objects.get()
    said = json.loads(row.payload)
    assert (row.topic, row.due_at, row.done_at) == (HOLDS_WAITING, NOW, None)
    assert set(said) == {"ids", "surfaces"}
    assert set(said["ids"]) == set(Hold.objects.values_list("screening_id", flat=True))
    assert said["surfaces"] == ["avatars", "posts"]
    append_batches(ledger, now=NOW)
    assert Outbox.objects.count() == 1


def test_without_a_hold_nothing_is_said(settings: Settings) -> None:
    ledger = Ledger(settings)
    record(ledger, "", "")
    append_batches(ledger, now=NOW)
    assert not Outbox.objects.exists()


def test_what_was_not_opened_is_not_told_of(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    declare()
    ledger = Ledger(settings)
    record(ledger, "posts")

    class PowerCut(Exception):
        pass

    def put_and_die(*given: Any, **more: Any) -> None:
        put(*given, **more)
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(batches, "put", put_and_die)
        with pytest.raises(PowerCut):
            append_batches(ledger, now=NOW)
    assert not transaction.get_connection().in_atomic_block
    assert (Outbox.objects.count(), Hold.objects.count()) == (0, 0)
    append_batches(ledger, now=NOW)
    assert (Outbox.objects.count(), Hold.objects.count()) == (1, 1)
