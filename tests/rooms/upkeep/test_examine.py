"""What the doctor finds around the rooms: clock, addresses, connections, release, backups. Bad news has a next step."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from seawall.app import furnish
from seawall.record.clock import system_clock
from seawall.record.models import Event
from seawall.settings import Settings
from seawall.upkeep import surroundings
from seawall.upkeep.examine import Finding, Health, findings
from seawall.upkeep.surroundings import (
    OLD_BACKUP,
    WRITTEN,
    check_address,
    check_backups,
    check_clock,
    check_connections,
    check_disk,
    check_moved,
    check_release,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def one(found: Iterator[Finding]) -> Finding:
    (finding,) = found
    return finding


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The time that the doctor's clock shows, to be changed by tests."""
    shown = [NOW]
    monkeypatch.setattr(surroundings, "system_clock", lambda: shown[0])
    return shown


class TestClock:
    @pytest.mark.parametrize(
        ("now", "health"),
        [
            (datetime(1970, 1, 1, tzinfo=UTC), Health.BAD),
            (WRITTEN - timedelta(seconds=1), Health.BAD),
            (NOW, Health.OK),
            (NOW + timedelta(days=4_000), Health.WARN),
        ],
    )
    def test_a_time_that_cannot_be_is_said(
        self, tmp_path: Path, at: list[datetime], now: datetime, health: Health
    ) -> None:
        at[0] = now
        found = one(check_clock(Settings(data_dir=tmp_path / "none")))
        assert (found.health, bool(found.next_step)) == (health, health is not Health.OK)

    @pytest.mark.parametrize(
        ("behind", "health"), [(timedelta(seconds=200), Health.OK), (timedelta(hours=1), Health.BAD)]
    )
    def test_before_the_newest_event_it_is_wrong(
        self, settings: Settings, at: list[datetime], behind: timedelta, health: Health
    ) -> None:
        furnish(NOW)
        newest = max(Event.objects.values_list("created_at", flat=True))
        at[0] = newest - behind
        found = one(check_clock(settings))
        assert found.health is health
        if health is Health.BAD:
            assert "timedatectl" in found.next_step
            assert "newest event" in found.text

    def test_the_written_date_lies_in_the_past(self) -> None:
        assert system_clock() > WRITTEN


class TestAddress:
    @pytest.mark.parametrize(
        ("given", "health", "word"),
        [
            ({}, Health.OK, ""),
            ({"host": "::1"}, Health.OK, ""),
            ({"public_url": "http://localhost:8080"}, Health.OK, ""),
            ({"host": "0.0.0.0"}, Health.WARN, "TLS"),
            ({"host": "0.0.0.0", "public_url": "http://localhost:8080"}, Health.WARN, "TLS"),
            ({"public_url": "http://seawall.example.org"}, Health.WARN, "TLS"),
            ({"public_url": "https://seawall.example.org"}, Health.WARN, "trusted_proxies"),
            ({"public_url": "https://seawall.example.org", "trusted_proxies": "127.0.0.1"}, Health.OK, ""),
            ({"public_url": "seawall.example.org"}, Health.BAD, "https://"),
            ({"public_url": "ftp://seawall.example.org"}, Health.BAD, "https://"),
            ({"public_url": "https://[seawall"}, Health.BAD, "https://"),
            ({"public_url": "https://x:port"}, Health.BAD, "https://"),
            ({"public_url": "https://"}, Health.BAD, "https://"),
        ],
    )
    def test_what_crosses_networks_in_the_clear_is_said(self, given: dict[str, str], health: Health, word: str) -> None:
        found = one(check_address(Settings(**given)))  # type: ignore[arg-type]
        assert found.health is health, found
        assert word in found.next_step
        assert bool(word) == bool(found.next_step)


