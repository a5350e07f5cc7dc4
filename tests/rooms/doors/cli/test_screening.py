import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from seawall.app import try_lock
from seawall.doors.cli import screening
from seawall.doors.cli.screening import WORST_FIRST, worst
from seawall.record.clock import system_clock
from seawall.screening.explain import load, open_link
from seawall.screening.ledger import Ledger
from seawall.screening.model import Claim, Context
from seawall.screening.models import Hold
from seawall.screening.publish import Publisher
from tests.rooms.doors.cli.conftest import CommandLine

Picture = Callable[[str], Path]
SURFACE = ("--audience", "public", "--fail-mode", "open", "--hold-expiry", "release")


@pytest.fixture
def listed(seawall: CommandLine, picture: Picture) -> CommandLine:
    """A bank with a picture, one with a text that only holds, and a surface whose fail mode is open."""
    seawall("bank", "create", "mine")
    seawall("bank", "add", "mine", picture("harbour"))
    seawall("bank", "create", "unsure", "--default-action", "hold")
    seawall("bank", "add", "unsure", "--text", "held")
    seawall("surface", "create", "posts", *SURFACE)
    return seawall


def test_the_exact_and_the_edited_picture_are_blocked_and_another_passes(listed: CommandLine, picture: Picture) -> None:
    exact, edited, other = (
        listed.json("screen", picture(name), code=code)[0]
        for name, code in (("harbour", 11), ("harbour-edited", 11), ("balloons", 0))
    )
    assert {match["distance"] for match in exact["matches"]} == {0}
    assert [0 < match["distance"] <= 31 for match in edited["matches"]] == [True]
    assert other["matches"] == []
    assert exact["public_reason"]


