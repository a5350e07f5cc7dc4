"""One conversation with the mail server, over TLS that is verified, with an end to everything it may take."""

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from email.policy import SMTP as WIRE

from seawall.doors.delivery.server import MailSettings, Security
from seawall.doors.delivery.trouble import MailTrouble, Why, trouble_of

#: How long a single step may take: the connection, the handshake, one answer. Looking up the name is the system's.
STEP_SECONDS = 20.0
#: How long a conversation may take in all, so that a server that sends one byte now and then holds nobody up.
CONVERSATION_SECONDS = 30.0
#: No new mail is begun after that; the rest goes with the next conversation.
LAST_BEGINNING_SECONDS = 15.0

#: Hands letters to a server: `(server, letters, hello)` → each letter with its trouble or None, as soon as it is known.
#: What was not reached is not in it. Raises MailTrouble for what concerns all letters.
Send = Callable[[MailSettings, Sequence[EmailMessage], str], Iterator[tuple[EmailMessage, MailTrouble | None]]]


class Hangup:
    """Ends the conversation that is under way, and lets none begin: for a process that is told to stop.

    Only looking up the server's name cannot be ended; it takes as long as the system lets it.
    """

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._line: socket.socket | None = None
        self.done = False

    def hang_up(self) -> None:
        """From any thread, and more than once."""
        with self._door:
            self.done = True
            if self._line is not None:
                # Whoever waits for its next byte, or for the connection itself, gets an error.
                with contextlib.suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)

    def watch(self, line: socket.socket | None) -> None:
        """This is the line now; None when the conversation is over. ConnectionAbortedError once it was hung up."""
        with self._door:
            self._line = line
            if self.done and line is not None:
                raise ConnectionAbortedError


def send_letters(
    server: MailSettings, letters: Sequence[EmailMessage], hello: str, *, hangup: Hangup | None = None
) -> Iterator[tuple[EmailMessage, MailTrouble | None]]:
    """The one `Send` that talks to a real server. `hello` is the name we give ourselves.

    Hung up by us, it ends without a word: what it did not come to is nobody's fault and goes with the next.
    """
    ours = hangup or Hangup()
    try:
        yield from _send(server, letters, hello, ours)
    except MailTrouble:
        if not ours.done:
            raise


def _send(
    server: MailSettings, letters: Sequence[EmailMessage], hello: str, hangup: Hangup
) -> Iterator[tuple[EmailMessage, MailTrouble | None]]:
    started = time.monotonic()
    with _conversation(server, hello, hangup) as client:
        for letter in letters:
            if hangup.done or time.monotonic() - started > LAST_BEGINNING_SECONDS:
                return
            try:
                _hand_over(client, server, letter)
            except smtplib.SMTPResponseException as error:
                trouble = trouble_of(error)
                # What is wrong with the sender is wrong for all; after 421 the server hangs up.
                if trouble.why is Why.SENDER or trouble.reply == 421:
                    raise trouble from None
                yield letter, trouble
            except smtplib.SMTPRecipientsRefused as error:
                yield letter, trouble_of(error)
            else:
                yield letter, None


def _hand_over(client: smtplib.SMTP, server: MailSettings, letter: EmailMessage) -> None:
    client.sendmail(server.sender, [letter["To"].addresses[0].addr_spec], letter.as_bytes(policy=WIRE))


@contextlib.contextmanager
def _conversation(server: MailSettings, hello: str, hangup: Hangup) -> Iterator[smtplib.SMTP]:
    """A client that has said hello, is encrypted and signed in. Errors leave as MailTrouble."""
    client = smtplib.SMTP(local_hostname=hello, timeout=STEP_SECONDS)
    overdue = threading.Event()
    watch = threading.Timer(CONVERSATION_SECONDS, _cut, (client, overdue))
    watch.daemon = True
    try:
        _open(client, server, hangup)
        watch.start()
        _greet(client, server, hangup)
        yield client
        # The mail is with the server; how it takes our leave changes nothing.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client.quit()
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise MailTrouble(Why.TIMED_OUT) if overdue.is_set() else trouble_of(error) from None
    finally:
        watch.cancel()
        hangup.watch(None)
        client.close()


def _open(client: smtplib.SMTP, server: MailSettings, hangup: Hangup) -> None:
    connected = _connected(server, hangup)
    try:
        client.sock = _encrypted(connected, server, hangup) if server.security is Security.TLS else connected
    except BaseException:
        connected.close()
        raise


def _connected(server: MailSettings, hangup: Hangup) -> socket.socket:
    """As `socket.create_connection`, but the line can be hung up while it is being made."""
    until = time.monotonic() + STEP_SECONDS
    trouble: OSError = OSError("no address")
    for family, kind, protocol, _name, address in socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM):
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(max(until - time.monotonic(), 0.1))
            hangup.watch(connected)
            connected.connect(address)
            hangup.watch(connected)
        except OSError as error:
            connected.close()
            trouble = error
        except BaseException:
            connected.close()
            raise
        else:
            connected.settimeout(STEP_SECONDS)
            return connected
    raise trouble


def _greet(client: smtplib.SMTP, server: MailSettings, hangup: Hangup) -> None:
    reply, said = client.getreply()
    if reply != 220:
        raise smtplib.SMTPConnectError(reply, said)
    client.ehlo_or_helo_if_needed()
    if server.security is Security.STARTTLS:
        _start_tls(client, server, hangup)
        client.ehlo_or_helo_if_needed()
    if server.username:
        client.login(server.username, server.password)


def _start_tls(client: smtplib.SMTP, server: MailSettings, hangup: Hangup) -> None:
    if not client.has_extn("starttls"):
        raise MailTrouble(Why.NO_STARTTLS)
    reply, said = client.docmd("STARTTLS")
    if reply != 220:
        raise smtplib.SMTPResponseException(reply, said)
    if client.sock is None:
        raise MailTrouble(Why.BROKE_OFF)
    client.sock = _encrypted(client.sock, server, hangup)
    # Whatever was said before in the clear, by whomever, counts no more (RFC 3207 §4.2).
    client.file = None
    client.ehlo_resp = client.helo_resp = None
    client.esmtp_features, client.does_esmtp = {}, False


def _encrypted(connected: socket.socket, server: MailSettings, hangup: Hangup) -> ssl.SSLSocket:
    """Verified against the system's own store of authorities, for the name that the owner gave."""
    context = ssl.create_default_context()
    line = context.wrap_socket(connected, server_hostname=server.host, do_handshake_on_connect=False)
    try:
        # Wrapping took the line out of the old socket's hands.
        hangup.watch(line)
        line.do_handshake()
    except BaseException:
        line.close()
        raise
    return line


def _cut(client: smtplib.SMTP, overdue: threading.Event) -> None:
    """End a conversation from outside: whoever waits for its next byte gets an error."""
    overdue.set()
    connected = client.sock
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)
