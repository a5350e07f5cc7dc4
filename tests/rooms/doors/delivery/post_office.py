"""Mail servers to send to: a real one (aiosmtpd), and one that says what it is told to, for what no real one does."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from seawall.doors.delivery.server import MailSettings, Security

USERNAME, PASSWORD = "harbour", "correct horse battery staple"
SENDER = "seawall@example.org"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PostOffice:
    """Takes mail, unless `answer_rcpt` or `answer_data` say something else: each is asked first."""

    port: int = field(default_factory=free_port)
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    hellos: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    answer_mail: Callable[[str], str] = lambda _: ""
    answer_rcpt: Callable[[str], str] = lambda _: ""
    answer_data: Callable[[], str] = lambda: ""

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds the hooks by these names
        self, _server: SMTP, session: Session, _: Envelope, hostname: str, responses: Any
    ) -> Any:
        session.host_name = hostname
        self.hellos.append(hostname)
        return responses

    async def handle_MAIL(self, _server: SMTP, _: Session, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        refusal = self.answer_mail(address)
        if not refusal:
            envelope.mail_from = address
        return refusal or "250 OK"

    async def handle_RCPT(self, _server: SMTP, _: Session, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        refusal = self.answer_rcpt(address)
        if not refusal:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802
        refusal = self.answer_data()
        if refusal:
            return refusal
        assert server.transport
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        content = cast("bytes", envelope.content)
        self.mails.append(message_from_bytes(content, policy=default))
        return "250 OK: taken"

    def authenticate(self, _server: SMTP, _: Session, _e: Envelope, _m: str, data: Any) -> AuthResult:
        if isinstance(data, LoginPassword) and (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode()):
            self.signed_in.append(data.login.decode())
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False)

    def settings(self, security: Security = Security.NONE, **more: Any) -> MailSettings:
        given = {"host": "127.0.0.1", "port": self.port, "security": security, "sender": SENDER}
        return MailSettings(**{**given, **more})


@contextmanager
def open_office(
    office: PostOffice, security: Security = Security.NONE, *, tls: ssl.SSLContext | None = None, sign_in: bool = False
) -> Iterator[PostOffice]:
    """The office is open inside the block."""
    kwargs: dict[str, Any] = {"hostname": "127.0.0.1", "port": office.port, "ready_timeout": 30}
    if security is Security.TLS:
        kwargs["ssl_context"] = tls
    elif security is Security.STARTTLS:
        kwargs |= {"tls_context": tls, "require_starttls": True}
    if sign_in:
        # Of TLS from the first byte aiosmtpd does not know that all is encrypted, and warns.
        knows = security is Security.STARTTLS
        kwargs |= {"authenticator": office.authenticate, "auth_required": knows, "auth_require_tls": knows}
    controller = Controller(office, **kwargs)
    if security is Security.TLS:
        # Its own look whether it listens expects a certificate that everybody trusts.
        controller._trigger_server = lambda: knock(office.port)  # type: ignore[method-assign]
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


def knock(port: int) -> None:
    socket.create_connection(("127.0.0.1", port)).close()


Script = Callable[[Callable[[str], None], Callable[[], str]], None]


@contextmanager
def scripted(script: Script) -> Iterator[int]:
    """A server on the port it yields. For each connection `script(say, hear)` is run, then it is closed."""
    listening = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection, connection.makefile("rwb") as stream:

                    def say(text: str) -> None:
                        stream.write(text.encode() + b"\r\n")
                        stream.flush()

                    script(say, lambda: stream.readline().decode("ascii", "replace").strip())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stop.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=30)


@dataclass(frozen=True)
class Certificate:
    """A throw-away certificate for one name, which is its own authority."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(directory: Path, name: str) -> Certificate:
    now = datetime.now(tz=UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    places = Certificate(directory / f"{name}.pem", directory / f"{name}.key")
    places.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    places.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return places
