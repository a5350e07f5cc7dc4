"""Behind the shipped nginx and Caddy examples: TLS ends there, limits agree, nobody lies about where they come from."""

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from seawall.doors.web.process import configuration
from seawall.matching import testcard
from seawall.settings import Settings
from tests.stories.proxies import DEPLOY, NAME, Proxy, program
from tests.stories.serving import Server, free_port, new_key, new_surface, seawall, wait_until

FORGED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http", "Forwarded": "for=203.0.113.7"}
LIMIT = Settings().max_body_bytes
MIB = 1024 * 1024


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def kind(request: pytest.FixtureRequest) -> str:
    if program(request.param) is None:
        pytest.skip(f"{request.param} is not installed: apt-get install {request.param}")
    return str(request.param)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("proxied") / "data"
    seawall(data_dir, "bank", "create", "ours")
    new_surface(data_dir)
    env = {"SEAWALL_PUBLIC_URL": f"https://{NAME}", "SEAWALL_TRUSTED_PROXIES": "127.0.0.1", "SEAWALL_DECODERS": "1"}
    with Server(data_dir, env=env) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    key = new_key(server.data_dir, "screen", "lookup")
    headers = {"Authorization": f"Bearer {key}"}

    def is_known() -> bool:
        asked = httpx.post(f"{server.url}/v1/lookup", json={"signals": []}, headers=headers)
        return asked.status_code != httpx.codes.UNAUTHORIZED

    wait_until(is_known)
    return key


@pytest.fixture(scope="module")
def proxy(kind: str, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(kind, server.port, tmp_path_factory.mktemp(kind) / "place") as proxy:
        yield proxy


def upload(client: httpx.Client, key: str, data: bytes, **more: Any) -> httpx.Response:
    body = {"surface": "posts", "parts": [{"kind": "image", "file": "upload"}]}
    return client.post(
        "/v1/screen",
        headers={"Authorization": f"Bearer {key}"},
        data={"request": json.dumps(body)},
        files={"upload": ("upload.bin", data)},
        **more,
    )


class TestScreening:
    def test_the_test_card_is_stopped_through_tls(self, proxy: Proxy, key: str) -> None:
        with proxy.client() as client:
            answer = upload(client, key, testcard.picture())
            assert (answer.status_code, answer.json()["verdict"]) == (200, "block"), answer.text
            assert client.get("/readyz").status_code == 200
            page = client.get("/docs")
            assert "Screening API" in page.text
            assert page.headers["strict-transport-security"] == "max-age=31536000"
            assert "default-src 'none'" in page.headers["content-security-policy"]

    def test_a_large_upload_passes_and_touches_no_disk(self, proxy: Proxy, key: str) -> None:
        # nginx would need its directory for uploads, if it kept one.
        shutil.rmtree(proxy.place / "uploads", ignore_errors=True)
        with proxy.client() as client:
            answer = upload(client, key, b"\x89PNG\r\n\x1a\n" + b"\0" * (30 * MIB))
        assert (answer.status_code, answer.json()["degraded"]) == (200, True), answer.text

    def test_who_has_no_key_is_told_so_before_the_upload_is_read(self, proxy: Proxy) -> None:
        with proxy.client() as client:
            answer = upload(client, "swk_nobody", b"\0" * (5 * MIB))
        assert (answer.status_code, answer.json()["code"]) == (401, "key_malformed"), answer.text

    def test_plain_http_leads_to_tls(self, proxy: Proxy) -> None:
        if proxy.kind == "caddy":
            assert "auto_https" not in (DEPLOY / "Caddyfile").read_text(), "Caddy does it unless it is told not to"
            return
        answer = httpx.get(f"http://127.0.0.1:{proxy.plain_port}/docs?a=b", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers["location"]) == (308, f"https://{NAME}/docs?a=b")


class TestLimits:
    def test_a_body_over_the_limit_is_refused_by_its_length_alone(self, proxy: Proxy, server: Server, key: str) -> None:
        head = f"POST /v1/screen HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {LIMIT + 1}\r\n"
        head += f"Authorization: Bearer {key}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as direct:
            direct.sendall(head.encode())
            assert direct.recv(4096).startswith(b"HTTP/1.1 413")
        # Caddy waits for the first bytes of a body before it asks anybody.
        if proxy.kind == "nginx":
            assert answer_to(proxy, head.encode()).startswith(b"HTTP/1.1 413")

    @pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks"])
    def test_both_refuse_a_body_over_the_limit(self, proxy: Proxy, server: Server, key: str, declared: bool) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "multipart/form-data; boundary=x"}
        start = b'--x\r\nContent-Disposition: form-data; name="upload"\r\n\r\n'
        length = {"Content-Length": str(LIMIT + MIB)} if declared else {}

        def body() -> Iterator[bytes]:
            yield start + b"\0" * (MIB - len(start))
            for _ in range(LIMIT // MIB):
                yield b"\0" * MIB

        with httpx.Client(base_url=server.url, timeout=60) as direct, proxy.client() as client:
            for one in (direct, client):
                answer = one.post("/v1/screen", content=body(), headers={**headers, **length})
                assert answer.status_code == 413, answer.text

    def test_the_limits_are_the_same_number(self) -> None:
        assert f"client_max_body_size {LIMIT // MIB}m;" in (DEPLOY / "nginx" / "seawall.conf").read_text()
        assert f"max_size {LIMIT // MIB}MiB" in (DEPLOY / "Caddyfile").read_text()


def answer_to(proxy: Proxy, head: bytes) -> bytes:
    trust = ssl.create_default_context(cafile=str(proxy.certificate))
    with (
        socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as plain,
        trust.wrap_socket(plain, server_hostname=NAME) as client,
    ):
        client.sendall(head)
        return client.recv(4096)


async def who_asks(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """Answers with what a door would see: the client's address and the scheme."""
    if scope["type"] == "http":
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen = json.dumps({"client": scope["client"][0], "scheme": scope["scheme"], "headers": headers}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(seen))]})
        await send({"type": "http.response.body", "body": seen})