class TestConnections:
    def mail(self, place: Path, text: str) -> Settings:
        (place / "keys").mkdir()
        (place / "keys" / "mail.json").write_text(text)
        return Settings(data_dir=place, database_url="postgresql://sea:secret@db.example/wall")

    def test_each_is_listed_and_no_password(self, tmp_path: Path) -> None:
        text = '{"host": "mail.example", "port": 465, "username": "moderator", "password": "hunter2", "sender": "a@b"}'
        found = one(check_connections(self.mail(tmp_path, text)))
        assert (
            found.text
            == "2: the database, postgresql://sea:***@db.example/wall; the mail server, mail.example port 465"
        )

    def test_none_is_said_as_well(self, tmp_path: Path) -> None:
        assert one(check_connections(Settings(data_dir=tmp_path))).text == "none: nothing leaves this machine"

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 3}', "\udcff", '{"host": "a"}'])
    def test_a_damaged_file_is_a_finding(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys" / "mail.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        found = one(check_connections(Settings(data_dir=tmp_path)))
        assert (found.health, "seawall mail set" in found.next_step) == (Health.BAD, True)


class TestRelease:
    @pytest.mark.parametrize(
        ("stamp", "health"), [("0.1.0", Health.OK), (version("seawall"), Health.OK), ("99.0.0", Health.BAD)]
    )
    def test_a_newer_one_is_bad(self, tmp_path: Path, stamp: str, health: Health) -> None:
        (tmp_path / "version").write_text(f"{stamp}\n")
        found = one(check_release(Settings(data_dir=tmp_path)))
        assert (found.health, bool(found.next_step)) == (health, health is not Health.OK)
        assert stamp in found.text

    @pytest.mark.parametrize("stamp", ["", "later", "\0" * 100_000, "<b>1.0</b>"])
    def test_a_stamp_that_is_none_is_bad(self, tmp_path: Path, stamp: str) -> None:
        (tmp_path / "version").write_text(stamp)
        found = one(check_release(Settings(data_dir=tmp_path)))
        assert (found.health, bool(found.next_step)) == (Health.BAD, True)

    def test_nothing_is_said_without_a_stamp(self, tmp_path: Path) -> None:
        assert list(check_release(Settings(data_dir=tmp_path))) == []


class TestBackups:
    def test_none_and_an_old_one_are_no_alarm_but_have_a_step(self, tmp_path: Path, at: list[datetime]) -> None:
        settings = Settings(data_dir=tmp_path)
        none = one(check_backups(settings))
        place = tmp_path / "backups"
        place.mkdir()
        ages = {"old": OLD_BACKUP * 2, "newer": OLD_BACKUP + timedelta(hours=1), ".new.partial": timedelta()}
        ages |= {"upgrade-begun.json": timedelta()}
        for name, age in ages.items():
            (place / name).touch()
            made = (NOW - age).timestamp()
            os.utime(place / name, (made, made))
        old = one(check_backups(settings))
        at[0] = NOW - timedelta(hours=2)
        young = one(check_backups(settings))
        assert {none.health, old.health, young.health} == {Health.OK}
        assert "newer" in old.text
        assert [bool(finding.next_step) for finding in (none, old, young)] == [True, True, False]

    def test_one_that_outlived_the_ledger_is_named(self, tmp_path: Path, at: list[datetime]) -> None:
        place = tmp_path / "backups"
        place.mkdir()
        for name, days in {"before-0.2.0.tar": 31, "young.tar": 1}.items():
            (place / name).touch()
            made = (at[0] - timedelta(days=days)).timestamp()
            os.utime(place / name, (made, made))
        found = one(check_backups(Settings(data_dir=tmp_path)))
        assert (found.health, "before-0.2.0.tar" in found.text) == (Health.WARN, True)
        assert "delete" in found.next_step
        assert one(check_backups(Settings(data_dir=tmp_path, keep_unmatched_days=40))).health is Health.OK


class TestMoved:
    def test_what_a_move_left_is_named_until_it_is_deleted(self, tmp_path: Path) -> None:
        settings = Settings(data_dir=tmp_path, database_url="postgresql://db.example/wall")
        assert list(check_moved(settings)) == []
        (tmp_path / "ledger").mkdir()
        (tmp_path / "ledger" / "2026-11-01.sqlite3.moved").touch()
        found = one(check_moved(settings))
        assert (found.health, "2026-11-01.sqlite3.moved" in found.text) == (Health.WARN, True)
        assert found.next_step.endswith(f"rm {tmp_path}/seawall.sqlite3.moved* {tmp_path}/ledger/*.moved*")
        assert list(check_moved(Settings(data_dir=tmp_path))) == []

    def test_an_interrupted_one_is_completed_by_the_same_command(self, tmp_path: Path) -> None:
        (tmp_path / ".move-begun").touch()
        (tmp_path / "seawall.sqlite3").touch()
        found = one(check_moved(Settings(data_dir=tmp_path, database_url="postgresql://db.example/wall")))
        assert (found.health, "seawall.sqlite3" in found.text) == (Health.WARN, True)
        assert "move-to-postgresql" in found.next_step


def test_little_space_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "TOO_LITTLE_BYTES", 2**60)
    monkeypatch.setattr(surroundings, "SCARCE_BYTES", 2**61)
    found = one(check_disk(Settings(data_dir=tmp_path / "not" / "there")))
    assert (found.health, bool(found.next_step)) == (Health.BAD, True)


def test_whatever_is_not_well_has_a_next_step(
    sqlite_settings: Settings, tmp_path: Path, at: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "SCARCE_BYTES", 2**61)
    at[0] = datetime(1970, 1, 1, tzinfo=UTC)
    (sqlite_settings.data_dir / "version").write_text("99.0.0")
    bare = Settings(data_dir=tmp_path / "none", public_url="nowhere")
    found = [*findings(sqlite_settings), *findings(bare)]
    assert {"kernel", "jail", "disk", "release", "clock", "address", "policy", "keys", "server"} <= {
        finding.about for finding in found
    }
    assert [finding for finding in found if finding.health is not Health.OK and not finding.next_step] == []
