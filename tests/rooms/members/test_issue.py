import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections, transaction

from seawall.members.issue import GENERATION, NoSuchKey, issue_key, key_records, revoke_key
from seawall.members.keys import BadKey, KeyRevoked, authenticate
from seawall.members.models import ApiKey
from seawall.members.scopes import Scope
from seawall.record.events import BadEvent, KeyIssued
from seawall.record.generation import generations
from seawall.record.journal import read
from seawall.record.models import Event
from seawall.settings import Settings

NOW = datetime(2026, 11, 23, 20, 28, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def issue(**change: object) -> str:
    fields: dict[str, object] = {"name": "forum", "scopes": ["screen", "read"], "by": "per_1", "now": NOW}
    key, _ = issue_key(**(fields | change))  # type: ignore[arg-type]
    return key.key_id


def test_an_issued_key_opens_and_is_recorded(settings: Settings) -> None:
    key, shown = issue_key(name="forum", scopes=["screen"], by="per_1", now=NOW, expires_at=LATER, surfaces=["posts"])
    records = key_records()
    assert records == {key.key_id: key}
    assert authenticate(shown, records, NOW, Scope.SCREEN) == key
    assert ApiKey.objects.get().created_by == "per_1"
    assert read(Event.objects.get()) == KeyIssued(
        by="per_1",
        key=key.key_id,
        scopes=["screen"],
        surfaces=["posts"],
        expires_at="2026-11-23T21:28:00.000Z",
    )


def test_the_secret_is_nowhere_in_the_database_or_the_log(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _, shown = issue_key(name="forum", scopes=["screen"], by="per_1", now=NOW)
    secret = shown.split("_", 2)[2]
    rows = [list(ApiKey.objects.values()), [(event.body, event.source_ref) for event in Event.objects.all()]]
    assert secret not in repr(rows)
    assert secret not in caplog.text
    if not settings.on_postgresql:
        connections["default"].close()
        files = [path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file()]
        assert not any(secret.encode() in data for data in files)
        assert any(ApiKey.objects.get().secret_hash.encode() in data for data in files)


def test_a_revoked_key_opens_nothing_and_the_gate_hears_of_it(settings: Settings) -> None:
    _, shown = issue_key(name="forum", scopes=["screen"], by="per_1", now=NOW)
    (key_id,) = key_records()
    before = generations()[GENERATION]
    assert revoke_key(key_id, by="per_1", now=LATER, reason="leaked").revoked_at == LATER
    assert generations()[GENERATION] > before
    with pytest.raises(KeyRevoked):
        authenticate(shown, key_records(), LATER, Scope.SCREEN)
    names = list(Event.objects.order_by("serial").values_list("name", flat=True))
    assert names == ["members:key:issued", "members:key:revoked"]


def test_revoking_again_changes_nothing(settings: Settings) -> None:
    key_id = issue()
    revoke_key(key_id, by="per_1", now=NOW)
    assert revoke_key(key_id, by="per_2", now=LATER).revoked_at == NOW
    assert Event.objects.count() == 2


@pytest.mark.parametrize("key_id", ["", "key_", "key_019ab1c2-d3e4-7000-8000-00000000000a", "x" * 100_000, "' OR 1=1"])
def test_an_unknown_key_cannot_be_revoked(settings: Settings, key_id: str) -> None:
    issue()
    with pytest.raises(NoSuchKey, match="seawall key list") as caught:
        revoke_key(key_id, by="per_1", now=NOW)
    assert len(str(caught.value)) < 200
    assert ApiKey.objects.get().revoked_at is None


def test_table_and_event_stand_or_fall_together(settings: Settings) -> None:
    with pytest.raises(BadEvent, match="by"):
        issue(by="Jane Roe")
    assert not ApiKey.objects.exists()
    key_id = issue()
    with pytest.raises(BadEvent, match="reason"):
        revoke_key(key_id, by="per_1", now=NOW, reason="She lost her laptop.")
    assert ApiKey.objects.get().revoked_at is None
    with transaction.atomic():
        issue()
        transaction.set_rollback(True)
    assert list(key_records()) == [key_id]
    assert Event.objects.count() == 1


def test_a_bad_key_is_not_issued(sqlite_settings: Settings) -> None:
    changes: list[dict[str, object]] = [{"scopes": []}, {"name": " "}, {"surfaces": []}, {"expires_at": NOW}]
    for change in changes:
        with pytest.raises(BadKey):
            issue(**change)
    assert not ApiKey.objects.exists()
    assert not Event.objects.exists()


def test_two_keys_may_have_one_name(sqlite_settings: Settings) -> None:
    assert issue() != issue()
    assert len(key_records()) == 2


def test_events_name_no_program_and_no_person(sqlite_settings: Settings) -> None:
    """A key's name is free text: it stays in the room's own table."""
    issue(name="Jane's script")
    body = bytes(Event.objects.get().body or b"")
    assert "Jane" not in json.dumps(json.loads(body))
