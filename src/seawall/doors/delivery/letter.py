"""What our mails say: how many uploads wait, until when, and where to decide. Nothing about any of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from urllib.parse import urlsplit

from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from seawall.doors.delivery.server import MailSettings

#: Who has more surfaces sees the fullest ones.
MOST_SURFACES = 5
#: Longer ones are cut: a subject, or the name of a surface.
LONGEST_LINE = 200

SENDER_NAME = "Seawall"


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What waits for a person just now: how many uploads, how many on each surface (most first), the next deadline."""

    count: int
    surfaces: tuple[tuple[str, int], ...] = ()
    #: How many of them somebody asked a person to look at.
    asked: int = 0
    deadline: datetime | None = None
    #: `release` or `refuse`: what happens at the deadline; empty when only a person decides.
    on_expiry: str = ""
    #: Whether somebody decided about others, and can still undo it.
    undoable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """Everything about a mail that is not its words. `site` is the address of this Seawall."""

    server: MailSettings
    to: str
    #: Makes the Message-ID, so that a mail that had to be sent twice is shown once by most programs.
    id: str
    site: str
    now: datetime


def waiting_letter(waiting: Waiting, envelope: Envelope) -> EmailMessage:
    """The mail that uploads wait."""
    lines = [
        _("Uploads waiting for a person to decide: {count}").format(count=waiting.count),
        *_asked(waiting.asked),
        *_surfaces(waiting.surfaces),
        _deadline(waiting),
    ]
    return _letter(
        envelope,
        subject=_("Uploads waiting for a decision: {count}").format(count=waiting.count),
        lines=lines,
        link=f"{envelope.site}/holds",
        link_text=_("Look and decide"),
        footer=_(
            "You get this mail because you asked {site} to tell you when uploads wait. In the console you can choose "
            "one mail a day, or none."
        ).format(site=envelope.site),
    )


def trial_letter(envelope: Envelope) -> EmailMessage:
    """The mail that shows that mail arrives."""
    return _letter(
        envelope,
        subject=_("Test: mail from Seawall arrives"),
        lines=[_("This is a test that somebody asked for. From now on Seawall can tell you when an upload waits.")],
        link=envelope.site,
        link_text=_("This Seawall"),
        footer=_("Nothing else is in this mail, and you need not answer it."),
    )


def hello_of(site: str) -> str:
    """The name we give ourselves to a mail server: our public one; without one, nothing of this machine's."""
    name = urlsplit(site).hostname or ""
    is_public = "." in name and not name.replace(".", "").isdigit() and name.isascii()
    return name if is_public else "[127.0.0.1]"


def _asked(count: int) -> list[str]:
    return [_("The people concerned asked for a person to look at: {count}").format(count=count)] if count else []


def _surfaces(surfaces: Sequence[tuple[str, int]]) -> list[str]:
    named = [f"{_plain(name)} ({count})" for name, count in surfaces[:MOST_SURFACES]]
    if not named:
        return []
    if len(surfaces) > MOST_SURFACES:
        named.append("…")
    return [_("On: {surfaces}").format(surfaces=", ".join(named))]


def _deadline(waiting: Waiting) -> str:
    if waiting.deadline is None:
        return _("None of them is decided without a person: they wait until somebody looks.")
    when = date_format(waiting.deadline.astimezone(UTC), "l j F Y, H:i")
    if waiting.on_expiry == "release":
        return _("The first one waits until {when} UTC and is then published without a decision.").format(when=when)
    if waiting.on_expiry == "refuse":
        return _("The first one waits until {when} UTC and is then refused without a decision.").format(when=when)
    return _("The first one should be decided by {when} UTC.").format(when=when)


def _letter(
    envelope: Envelope, *, subject: str, lines: Sequence[str], link: str, link_text: str, footer: str
) -> EmailMessage:
    server = envelope.server
    letter = EmailMessage()
    letter["From"] = Address(SENDER_NAME, addr_spec=server.sender)
    letter["To"] = Address(addr_spec=envelope.to)
    letter["Subject"] = _plain(subject)
    letter["Date"] = envelope.now.astimezone(UTC)
    letter["Message-ID"] = f"<{envelope.id}@{server.sender.rpartition('@')[2]}>"
    # RFC 3834: no answer by a machine, such as "I am on holiday", is wanted.
    letter["Auto-Submitted"] = "auto-generated"
    told = {"subject": subject, "lines": lines, "link": link, "link_text": link_text, "footer": footer}
    told["language"] = get_language() or "en"
    letter.set_content(render_to_string("delivery/letter.txt", told))
    letter.add_alternative(render_to_string("delivery/letter.html", told), subtype="html")
    return letter


def _plain(text: str) -> str:
    """On one line, with nothing in it that changes how the rest is shown."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:LONGEST_LINE]
