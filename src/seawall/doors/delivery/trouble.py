"""Why mail did not go out, in words that lead to the next step. Nothing here repeats an address or a password."""

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

#: A server's own words are shown to the person who set it up, one line of them.
LONGEST_QUOTE = 200

_ADDRESS = re.compile(r"\S+@\S+")


class Why(StrEnum):
    """The usual failures. The value is kept with the row that waits."""

    NAME = "name"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    CERTIFICATE = "certificate"
    TLS = "tls"
    NO_STARTTLS = "no_starttls"
    NO_SIGN_IN = "no_sign_in"
    SIGN_IN = "sign_in"
    SENDER = "sender"
    RECIPIENT = "recipient"
    ADDRESS = "address"
    NOT_TAKEN = "not_taken"
    LATER = "later"
    BROKE_OFF = "broke_off"


#: Trying again every minute changes nothing about these: somebody has to change a setting first.
PERMANENT = frozenset({Why.CERTIFICATE, Why.NO_STARTTLS, Why.NO_SIGN_IN, Why.SIGN_IN, Why.SENDER, Why.RECIPIENT})
PERMANENT |= {Why.ADDRESS, Why.NOT_TAKEN}


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What became of a mail, for the person who wants to know: what happened, what to do, what the server said."""

    sent: bool
    text: str
    next_step: str = ""
    said: str = ""


class MailTrouble(Exception):
    """One mail, or all of them, could not be handed to the server. `reply` is SMTP's number, 0 where there was none."""

    def __init__(self, why: Why, *, reply: int = 0, said: str = "") -> None:
        super().__init__(f"{why} {reply}".removesuffix(" 0"))
        self.why = why
        self.reply = reply
        self.said = said

    @property
    def permanent(self) -> bool:
        """Whether it takes a person to end it."""
        return self.why in PERMANENT


def trouble_of(error: Exception) -> MailTrouble:
    """The trouble behind an error of smtplib, TLS or the network; anything else is raised again."""
    if isinstance(error, MailTrouble):
        return error
    if isinstance(error, smtplib.SMTPException):
        return _of_protocol(error)
    # In this order: each is a kind of OSError, and some are kinds of each other.
    for kind, why in (
        (ssl.SSLCertVerificationError, Why.CERTIFICATE),
        (TimeoutError, Why.TIMED_OUT),
        (ssl.SSLEOFError, Why.BROKE_OFF),
        (ssl.SSLError, Why.TLS),
        (socket.gaierror, Why.NAME),
        # A label of more than 63 characters, or an empty one.
        (UnicodeError, Why.NAME),
        (ConnectionRefusedError, Why.REFUSED),
        (ConnectionError, Why.BROKE_OFF),
        (OSError, Why.UNREACHABLE),
    ):
        if isinstance(error, kind):
            return MailTrouble(why)
    raise error


def _of_protocol(error: smtplib.SMTPException) -> MailTrouble:
    if isinstance(error, smtplib.SMTPServerDisconnected):
        # Smtplib says the same of a silence; what it heard stands behind it.
        return MailTrouble(Why.TIMED_OUT if isinstance(error.__context__, TimeoutError) else Why.BROKE_OFF)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return MailTrouble(Why.NO_SIGN_IN)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        reply, said = next(iter(error.recipients.values()))
        return _of_reply(Why.RECIPIENT, reply, said)
    if isinstance(error, smtplib.SMTPResponseException):
        kinds = ((smtplib.SMTPAuthenticationError, Why.SIGN_IN), (smtplib.SMTPSenderRefused, Why.SENDER))
        why = next((why for kind, why in kinds if isinstance(error, kind)), Why.NOT_TAKEN)
        return _of_reply(why, error.smtp_code, error.smtp_error)
    return MailTrouble(Why.NO_SIGN_IN if "authentication" in str(error) else Why.NOT_TAKEN)


def _of_reply(why: Why, reply: int, said: bytes | str) -> MailTrouble:
    if not 500 <= reply < 600:
        # 4yz: not now. Anything else is no SMTP, which may be a server that is starting.
        why = Why.LATER if 400 <= reply < 500 else Why.BROKE_OFF
    return MailTrouble(why, reply=reply if 200 <= reply < 600 else 0, said=quoted(said))


def quoted(said: bytes | str) -> str:
    """A server's words as they may be shown: one line, no addresses, nothing that a terminal would obey."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    text = "".join(one if one.isprintable() else " " for one in text)
    return _ADDRESS.sub("…", " ".join(text.split()))[:LONGEST_QUOTE]


def words(why: Why, reply: int = 0) -> tuple[str, str]:
    """What happened and what to do next, in plain words."""
    text, next_step = {**_of_connection(), **_of_conversation()}[why]
    return (f"{text} (SMTP {reply})" if reply else text), next_step


def _of_connection() -> dict[Why, tuple[str, str]]:
    return {
        Why.NAME: (
            _("the name of the mail server was not found"),
            _("Check the name for a slip, and that this machine can look up names."),
        ),
        Why.REFUSED: (
            _("the mail server takes no connection at this port"),
            _("Check name and port: usually 465 with tls, 587 with starttls. If it is your own, see that it runs."),
        ),
        Why.UNREACHABLE: (
            _("the mail server cannot be reached"),
            _("Check this machine's network, and whether a firewall or your provider blocks the port."),
        ),
        Why.TIMED_OUT: (
            _("the mail server did not answer in time"),
            _(
                "Check name and port (465 speaks only tls, 587 only starttls), and whether a firewall or your provider "
                "blocks the port."
            ),
        ),
        Why.CERTIFICATE: (
            _("the mail server's certificate is not valid for this name"),
            _(
                "Use the name that the provider gives, not an IP address. If the server is your own, give it a "
                "certificate that this machine trusts. Nothing was sent."
            ),
        ),
        Why.TLS: (
            _("the mail server does not speak TLS as expected"),
            _("Port 465 wants tls, port 587 starttls: try the other one."),
        ),
        Why.NO_STARTTLS: (
            _("the mail server does not offer STARTTLS"),
            _("Try tls with port 465. Nothing was sent, because it would have been unencrypted."),
        ),
        Why.BROKE_OFF: (
            _("the mail server broke off the conversation"),
            _("Check that the port is one for SMTP, and see the server's own log."),
        ),
    }


def _of_conversation() -> dict[Why, tuple[str, str]]:
    return {
        Why.NO_SIGN_IN: (
            _("the mail server offers no way to sign in that Seawall knows"),
            _("Some servers offer it only with encryption: choose tls or starttls. Or leave name and password out."),
        ),
        Why.SIGN_IN: (
            _("the mail server refused user name and password"),
            _("Check both. Many providers want a password made for one program (an app password) instead of yours."),
        ),
        Why.SENDER: (
            _("the mail server does not let us send from this address"),
            _("Set a sender address that belongs to the account you sign in with; some servers want you to sign in."),
        ),
        Why.RECIPIENT: (
            _("the mail server refuses the recipient"),
            _("Check that person's address, and whether this server may send to other domains."),
        ),
        Why.ADDRESS: (
            _("a person's address is none that mail can be sent to"),
            _("Correct that person's e-mail address."),
        ),
        Why.NOT_TAKEN: (
            _("the mail server refused the mail"),
            _("See what the server says, and its own log."),
        ),
        Why.LATER: (
            _("the mail server asks to try again later"),
            _("Nothing to do now: Seawall tries again by itself."),
        ),
    }
