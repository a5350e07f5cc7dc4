from pathlib import Path
from typing import Any

import pytest

from seawall.app import try_lock
from seawall.screening.models import PolicyVersion
from tests.rooms.doors.cli.conftest import CommandLine


def examined(command_line: CommandLine, *, code: int = 0) -> dict[str, Any]:
    return {line["about"]: line for line in command_line.json("doctor", code=code)}


def test_a_fresh_directory_is_well_and_told_what_to_do_next(seawall: CommandLine) -> None:
    seawall.settings.data_dir.chmod(0o700)
    found = examined(seawall)
    well = {"versions", "decoders", "directory", "database", "policy", "log", "holds", "connections"}
    assert {name for name in well if found[name]["health"] != "ok"} == set()
    assert found["connections"]["text"] == "none: nothing leaves this machine"
    for name in ("surfaces", "banks", "keys", "server"):
        assert found[name]["health"] == "warn"
        assert found[name]["next_step"]


def test_test_card_and_demonstration_protect_nobody(seawall: CommandLine) -> None:
    seawall("bank", "create", "training", "--not-protection")
    seawall("bank", "add", "training", "--text", "a")
    assert examined(seawall)["banks"]["text"].startswith("0 signals in 0 banks")
    seawall("bank", "create", "mine")
    seawall("bank", "add", "mine", "--text", "a", "--text", "b")
    assert examined(seawall)["banks"]["text"].startswith("2 signals in 1 banks")


def test_without_a_directory_it_still_looks_at_the_rest(nowhere: CommandLine) -> None:
    found = examined(nowhere, code=1)
    assert found["directory"]["health"] == "bad"
    assert found["decoders"]["health"] == "ok"
    assert not nowhere.settings.data_dir.exists()


def test_keys_that_others_can_read_are_bad(seawall: CommandLine) -> None:
    seawall.settings.keys_dir.chmod(0o755)
    found = examined(seawall, code=1)
    assert found["directory"]["health"] == "bad"
    assert found["directory"]["next_step"].startswith("chmod 700")


def test_a_damaged_database_is_a_finding_not_a_crash(seawall: CommandLine) -> None:
    seawall.settings.database_path.write_bytes(b"not a database" * 1_000)
    found = examined(seawall, code=1)
    assert found["database"]["health"] == "bad"
    assert found["connections"]["health"] == "ok"


def test_a_missing_policy_is_bad(seawall: CommandLine) -> None:
    PolicyVersion.objects.all().delete()
    assert examined(seawall, code=1)["policy"]["health"] == "bad"


def test_a_server_without_a_published_state_is_bad(seawall: CommandLine) -> None:
    with try_lock(seawall.settings.data_dir):
        found = examined(seawall, code=1)
    assert found["server"]["health"] == "ok"
    assert found["snapshot"]["health"] == "bad"


def test_a_decoder_that_cannot_start_is_bad(seawall: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAWALL_DECODER_MEMORY_BYTES", str(16 * 1024 * 1024))
    found = examined(seawall, code=1)
    assert found["decoders"]["health"] == "bad"
    assert found["decoders"]["next_step"]


def test_people_get_lines(seawall: CommandLine, tmp_path: Path) -> None:
    out = seawall("doctor").out
    assert "next: " in out
    assert str(tmp_path) in out


def test_it_works_on_both_databases_and_hides_the_password(on_both: CommandLine) -> None:
    database = examined(on_both, code=1)["database"]
    assert database["health"] == "ok"
    assert ("PostgreSQL" in database["text"]) == on_both.settings.on_postgresql
