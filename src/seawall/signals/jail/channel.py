"""Messages between a jail and its worker: length-prefixed, over a socket pair. The only file here that knows sockets.

One message is a fixed prefix (two lengths, big-endian), a small msgpack header of a declared type, and a body of raw
bytes, so that the file itself is never copied into a codec. Both ends check both lengths before they reserve memory.
"""

import socket
import struct
import time
from typing import TypeVar

import msgspec

_PREFIX = struct.Struct(">IQ")

#: Headers carry a name, a code, a sentence.
_MAX_HEADER = 64 * 1024

#: With a deadline the kernel hands over what it has, so reserving more than this at once gains nothing.
_READ_AT_ONCE = 1024 * 1024

Header = TypeVar("Header", bound=msgspec.Struct)


class ChannelEnded(Exception):
    """The other end is gone."""


class ChannelBroken(Exception):
    """What came is not a message of the expected form."""


class Channel:
    """One end. Not for two threads at once."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    @classmethod
    def pair(cls) -> tuple["Channel", "Channel"]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(ours), cls(theirs)

    @classmethod
    def of_descriptor(cls, descriptor: int) -> "Channel":
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._end.close()

    def send(self, header: msgspec.Struct, body: bytes = b"", *, until: float | None = None) -> None:
        """Sends one message. `until` is on `time.monotonic`'s clock. Raises TimeoutError, ChannelEnded."""
        encoded = msgspec.msgpack.encode(header)
        self._send_all(_PREFIX.pack(len(encoded), len(body)) + encoded, until)
        if body:
            self._send_all(body, until)

    def receive(self, form: type[Header], *, max_body: int = 0, until: float | None = None) -> tuple[Header, bytes]:
        """The next message. Raises TimeoutError, ChannelEnded, ChannelBroken."""
        header_length, body_length = _PREFIX.unpack(self._read(_PREFIX.size, until))
        if header_length > _MAX_HEADER or body_length > max_body:
            raise ChannelBroken(f"a message of {header_length} + {body_length} bytes, above the limit of {max_body}")
        encoded = self._read(header_length, until)
        body = self._read(body_length, until) if body_length else b""
        try:
            return msgspec.msgpack.decode(encoded, type=form), body
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ChannelBroken(type(error).__name__) from error

    def _send_all(self, data: bytes, until: float | None) -> None:
        view = memoryview(data)
        try:
            while view:
                self._set_timeout(until)
                view = view[self._end.send(view) :]
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelEnded(str(error)) from error

    def _read(self, size: int, until: float | None) -> bytes:
        """Exactly `size` bytes; in one piece and without a copy when there is no deadline."""
        pieces = []
        left = size
        try:
            while left:
                self._set_timeout(until)
                wanted = left if until is None else min(left, _READ_AT_ONCE)
                piece = self._end.recv(wanted, socket.MSG_WAITALL if until is None else 0)
                if not piece:
                    raise ChannelEnded("the other end closed the channel")
                pieces.append(piece)
                left -= len(piece)
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelEnded(str(error)) from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _set_timeout(self, until: float | None) -> None:
        if until is None:
            self._end.settimeout(None)
            return
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._end.settimeout(left)
