"""The mail with which somebody sets a new password: sent behind the page, so that its speed tells nobody anything."""

import logging
import threading
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage

from django.template.loader import render_to_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from seawall.doors.delivery.letter import SENDER_NAME, hello_of
from seawall.doors.delivery.server import BadMailSettings, MailSettings, is_address, load
from seawall.doors.delivery.smtp import send_letters
from seawall.doors.delivery.trouble import MailTrouble
from seawall.record.ids import new_id
from seawall.settings import Settings

#: Conversations with the mail server at once. More can only be mischief: they are dropped.
MOST_AT_ONCE = 4

_turns = threading.BoundedSemaphore(MOST_AT_ONCE)
_log = logging.getLogger("seawall.mail")


def mail_server(settings: Settings) -> MailSettings | None:
    """The one that takes our mail; None where none was set, or its settings cannot be used."""
    try:
        return load(settings.keys_dir)
    except BadMailSettings:
        return None


def send_reset(to: str, link: str, settings: Settings, *, now: datetime) -> None:
    """Send the link in a thread of its own. What goes wrong is logged, without the address."""
    server = mail_server(settings)
    if server is None or not is_address(to):
        return
    if not _turns.acquire(blocking=False):
        _log.warning("a mail for a new password was not sent: too many are on their way")
        return
    letter = _letter(to, link, server, settings, now)
    threading.Thread(
        target=_send, args=(server, letter, settings.base_url), name="seawall-reset-mail", daemon=True
    ).start()


def _letter(to: str, link: str, server: MailSettings, settings: Settings, now: datetime) -> EmailMessage:
    letter = EmailMessage()
    letter["From"] = Address(SENDER_NAME, addr_spec=server.sender)
    letter["To"] = Address(addr_spec=to)
    letter["Subject"] = subject = _("A new password for Seawall")
    letter["Date"] = now
    letter["Message-ID"] = f"<{new_id('out', lambda: now)}@{server.sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"
    told = {
        "subject": subject,
        "language": get_language() or "en",
        "lines": [
            _("Somebody, probably you, asked for a new password at {site}.").format(site=settings.people_url),
            _("The link below opens the page where you set one. It can be used once, and for one hour."),
        ],
        "link": link,
        "link_text": _("Set a new password"),
        "footer": _("If it was not you, do nothing: your password stays as it is."),
    }
    letter.set_content(render_to_string("delivery/letter.txt", told))
    letter.add_alternative(render_to_string("delivery/letter.html", told), subtype="html")
    return letter


def _send(server: MailSettings, letter: EmailMessage, site: str) -> None:
    try:
        for _one, trouble in send_letters(server, [letter], hello_of(site)):
            if trouble is not None:
                _log.warning("a mail for a new password could not be sent (%s)", trouble)
    except MailTrouble as trouble:
        _log.warning("a mail for a new password could not be sent (%s)", trouble)
    finally:
        _turns.release()
