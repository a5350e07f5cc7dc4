"""An operator starts `seawall serve`, and a platform sends uploads to it with curl."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from seawall.matching.testcard import TEXT, picture
from tests.stories.serving import Server, new_key, seawall

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: apt-get install curl")

TELL = "-H", "Expect:", "--max-time", "30"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("serve") / "data", env={"SEAWALL_DECODERS": "1"}) as running:
        data_dir = running.data_dir
        declared = ["--audience", "public", "--fail-mode", "hold", "--hold-expiry", "refuse"]
        seawall(data_dir, "surface", "create", "posts", *declared)
        yield running


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    made = new_key(server.data_dir, "screen", "lookup", "hash", "read")
    answer, deadline = 401, time.monotonic() + 5
    while answer == 401 and time.monotonic() < deadline:
        form = {"signals": [{"type": "pdq", "value": "00" * 32}]}
        answer = httpx.post(
            f"{server.url}/v1/lookup", json=form, headers={"authorization": f"Bearer {made}"}
        ).status_code
        time.sleep(0.05)
    assert answer == 200, "a new key must open the door within a second or so"
    return made


def curl(server: Server, path: str, key: str, *arguments: str) -> tuple[int, Any]:
    """Status and JSON body, as the command prints them."""
    command = ["curl", "-sS", "-w", "\n%{http_code}", *TELL, "-H", f"Authorization: Bearer {key}"]
    done = subprocess.run([*command, *arguments, server.url + path], capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


def test_the_test_card_is_blocked_and_can_be_looked_up_again(server: Server, key: str, tmp_path: Path) -> None:
    card = tmp_path / "card.png"
    card.write_bytes(picture())
    form = {"surface": "posts", "content_id": "p1", "parts": [{"kind": "image", "file": "photo"}]}
    status, verdict = curl(server, "/v1/screen", key, "-F", f"request={json.dumps(form)}", "-F", f"photo=@{card}")
    assert (status, verdict["verdict"]) == (200, "block")
    assert verdict["reasons"][0]["code"] == "test_card"
    status, again = curl(server, f"/v1/screenings/{verdict['id']}", key)
    assert (status, again["verdict"]["id"], again["hold"]) == (200, verdict["id"], None)


def test_a_hold_is_resolved_on_the_command_line(server: Server, key: str) -> None:
    form = {"surface": "posts", "context": {"claim": "research"}, "parts": [{"kind": "text", "text": TEXT}]}
    _, verdict = curl(server, "/v1/screen", key, "--json", json.dumps(form))
    assert verdict["verdict"] == "hold"
    seawall(server.data_dir, "release", verdict["id"], "--reason", "not_a_match")
    _, now = curl(server, f"/v1/screenings/{verdict['id']}", key)
    assert now["hold"]["state"] == "released"


def test_a_hundred_megabytes_are_refused_and_the_server_stays_up(server: Server, key: str, tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as out:
        out.truncate(100_000_000)
    form = {"surface": "posts", "parts": [{"kind": "file", "file": "f"}]}
    status, said = curl(server, "/v1/screen", key, "-F", f"request={json.dumps(form)}", "-F", f"f=@{huge}")
    assert (status, said["code"]) == (413, "body_too_large")
    chunked = ["-H", "Transfer-Encoding: chunked"]
    status, said = curl(server, "/v1/screen", key, *chunked, "-F", f"request={json.dumps(form)}", "-F", f"f=@{huge}")
    assert (status, said["code"]) == (413, "body_too_large")
    assert httpx.get(f"{server.url}/readyz").json()["ready"]


def test_a_client_that_hangs_up_leaves_nothing_behind(server: Server, key: str, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_bytes(b"x" * 3_000_000)
    command = ["curl", "-sS", "--limit-rate", "200k", "--max-time", "1", "-H", f"Authorization: Bearer {key}"]
    form = json.dumps({"surface": "posts", "parts": [{"kind": "file", "file": "f"}]})
    arguments = ["-F", f"request={form}", "-F", f"f=@{slow}", f"{server.url}/v1/screen"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=False)
    assert done.returncode == 28, "curl gave up, as it was told"
    assert httpx.get(f"{server.url}/readyz").json()["ready"]


def test_the_docs_are_served_with_their_style(server: Server) -> None:
    assert httpx.get(server.url, follow_redirects=True).url.path == "/docs"
    assert httpx.get(f"{server.url}/docs/style.css").headers["content-type"].startswith("text/css")


def test_logs_name_neither_content_nor_addresses_nor_keys(server: Server, key: str) -> None:
    curl(server, "/v1/screen", key, "--json", '{"surface": "posts", "parts": [{"kind": "text", "text": "a secret"}]}')
    curl(server, "/v1/screenings/scr_secret", key)
    log = server.log.read_text()
    assert "serves http://127.0.0.1" in log
    assert not [word for word in ("secret", key, "scr_", "GET ", "POST ") if word in log]


def test_sigterm_ends_it_cleanly_and_the_record_is_whole(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", env={"SEAWALL_DECODERS": "1", "SEAWALL_LOG_FORMAT": "json"})
    server.start()
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert lines[-1]["message"].startswith("stopped")
    assert "whole" in seawall(server.data_dir, "log", "verify").stdout


def test_a_second_server_on_the_same_directory_names_the_first(server: Server) -> None:
    second = seawall(server.data_dir, "serve", "--port", "0", check=False)
    assert second.returncode == 1
    assert str(server.process.pid) in second.stdout + second.stderr