@pytest.fixture(scope="module", params=["127.0.0.1", "", "192.0.2.0/24"], ids=["trusted", "nobody", "another"])
def trusting(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """The server as it is configured, with an application that tells what it sees; and whom it trusts."""
    port = free_port()
    config = configuration(Settings(port=port, trusted_proxies=request.param), who_asks)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield request.param, port
    server.should_exit = True
    thread.join(10)


class TestWhereTheyComeFrom:
    def test_a_trusted_proxy_names_the_client_and_a_forged_header_is_replaced(
        self, kind: str, trusting: tuple[str, int], tmp_path: Path
    ) -> None:
        trusted, port = trusting
        with Proxy(kind, port, tmp_path / "place") as proxy, proxy.client(source="127.0.0.2") as client:
            for headers in ({}, FORGED):
                seen = client.get("/", headers=headers).json()
                expected = ("127.0.0.2", "https") if trusted == "127.0.0.1" else ("127.0.0.1", "http")
                assert (seen["client"], seen["scheme"]) == expected
                assert seen["headers"]["host"] == NAME
                assert "203.0.113.7" not in json.dumps(seen)

    def test_who_is_no_proxy_cannot_say_where_they_come_from(self, trusting: tuple[str, int]) -> None:
        trusted, port = trusting
        for source in {"127.0.0.3", "127.0.0.1"} - {trusted}:
            transport = httpx.HTTPTransport(local_address=source)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
                seen = client.get("/", headers={**FORGED, "X-Forwarded-Proto": "https"}).json()
            assert (seen["client"], seen["scheme"]) == (source, "http"), trusted

    def test_a_variable_of_the_environment_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
        assert configuration(Settings(), who_asks).proxy_headers is False
        config = configuration(Settings(trusted_proxies="127.0.0.1, ::1"), who_asks)
        assert config.forwarded_allow_ips == ["127.0.0.1", "::1"]


def test_no_log_of_the_proxy_names_anybody(kind: str, tmp_path: Path) -> None:
    with Proxy(kind, free_port(), tmp_path / "place") as proxy, proxy.client(source="127.0.0.2") as client:
        assert client.get("/x?mail=person@example.org", headers={"Authorization": "Bearer swk_x"}).status_code == 502
        head = f"POST /v1/screen HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
        assert answer_to(proxy, head.encode()).startswith((b"HTTP/1.1 413", b"HTTP/1.1 502"))
    written = proxy.written()
    assert [name for name in ("127.0.0.2", "person", "swk_x", "/v1/screen") if name in written] == []


def test_each_example_is_valid_for_its_program(kind: str, tmp_path: Path) -> None:
    proxy = Proxy(kind, free_port(), tmp_path / "place")
    if kind == "nginx":
        command = [*proxy.command, "-t"]
    else:
        command = [program("caddy") or "", "validate", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "warn" not in said.stderr.lower(), said.stderr
