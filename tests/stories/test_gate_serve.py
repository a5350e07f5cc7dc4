"""An operator starts `seawall serve`, and a platform sends uploads to it with curl."""

import contextlib
import io
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from PIL import Image

from seawall.matching.testcard import TEXT, picture
from seawall.settings import Settings
from tests.stories.serving import Client, Server, new_key, seawall, wait_until
from tests.vectors.hostile import pictures

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


def peak_memory(server: Server) -> int:
    """The most bytes that the server's process, without its decoders, has held so far."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def test_a_hundred_megabytes_are_refused_and_the_server_stays_up(server: Server, key: str, tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as out:
        out.truncate(100_000_000)
    form = {"surface": "posts", "parts": [{"kind": "file", "file": "f"}]}
    before = peak_memory(server)
    status, said = curl(server, "/v1/screen", key, "-F", f"request={json.dumps(form)}", "-F", f"f=@{huge}")
    assert (status, said["code"]) == (413, "body_too_large")
    assert said["next_step"]
    assert peak_memory(server) - before < 5_000_000, "its length was said, so that nothing of it is kept"
    chunked = ["-H", "Transfer-Encoding: chunked"]
    status, said = curl(server, "/v1/screen", key, *chunked, "-F", f"request={json.dumps(form)}", "-F", f"f=@{huge}")
    assert (status, said["code"]) == (413, "body_too_large")
    assert peak_memory(server) - before < 2 * Settings().max_body_bytes
    assert httpx.get(f"{server.url}/readyz").json()["ready"]


def test_keys_that_open_nothing_are_told_why(server: Server, key: str) -> None:
    form = {"surface": "posts", "parts": [{"kind": "text", "text": "words"}]}

    def said_to(shown: str) -> tuple[int, str, bool]:
        answer = httpx.post(f"{server.url}/v1/screen", json=form, headers={"authorization": f"Bearer {shown}"})
        said = answer.json()
        return answer.status_code, said.get("code", ""), bool(said.get("next_step"))

    reader, revoked = new_key(server.data_dir, "read"), new_key(server.data_dir, "screen")
    wait_until(lambda: said_to(reader)[1] == "wrong_scope" and said_to(revoked)[0] == httpx.codes.OK)
    assert said_to(reader) == (403, "wrong_scope", True)
    seawall(server.data_dir, "key", "revoke", f"key_{UUID(revoked[4:36])}")
    wait_until(lambda: said_to(revoked) == (401, "key_revoked", True), seconds=2)
    assert said_to(key[:-1] + ("A" if key[-1] != "A" else "E"))[1] == "key_unknown"


def test_an_idempotency_key_belongs_to_one_request(server: Server, key: str) -> None:
    with Client(server, key) as client:
        first = client.screen(b"some bytes", kind="file", idempotency_key="story-1")
        again = client.screen(b"some bytes", kind="file", idempotency_key="story-1")
        other = client.screen(b"other bytes", kind="file", idempotency_key="story-1")
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert "verdict" not in other.json()


def test_strangers_cannot_fill_its_memory_or_its_log(server: Server) -> None:
    before, log = peak_memory(server), server.log.read_text()
    for start, piece in (
        (b"GET /livez HTTP/1.1\r\nX: ", b"a" * 65_536),
        (b"GET /livez HTTP/1.1\r\n", b"A: b\r\n" * 10_000),
        (b"POST /v1/screen HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"a" * 65_536),
        (b"no HTTP at all\r\n\r\n", b""),
        (b"GET /docs HTTP/1.1\r\nHost: forged line\r\n\r\n", b""),
        (b"GET /docs HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b""),
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as stranger:
            with contextlib.suppress(ConnectionError):
                stranger.sendall(start)
                for _ in range(800 if piece else 0):
                    stranger.sendall(piece)
            with contextlib.suppress(ConnectionError):
                stranger.recv(100)
    assert peak_memory(server) - before < 10_000_000
    assert server.log.read_text() == log
    assert httpx.get(f"{server.url}/readyz").json()["ready"]


PHOTO = (Path(__file__).parents[1] / "vectors" / "images" / "misc" / "wee.jpg").read_bytes()
HOSTILE = {
    "empty": (b"", 422, "empty_part"),
    "truncated": (PHOTO[:3_000], 200, "truncated"),
    "bomb": (pictures.png_bomb(), 200, "too_many_pixels"),
    "bomb behind a frame": (pictures.gif_bomb_behind_a_frame(), 200, "too_many_pixels"),
    "text named .jpg": (b"this is not a picture", 200, "not_an_image"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_uploads_get_a_clear_answer(server: Server, key: str, name: str) -> None:
    content, status, code = HOSTILE[name]
    with Client(server, key) as client:
        answer = client.screen(content)
        said = answer.json()
        assert answer.status_code == status
        if status == httpx.codes.OK:
            assert (said["verdict"], said["degraded"]) == ("hold", True)
            assert [one["code"] for one in said["degraded_reasons"]] == [code]
            assert ":" in said["degraded_reasons"][0]["text"], "what follows is the next step"
        else:
            assert (said["code"], bool(said["next_step"])) == (code, True)
        assert client.screen(picture()).json()["verdict"] == "block", "the next one is screened as ever"


@pytest.mark.parametrize("size", [(1, 1), (300, 200)], ids=["1x1", "featureless"])
def test_quality_0_is_said(server: Server, key: str, size: tuple[int, int]) -> None:
    flat = io.BytesIO()
    Image.new("RGB", size, "grey").save(flat, "PNG")
    with Client(server, key) as client:
        said = client.screen(flat.getvalue()).json()
    assert [one["quality"] for one in said["signals"] if one["type"] == "pdq"] == [0]
    assert "low_quality" in [one["code"] for one in said["reasons"]]
    assert said["verdict"] == "allow"


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
    assert httpx.get(f"{server.url}/docs").status_code == 200
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
    # Every line: the set-up link, which stands between the others while nobody has an account, is an object as well.
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (link,) = [line for line in lines if "setup_link" in line]
    assert re.fullmatch(rf"http://localhost:{server.port}/setup/[\w-]{{43}}", link["setup_link"])
    assert {*lines[0], "setup_link", "expires_at"} == set(link)
    assert lines[-1]["message"].startswith("stopped")
    assert "whole" in seawall(server.data_dir, "log", "verify").stdout


def test_a_second_server_on_the_same_directory_names_the_first(server: Server) -> None:
    second = seawall(server.data_dir, "serve", "--port", "0", check=False)
    assert second.returncode == 1
    assert str(server.process.pid) in second.stdout + second.stderr
