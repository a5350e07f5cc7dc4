import contextlib
import inspect
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.record import canonical_json, events
from seawall.record.events import EVENTS, BadEvent, Event, Unrecognised
from tests.rooms.record.strategies import objects

HEX = "ab" * 32
EXAMPLES: list[Event] = [
    events.BankCreated(by="per_1", bank="bnk_1", title="Häfen & Brücken"),
    events.BankRenamed(by="per_1", bank="bnk_1", title="Bridges"),
    events.BankRetired(by="per_1", bank="bnk_1"),
    events.BankChanged(by="per_1", bank="bnk_1", changed={"max_distance": 31, "labels": ["tvec"], "note": None}),
    events.SignalsAdded(by="key_1", bank="bnk_1", signals=["sig_1", "sig_2"], count=2),
    events.SignalsImported(by="per_1", bank="bnk_1", import_id="imp_1", count=10**6, digest=HEX, errors=3),
    events.SignalWithdrawn(by="per_1", signal="sig_1", bank="bnk_1", reason="false_positive"),
    events.SignalMuted(by="per_1", signal="sig_1", bank="bnk_1", until="2026-12-01T00:00:00.000Z"),
    events.SignalConfirmed(by="per_1", signal="sig_1", bank="bnk_1"),
    events.SignalDisputed(by="per_1", signal="sig_1", bank="bnk_1", disputed=True),
    events.PolicySaved(by="per_1", policy="default", version=7, digest=HEX),
    events.SurfaceSaved(by="per_1", surface="posts", digest=HEX),
    events.BatchesRecorded(by="system", day="2026-11-23", family="matched", first=17, batches=[(120, HEX), (3, HEX)]),
    events.HoldResolved(by="per_1", screening="scr_1", outcome="released", reason="not_a_match"),
    events.DayDropped(by="system", day="2026-10-23", family="unmatched"),
    events.KeyIssued(by="per_1", key="key_1", scopes=["lookup", "screen"], surfaces=None, expires_at=None),
    events.KeyRevoked(by="per_1", key="key_1", reason="leaked"),
    events.EventForgotten(by="per_1", event="evt_1"),
    events.OwnerCreated(by="per_1", person="per_1"),
    events.PersonAsked(by="uploader", screening="scr_1", claim="journalism", opened=True),
    events.HoldLooked(by="per_1", screening="scr_1", part=0, clear=False),
    events.PersonAdded(by="per_1", person="per_2", role="moderator"),
    events.PersonChanged(by="per_1", person="per_2", role="reader"),
    events.PersonLeft(by="per_1", person="per_2"),
    events.SetupLinkMade(by="per_1", person="per_2"),
    events.AccountSet(by="per_2", person="per_2"),
    events.SetUp(by="per_1"),
    events.InstanceNamed(by="per_1"),
    events.SignInChanged(by="per_2", person="per_2", what="totp_added"),
    events.MailServerChosen(by="per_1", security="starttls"),
]


def test_each_event_has_an_example_here() -> None:
    assert {type(example) for example in EXAMPLES} == set(EVENTS.values())
    classes = [each for _, each in inspect.getmembers(events, inspect.isclass) if issubclass(each, Event) and each.name]
    assert set(EVENTS.values()) == set(classes)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_an_event_is_written_and_read_again(event: Event) -> None:
    assert events.decode(event.name, event.schema, events.encode(event)) == event
    assert events.written_as(event) == (event.name, event.schema)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
@given(later=objects)
@settings(max_examples=10)
def test_fields_of_a_later_version_survive(event: Event, later: dict[str, Any]) -> None:
    extra = {f"later_{name}": value for name, value in later.items()}
    body = canonical_json.encode(events.fields_of(event) | extra)
    read = events.decode(event.name, event.schema, body)
    assert read.extra == extra
    assert events.encode(read) == body


