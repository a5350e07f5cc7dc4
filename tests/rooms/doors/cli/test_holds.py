import pytest

from seawall.record.clock import system_clock
from seawall.screening.holds import HoldOutcome, ask_for_person, decide
from seawall.screening.ledger import Ledger
from seawall.screening.model import Claim
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


def test_what_waits_is_listed_with_its_deadline_and_why(seawall: CommandLine, held: str) -> None:
    (line,) = seawall.json("holds")
    assert (line["screening_id"], line["state"], line["surface"]) == (held, "waiting", "posts")
    assert line["reasons"]
    assert line["expires_at"]
    said = seawall("holds").out
    assert held in said
    assert "waits until" in said
    assert line["reasons"][0] in said
    assert seawall.json("holds", "--surface", "other") == seawall.json("holds", "--asked") == []
    assert "Nothing was decided yet." in seawall("holds", "--decided").out
    seawall("release", held, "--reason", "fine")
    assert "Nothing waits for a person." in seawall("holds").out
    (line,) = seawall.json("holds", "--decided")
    assert (line["screening_id"], line["state"], line["reason"]) == (held, "released", "fine")
    assert "released" in seawall("holds", "--decided").out


def test_a_long_list_is_cut_and_says_so(seawall: CommandLine, held: str) -> None:
    (second,) = seawall.json("screen", "--text", "held", "--record", "--surface", "posts", code=10)
    said = seawall("holds", "--limit", "1")
    assert held in said.out
    assert second["id"] not in said.out
    assert "There are more" in said.err
    assert len(seawall.json("holds", "--limit", "2")) == 2


def test_what_makes_no_sense_is_refused(seawall: CommandLine, held: str) -> None:
    assert held
    for words in (("--asked", "--decided"), ("--limit", "0"), ("--limit", "many")):
        seawall("holds", *words, code=2)


def test_a_decision_made_in_the_console_can_be_seen_and_not_overridden(seawall: CommandLine, held: str) -> None:
    ledger = Ledger(seawall.settings)
    decide(ledger, held, HoldOutcome.RELEASED, by="per_1", reason="", now=system_clock())
    assert "released by per_1, takes effect" in seawall("holds").out
    assert "a moment ago" in seawall.refused("refuse", held, "--reason", "other")
    assert Hold.objects.get(screening_id=held).decided_outcome == "released"


def test_a_block_that_somebody_asked_about_is_listed(seawall: CommandLine, held: str) -> None:
    seawall("bank", "create", "sure")
    seawall("bank", "add", "sure", "--text", "blocked")
    (line,) = seawall.json("screen", "--text", "blocked", "--record", "--surface", "posts", code=11)
    ask_for_person(Ledger(seawall.settings), line["id"], claim=Claim.ART, text="My own work.", now=system_clock())
    (asked,) = seawall.json("holds", "--asked")
    assert (asked["screening_id"], asked["origin"], asked["asked"]["claim"]) == (line["id"], "asked", "art")
    assert "its uploader asked for a person" in seawall("holds").out
    assert held in seawall("holds").out
