"""Conversations with real and with odd mail servers: what is sent, what never is, and how each failure is told."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from seawall.doors.delivery import smtp
from seawall.doors.delivery.letter import Envelope, Waiting, waiting_letter
from seawall.doors.delivery.server import MailSettings, Security
from seawall.doors.delivery.smtp import Hangup, send_letters
from seawall.doors.delivery.trouble import MailTrouble, Why, quoted, words
from tests.rooms.doors.delivery.post_office import (
    PASSWORD,
    SENDER,
    USERNAME,
    Certificate,
    PostOffice,
    free_port,
    make_certificate,
    open_office,
    scripted,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIGNED_IN: dict[str, Any] = {"username": USERNAME, "password": PASSWORD}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"), "127.0.0.1")


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """This machine trusts the certificate, as it would one of a public authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    return certificate


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(smtp, "STEP_SECONDS", 0.3)
    monkeypatch.setattr(smtp, "CONVERSATION_SECONDS", 1.0)
    return iter(())


def send(server: MailSettings, *to: str) -> list[Why | None]:
    """Send one letter to each; what became of each."""
    letters = [
        waiting_letter(
            Waiting(count=number),
            Envelope(server=server, to=one, id=f"out_{number}", site="https://mod.example.org", now=NOW),
        )
        for number, one in enumerate(to or ["mod@example.org"], 1)
    ]
    return [None if trouble is None else trouble.why for _, trouble in send_letters(server, letters, "mod.example.org")]


def refused(server: MailSettings) -> MailTrouble:
    with pytest.raises(MailTrouble) as caught:
        send(server)
    return caught.value


def test_a_mail_arrives() -> None:
    with open_office(PostOffice()) as office:
        assert send(office.settings()) == [None]
    assert office.envelopes == [(SENDER, ["mod@example.org"])]
    assert office.mails[0]["Message-ID"] == "<out_1@example.org>"
    assert office.hellos == ["mod.example.org"]


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_over_verified_tls_with_a_password(trusted: Certificate, security: Security) -> None:
    with open_office(PostOffice(), security, tls=trusted.server_context(), sign_in=True) as office:
        assert send(office.settings(security, **SIGNED_IN), "a@example.org", "b@example.org") == [None, None]
    assert office.signed_in == [USERNAME]
    assert office.encrypted == [True, True]


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_certificate_that_nobody_vouches_for_ends_it(certificate: Certificate, security: Security) -> None:
    with open_office(PostOffice(), security, tls=certificate.server_context(), sign_in=True) as office:
        assert refused(office.settings(security, **SIGNED_IN)).why is Why.CERTIFICATE
    assert (office.mails, office.signed_in) == ([], [])


def test_a_certificate_of_another_name_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_certificate(tmp_path, "mail.example.net")
    monkeypatch.setenv("SSL_CERT_FILE", str(other.certificate))
    with open_office(PostOffice(), Security.TLS, tls=other.server_context()) as office:
        assert refused(office.settings(Security.TLS)).why is Why.CERTIFICATE
    assert office.mails == []


def test_a_wrong_password_is_told_and_takes_a_person(trusted: Certificate) -> None:
    with open_office(PostOffice(), Security.STARTTLS, tls=trusted.server_context(), sign_in=True) as office:
        trouble = refused(office.settings(Security.STARTTLS, username=USERNAME, password="wrong"))
    assert (trouble.why, trouble.reply, trouble.permanent) == (Why.SIGN_IN, 535, True)
    assert "app password" in words(trouble.why)[1]
    assert office.mails == []


def test_a_server_without_starttls_hears_nothing() -> None:
    with open_office(PostOffice()) as office:
        assert refused(office.settings(Security.STARTTLS)).why is Why.NO_STARTTLS
    assert office.mails == []


def test_a_server_that_offers_no_way_to_sign_in() -> None:
    with open_office(PostOffice()) as office:
        assert refused(office.settings(**SIGNED_IN)).why is Why.NO_SIGN_IN
    assert office.mails == []


def test_tls_at_a_port_that_does_not_speak_it() -> None:
    with open_office(PostOffice()) as office:
        assert refused(office.settings(Security.TLS)).why is Why.TLS


def test_nobody_listens() -> None:
    server = MailSettings(host="127.0.0.1", port=free_port(), security=Security.NONE, sender=SENDER)
    trouble = refused(server)
    assert (trouble.why, trouble.permanent) == (Why.REFUSED, False)


def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    # The reserved top-level domain of RFC 6761 exists nowhere.
    server = MailSettings(host="mail.invalid", port=25, security=Security.NONE, sender=SENDER, allow_plain=True)
    assert refused(server).why is Why.NAME


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("451 try later", Why.LATER),
        ("452 full", Why.LATER),
        ("554 no such mail here", Why.NOT_TAKEN),
        ("552 too large", Why.NOT_TAKEN),
    ],
)
def test_a_refused_mail_does_not_stop_the_others(reply: str, why: Why) -> None:
    answers = iter([reply, ""])
    with open_office(PostOffice(answer_data=lambda: next(answers))) as office:
        assert send(office.settings(), "a@example.org", "b@example.org") == [why, None]
    assert [to for _, to in office.envelopes] == [["b@example.org"]]


@pytest.mark.parametrize(("reply", "why"), [("550 nobody", Why.RECIPIENT), ("450 greylisted", Why.LATER)])
def test_a_refused_recipient_does_not_stop_the_others(reply: str, why: Why) -> None:
    office = PostOffice(answer_rcpt=lambda address: reply if address.startswith("a@") else "")
    with open_office(office):
        assert send(office.settings(), "a@example.org", "b@example.org") == [why, None]


