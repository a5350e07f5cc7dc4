"""The demonstration from outside: started, tried with the line it prints, stopped, started again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seawall.app import try_lock
from seawall.doors.cli.demo.command import LISTED, SENT, UNLISTED, curl_line, set_up
from seawall.doors.cli.demo.draw import write_all
from seawall.doors.cli.invocation import Invocation
from seawall.settings import Settings
from seawall.signals.image import compute
from tests.rooms.doors.cli.conftest import PICTURES, CommandLine
from tests.rooms.upkeep.scene import old_directory

#: A start loads Django, migrates, opens decoders and lists three pictures; shared cores make it slow.
PATIENCE = 90


def pdq(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        found = compute(np.ascontiguousarray(np.asarray(picture.convert("RGB"))))
    return int.from_bytes(found.value), found.quality


def test_the_pictures_are_unlike_each_other_and_rich_and_small() -> None:
    hashes = [pdq(PICTURES / name) for name in (*LISTED, UNLISTED)]
    assert all((one ^ other).bit_count() > 100 for (one, _), (other, _) in combinations(hashes, 2))
    assert all(quality >= 80 for _, quality in hashes)
    assert sum(path.stat().st_size for path in PICTURES.glob("*.jpg")) <= 200_000


def test_the_edited_picture_is_near_and_not_the_same() -> None:
    edited, _ = pdq(PICTURES / SENT)
    original, _ = pdq(PICTURES / "harbour.jpg")
    assert 2 <= (edited ^ original).bit_count() <= 20


def test_drawn_again_they_are_the_same_pictures(tmp_path: Path) -> None:
    write_all(tmp_path)
    for path in PICTURES.glob("*.jpg"):
        assert (pdq(path)[0] ^ pdq(tmp_path / path.name)[0]).bit_count() <= 4, path.name


@contextmanager
def demonstration(place: Path, *words: str) -> Iterator[dict[str, str]]:
    """A running demonstration in `place`, and what it printed for programs."""
    command = [sys.executable, "-m", "seawall", "demo", "--json", "--decoders", "1", "--port", "0", *words]
    # Somebody's real data directory in the environment must not be touched.
    environment = {**os.environ, "SEAWALL_DATA_DIR": str(place / "real"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as demo:
        try:
            yield _printed(demo)
        finally:
            demo.send_signal(signal.SIGTERM)
            assert demo.wait(timeout=PATIENCE) == 0


def _printed(demo: "subprocess.Popen[bytes]") -> dict[str, str]:
    assert demo.stdout is not None
    seen = []
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        line = demo.stdout.readline().decode()
        seen.append(line)
        if line.startswith('{"url"'):
            found: dict[str, str] = json.loads(line)
            return found
        assert line, seen
    raise AssertionError(seen)


def answer(place: Path, line: str) -> dict[str, Any]:
    said = subprocess.run(line, shell=True, cwd=place, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


@pytest.mark.timeout(300)
def test_the_printed_line_gets_a_block_and_starting_again_changes_nothing(tmp_path: Path) -> None:
    key_file = tmp_path / "seawall-demo" / "demo-key.txt"
    with demonstration(tmp_path) as printed:
        blocked = answer(tmp_path, printed["curl"])
        assert blocked["verdict"] == "block"
        (match,) = blocked["matches"]
        assert match["bank"] == "demo-pictures"
        assert 0 < match["distance"] <= 31
        unlisted = printed["curl"].replace(SENT, UNLISTED)
        assert answer(tmp_path, unlisted)["verdict"] == "allow"
        listed_meanwhile(tmp_path)
        until = time.monotonic() + 10
        while answer(tmp_path, unlisted)["verdict"] != "block":
            assert time.monotonic() < until, "what the command line lists must be in force within a second"
        second = subprocess.run(
            [sys.executable, "-m", "seawall", "demo", "--port", "0"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert re.search(r"already served by process \d+", second.stderr)
        assert key_file.stat().st_mode & 0o777 == 0o600
    key, status = key_file.read_text(), bank_status(tmp_path)
    with demonstration(tmp_path) as printed:
        assert answer(tmp_path, printed["curl"])["verdict"] == "block"
    assert key_file.read_text() == key
    assert bank_status(tmp_path) == status
    assert not (tmp_path / "real").exists()


def listed_meanwhile(place: Path) -> None:
    picture = str(place / "seawall-demo" / "pictures" / UNLISTED)
    where = ["--data-dir", str(place / "seawall-demo")]
    subprocess.run([sys.executable, "-m", "seawall", *where, "bank", "add", "demo-pictures", picture], check=True)


def bank_status(place: Path) -> str:
    command = [sys.executable, "-m", "seawall", "--data-dir", str(place / "seawall-demo"), "--json", "bank", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_old_demonstration_is_upgraded_with_a_backup_first(nowhere: CommandLine) -> None:
    settings = old_directory(nowhere.settings.data_dir)
    invocation = Invocation()
    invocation.flags.update(data_dir=str(settings.data_dir), database_url="", decoders=1)
    set_up(invocation, invocation.settings)
    (backup,) = (settings.data_dir / "backups").glob("before-*.tar")
    assert "0.1.0" in nowhere("restore", "--check", backup).out
    assert [one["signals"] for one in nowhere.json("bank", "list") if one["bank"] == "demo-pictures"] == [6]


def test_a_demonstration_of_a_newer_release_is_left_alone(seawall: CommandLine) -> None:
    (seawall.settings.data_dir / "version").write_text("99.0\n")
    assert "downgrade refused" in seawall.refused("demo", "--port", "0")
    assert not (seawall.settings.data_dir / "pictures").exists()


def test_a_taken_port_is_said_before_anything_is_made(nowhere: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("demo", "serve"):
            said = nowhere.refused(command, "--port", port)
            assert f"port {port} is taken" in said
            assert "--port" in said
    assert not nowhere.settings.data_dir.exists()


def test_a_second_server_names_the_first_even_on_the_same_port(seawall: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, try_lock(seawall.settings.data_dir):
        port = str(taken.getsockname()[1])
        for command in ("demo", "serve"):
            assert f"already served by process {os.getpid()}" in seawall.refused(command, "--port", port)


def test_an_address_of_another_machine_is_said(nowhere: CommandLine) -> None:
    assert "--host" in nowhere.refused("serve", "--host", "192.0.2.1")
    assert "--host" in nowhere.refused("serve", "--host", "no.such.host.invalid")


def test_the_line_is_safe_in_odd_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / 'it\'s; a "demo", $(exit 3)'
    (odd / "d").mkdir(parents=True)
    (odd / "d" / "demo-key.txt").write_text("swk_text\n")
    line = curl_line(Settings(data_dir=odd / "d"))
    name = str(odd / "d" / "pictures" / SENT).replace('"', '\\"')
    assert as_the_shell_reads(line)[3:] == [
        "-H",
        "Authorization: Bearer swk_text",
        "-F",
        'request={"surface":"posts","parts":[{"name":"picture","kind":"image","file":"picture"}]}',
        "-F",
        f'picture=@"{name}"',
    ]
    monkeypatch.chdir(odd)
    assert as_the_shell_reads(curl_line(Settings(data_dir=Path("d"))))[-1] == f"picture=@d/pictures/{SENT}"


def as_the_shell_reads(line: str) -> list[str]:
    """The words of the line, with a program in curl's place that prints what it is given."""
    script = f'curl() {{ printf "%s\\0" "$@"; }}; {line}'
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return ["curl", *said.stdout.split("\0")[:-1]]
