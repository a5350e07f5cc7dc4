"""`seawall mail`: set, shown without its password, tried, and off."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from seawall.members.models import Person
from seawall.record.events import MailServerChosen
from seawall.record.journal import read
from seawall.record.models import Event
from tests.docs.shown import blocks
from tests.rooms.doors.cli.conftest import CommandLine
from tests.rooms.doors.delivery.post_office import PASSWORD, USERNAME, PostOffice, open_office

HERE = ("127.0.0.1", "--security", "none", "--sender", "seawall@example.org")
ELSEWHERE = ("smtp.example.org", "--sender", "seawall@example.org")


def test_a_server_is_set_tried_and_off_again(seawall: CommandLine) -> None:
    Person.objects.update(email="owner@example.net")
    with open_office(PostOffice()) as office:
        assert f"127.0.0.1:{office.port} (none)" in seawall("mail", "set", *HERE, "--port", str(office.port)).out
        said = seawall("mail", "test", "me@example.net")
    assert "took the mail" in said.out
    assert office.envelopes == [("seawall@example.org", ["me@example.net"])]
    shown = seawall("mail", "show").out
    assert "owner@example.net" in shown
    assert "No mail is held up." in shown
    assert "takes no connection" in seawall.refused("mail", "test", "me@example.net")
    assert seawall.json("mail", "off") == [{"was_on": True}]
    assert seawall.json("mail", "off") == [{"was_on": False}]
    assert "seawall mail set" in seawall("mail", "show").out
    told = [read(row) for row in Event.objects.filter(name=MailServerChosen.name).order_by("serial")]
    chosen = [event.security for event in told if isinstance(event, MailServerChosen)]
    assert chosen == ["none", "off"], "each change is on record, and what changes nothing is none"


WAYS: list[tuple[Callable[[Path], list[str]], str | None]] = [
    (lambda secret: ["--password-file", str(secret)], None),
    (lambda _: ["--password-file", "-"], f"{PASSWORD}\r\n"),
    (lambda _: [], f"{PASSWORD}\n"),
]


def test_the_password_comes_from_a_file_or_is_asked_for_and_shown_nowhere(seawall: CommandLine, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\nsecond line\n")
    kept = seawall.settings.keys_dir / "mail.json"
    for more, stdin in WAYS:
        said = seawall("mail", "set", *ELSEWHERE, "--username", USERNAME, *more(secret), stdin=stdin)
        assert f'"password": "{PASSWORD}"' in kept.read_text()
        shown = seawall("mail", "show")
        as_json = seawall("--json", "mail", "show")
        assert PASSWORD not in said.out + said.err + shown.out + shown.err + as_json.out + as_json.err
        kept.unlink()


def test_it_is_kept_where_only_we_can_read_it(seawall: CommandLine) -> None:
    seawall("mail", "set", *ELSEWHERE)
    assert stat.S_IMODE((seawall.settings.keys_dir / "mail.json").stat().st_mode) == 0o600
    (line,) = seawall.json("mail", "show")
    assert line["server"] == {
        "host": "smtp.example.org",
        "port": 465,
        "security": "tls",
        "sender": "seawall@example.org",
        "username": "",
        "allow_plain": False,
        "digest_hour": 7,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        ("smtp.example.org:465", "--sender", "seawall@example.org"),
        ("smtp.example.org", "--sender", "Seawall <seawall@example.org>"),
        ("smtp.example.org", "--sender", "seawall@example.org", "--port", "70000"),
        ("smtp.example.org", "--sender", "seawall@example.org", "--security", "none"),
    ],
)
def test_what_cannot_be_used_is_refused_and_changes_nothing(seawall: CommandLine, wrong: tuple[str, ...]) -> None:
    seawall("mail", "set", *ELSEWHERE)
    before = (seawall.settings.keys_dir / "mail.json").read_bytes()
    seawall.refused("mail", "set", *wrong)
    assert (seawall.settings.keys_dir / "mail.json").read_bytes() == before


def test_usage(seawall: CommandLine) -> None:
    seawall("mail", "set", "smtp.example.org", code=2)
    seawall("mail", "set", *ELSEWHERE, "--digest-hour", "24", code=2)
    seawall("mail", "set", *ELSEWHERE, "--security", "maybe", code=2)
    seawall("mail", "test", code=2)


def test_plain_mail_elsewhere_takes_the_owners_word(seawall: CommandLine) -> None:
    seawall("mail", "set", *ELSEWHERE, "--security", "none", "--allow-plain")


def test_a_damaged_file_is_said_with_the_next_step(seawall: CommandLine) -> None:
    (seawall.settings.keys_dir / "mail.json").write_text("{")
    assert "seawall mail set" in seawall.refused("mail", "show")
    seawall.refused("mail", "test", "me@example.net")
    seawall("mail", "set", *ELSEWHERE)
    seawall("mail", "show")


def test_a_test_to_no_address_and_without_a_server(seawall: CommandLine) -> None:
    assert "mail set" in seawall.refused("mail", "test", "me@example.net")
    seawall("mail", "set", *ELSEWHERE)
    assert "one plain address" in seawall.refused("mail", "test", "me@example.net\r\nDATA")


def test_a_password_file_that_is_no_text(seawall: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    given = ("--username", USERNAME, "--password-file", tmp_path / "secret")
    assert "first line" in seawall.refused("mail", "set", *ELSEWHERE, *given)


def test_what_the_page_says_about_a_test_mail(seawall: CommandLine) -> None:
    """The page's other commands are run by test_how_to; this one needs a server that answers."""
    page = Path(__file__).parents[4] / "docs" / "how-to" / "get-mail-when-a-hold-waits.md"
    (shown,) = [block for block in blocks(page) if "$ seawall mail test" in block.body]
    ((command, printed),) = shown.steps
    with open_office(PostOffice()) as office:
        seawall("mail", "set", *HERE, "--port", str(office.port))
        assert seawall(*command.split()[1:]).out.splitlines() == printed
