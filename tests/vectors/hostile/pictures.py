"""Writes hostile picture files on demand (README.md here says which)."""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image


def png_bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A valid 24-bit PNG of black pixels: 30 000 x 30 000 of them take 2.7 MB and unpack to 2.7 GB.

    One deflate block of zeros is repeated instead of compressing them all, and the checksum of zeros is known.
    """
    size = (1 + 3 * width) * height
    piece = 1 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(piece)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = last.compress(bytes(size % piece)) + last.flush(zlib.Z_FINISH)
    checksum = struct.pack(">HH", size % 65_521, 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"\x78\xda" + block * (size // piece) + rest + checksum
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def webp_bomb() -> bytes:
    """16 383 x 16 383 pixels in an extended header, before which a decoder would reserve two canvases."""
    flags_and_size = bytes(4) + (16_382).to_bytes(3, "little") * 2
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + flags_and_size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp_bomb() -> bytes:
    """2 000 000 x 2 000 000 pixels of 24 bits and no data."""
    header = struct.pack("<IiiHHIIiiII", 40, 2_000_000, 2_000_000, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


def gif_bomb() -> bytes:
    """A canvas of 65 535 x 65 535 with one pixel drawn on it."""
    small = io.BytesIO()
    Image.new("P", (1, 1)).save(small, "GIF")
    content = small.getvalue()
    return content[:6] + struct.pack("<HH", 65_535, 65_535) + content[10:]


def gif_bomb_behind_a_frame(width: int = 65_535, height: int = 65_535) -> bytes:
    """A small picture whose second frame is larger than its canvas and wants to be cleared after it was shown."""
    small = io.BytesIO()
    Image.effect_noise((64, 64), 80).convert("P").save(small, "GIF")
    content = small.getvalue()
    assert content.endswith(b"\x3b")
    clear = b"\x21\xf9\x04" + bytes([2 << 2]) + bytes(3) + b"\x00"
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, width, height) + b"\x00" + b"\x08\x02\x00\x01\x00"
    return content[:-1] + clear + frame + b"\x3b"


def tiff_bomb() -> bytes:
    """4 000 000 000 x 4 000 000 000 pixels without compression."""
    long, short = 4, 3
    entries = [
        (256, long, 4_000_000_000),
        (257, long, 4_000_000_000),
        (258, short, 8),
        (259, short, 1),
        (262, short, 1),
        (273, long, 8),
        (277, short, 1),
        (278, long, 1),
        (279, long, 1),
    ]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + directory + bytes(4)


def cut(content: bytes, places: int) -> Iterator[bytes]:
    """The beginnings of a file, `places` of them, from one byte to all but one."""
    for number in range(places):
        yield content[: 1 + (len(content) - 2) * number // (places - 1)]
