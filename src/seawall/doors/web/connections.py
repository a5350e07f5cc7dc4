"""What a connection may cost before anybody knows whose it is, and whose word counts about where it comes from."""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from seawall.settings import Settings

#: A request line and headers: proxies add a few, cookies none here. The parser joins what it is sent piece by piece, so
#: that without a limit one stranger's endless header would take all memory and, growing, all processor time.
MOST_HEAD_BYTES = 32 * 1024

#: A head is one or two packets. Who sends it more slowly holds a connection that others could use.
HEAD_SECONDS = 20.0

#: Connections at once. Each takes a file descriptor, and the ledger needs some too: were they used up by strangers, no
#: verdict could be recorded.
MOST_CONNECTIONS = 4_096
#: Descriptors that stay free for files, decoders and the database.
SPARE_DESCRIPTORS = 256

TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def most_connections() -> int:
    """How many connections there may be, after asking the system for as many descriptors as they need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, soft - SPARE_DESCRIPTORS))


def proxy_options(settings: Settings) -> dict[str, Any]:
    """Uvicorn's options about proxies. Left to itself it trusts this machine, and a variable of the environment."""
    return {"proxy_headers": bool(settings.proxies), "forwarded_allow_ips": list(settings.proxies)}


class GuardedProtocol(HttpToolsProtocol):
    """Uvicorn's own protocol; it closes connections whose head is too large or too slow, and those that are too many.

    Between requests uvicorn's keep-alive time-out counts, and inside a body the gate's own limits.
    """

    most_connections = MOST_CONNECTIONS

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._in_head = True
        #: Bytes since the last whole head or piece of a body: a head that is still coming, or trailers after a body.
        self._pending = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.abort()
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read it; then see how much has come without becoming anything whole."""
        if self._in_head and self._timer is None:
            self._start_timer()
        self._pending += len(data)
        super().data_received(data)
        if self._pending > MOST_HEAD_BYTES and not self.transport.is_closing():
            if not self._is_answering():
                self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is whole; what follows is a body."""
        self._in_head, self._pending = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; what follows is the next one's head."""
        self._in_head, self._pending = True, 0
        super().on_message_complete()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if self._is_answering():
            # An earlier request on this connection still gets its answer.
            self._start_timer()
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete
