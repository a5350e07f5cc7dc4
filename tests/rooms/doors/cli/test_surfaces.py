import itertools

import pytest

from tests.rooms.doors.cli.conftest import CommandLine

REQUIRED = {"--audience": "public", "--fail-mode": "hold", "--hold-expiry": "refuse"}


def words(options: dict[str, str]) -> list[str]:
    return list(itertools.chain.from_iterable(options.items()))


@pytest.mark.parametrize("left_out", REQUIRED)
def test_nothing_that_decides_over_uploads_has_a_default(seawall: CommandLine, left_out: str) -> None:
    given = {name: value for name, value in REQUIRED.items() if name != left_out}
    assert left_out in seawall("surface", "create", "posts", *words(given), code=2).err
    assert seawall.json("surface", "list") == []


def test_create_list_and_replace(seawall: CommandLine) -> None:
    assert "No surface yet" in seawall("surface", "list").out
    seawall("surface", "create", "posts", *words(REQUIRED), "--hold-hours", "48", "--no-store-unmatched")
    (one,) = seawall.json("surface", "list")
    assert (one["hold_hours"], one["store_unmatched"], one["hold_expiry"]) == (48, False, "refuse")
    assert "--replace" in seawall.refused("surface", "create", "posts", *words(REQUIRED))
    seawall("surface", "create", "posts", *words({**REQUIRED, "--hold-expiry": "release"}), "--replace")
    assert seawall.json("surface", "list")[0]["hold_expiry"] == "release"


def test_a_private_surface_needs_its_legal_basis(seawall: CommandLine) -> None:
    private = words({**REQUIRED, "--audience": "private"})
    assert "legal basis" in seawall.refused("surface", "create", "chat", *private)
    assert "legal basis" in seawall.refused("surface", "create", "chat", *private, "--private-basis", "  ")
    seawall("surface", "create", "chat", *private, "--private-basis", "Example Act 5")


@pytest.mark.parametrize("wrong", [("Posts",), ("",), ("x" * 64,), ("posts", "--hold-hours", "0"), ("a/b",)])
def test_bad_names_and_numbers_are_refused(seawall: CommandLine, wrong: tuple[str, ...]) -> None:
    seawall.refused("surface", "create", *wrong, *words(REQUIRED))
