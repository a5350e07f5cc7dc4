"""As the only moderator: I am told by mail when an upload waits, and mail that does not work holds nothing else up."""

import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from PIL import Image

from tests.rooms.doors.delivery.post_office import PostOffice, open_office, scripted
from tests.stories.serving import Client, Server, environment, seawall, wait_until

#: A pass of the job, the log's second, and a busy machine.
SECONDS = 30.0


def picture(place: Path) -> bytes:
    """Colours that no other test uses."""
    Image.linear_gradient("L").rotate(17).resize((300, 200)).convert("RGB").save(place, "PNG")
    return place.read_bytes()


#: One process for all commands, because each start takes seconds on a busy machine. The address is the wizard's work.
FURNISH = """
import sys
from seawall.doors.cli.root import root
data_dir, port, held = sys.argv[1:]
for words in (
    ["key", "create", "story", "--scope", "screen"],
    ["surface", "create", "posts", "--audience", "public", "--fail-mode", "hold", "--hold-expiry", "refuse"],
    ["bank", "create", "harbour", "--default-action", "hold"],
    ["bank", "add", "harbour", held],
    ["mail", "set", "127.0.0.1", "--port", port, "--security", "none", "--sender", "seawall@example.org"],
):
    root(["--data-dir", data_dir, *words], standalone_mode=False)
from seawall.members.models import Person
assert Person.objects.filter(is_owner=True).update(email="owner@example.net", notify="at_once") == 1
"""


def furnish(data_dir: Path, port: int, held: Path) -> str:
    """A surface, a bank that holds, the mail server, and the owner's address; the key of a program."""
    given = [sys.executable, "-c", FURNISH, str(data_dir), str(port), str(held)]
    said = subprocess.run(given, env=environment(), capture_output=True, text=True, check=True, timeout=110).stdout
    found = re.search(r"swk_\w[\w-]+", said)
    assert found, said
    return found.group()


def test_an_upload_that_waits_is_mailed_within_seconds(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    content = picture(tmp_path / "held.png")
    with open_office(PostOffice()) as office:
        key = furnish(data_dir, office.port, tmp_path / "held.png")
        with Server(data_dir) as server, Client(server, key) as platform:
            verdict = platform.screen(content).json()
            assert verdict["verdict"] == "hold"
            wait_until(lambda: bool(office.mails), SECONDS)
            # More of the same within the quarter of an hour bring no more mail.
            for _ in range(5):
                assert platform.screen(content).json()["verdict"] == "hold"
            time.sleep(8)
            assert len(office.mails) == 1
    (mail,) = office.mails
    assert office.envelopes == [("seawall@example.org", ["owner@example.net"])]
    assert mail["Subject"] == "Uploads waiting for a decision: 1"
    text = mail.as_string()
    assert f"http://localhost:{server.port}/holds" in str(mail.get_body(("plain",)))
    assert verdict["id"] not in text
    assert "harbour" not in text


def test_a_mail_server_that_hangs_holds_up_neither_screening_nor_the_end(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    content = picture(tmp_path / "held.png")
    called, over = threading.Event(), threading.Event()

    def hang(_say: Callable[[str], None], _hear: Callable[[], str]) -> None:
        called.set()
        over.wait(120)

    with scripted(hang) as port:
        key = furnish(data_dir, port, tmp_path / "held.png")
        with Server(data_dir) as server, Client(server, key) as platform:
            platform.screen(content)
            assert called.wait(SECONDS)
            started = time.monotonic()
            assert platform.screen(content).json()["verdict"] == "hold"
            assert time.monotonic() - started < 10
            started = time.monotonic()
            assert server.stop() == 0
            # What stops containers gives them ten seconds; the hanging conversation would take twenty.
            assert time.monotonic() - started < 10
        over.set()


def test_a_mail_server_that_was_down_gets_the_mail_after_a_restart(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    content = picture(tmp_path / "held.png")
    office = PostOffice()
    key = furnish(data_dir, office.port, tmp_path / "held.png")
    with Server(data_dir) as server, Client(server, key) as platform:
        platform.screen(content)
        wait_until(lambda: has_failed(data_dir), SECONDS)
        server.kill()
    with open_office(office), Server(data_dir):
        # The owner mended it and does not want to wait for the next try.
        assert "took the mail" in seawall(data_dir, "mail", "test", "owner@example.net").stdout
        wait_until(lambda: len(office.mails) == 2, SECONDS)
    assert office.mails[1]["Subject"] == "Uploads waiting for a decision: 1"


def has_failed(data_dir: Path) -> bool:
    """Looked up beside the server, because each command takes seconds to start."""
    with closing(sqlite3.connect(data_dir / "seawall.sqlite3")) as database:
        rows = database.execute("SELECT payload FROM record_outbox WHERE topic LIKE 'delivery:mail:%'").fetchall()
    return any('"why"' in payload for (payload,) in rows)
