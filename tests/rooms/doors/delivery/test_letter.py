"""The words of our mails: what is in them, what never is, and that nobody's words become part of their form."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.doors.delivery.letter import Envelope, Waiting, hello_of, trial_letter, waiting_letter
from seawall.doors.delivery.server import MailSettings, Security

NOW = datetime(2026, 11, 23, 12, 0, 5, tzinfo=UTC)
SERVER = MailSettings(
    host="smtp.example.org", port=465, security=Security.TLS, sender="seawall@example.org", username="u", password="p"
)
ENVELOPE = Envelope(server=SERVER, to="mod@example.net", id="out_1", site="https://mod.example.org", now=NOW)
HOSTILE = "posts</p><script>alert(1)</script>\r\nBcc: everyone@example.org\r\n\r\n.\r\n{{ 7|add:7 }}\u202eevil"


def sent(letter: EmailMessage) -> EmailMessage:
    """As it comes out at the other end."""
    made = message_from_bytes(letter.as_bytes(policy=SMTP), policy=default)
    assert isinstance(made, EmailMessage)
    assert made.defects == []
    return made


def parts(letter: EmailMessage) -> tuple[str, str]:
    text, html = sent(letter).get_body(("plain",)), sent(letter).get_body(("html",))
    assert text
    assert html
    return str(text.get_content()), str(html.get_content())


def test_it_says_how_many_until_when_and_where() -> None:
    waiting = Waiting(
        count=3,
        asked=1,
        surfaces=(("posts", 2), ("avatars", 1)),
        deadline=datetime(2026, 11, 24, 15, 5, tzinfo=timezone(timedelta(hours=1))),
        on_expiry="refuse",
    )
    letter = waiting_letter(waiting, ENVELOPE)
    for said in parts(letter):
        assert "decide: 3" in said
        assert "a person to look at: 1" in said
        assert "posts (2), avatars (1)" in said
        assert "Tuesday 24 November 2026, 14:05 UTC and is then refused without a decision" in said
        assert "https://mod.example.org/holds" in said
    assert letter["Subject"] == "Uploads waiting for a decision: 3"


@pytest.mark.parametrize(
    ("on_expiry", "words"),
    [("release", "is then published"), ("", "should be decided by"), ("refuse", "is then refused")],
)
def test_it_says_what_happens_at_the_deadline(on_expiry: str, words: str) -> None:
    text, _ = parts(waiting_letter(Waiting(count=1, deadline=NOW, on_expiry=on_expiry), ENVELOPE))
    assert words in text


def test_without_a_deadline() -> None:
    text, _ = parts(waiting_letter(Waiting(count=1), ENVELOPE))
    assert "wait until somebody looks" in text


def test_the_headers_are_those_of_a_machines_mail_and_no_more() -> None:
    for letter in (waiting_letter(Waiting(count=1), ENVELOPE), trial_letter(ENVELOPE)):
        made = sent(letter)
        assert set(made.keys()) == {
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "MIME-Version",
            "Content-Type",
        }
        assert made["From"] == "Seawall <seawall@example.org>"
        assert made["To"] == "mod@example.net"
        assert made["Date"].datetime == NOW
        assert made["Message-ID"] == "<out_1@example.org>"
        assert made["Auto-Submitted"] == "auto-generated"
        assert made.get_content_type() == "multipart/alternative"
        assert [one.get_content_type() for one in made.iter_parts()] == ["text/plain", "text/html"]


def test_nothing_is_fetched_when_it_is_read() -> None:
    for letter in (waiting_letter(Waiting(count=1), ENVELOPE), trial_letter(ENVELOPE)):
        _, html = parts(letter)
        assert re.findall(r"<(\w+)", html).count("a") == 1
        assert not re.search(r"(?i)<(img|link|script|style|iframe)|src=|style=|url\(|@import", html)
        assert re.findall(r'https?://[^"<\s]+"', html) == [f'{"https://mod.example.org"}{end}"' for end in ends(letter)]


def ends(letter: EmailMessage) -> list[str]:
    return ["/holds"] if "waiting" in letter["Subject"] else [""]


def test_a_hostile_surface_stays_a_word() -> None:
    letter = waiting_letter(Waiting(count=1, surfaces=((HOSTILE, 1),)), ENVELOPE)
    made = sent(letter)
    assert made["Bcc"] is None
    text, html = parts(letter)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "{{ 7|add:7 }}" in text
    assert not re.search(r"^(Bcc|\.)", text, re.MULTILINE)
    assert "\u202e" not in text + html


def test_more_surfaces_than_fit_are_cut() -> None:
    text, _ = parts(waiting_letter(Waiting(count=9, surfaces=tuple((f"s{n}", 1) for n in range(9))), ENVELOPE))
    assert "s4 (1), …" in text
    assert "s5" not in text


@given(st.text(max_size=80), st.integers(0, 10**9))
def test_any_surface_and_any_number_make_a_mail_of_the_same_form(surface: str, count: int) -> None:
    letter = waiting_letter(Waiting(count=count, surfaces=((surface, count),)), ENVELOPE)
    made = sent(letter)
    assert len(made.keys()) == 8
    assert len(list(made.iter_parts())) == 2
    assert all(len(line) <= 998 for line in letter.as_bytes(policy=SMTP).split(b"\r\n"))


@pytest.mark.parametrize(
    ("site", "name"),
    [
        ("https://mod.example.org", "mod.example.org"),
        ("https://mod.example.org:8443/x", "mod.example.org"),
        ("http://127.0.0.1:8080", "[127.0.0.1]"),
        ("http://[::1]:8080", "[127.0.0.1]"),
        ("http://localhost:8080", "[127.0.0.1]"),
        ("https://exämple.org", "[127.0.0.1]"),
        ("", "[127.0.0.1]"),
    ],
)
def test_the_mail_server_learns_our_public_name_or_none(site: str, name: str) -> None:
    assert hello_of(site) == name
