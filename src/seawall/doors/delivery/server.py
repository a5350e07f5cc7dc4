"""Which mail server takes our mail: the owner's choice, in `keys/mail.json`, because a password is in it."""

import contextlib
import ipaddress
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec
from django.utils.translation import gettext as _

from seawall.record.durable import replace_durably, sync_directory

FILE_NAME = "mail.json"

#: A settings file has a few hundred bytes; what is larger was put there by mistake.
MAX_FILE_BYTES = 16 * 1024
#: RFC 5321 §4.5.3.1: a whole address, and the part before the @.
MAX_ADDRESS_LENGTH = 254
MAX_LOCAL_LENGTH = 64
MAX_HOST_LENGTH = 253
#: More than any provider's user names, passwords and tokens have.
MAX_SECRET_LENGTH = 1_024

#: Before the working day in Europe; for others it is a setting.
DIGEST_HOUR = 7

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
#: RFC 5321 without quoted local parts and address literals, which people do not have and mischief is made of.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


class Security(StrEnum):
    """`tls` from the first byte (port 465), `starttls` before anything is said (587), `none` in the clear (25)."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class BadMailSettings(ValueError):
    """The file with the mail server's settings cannot be used; the message says why and what to do."""


class MailSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mail server and how we come to it. Valid when `check` finds no problem; its repr shows no password."""

    host: str
    port: int
    security: Security
    #: The address our mail comes from; the server must let us use it.
    sender: str
    #: Both empty where the server asks for none.
    username: str = ""
    password: str = ""
    #: The owner's word that mail may go unencrypted to another machine.
    allow_plain: bool = False
    #: The hour of the day, UTC, at which digests go out.
    digest_hour: int = DIGEST_HOUR

    def __repr__(self) -> str:
        return f"MailSettings({self.security} to {self.host}:{self.port})"

    __str__ = __repr__


def load(keys_dir: Path) -> MailSettings | None:
    """The settings, or None where no mail server was set.

    Raises:
        BadMailSettings: the file is damaged, or says something that cannot be used.
    """
    path = keys_dir / FILE_NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(error.strerror or type(error).__name__) from error
    return read(data)


def read(data: bytes) -> MailSettings:
    """The settings in the bytes of the file; BadMailSettings never repeats what the file says."""
    if len(data) > MAX_FILE_BYTES:
        raise _unusable(_("it is too large"))
    try:
        found = msgspec.json.decode(data, type=MailSettings)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The message of the error could repeat parts of a password.
        raise _unusable(_("it is damaged")) from None
    problems = check(found)
    if problems:
        raise _unusable(problems[0])
    return found


def save(keys_dir: Path, settings: MailSettings) -> None:
    """Durable on return, readable by our user only (0600).

    Raises:
        BadMailSettings: `check` finds a problem; nothing was changed.
    """
    problems = check(settings)
    if problems:
        raise BadMailSettings(" ".join(problems))
    replace_durably(keys_dir / FILE_NAME, msgspec.json.format(msgspec.json.encode(settings)) + b"\n")


def remove(keys_dir: Path) -> bool:
    """Send no mail any more; whether any was sent before. Durable on return."""
    try:
        (keys_dir / FILE_NAME).unlink()
    except FileNotFoundError:
        return False
    sync_directory(keys_dir)
    return True


def check(settings: MailSettings) -> list[str]:
    """What has to be changed, as sentences for the owner; empty when the settings can be used."""
    return list(_problems(settings))


def is_address(text: str) -> bool:
    """Whether mail can be sent to it: an address in ASCII, without quotes, comments, names or anything else around."""
    local, _at, domain = text.rpartition("@")
    return (
        len(text) <= MAX_ADDRESS_LENGTH
        and len(local) <= MAX_LOCAL_LENGTH
        and _LOCAL.fullmatch(local) is not None
        and _is_name(domain)
    )


def is_loopback(host: str) -> bool:
    """Whether the host is this very machine."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def _problems(settings: MailSettings) -> Iterator[str]:
    if not _is_name(settings.host) and not _is_ip_address(settings.host):
        yield _(
            "The mail server must be a host name such as smtp.example.org, or an IP address, without a port and "
            "without https://. Write names with other letters in their xn-- form."
        )
    if not 1 <= settings.port <= 65535:
        yield _("The port is a number from 1 to 65535: usually 465 with tls, 587 with starttls, 25 with none.")
    if not is_address(settings.sender):
        yield _(
            "The sender must be one plain e-mail address such as seawall@example.org, without a name around it. Write "
            "domains with other letters in their xn-- form."
        )
    if not 0 <= settings.digest_hour <= 23:
        yield _("The hour of the digest is a number from 0 to 23, in UTC.")
    yield from _sign_in_problems(settings)


def _sign_in_problems(settings: MailSettings) -> Iterator[str]:
    if bool(settings.username) != bool(settings.password):
        yield _("Give both user name and password, or neither where the server asks for none.")
    if not (_is_secret(settings.username) and _is_secret(settings.password)):
        yield _(
            "User name and password must be printable ASCII characters: mail servers disagree about others. Most "
            "providers let you make a password for one program (an app password); use such a one."
        )
    if settings.security is not Security.NONE or is_loopback(settings.host):
        return
    if settings.password:
        yield _("A password is not sent unencrypted to another machine: choose tls or starttls.")
    elif not settings.allow_plain:
        yield _(
            "Mail would travel unencrypted to another machine: choose tls or starttls, or confirm that the network in "
            "between is yours."
        )


def _is_secret(text: str) -> bool:
    return len(text) <= MAX_SECRET_LENGTH and text.isascii() and (text.isprintable() or not text)


def _is_name(host: str) -> bool:
    return len(host) <= MAX_HOST_LENGTH and _HOST.fullmatch(host) is not None


def _is_ip_address(host: str) -> bool:
    # A scope (fe80::1%eth0) can hold anything after its percent sign.
    if "%" in host:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unusable(why: str) -> BadMailSettings:
    return BadMailSettings(
        _("keys/mail.json cannot be used: {why} Set the mail server again, or restore the file from a backup.").format(
            why=why if why.endswith(".") else f"{why}."
        )
    )
