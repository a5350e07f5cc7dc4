import pytest

from seawall.screening.models import Hold
from tests.rooms.doors.cli.conftest import CommandLine


@pytest.fixture
def held(seawall: CommandLine) -> str:
    seawall("surface", "create", "posts", "--audience", "public", "--fail-mode", "hold", "--hold-expiry", "refuse")
    seawall("bank", "create", "mine", "--default-action", "hold")
    seawall("bank", "add", "mine", "--text", "held")
    (line,) = seawall.json("screen", "--text", "held", "--record", "--surface", "posts", code=10)
    return str(line["id"])


@pytest.mark.parametrize(("verb", "outcome"), [("release", "released"), ("refuse", "refused")])
def test_a_person_decides_once(seawall: CommandLine, held: str, verb: str, outcome: str) -> None:
    (line,) = seawall.json(verb, held, "--reason", "news_report")
    assert (line["state"], line["outcome"], line["reason"]) == (outcome, outcome, "news_report")
    assert Hold.objects.get(screening_id=held).state == outcome
    assert "already" in seawall.refused("refuse", held, "--reason", "other")
    assert seawall.json("log", "verify")[0]["pending"] == 0


def test_a_reason_is_asked_for(seawall: CommandLine, held: str) -> None:
    seawall("release", held, code=2)


def test_only_holds_can_be_decided(seawall: CommandLine, held: str) -> None:
    (line,) = seawall.json("screen", "--text", "fine", "--record", "--surface", "posts")
    for wrong in (line["id"], "scr_01933b6e-0000-7000-8000-000000000000", "42", "x" * 5_000, f"{held} "):
        seawall.refused("release", wrong, "--reason", "x")
    assert Hold.objects.get(screening_id=held).state == "waiting"


def test_people_are_told(seawall: CommandLine, held: str) -> None:
    assert f"{held} is released" in seawall("release", held, "--reason", "A sentence for colleagues.").out
