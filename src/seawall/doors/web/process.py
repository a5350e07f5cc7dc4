"""The whole process: lock, tables, publication, recorder, decoders, jobs, server; and all of it down again in order."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from importlib.metadata import version
from types import FrameType

import msgspec
import uvicorn
from django.db import connections
from django.utils.translation import gettext as _

from seawall.app import furnish, prepare, serve_lock
from seawall.doors.web.application import build_application
from seawall.doors.web.background import Background, LedgerWatch, jobs, keep_log, warnings_of
from seawall.doors.web.connections import GuardedProtocol, most_connections, proxy_options
from seawall.doors.web.logs import log_to_stdout
from seawall.members.accounts import OWNER_LINK_VALID, is_set_up, new_setup_link
from seawall.members.people import ensure_owner
from seawall.record.clock import Clock, rfc3339, system_clock
from seawall.record.signing import SigningKey, load_or_create_signing_key
from seawall.screening.ledger import Ledger, LedgerRecorder
from seawall.screening.publish import Publisher
from seawall.settings import Settings
from seawall.signals.extract import open_jail
from seawall.upkeep.upgrade import bring_up_to_date

logger = logging.getLogger(__name__)

#: Requests that are running when the server is told to stop have this long, in seconds.
LAST_ANSWERS_SECONDS = 20

#: A platform's connection pool is reused for longer than uvicorn's 5 seconds.
KEEP_ALIVE_SECONDS = 75

ENDING = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings, *, clock: Clock = system_clock) -> None:
    """Run everything until SIGTERM or SIGINT.

    Raises:
        DataDirectoryBusy: another process serves this data directory.
        UpkeepRefused: it is of a newer release, or no backup can be made before its upgrade.
    """
    log_to_stdout(settings.log_format)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with serve_lock(settings):
        bring_up_to_date(settings, clock())
        prepare(settings)
        furnish(clock())
        run(settings, clock)
    logger.info("stopped; everything that was answered is in the ledger")


def run(settings: Settings, clock: Clock) -> None:
    """Start each part when what it needs is there; they end in the opposite order."""
    decoders = settings.decoders or os.cpu_count() or 1
    ledger = Ledger(settings)
    signing_key = load_or_create_signing_key(settings.keys_dir, clock())
    publisher = Publisher(settings.state_dir)
    publisher.publish_if_changed(clock())
    with ExitStack() as open_parts:
        # Last of all, when the recorder is closed: what it flushed goes into the log too.
        open_parts.callback(keep_log_at_the_end, ledger, signing_key, clock)
        recorder = open_parts.enter_context(LedgerRecorder(ledger, clock=clock))
        jail = open_parts.enter_context(
            open_jail(workers=decoders, deadline=settings.decoder_deadline, memory=settings.decoder_memory_bytes)
        )
        watch = LedgerWatch(ledger, recorder)
        todo = jobs(settings, ledger=ledger, publisher=publisher, signing_key=signing_key, watch=watch, clock=clock)
        application = build_application(
            settings,
            recorder,
            jail,
            ledger=ledger,
            clock=clock,
            decoders=decoders,
            ledger_problem=watch.problem,
            warnings=lambda: warnings_of(todo),
        )
        open_parts.enter_context(Background(todo))
        with outliving_signals():
            Server(configuration(settings, application), lambda port: show_setup_link(settings, clock, port)).run()


def keep_log_at_the_end(ledger: Ledger, signing_key: SigningKey, clock: Clock) -> None:
    """What cannot be logged now is durable and comes into the log with the next start: no reason to end in an error."""
    try:
        keep_log(ledger, signing_key, clock)
    except Exception:
        logger.exception("keeping the log failed; it goes on with the next start")


def configuration(settings: Settings, application: object) -> uvicorn.Config:
    GuardedProtocol.most_connections = most_connections()
    return uvicorn.Config(
        application,  # type: ignore[arg-type]
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=GuardedProtocol,
        ws="none",
        lifespan="on",
        # Addresses of people are personal data; what happened to their uploads stands in the ledger.
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
        **proxy_options(settings),
    )


def show_setup_link(settings: Settings, clock: Clock, port: int) -> None:
    """Print the one-time link while nobody has an account. It goes past the logging, whose lines other programs keep
    and pass on, because it opens something; where they are JSON, so is this.
    """
    if is_set_up():
        return
    try:
        now = clock()
        owner = ensure_owner(now)
        token = new_setup_link(owner, by=owner.id, now=now)
    except Exception:
        # The screening API serves all the same.
        logger.exception("no set-up link could be made; `seawall setup-link` tries again")
        return
    finally:
        connections.close_all()
    # Port 0 asks for any free one; the link must name it.
    link = f"{msgspec.structs.replace(settings, port=port).people_url}/setup/{token}"
    print(setup_line(link, now, json=settings.log_format == "json"), flush=True)  # noqa: T201 - for the person who started it


def setup_line(link: str, now: datetime, *, json: bool) -> str:
    """The link as a line for people, or as an object of the same form as the log's lines."""
    minutes = int(OWNER_LINK_VALID.total_seconds() // 60)
    text = _("Set up this Seawall (works once, for {minutes} minutes):").format(minutes=minutes)
    if not json:
        return f"{text} {link}"
    line = {"time": now.isoformat(timespec="milliseconds"), "level": "info", "logger": __name__, "message": text}
    return msgspec.json.encode({**line, "setup_link": link, "expires_at": rfc3339(now + OWNER_LINK_VALID)}).decode()


class Server(uvicorn.Server):
    """Says where it listens once it does. `when_listening` is then called with the port, in a thread."""

    def __init__(self, config: uvicorn.Config, when_listening: Callable[[int], None]) -> None:
        super().__init__(config)
        self._when_listening = when_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            where = next(one.getsockname() for server in self.servers for one in server.sockets)
            logger.info("Seawall %s serves http://%s:%d", version("seawall"), _host(where[0]), where[1])
            logger.info("the screening API is described at /docs; `seawall key create NAME` makes a key for it")
            await asyncio.to_thread(self._when_listening, where[1])


@contextmanager
def outliving_signals() -> Iterator[None]:
    """Uvicorn repeats the signal that ended it; without a handler that would end us before all is flushed."""

    def note(number: int, _frame: FrameType | None) -> None:
        logger.info("stopping after %s", signal.Signals(number).name)

    before = {one: signal.signal(one, note) for one in ENDING}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