def test_a_field_called_extra_in_a_later_version_survives() -> None:
    body = b'{"bank":"b","by":"per_1","extra":"more","title":"t"}'
    assert events.encode(events.decode("matching:bank:created", 1, body)) == body


@pytest.mark.parametrize(("name", "schema"), [("exchange:member:joined", 1), ("matching:bank:created", 2)])
def test_an_event_of_a_later_version_is_carried_whole(name: str, schema: int) -> None:
    body = b'{"by":"per_1","name":"x","schema":"y","written_name":"z","zeal":[1,{"a":null}]}'
    read = events.decode(name, schema, body)
    assert isinstance(read, Unrecognised)
    assert events.written_as(read) == (name, schema)
    assert events.encode(read) == body


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (events.BankRetired(by="Jane Roe <jane@example.org>", bank="b"), "by"),
        (events.BankRetired(by="", bank="b"), "by"),
        (events.BankRetired(by="per_1", bank="the one with the flags"), "bank"),
        (events.BankRetired(by="per_1", bank="b\n"), "bank"),
        (events.BankCreated(by="per_1", bank="b", title=""), "title"),
        (events.BankCreated(by="per_1", bank="b", title="x" * 201), "title"),
        (events.SignalsAdded(by="per_1", bank="b", signals=["a b"], count=1), "signals"),
        (events.SignalsAdded(by="per_1", bank="b", signals=[], count=-1), "count"),
        (events.SignalsAdded(by="per_1", bank="b", signals=[], count="3"), "count"),  # type: ignore[arg-type]
        (events.SignalsAdded(by="per_1", bank="b", signals=[], count=True), "count"),
        (events.PolicySaved(by="per_1", policy="p", version=1, digest="AB" * 32), "digest"),
        (events.BatchesRecorded(by="system", day="2026-11-23", family="m", first=1, batches=[(1, "x")]), "batches"),
        (events.BatchesRecorded(by="system", day="2026-11-23", family="m", first=1, batches=[(-1, HEX)]), "batches"),
        (events.DayDropped(by="system", day="23.11.2026", family="matched"), "day"),
        (events.HoldResolved(by="per_1", screening="s", outcome="lost"), "outcome"),  # type: ignore[arg-type]
        (events.HoldResolved(by="per_1", screening="s", outcome="refused", reason="He said so."), "reason"),
        (events.BankChanged(by="per_1", bank="b", changed={"share": 0.5}), "changed"),  # type: ignore[dict-item]
    ],
)
def test_a_field_of_the_wrong_form_is_named(event: Event, field: str) -> None:
    with pytest.raises(BadEvent, match=rf"{event.name}: .*\$\.{field}"):
        events.encode(event)


def test_a_known_field_may_not_hide_among_the_unknown() -> None:
    with pytest.raises(BadEvent, match="bank"):
        events.encode(events.BankRetired(by="per_1", bank="a", extra={"bank": "b"}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[]",
        b'{"bank":"b"}',
        b'{"bank":"b","by":null}',
        b'{"bank":"b","bank":"c","by":"per_1"}',
        b'{"bank":"b","by":"per_1"',
    ],
)
@pytest.mark.parametrize("name", ["matching:bank:retired", "later:thing:done"])
def test_broken_bodies_are_refused(name: str, body: bytes) -> None:
    with pytest.raises(BadEvent, match=name):
        events.decode(name, 1, body)


@given(st.binary(max_size=80))
def test_any_bytes_are_an_event_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadEvent):
        events.decode("matching:bank:retired", 1, body)


@pytest.mark.parametrize("taken", ["matching:bank:created", "Bank created", "a:b", "a:b:c:d"])
def test_a_name_is_used_once_and_has_three_parts(taken: str) -> None:
    before = dict(EVENTS)
    with pytest.raises(ValueError, match=taken):

        class Again(Event, frozen=True, kw_only=True):
            name: ClassVar[str] = taken

    assert before == EVENTS
