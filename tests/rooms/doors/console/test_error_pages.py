import threading
from typing import Any

import pytest
from django.db.backends.signals import connection_created

from seawall.members.roles import Role
from tests.rooms.doors.console.browsing import Console


@pytest.mark.parametrize("path", ["/made-up", "/holds/made-up", "/setup/made-up"])
def test_the_page_of_an_error_leaves_no_connection_open(console: Console, path: str) -> None:
    """Django draws it in a thread of its own, where the end of a request closes nothing."""
    opened: list[Any] = []
    here = threading.get_ident()

    def note(connection: Any, **_: Any) -> None:
        if threading.get_ident() != here:
            opened.append(connection)

    browser = console.browser(Role.MODERATOR)
    connection_created.connect(note)
    try:
        shown = browser.get(path)
    finally:
        connection_created.disconnect(note)
    assert shown.status_code == 404
    assert [one for one in opened if one.connection is not None] == []