def test_the_published_index_is_used_while_it_is_current(
    listed: CommandLine, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Publisher(listed.settings.state_dir).publish_if_changed(system_clock())
    monkeypatch.setattr(screening, "present_index", None)
    listed("screen", picture("harbour-edited"), "--surface", "posts", code=11)
    listed("screen", picture("balloons"), code=0)
    monkeypatch.undo()
    listed("bank", "add", "mine", picture("balloons"))
    listed("screen", picture("balloons"), code=11)


def test_a_dry_run_has_no_id_and_leaves_no_trace(listed: CommandLine, picture: Picture) -> None:
    said = listed("--json", "screen", picture("harbour"), code=11)
    assert (said.lines[0]["id"], said.lines[0]["recorded"], said.lines[0]["surface"]) == (None, False, "dry-run")
    assert "temporary surface: public, fail mode hold" in said.err
    assert Ledger(listed.settings).open().partitions() == []


def test_the_worst_of_several_files_counts(listed: CommandLine, picture: Picture, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(picture("orchard").read_bytes()[:3_000])
    block = (str(picture("harbour")),)
    hold, degraded, allow, failure = ("--text", "held"), (str(broken),), ("--text", "fine"), (str(tmp_path / "none"),)
    by_code = {1: failure, 11: block, 10: hold, 12: degraded, 0: allow}
    assert list(by_code) == list(WORST_FIRST)
    for (code, words), (_less, others) in itertools.combinations(by_code.items(), 2):
        listed("screen", "--surface", "posts", *others, *words, code=code)
    for code, words in by_code.items():
        listed("screen", "--surface", "posts", *words, code=code)


def test_worst_knows_every_combination() -> None:
    for size in range(1, 6):
        for codes in itertools.combinations(WORST_FIRST, size):
            assert worst(set(codes)) == codes[0]


def test_the_fail_mode_of_the_surface_decides_over_what_cannot_be_opened(listed: CommandLine, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("I am no picture")
    listed("screen", text, "--kind", "image", code=10)
    listed("screen", text, "--kind", "image", "--surface", "posts", code=12)
    listed("surface", "create", "strict", *SURFACE[:2], "--fail-mode", "closed", "--hold-expiry", "refuse")
    (line,) = listed.json("screen", text, "--kind", "image", "--surface", "strict", code=11)
    assert line["degraded"] is True
    assert line["degraded_reasons"][0]["code"] == "not_an_image"


def test_having_a_person_look_turns_a_block_into_a_hold(listed: CommandLine, picture: Picture) -> None:
    (line,) = listed.json("screen", picture("harbour"), "--claim", "journalism", "--claim-text", "our report", code=10)
    assert "person_asked" in {reason["code"] for reason in line["reasons"]}


def test_a_claim_s_words_without_a_claim_are_not_lost_silently(listed: CommandLine) -> None:
    assert "--claim" in listed("screen", "--text", "x", "--claim-text", "our report", code=2).err


def test_recorded_it_is_in_the_ledger_and_the_log(listed: CommandLine, picture: Picture) -> None:
    words = ("--record", "--surface", "posts", "--content-id", "post-1", "--uploader", "somebody")
    (line,) = listed.json("screen", picture("harbour"), *words, code=11)
    entry = Ledger(listed.settings).read(line["id"])
    assert entry is not None
    assert entry.verdict.content_id == "post-1"
    (verified,) = listed.json("log", "verify")
    assert verified["ok"] is True
    assert verified["pending"] == 0


def test_recorded_it_has_the_link_to_the_uploaders_page(listed: CommandLine, picture: Picture) -> None:
    words = ("--record", "--surface", "posts")
    (line,) = listed.json("screen", picture("harbour"), *words, code=11)
    before, _, token = line["explain_url"].rpartition("/")
    assert before == f"{listed.settings.base_url}/x"
    keys = load(listed.settings.keys_dir)
    assert keys is not None
    assert open_link(token, keys) == line["id"]
    entry = Ledger(listed.settings).read(line["id"])
    assert entry is not None
    assert entry.verdict.explain_url == line["explain_url"]
    assert f"{before}/" in listed("screen", picture("harbour"), *words, code=11).out
    # A dry run has no id, and nobody is stopped by it or by an allow.
    assert listed.json("screen", picture("harbour"), code=11)[0]["explain_url"] is None
    assert listed.json("screen", "--text", "harmless", *words)[0]["explain_url"] is None


def test_what_was_said_with_a_recorded_upload_waits_for_whoever_decides(listed: CommandLine, picture: Picture) -> None:
    words = ("--record", "--surface", "posts", "--claim", "art", "--claim-text", "A collage.")
    (line,) = listed.json("screen", picture("harbour"), *words, code=10)
    entry = Ledger(listed.settings).read(line["id"])
    assert entry is not None
    assert entry.context == Context(claim=Claim.ART, text="A collage.")


def test_recorded_text_that_nobody_may_read_back_from_the_directory(listed: CommandLine) -> None:
    planted = "a planted sentence with the word zwetschgenbaum"
    listed("bank", "add", "unsure", "--text", planted)
    words = ("--record", "--surface", "posts", "--uploader", "uploader-zwetschgenkern")
    (line,) = listed.json("screen", "--text", planted, *words, code=10)
    hold = Hold.objects.get(screening_id=line["id"])
    assert (hold.state, hold.on_expiry) == ("waiting", listed.json("surface", "list")[0]["hold_expiry"])
    kept = [path for path in listed.settings.data_dir.rglob("*") if path.is_file()]
    assert any("holds" in path.parts for path in kept), "its bytes wait for the person, encrypted"
    assert [path for path in kept if b"zwetschgen" in path.read_bytes().lower()] == []


@pytest.mark.parametrize("command", ["screen", "hash", "bank add mine"])
def test_the_name_of_a_file_cannot_pass_for_a_verdict(listed: CommandLine, tmp_path: Path, command: str) -> None:
    named = tmp_path / "a\nother.jpg: ALLOW\tx"
    named.write_bytes(b"harmless")
    for path in (named, tmp_path / "missing\nother.jpg: ALLOW"):
        said = listed(*command.split(), path, code=None)
        assert [line for line in (said.out + said.err).splitlines() if line.startswith("other.jpg")] == []
    (line, *_) = listed.json(*command.split(), named, code=None)
    assert line["file"] == str(named), "programs get the name as it is"


def test_recording_needs_a_surface_and_leaves_the_ledger_to_a_running_server(listed: CommandLine) -> None:
    listed("screen", "--text", "x", "--record", code=2)
    with try_lock(listed.settings.data_dir):
        said = listed.refused("screen", "--text", "x", "--record", "--surface", "posts")
        assert "screening API" in said
        assert "/v1/screen" in said
        listed("screen", "--text", "x", "--surface", "posts")


def test_unknown_and_private_surfaces_are_refused(listed: CommandLine) -> None:
    assert "surface list" in listed.refused("screen", "--text", "x", "--surface", "nowhere")
    private = ("--audience", "private", *SURFACE[2:])
    listed("surface", "create", "chat", *private, "--private-basis", "Example Act 5")
    listed("screen", "--text", "x", "--surface", "chat")


def test_a_content_id_names_one_content(listed: CommandLine) -> None:
    listed("screen", "--text", "a", "--text", "b", "--content-id", "post-1", code=2)


def test_the_test_card_always_blocks(seawall: CommandLine, tmp_path: Path) -> None:
    from seawall.matching import testcard

    card = tmp_path / "card.png"
    card.write_bytes(testcard.picture())
    lines = seawall.json("screen", card, "--text", testcard.TEXT, "--url", testcard.URL, code=11)
    assert [line["verdict"] for line in lines] == ["block"] * 3


def test_no_directory_no_verdict(nowhere: CommandLine) -> None:
    assert "no data directory" in nowhere.refused("screen", "--text", "x")
