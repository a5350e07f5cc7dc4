import re

import pytest

from seawall.members.accounts import LinkRefused, open_link
from seawall.members.models import Person
from seawall.record.clock import system_clock
from tests.rooms.doors.cli.conftest import CommandLine

LINK = re.compile(r"http://localhost:8080/setup/([\w-]{43})\n")


def token_in(text: str) -> str:
    found = LINK.fullmatch(text)
    assert found, text
    return found[1]


def test_a_link_for_the_owner_and_a_newer_one(seawall: CommandLine) -> None:
    first, second = (seawall("setup-link") for _ in range(2))
    assert "works once" in second.err
    assert open_link(token_in(second.out), system_clock()).person.is_owner
    with pytest.raises(LinkRefused):
        open_link(token_in(first.out), system_clock())
    (line,) = seawall.json("setup-link")
    assert set(line) == {"id", "url", "expires_at"}


def test_people_are_added_listed_renewed_and_removed(seawall: CommandLine) -> None:
    token = token_in(seawall("person", "add", "Mo Derator", "--role", "moderator").out)
    opened = open_link(token, system_clock())
    assert (opened.person.name, opened.person.role, opened.is_new) == ("Mo Derator", "moderator", True)
    owner, mo = seawall.json("person", "list")
    assert (owner["role"], mo["role"], mo["has_account"], mo["has_second_factor"]) == (
        "owner",
        "moderator",
        False,
        False,
    )
    assert "Mo Derator" in seawall("person", "list").out
    again = token_in(seawall("person", "link", mo["id"]).out)
    assert open_link(again, system_clock()).person.id == mo["id"]
    assert "cannot sign in any more" in seawall("person", "remove", mo["id"]).out
    assert [one["role"] for one in seawall.json("person", "list")] == ["owner"]
    assert "person list" in seawall.refused("person", "remove", mo["id"])


def test_what_cannot_be_is_refused_in_plain_words(seawall: CommandLine) -> None:
    (owner,) = seawall.json("person", "list")
    assert "owner cannot be removed" in seawall.refused("person", "remove", owner["id"])
    assert "name of 1 to" in seawall.refused("person", "add", " ", "--role", "reader")
    assert "person list" in seawall.refused("person", "link", "per_x")
    for words in (("person", "add", "Eve"), ("person", "add", "Eve", "--role", "owner"), ("person", "add")):
        seawall(*words, code=2)
    assert Person.objects.count() == 1
