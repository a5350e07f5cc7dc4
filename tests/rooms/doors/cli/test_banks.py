from tests.rooms.doors.cli.conftest import CommandLine


def test_a_bank_of_ones_own_blocks_and_a_list_from_outside_holds(seawall: CommandLine) -> None:
    (own,) = seawall.json("bank", "create", "mine", "--label", "tvec", "--label", "news")
    (list_,) = seawall.json("bank", "create", "theirs", "--listed-by", "The Example Forum")
    assert (own["default_action"], own["labels"]) == ("block", ["news", "tvec"])
    assert (list_["default_action"], list_["listed_by"]) == ("hold", "The Example Forum")


def test_create_makes_and_furnishes_a_missing_directory(nowhere: CommandLine) -> None:
    nowhere("bank", "create", "mine")
    assert {one["bank"] for one in nowhere.json("bank", "list")} == {"mine", "test-card"}
    assert nowhere.settings.data_dir.stat().st_mode & 0o777 == 0o700


def test_other_commands_do_not_make_a_directory(nowhere: CommandLine) -> None:
    said = nowhere.refused("bank", "list")
    assert "no data directory at" in said
    assert "run `seawall serve` or pass --data-dir" in said
    assert not nowhere.settings.data_dir.exists()


def test_a_directory_full_of_other_things_is_left_alone(nowhere: CommandLine) -> None:
    nowhere.settings.data_dir.mkdir()
    (nowhere.settings.data_dir / "thesis.txt").write_text("years of work")
    assert "thesis.txt" in nowhere.refused("bank", "create", "mine")
    assert [path.name for path in nowhere.settings.data_dir.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_data_directory(nowhere: CommandLine) -> None:
    nowhere.settings.data_dir.write_text("x")
    assert "is a file" in nowhere.refused("bank", "create", "mine")


def test_set_changes_only_what_is_given(seawall: CommandLine) -> None:
    seawall("bank", "create", "theirs", "--listed-by", "The Example Forum", "--max-distance", "20")
    (changed,) = seawall.json("bank", "set", "theirs", "--trust", "--default-action", "block")
    assert changed["trusted_to_block"] is True
    assert changed["max_distance"] == 20
    assert "say what to change" in seawall("bank", "set", "theirs", code=2).err


def test_rename_and_retire(seawall: CommandLine) -> None:
    seawall("bank", "create", "old")
    seawall("bank", "rename", "old", "new")
    seawall("bank", "retire", "new")
    assert "new" not in {one["bank"] for one in seawall.json("bank", "list")}
    assert "new" in {one["bank"] for one in seawall.json("bank", "list", "--retired")}


def test_a_bank_that_a_rule_names_stays(seawall: CommandLine) -> None:
    for words in (("rename", "test-card", "other"), ("retire", "test-card")):
        assert "rule test-card names the bank test-card" in seawall.refused("bank", *words)


def test_an_unknown_bank_names_the_nearest(seawall: CommandLine) -> None:
    seawall("bank", "create", "forum-tvec")
    for words in (("show", "forum-tvce"), ("set", "forum-tvce", "--trust"), ("retire", "forum-tvce")):
        said = seawall.refused("bank", *words)
        assert "there is no bank called" in said
        assert "forum-tvec" in said


def test_bad_names_and_duplicates_are_refused(seawall: CommandLine) -> None:
    assert "cannot name a bank" in seawall.refused("bank", "create", "My Bank")
    seawall("bank", "create", "mine")
    assert "already" in seawall.refused("bank", "create", "mine")


def test_numbers_out_of_range_are_usage_errors(seawall: CommandLine) -> None:
    seawall("bank", "create", "mine", "--max-distance", "65", code=2)
    seawall("bank", "create", "mine", "--default-action", "destroy", code=2)


def test_a_no_look_bank_needs_the_reporting_duty_and_shows_nothing(seawall: CommandLine) -> None:
    assert "reporting duty" in seawall.refused("bank", "create", "ncii", "--label", "ncii")
    seawall("bank", "create", "ncii", "--label", "ncii", "--reporting-duty", "Example Act 1, to the Example Office")
    value = "ab" * 32
    seawall("bank", "add", "ncii", "--signal", f"sha256={value}")
    said = seawall("bank", "show", "ncii")
    assert value not in said.out
    assert seawall.json("bank", "show", "ncii")[0]["newest"] is None


def test_show_gives_the_newest_signals(seawall: CommandLine) -> None:
    seawall("bank", "create", "mine")
    seawall("bank", "add", "mine", "--signal", "md5=" + "ab" * 16, "--note", "first", "--confidence", "70")
    seawall("bank", "add", "mine", "--signal", "md5=" + "cd" * 16)
    (shown,) = seawall.json("bank", "show", "mine", "--limit", "1")
    assert [one["value"] for one in shown["newest"]] == ["cd" * 16]
    assert "first" in seawall("bank", "show", "mine").out


def test_the_whole_life_of_a_bank_on_both_databases(on_both: CommandLine) -> None:
    on_both("bank", "create", "mine")
    (added,) = on_both.json("bank", "add", "mine", "--text", "a listed sentence")
    (line,) = on_both.json("screen", "--text", "A  listed SENTENCE", code=11)
    assert line["matches"][0]["signal"] == added["added"][0]
    on_both("signal", "withdraw", added["added"][0])
    on_both("screen", "--text", "a listed sentence")
    assert "whole" in on_both("log", "verify").out
