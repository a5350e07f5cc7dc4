"""Reads request bodies from strangers: never more than allowed, never all of an oversized one, never to disk."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Self

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from seawall.doors.gate.problems import Refused

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: A JSON body carries no files: 10 000 signals, or a batch of 1 000 requests with their texts, fit well into it.
MOST_JSON_BYTES = 16 * 1024 * 1024

#: All bodies in memory at once. Content waits in memory, never on disk, where it would outlive the answer.
MOST_BYTES_AT_ONCE = 1024 * 1024 * 1024

#: A phone on a bad line sends 64 MB in two minutes; who needs longer holds memory that others could use.
BODY_SECONDS = 120.0

#: One field `request` and one file for each of 32 parts.
MOST_FIELDS = 33

#: A media type and its boundary; reading a longer one takes longer than it is worth.
LONGEST_CONTENT_TYPE = 1_024

#: RFC 2046 §5.1.1 allows fewer characters still. Without this the boundary could hold line ends, and looking for such a
#: one costs a hundred times more.
_BOUNDARY = re.compile(rb"[\x20-\x7e]{1,70}")

#: The name of a field is a word, not a text.
LONGEST_FIELD_NAME = 512

#: The multipart field that holds the JSON form.
REQUEST_FIELD = "request"


class ClientGone(Exception):
    """The client went away before its request was whole; nobody is left to answer."""


class Memory:
    """How many bytes of bodies all requests together hold."""

    def __init__(self, most: int = MOST_BYTES_AT_ONCE) -> None:
        self._most = most
        self.held = 0

    def take(self, count: int) -> None:
        if self.held + count > self._most:
            raise Refused("busy", "Too many large uploads are being read at the moment.")
        self.held += count

    def give_back(self, count: int) -> None:
        self.held -= count


class Lease:
    """What one request holds of the memory; given back when the request is over."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._held = 0

    def take(self, count: int) -> None:
        self._memory.take(count)
        self._held += count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._memory.give_back(self._held)
        self._held = 0


def content_type(headers: Mapping[bytes, bytes]) -> tuple[str, dict[bytes, bytes]]:
    """The media type in lower case, and its parameters."""
    given = headers.get(b"content-type", b"")
    if len(given) > LONGEST_CONTENT_TYPE:
        raise Refused("unsupported_media_type", f"The Content-Type is longer than {LONGEST_CONTENT_TYPE} bytes.")
    kind, options = parse_options_header(given.decode("latin-1"))
    return kind.decode("latin-1"), options


async def chunks(receive: Receive, headers: Mapping[bytes, bytes], *, most: int, lease: Lease) -> AsyncIterator[bytes]:
    """The body piece by piece. It stops at the limit, whatever Content-Length says.

    Raises:
        Refused: `body_too_large`, or `busy` when all requests together hold too much.
        ClientGone: the connection ended before the body did.
    """
    declared = headers.get(b"content-length", b"")
    too_large = f"The body is larger than {most} bytes, the limit for this content type."
    if declared.isdigit() and int(declared[:20]) > most:
        raise Refused("body_too_large", too_large)
    seen, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        seen += len(piece)
        if seen > most:
            raise Refused("body_too_large", too_large)
        lease.take(len(piece))
        more = message.get("more_body", False)
        yield piece


async def read_json(receive: Receive, headers: Mapping[bytes, bytes], *, most: int, lease: Lease) -> bytes:
    body = bytearray()
    async with _deadline():
        async for piece in chunks(receive, headers, most=min(most, MOST_JSON_BYTES), lease=lease):
            body += piece
    return bytes(body)


async def read_multipart(
    receive: Receive, headers: Mapping[bytes, bytes], *, most: int, lease: Lease
) -> tuple[bytes, dict[str, bytes]]:
    """The JSON of the field `request`, and the content of every other field by its name."""
    boundary = content_type(headers)[1].get(b"boundary", b"")
    if not boundary:
        raise Refused("bad_multipart", "The Content-Type names no boundary.")
    form = Form(boundary)
    async with _deadline():
        async for piece in chunks(receive, headers, most=most, lease=lease):
            form.feed(piece)
    fields = form.finish()
    if REQUEST_FIELD not in fields:
        raise Refused("bad_multipart", "The form has no field `request`; it holds the JSON that says what to screen.")
    if len(fields[REQUEST_FIELD]) > MOST_JSON_BYTES:
        raise Refused("body_too_large", f"The field `request` is larger than {MOST_JSON_BYTES} bytes.")
    return fields.pop(REQUEST_FIELD), fields


class _deadline:  # noqa: N801 - reads as a word of the `async with`
    """Turns a body that trickles in for too long into a problem."""

    async def __aenter__(self) -> None:
        self._timeout = asyncio.timeout(BODY_SECONDS)
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, at)
        except TimeoutError as late:
            # What is still to come is not waited for: the connection ends with the answer.
            said = f"The body was not complete after {BODY_SECONDS:.0f} seconds."
            raise Refused("body_too_slow", said, headers=[(b"connection", b"close")]) from late


class Form:
    """A multipart/form-data body while it arrives: each field's bytes, in memory, by name."""

    def __init__(self, boundary: bytes) -> None:
        self._fields: dict[str, bytearray] = {}
        self._name, self._value = b"", b""
        self._disposition: bytes | None = None
        self._open: bytearray | None = None
        self._complete = False
        if not _BOUNDARY.fullmatch(boundary):
            raise Refused("bad_multipart", "The boundary is not 1 to 70 visible ASCII characters (RFC 2046).")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open_field,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except (FormParserError, ValueError) as error:
            raise Refused("bad_multipart", f"The boundary cannot be used: {error}.") from error

    def feed(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise Refused("bad_multipart", f"The form cannot be read: {error}.") from error

    def finish(self) -> dict[str, bytes]:
        if not self._complete:
            raise Refused("bad_multipart", "The form ends before its closing boundary: it did not arrive whole.")
        # One after the other, so that only the largest file is there twice for a moment.
        return {name: bytes(self._fields.pop(name)) for name in [*self._fields]}

    def _begin_part(self) -> None:
        if len(self._fields) >= MOST_FIELDS:
            raise Refused("bad_multipart", f"The form has more than {MOST_FIELDS} fields.")
        self._disposition = None

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        elif self._name.lower() == b"content-transfer-encoding" and self._value.strip().lower() not in PLAIN_ENCODINGS:
            raise Refused("bad_multipart", "A field has a Content-Transfer-Encoding; send its bytes as they are.")
        self._name, self._value = b"", b""

    def _open_field(self) -> None:
        kind, options = parse_options_header((self._disposition or b"").decode("latin-1"))
        raw = options.get(b"name", b"")
        if kind != b"form-data" or not raw or len(raw) > LONGEST_FIELD_NAME:
            raise Refused("bad_multipart", "A field has no usable name in its Content-Disposition.")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("bad_multipart", "A field's name is not UTF-8.") from error
        if name in self._fields:
            raise Refused("bad_multipart", f"The field {name[:80]!r} was sent twice.")
        self._open = self._fields[name] = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._open is not None:
            self._open += data[start:end]

    def _end(self) -> None:
        self._complete = True


#: Encodings that leave the bytes as they are; RFC 7578 allows no others in forms.
PLAIN_ENCODINGS = frozenset({b"binary", b"8bit", b"7bit"})
