"""A server that was asked all sorts of things by all sorts of people has none of it in its log."""

import json
import re
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from seawall.matching import testcard
from tests.stories.serving import Client, Server, free_port, new_key, new_surface, seawall, wait_until

#: Distinctive, so that each is found wherever it went.
PERSON = "marigold.featherstone@example.org"
UPLOADER = "uploader-quokka-4711"
CONTENT_ID = "content-quokka-4712"
TEXT = "A made-up sentence about nine violet lanterns and quokka-4713."
FILE_NAME = "holiday-quokka-4714.jpg"
ADDRESS = "https://quokka-4715.example/private?token=quokka-4716"
QUERY = "mail=quokka-4717&who=quokka-4718"
HEADER = "quokka-4719"
CLAIMED = "203.0.113.77"
SOURCE = "127.0.0.42"
STRANGERS_KEY = "swk_" + "ab" * 16 + "_" + "quokka" * 7 + "x"
MULTIPART = f"multipart/form-data; boundary={HEADER}"
EVERYTHING = ("quokka", "marigold", "violet", CLAIMED, SOURCE, "swk_")


@pytest.fixture(params=["text", "json"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    data_dir = tmp_path / "data"
    seawall(data_dir, "bank", "create", "ours")
    new_surface(data_dir)
    with Server(data_dir, env={"SEAWALL_LOG_FORMAT": request.param, "SEAWALL_DECODERS": "1"}) as server:
        yield server


def lines_of(server: Server) -> list[str]:
    """The log. As text, the set-up link stands between its lines while nobody has an account, and is none of them."""
    return [line for line in server.log.read_text().splitlines() if not line.startswith("Set up this Seawall")]


def ask_all_sorts(server: Server, key: str) -> list[int]:
    """Good requests, bad ones and mischief, with a person's particulars wherever there is room for them."""
    headers = {"X-Forwarded-For": CLAIMED, "User-Agent": HEADER, "Referer": ADDRESS, "Cookie": f"sessionid={HEADER}"}
    form = {"surface": "posts", "uploader": UPLOADER, "content_id": CONTENT_ID}
    parts = [{"kind": "text", "text": text} for text in (TEXT, testcard.TEXT)]
    parts.append({"kind": "url", "url": ADDRESS})
    asked: list[tuple[str, str, dict[str, Any]]]
    asked = [("POST", "/v1/screen", {"json": {**form, "parts": [part]}}) for part in parts]
    for data in (testcard.picture(), b"no picture: " + TEXT.encode()):
        request = {"request": json.dumps({**form, "parts": [{"kind": "image", "file": FILE_NAME}]})}
        asked.append(("POST", "/v1/screen", {"data": request, "files": {FILE_NAME: (FILE_NAME, data)}}))
    asked += [
        ("POST", "/v1/screen", {"content": TEXT.encode(), "headers": {"Content-Type": "application/json"}}),
        (
            "POST",
            "/v1/screen",
            {"content": b"--x", "headers": {"Content-Type": f"multipart/form-data; boundary={HEADER}"}},
        ),
        ("POST", "/v1/screen", {"json": {**form, "surface": UPLOADER, "parts": []}}),
        ("POST", "/v1/screen", {"headers": {"Authorization": f"Bearer {STRANGERS_KEY}"}}),
        ("POST", "/v1/lookup", {"json": {"signals": [{"type": "text", "value": TEXT}]}}),
        ("GET", f"/v1/screenings/{UPLOADER}?{QUERY}", {}),
        ("GET", f"/v1/screenings/scr_{'0' * 32}?{QUERY}", {"headers": {"Host": f"{HEADER}.example"}}),
        ("GET", f"/docs?{QUERY}", {"headers": {"Host": f"{HEADER}_\\bad"}}),
        ("GET", f"/{UPLOADER}?{QUERY}", {}),
        ("POST", "/account/login/", {"data": {"login": PERSON, "password": HEADER}}),
        ("PUT", f"/docs?{QUERY}", {"content": TEXT.encode()}),
    ]
    transport = httpx.HTTPTransport(local_address=SOURCE)
    codes = []
    with httpx.Client(base_url=server.url, transport=transport, timeout=60) as client:
        for method, path, more in asked:
            given = {"Authorization": f"Bearer {key}", **headers, **more.pop("headers", {})}
            codes.append(client.request(method, path, headers=given, **more).status_code)
    for raw in (f"{TEXT}\r\n\r\n", f"GET /{UPLOADER} HTTP/9.9\r\n\r\n", f"GET / HTTP/1.1\r\n{HEADER}\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), 5, (SOURCE, free_port())) as client_socket:
            client_socket.sendall(raw.encode())
            client_socket.recv(4096)
    return codes


def try_to_sign_in(server: Server) -> None:
    """As somebody does who is unknown here, often enough to be slowed down."""
    transport = httpx.HTTPTransport(local_address=SOURCE)
    with httpx.Client(base_url=server.url, transport=transport, timeout=60, follow_redirects=True) as client:
        for _ in range(8):
            page = client.get(f"/account/login/?next=/{UPLOADER}")
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
            assert token, page.text
            form = {"login": PERSON, "password": HEADER, "csrfmiddlewaretoken": token[1]}
            answer = client.post("/account/login/", data=form)
            assert answer.status_code in {200, 429}, answer.text


def test_nobody_is_in_the_log(server: Server) -> None:
    key = new_key(server.data_dir, "screen", "lookup", "read")
    with Client(server, key) as client:
        wait_until(lambda: client.post("/v1/lookup", json={"signals": []}).status_code != httpx.codes.UNAUTHORIZED)
    codes = ask_all_sorts(server, key)
    assert codes[:5] == [200] * 5, codes
    assert {401, 404} <= set(codes)
    try_to_sign_in(server)
    assert server.stop() == 0
    log = "\n".join(lines_of(server))
    assert "Seawall" in log
    assert "everything that was answered is in the ledger" in log
    assert [one for one in (*EVERYTHING, key) if one in log.lower()] == []
    if server.env["SEAWALL_LOG_FORMAT"] == "json":
        for line in lines_of(server):
            said = json.loads(line)
            assert {"time", "level", "logger", "message"} <= set(said)
            assert datetime.fromisoformat(said["time"]).utcoffset() is not None
            assert said["level"] in {"info", "warning", "error", "critical"}
    else:
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+ ", line) for line in lines_of(server))
