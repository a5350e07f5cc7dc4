"""The shipped examples of reverse proxies, by the real nginx and Caddy on free ports, with a certificate of a day."""

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.stories.serving import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "seawall.example.org"

#: Debian keeps nginx where only root's search path looks.
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])

NGINX = """
{user}
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
events {{ worker_connections 128; }}
http {{
    client_body_temp_path {place}/uploads;
    proxy_temp_path {place}/answers;
    fastcgi_temp_path {place}/unused;
    uwsgi_temp_path {place}/unused;
    scgi_temp_path {place}/unused;
    access_log {place}/access.log;
    include {place}/seawall.conf;
}}
"""


def program(name: str) -> str | None:
    return shutil.which(name, path=SEARCH)


def write_certificate(place: Path) -> tuple[Path, Path]:
    """A self-signed certificate for the examples' name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = place / "fullchain.pem", place / "privkey.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return chain, secret


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """The example with other ports and files. What is to be replaced has to be there, or the test tests another one."""
    for pattern, by in pairs:
        text, count = re.subn(pattern, by, text)
        assert count, f"the example no longer says {pattern}"
    return text


class Proxy:
    """`with Proxy("nginx", upstream_port, place) as proxy:` runs that program with the shipped file before a port."""

    def __init__(self, kind: str, upstream: int, place: Path) -> None:
        self.kind = kind
        self.place = place
        self.upstream = upstream
        self.port = free_port()
        self.plain_port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.log = place / "output.log"
        place.mkdir(parents=True)
        self.certificate, self._key = write_certificate(place)
        self.command = self._nginx() if kind == "nginx" else self._caddy()

    def _nginx(self) -> list[str]:
        site = replaced(
            (DEPLOY / "nginx" / "seawall.conf").read_text(),
            (r"listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
            (r"listen 443 (?=ssl)", f"listen 127.0.0.1:{self.port} "),
            (r"listen \[::\]:.*;", ""),
            (r"127\.0\.0\.1:8080", f"127.0.0.1:{self.upstream}"),
            (r"/etc/letsencrypt/live/seawall\.example\.org", str(self.place)),
            (r"/var/log/nginx", str(self.place)),
        )
        (self.place / "seawall.conf").write_text(site)
        user = "user root;" if os.geteuid() == 0 else ""
        (self.place / "nginx.conf").write_text(NGINX.format(place=self.place, user=user))
        return [program("nginx") or "", "-e", "stderr", "-c", str(self.place / "nginx.conf")]

    def _caddy(self) -> list[str]:
        site = replaced(
            (DEPLOY / "Caddyfile").read_text(),
            (r"(?m)^\{$", "{\n\tdefault_bind 127.0.0.1\n\tauto_https off\n\tskip_install_trust"),
            (r"(?m)^seawall\.example\.org \{$", f"{NAME}:{self.port} {{\n\ttls {self.certificate} {self._key}"),
            (r"127\.0\.0\.1:8080", f"127.0.0.1:{self.upstream}"),
        )
        (self.place / "Caddyfile").write_text(site)
        return [program("caddy") or "", "run", "--config", str(self.place / "Caddyfile"), "--adapter", "caddyfile"]

    def __enter__(self) -> Self:
        own = {"XDG_DATA_HOME": str(self.place), "XDG_CONFIG_HOME": str(self.place)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env={**os.environ, **own})
        until = time.monotonic() + 30
        while not listens(self.port):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{self.kind} did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)

    @contextlib.contextmanager
    def client(self, source: str = "127.0.0.2", **more: Any) -> Iterator[httpx.Client]:
        """Somebody who comes from this address and believes this certificate only."""
        trust = ssl.create_default_context(cafile=str(self.certificate))
        transport = httpx.HTTPTransport(verify=trust, local_address=source)
        headers = {"Host": NAME, **more.pop("headers", {})}
        with httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=60, **more) as client:
            client.event_hooks = {"request": [_by_name]}
            yield client

    def written(self) -> str:
        """Everything that it wrote into any log."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.place.glob("*.log")))


def _by_name(request: httpx.Request) -> None:
    request.extensions = {**request.extensions, "sni_hostname": NAME}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
