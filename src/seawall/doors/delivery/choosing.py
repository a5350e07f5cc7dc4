"""Choosing the mail server, on record: through it go the links with which people set new passwords."""

from datetime import datetime

from django.db import transaction

from seawall.doors.delivery.server import MailSettings, remove, save
from seawall.record.events import MailServerChosen
from seawall.record.journal import record
from seawall.settings import Settings

#: In the record: no mail is sent.
OFF = "off"


def choose_server(settings: Settings, server: MailSettings, *, by: str, now: datetime) -> None:
    """Send mail through this server from now on.

    Raises:
        BadMailSettings: `check` finds a problem; nothing was changed.
    """
    with transaction.atomic():
        # The event first: where the file cannot be written, it is rolled back.
        record(MailServerChosen(by=by, security=str(server.security)), now=now)
        save(settings.keys_dir, server)


def stop_mail(settings: Settings, *, by: str, now: datetime) -> bool:
    """Send no mail any more; whether any was sent before."""
    with transaction.atomic():
        was_on = remove(settings.keys_dir)
        if was_on:
            record(MailServerChosen(by=by, security=OFF), now=now)
    return was_on
