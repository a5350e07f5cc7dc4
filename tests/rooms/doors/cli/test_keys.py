from datetime import timedelta

import pytest

from seawall.members.issue import key_records
from seawall.members.keys import KeyExpired, KeyRevoked, authenticate
from seawall.members.scopes import Scope
from seawall.record.clock import system_clock
from tests.rooms.doors.cli.conftest import CommandLine


def test_a_key_is_shown_once_and_works(seawall: CommandLine) -> None:
    said = seawall("key", "create", "wiki", "--scope", "screen", "--scope", "read")
    shown = said.out.strip()
    assert shown.startswith("swk_")
    assert "shown once" in said.err
    assert authenticate(shown, key_records(), system_clock(), Scope.SCREEN).name == "wiki"
    secret = shown.rpartition("_")[2]
    assert secret not in seawall("key", "list").out
    assert secret not in seawall("--json", "key", "list").out


def test_a_first_key_makes_the_data_directory(nowhere: CommandLine) -> None:
    (line,) = nowhere.json("key", "create", "wiki", "--scope", "screen")
    assert line["key"].startswith("swk_")
    assert line["expires_at"] is None


def test_a_key_ends_when_it_expires_or_is_revoked(seawall: CommandLine) -> None:
    (line,) = seawall.json("key", "create", "wiki", "--scope", "screen", "--days", "2")
    later = system_clock() + timedelta(days=3)
    with pytest.raises(KeyExpired):
        authenticate(line["key"], key_records(), later, Scope.SCREEN)
    seawall("key", "revoke", line["id"], "--reason", "leaked")
    with pytest.raises(KeyRevoked):
        authenticate(line["key"], key_records(), system_clock(), Scope.SCREEN)
    assert seawall.json("key", "list")[0]["state"] == "revoked"


def test_a_key_is_limited_to_surfaces_that_exist(seawall: CommandLine) -> None:
    assert "surface list" in seawall.refused("key", "create", "wiki", "--scope", "screen", "--surface", "pots")
    given = ("--audience", "public", "--fail-mode", "hold", "--hold-expiry", "refuse")
    seawall("surface", "create", "posts", *given)
    (line,) = seawall.json("key", "create", "wiki", "--scope", "screen", "--surface", "posts")
    assert line["surfaces"] == ["posts"]


@pytest.mark.parametrize(
    "wrong", [(), ("--scope", "everything"), ("--scope", "screen", "--days", "0")], ids=["none", "unknown", "days"]
)
def test_usage(seawall: CommandLine, wrong: tuple[str, ...]) -> None:
    seawall("key", "create", "wiki", *wrong, code=2)


def test_bad_names_and_unknown_keys_are_said(seawall: CommandLine) -> None:
    seawall.refused("key", "create", "", "--scope", "screen")
    seawall.refused("key", "create", "two\nlines", "--scope", "screen")
    assert "key list" in seawall.refused("key", "revoke", "key_42")
    (line,) = seawall.json("key", "create", "wiki", "--scope", "screen")
    said = seawall("key", "revoke", line["id"], "--reason", "It was in a mail to Example", code=2)
    assert "short code" in said.err


def test_no_key_yet(seawall: CommandLine) -> None:
    assert "No key yet" in seawall("key", "list").out
