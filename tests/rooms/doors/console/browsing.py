"""People in front of the console: a whole server in process, and a browser without a screen for each of them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from seawall.app import furnish
from seawall.doors.web.application import Application, build_application
from seawall.members.accounts import finish_setup, new_setup_link, set_account
from seawall.members.models import Account, Person
from seawall.members.people import add_person
from seawall.members.roles import Role
from seawall.record.clock import system_clock
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.policies import save_surface
from seawall.screening.publish import Publisher
from seawall.settings import Settings
from seawall.signals.extract import CLEAR_FUNCTION, IMAGE_FUNCTION, SEALED_FUNCTION
from seawall.signals.jail import InProcess
from tests.rooms.doors.scene import surface

PASSWORD = "a long made-up sentence"
HOST = "http://localhost"

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Browser:
    """One person's cookies. `get` and `post` give httpx's responses; redirects are not followed."""

    def __init__(self, app: Application, account: Account | None = None) -> None:
        self._app = app
        self.cookies = httpx.Cookies()
        self.account = account
        if account is not None:
            self._sign_in(account)

    def _sign_in(self, account: Account) -> None:
        """A session as sign-in leaves it; how people get there is tested where it is done."""
        session = SessionStore()
        session[SESSION_KEY] = str(account.pk)
        session[BACKEND_SESSION_KEY] = django_settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = account.get_session_auth_hash()
        session.save()
        self.cookies.set(django_settings.SESSION_COOKIE_NAME, str(session.session_key), domain="localhost.local")

    @property
    def person(self) -> Person:
        assert self.account is not None
        return self.account.person

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(
        self,
        path: str,
        data: Mapping[str, Any] | None = None,
        *,
        files: Any = None,
        page: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Send a form as the page at `page` (by default the same address) would: with its token."""
        shown = self.get(page or path)
        token = _TOKEN.search(shown.text) or re.search(r'X-CSRFToken": "([^"]+)"', shown.text)
        form = {"csrfmiddlewaretoken": token[1] if token else "", **(data or {})}
        return self.request("POST", path, data=form, files=files, **more)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        # In this very thread, so that a test sees the queries of a view on its own connection.
        return async_to_sync(self._ask)(method, path, **more)

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
        headers = {"origin": HOST, **more.pop("headers", {})}
        async with httpx.AsyncClient(transport=transport, base_url=HOST, cookies=self.cookies) as client:
            response = await client.request(method, path, headers=headers, **more)
            self.cookies = client.cookies
            return response


class Console:
    """A server whose wizard is done, with one person of each role, and a stranger."""

    def __init__(self, settings: Settings, ledger: Ledger, app: Application, publisher: Publisher) -> None:
        self.settings = settings
        self.ledger = ledger
        self.app = app
        self.publisher = publisher
        self.accounts: dict[Role, Account] = {}

    def publish(self) -> None:
        """What was changed takes effect, as within a second in a served process."""
        self.publisher.publish_if_changed(system_clock())
        self.app._holder.refresh()

    def browser(self, role: Role | None) -> Browser:
        """Of the person with this role; None is a stranger."""
        return Browser(self.app, None if role is None else self.accounts[role])

    def set_up(self) -> None:
        """What the wizard does, and two people more."""
        now = system_clock()
        owner = Person.objects.get(is_owner=True)
        moderator = add_person(name="Mo Derator", role=Role.MODERATOR, by=owner.id, now=now)
        reader = add_person(name="Rea Der", role=Role.READER, by=owner.id, now=now)
        for person in (owner, moderator, reader):
            token = new_setup_link(person, by=owner.id, now=now)
            address = f"{person.role}@example.org"
            self.accounts[Role(person.role)] = set_account(token, email=address, password=PASSWORD, now=now)
        finish_setup(by=owner.id, now=now)


@contextmanager
def open_console(settings: Settings, *, set_up: bool = True) -> Iterator[Console]:
    furnish(system_clock())
    owner = Person.objects.get(is_owner=True)
    save_surface(surface("posts"), by=owner.id, now=system_clock())
    ledger = Ledger(settings)
    with (
        LedgerRecorder(ledger) as recorder,
        InProcess(functions=(IMAGE_FUNCTION, SEALED_FUNCTION, CLEAR_FUNCTION)) as jail,
    ):
        app = build_application(settings, recorder, jail, ledger=ledger)
        console = Console(settings, ledger, app, Publisher(settings.state_dir))
        console.publish()
        if set_up:
            console.set_up()
        yield console
        app._gate.close()
