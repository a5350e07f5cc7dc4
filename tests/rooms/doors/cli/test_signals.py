import pytest

from tests.rooms.doors.cli.conftest import CommandLine

TEXT = "a listed sentence"


@pytest.fixture
def listed(seawall: CommandLine) -> str:
    seawall("bank", "create", "mine")
    (line,) = seawall.json("bank", "add", "mine", "--text", TEXT)
    seawall("screen", "--text", TEXT, code=11)
    return str(line["added"][0])


def test_withdrawn_it_matches_nothing_until_it_is_added_again(seawall: CommandLine, listed: str) -> None:
    seawall("signal", "withdraw", listed, "--reason", "not_a_match")
    seawall("screen", "--text", TEXT, code=0)
    assert "was withdrawn" in seawall.refused("signal", "mute", listed, "--days", "1")
    seawall("bank", "add", "mine", "--text", TEXT)
    seawall("screen", "--text", TEXT, code=11)


def test_a_mute_ends(seawall: CommandLine, listed: str) -> None:
    (muted,) = seawall.json("signal", "mute", listed, "--days", "1")
    assert muted["state"] == "muted"
    seawall("screen", "--text", TEXT, code=0)
    seawall("signal", "unmute", listed)
    seawall("screen", "--text", TEXT, code=11)


def test_a_dispute_lowers_block_to_hold(seawall: CommandLine, listed: str) -> None:
    seawall("signal", "dispute", listed)
    seawall("screen", "--text", TEXT, code=10)
    seawall("signal", "dispute", listed, "--settle")
    seawall("screen", "--text", TEXT, code=11)


def test_confirming_twice_is_said(seawall: CommandLine, listed: str) -> None:
    assert "already" in seawall("signal", "confirm", listed).out


def test_the_end_of_a_mute_is_given_once_and_right(seawall: CommandLine, listed: str) -> None:
    seawall("signal", "mute", listed, code=2)
    seawall("signal", "mute", listed, "--days", "1", "--until", "2099-01-01T00:00:00Z", code=2)
    seawall("signal", "mute", listed, "--until", "tomorrow", code=2)
    seawall("signal", "mute", listed, "--until", "2099-01-01T00:00:00", code=2)
    assert "past" in seawall.refused("signal", "mute", listed, "--until", "2001-01-01T00:00:00Z")
    seawall("signal", "mute", listed, "--until", "2099-01-01T00:00:00Z")


@pytest.mark.parametrize("verb", ["withdraw", "unmute", "confirm", "dispute"])
@pytest.mark.parametrize("wrong", ["sig_", "42", "sig_01933b6e-0000-7000-8000-000000000000", "x" * 10_000])
def test_unknown_ids_are_said(seawall: CommandLine, verb: str, wrong: str) -> None:
    assert len(seawall.refused("signal", verb, wrong)) < 1_000
