"""What holds for every command: help, options, the reference page, and how failures are told."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from seawall.app import try_lock
from seawall.doors.cli import reference
from seawall.doors.cli.invocation import Command, Group
from seawall.doors.cli.root import root
from seawall.doors.cli.serving import FLAGS, flags_of_everywhere, refuse_second
from seawall.doors.cli.trouble import Trouble, plain, told
from seawall.settings import Settings
from tests.rooms.doors.cli.conftest import CommandLine

DOCS = Path(__file__).parents[4] / "docs"


def commands(group: click.Group = root, name: str = "") -> Iterator[tuple[str, click.Command]]:
    for child, command in group.commands.items():
        yield f"{name} {child}".strip(), command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {child}".strip())


NAMES = [name for name, _ in commands()]


def test_the_commands_of_the_design_are_there() -> None:
    decided = [
        "serve",
        "screen",
        "hash",
        "bank create",
        "bank add",
        "bank import",
        "policy",
        "key",
        "release",
        "refuse",
    ]
    assert {*decided, "log verify", "doctor", "demo"} <= set(NAMES)


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=NAMES)
def test_every_command_and_option_has_help(name: str, command: click.Command) -> None:
    assert command.help
    assert isinstance(command, Command | Group)
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{name} {param.name}"
    said = CliRunner().invoke(root, [*name.split(), "--help"])
    assert said.exit_code == 0
    assert "..." not in CliRunner().invoke(root, ["--help"]).output.partition("Commands:")[2]


def test_exit_codes_stand_in_the_help() -> None:
    said = " ".join(CliRunner().invoke(root, ["screen", "--help"]).output.split())
    assert "0 allow, 10 hold, 11 block, 12 allowed although not everything could be checked, 2 usage, 1 failure" in said
    assert "in the order 1, 11, 10, 12, 0" in said


def test_the_reference_page_is_in_step() -> None:
    page = "".join(reference.pages())
    assert (DOCS / "reference" / "cli.md").read_text(encoding="utf-8") == page, (
        "run: python -m seawall.doors.cli.reference > docs/reference/cli.md"
    )


def test_every_setting_is_a_flag_of_serve() -> None:
    assert set(FLAGS) | flags_of_everywhere() == set(Settings.__struct_fields__)


def test_the_defaults_in_the_help_are_the_defaults() -> None:
    for name, (_kind, about) in FLAGS.items():
        default = getattr(Settings(), name)
        if default != "":
            assert f"[{default:g}" in about if isinstance(default, float) else f"[{default}" in about, name


def test_options_may_stand_before_and_after_the_command(seawall: CommandLine) -> None:
    where = ["--data-dir", str(seawall.settings.data_dir)]
    before = CliRunner().invoke(root, [*where, "--json", "bank", "list"])
    after = CliRunner().invoke(root, ["bank", "list", *where, "--json"])
    assert before.output == after.output
    assert json.loads(after.output)["bank"] == "test-card"


def test_a_failure_is_json_too_when_asked(nowhere: CommandLine) -> None:
    said = nowhere("--json", "bank", "list", code=1)
    assert said.out == ""
    assert set(json.loads(said.err)) == {"error", "next_step"}


def test_unknown_and_malformed_settings_are_named(nowhere: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAWALL_COLOUR", "blue")
    assert "'colour'" in nowhere.refused("hash", "--text", "x")
    monkeypatch.delenv("SEAWALL_COLOUR")
    monkeypatch.setenv("SEAWALL_PORT", "many")
    assert "port" in nowhere.refused("bank", "list")


def test_a_directory_that_another_process_is_making_is_left_to_it(nowhere: CommandLine) -> None:
    """Two that make the same tables at once fail, both."""
    place = nowhere.settings.data_dir
    place.mkdir()
    with try_lock(place):
        assert "served by process" in nowhere.refused("bank", "create", "ours")
    assert [path.name for path in place.iterdir()] == ["serve.lock"]
    # What a process that was killed just then leaves is no reason to refuse the place for good.
    assert "Bank ours is there" in nowhere("bank", "create", "ours").out


def test_a_damaged_toml_is_named(nowhere: CommandLine) -> None:
    nowhere.settings.data_dir.mkdir()
    (nowhere.settings.data_dir / "seawall.toml").write_text("port = = 1")
    assert "seawall.toml is not valid TOML" in nowhere.refused("bank", "list")


def test_an_error_nobody_thought_of_is_still_two_lines_and_debug_shows_it(seawall: CommandLine) -> None:
    trouble = told(ZeroDivisionError("no"), as_json=False)
    assert "ZeroDivisionError" in trouble.text
    assert "--debug" in trouble.next_step
    with pytest.raises(Exception, match="no bank called"):
        seawall("--debug", "bank", "show", "other")


def test_a_database_that_does_not_answer_is_two_lines(seawall: CommandLine) -> None:
    away = CommandLine(Settings(data_dir=seawall.settings.data_dir, database_url="postgresql://x:secret@127.0.0.1:1/y"))
    said = away.refused("bank", "list")
    assert "--database-url" in said
    assert "secret" not in said


def test_a_directory_without_tables_says_what_to_do(seawall: CommandLine) -> None:
    from django.db import connections

    connections["default"].close()
    for path in seawall.settings.data_dir.glob("seawall.sqlite3*"):
        path.unlink()
    assert "seawall serve" in seawall.refused("bank", "list")


def test_plain_shows_control_characters_and_leaves_words_alone() -> None:
    assert plain("Grüße, 你好\nnext\ttab") == "Grüße, 你好\nnext\ttab"
    assert plain("\x1b[31m\r\x00\u202e\ud800") == "\\x1b[31m\\r\\x00\\u202e\\ud800"


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    """`seawall … | head -1` ends quietly, whatever is left to say."""
    words = [part for number in range(4_000) for part in ("--text", f"a harmless text, number {number}")]
    with subprocess.Popen(
        [sys.executable, "-m", "seawall", "hash", *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_server_waits_for_a_command_that_holds_the_lock_for_a_moment(seawall: CommandLine) -> None:
    held, release = threading.Event(), threading.Event()

    def change_something() -> None:
        with try_lock(seawall.settings.data_dir):
            held.set()
            release.wait(10)

    command = threading.Thread(target=change_something)
    command.start()
    try:
        assert held.wait(10)
        with pytest.raises(Trouble, match="already served by process"):
            refuse_second(seawall.settings)
        threading.Timer(0.2, release.set).start()
        refuse_second(seawall.settings)
    finally:
        release.set()
        command.join()


def test_unknown_commands_are_usage_errors() -> None:
    assert CliRunner().invoke(root, ["backup"]).exit_code == 2
    assert CliRunner().invoke(root, ["bank", "explode"]).exit_code == 2


def test_help_loads_neither_django_nor_the_server() -> None:
    code = (
        "import sys; from seawall.doors.cli.root import root\n"
        "try: root(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'django', 'uvicorn', 'PIL'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_console_script_and_the_module_are_the_same_program() -> None:
    for command in ([sys.executable, "-m", "seawall"], [str(Path(sys.executable).parent / "seawall")]):
        said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert said.stdout.startswith("seawall 0.")