def test_a_refused_sender_is_everybodys_trouble() -> None:
    office = PostOffice(answer_mail=lambda _: "553 not yours")
    with open_office(office):
        trouble = refused(office.settings())
    assert (trouble.why, trouble.reply, trouble.permanent) == (Why.SENDER, 553, True)


def plain(port: int) -> MailSettings:
    return MailSettings(host="127.0.0.1", port=port, security=Security.NONE, sender=SENDER)


Say = Callable[[str], None]
Hear = Callable[[], str]


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        ("554 go away", Why.NOT_TAKEN),
        ("421 busy", Why.LATER),
        ("HTTP/1.1 400 Bad Request", Why.BROKE_OFF),
        ("", Why.BROKE_OFF),
        ("220", Why.BROKE_OFF),
        ("x" * 20_000, Why.NOT_TAKEN),
        ("220-" + "y" * 100, Why.BROKE_OFF),
    ],
)
def test_odd_greetings(impatient: None, greeting: str, why: Why) -> None:
    with scripted(lambda say, _hear: say(greeting)) as port:
        assert refused(plain(port)).why is why


def test_a_server_that_never_speaks(impatient: None) -> None:
    silence = threading.Event()
    with scripted(lambda _say, _hear: (silence.wait(30), None)[1]) as port:
        assert refused(plain(port)).why is Why.TIMED_OUT
        silence.set()


def cut_short(server: MailSettings, when: Callable[[Hangup], object]) -> float:
    """Send, and hang up after `when`; nothing must be told of the letter. Returns how long the end took, in seconds."""
    hangup, ended = Hangup(), threading.Event()
    letter = waiting_letter(
        Waiting(count=1), Envelope(server=server, to="mod@example.org", id="out_1", site="https://a.example", now=NOW)
    )
    told: list[object] = []

    def run() -> None:
        told.extend(send_letters(server, [letter], "mod.example.org", hangup=hangup))
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    when(hangup)
    began = time.monotonic()
    hangup.hang_up()
    assert ended.wait(15), "it goes on"
    took = time.monotonic() - began
    thread.join()
    assert told == []
    return took


@pytest.mark.parametrize("security", [Security.NONE, Security.TLS])
def test_a_server_that_hangs_does_not_keep_us_from_stopping(security: Security) -> None:
    called, silence = threading.Event(), threading.Event()

    def hang(_say: Say, _hear: Hear) -> None:
        called.set()
        silence.wait(60)

    with scripted(hang) as port:
        server = MailSettings(host="127.0.0.1", port=port, security=security, sender=SENDER)
        # Far less than the 20 seconds of one step.
        assert cut_short(server, lambda _: called.wait(30)) < 10
        silence.set()


def test_a_connection_that_is_never_answered_does_not_keep_us_from_stopping() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Whoever comes after these gets no answer at all.
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        server = MailSettings(host="127.0.0.1", port=full.getsockname()[1], security=Security.NONE, sender=SENDER)
        assert cut_short(server, lambda _: time.sleep(0.5)) < 10
        for one in waiting:
            one.close()


def test_once_we_hung_up_no_conversation_begins() -> None:
    with open_office(PostOffice()) as office:
        hangup = Hangup()
        hangup.hang_up()
        assert list(send_letters(office.settings(), [], "mod.example.org", hangup=hangup)) == []
    assert office.hellos == []


def test_a_server_that_speaks_endlessly_slowly(impatient: None) -> None:
    """Each byte comes in time, the line never does: the conversation as a whole has an end."""

    def drip(say: Say, _hear: Hear) -> None:
        for _ in range(200):
            say("220-patience")
            time.sleep(0.1)

    with scripted(drip) as port:
        started = time.monotonic()
        assert refused(plain(port)).why is Why.TIMED_OUT
        assert time.monotonic() - started < 15


def test_a_server_that_dies_in_the_middle_of_a_mail(impatient: None) -> None:
    def die(say: Say, hear: Hear) -> None:
        say("220 here")
        hear()
        say("250 hello")
        for reply in ("250 sender", "250 recipient", "354 go on"):
            hear()
            say(reply)
        hear()

    with scripted(die) as port:
        assert refused(plain(port)).why is Why.BROKE_OFF


def test_what_is_said_before_starttls_counts_no_more(impatient: None) -> None:
    """Someone in between adds words of their own to the answer in the clear; they are not taken for the server's."""

    def inject(say: Say, hear: Hear) -> None:
        say("220 here")
        hear()
        say("250-hello\r\n250 STARTTLS")
        hear()
        say("220 go on\r\n250-hello\r\n250 AUTH PLAIN")

    with scripted(inject) as port:
        server = MailSettings(host="127.0.0.1", port=port, security=Security.STARTTLS, sender=SENDER, **SIGNED_IN)
        assert refused(server).why in {Why.TLS, Why.BROKE_OFF}


def test_no_new_mail_is_begun_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "LAST_BEGINNING_SECONDS", -1.0)
    with open_office(PostOffice()) as office:
        assert send(office.settings()) == []


def test_every_failure_has_words_and_a_next_step() -> None:
    for why in Why:
        text, next_step = words(why, 550)
        assert text.endswith("(SMTP 550)")
        assert next_step.endswith(".")


def test_a_servers_words_are_shown_without_addresses_and_control_characters() -> None:
    assert quoted(b"5.7.1 <mod@example.org>:\r\n\x1b[2J no\xff") == "5.7.1 … [2J no�"
    assert len(quoted("x " * 10_000)) <= 200
