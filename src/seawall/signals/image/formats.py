"""Which picture format some bytes claim to be, read from their first and last few bytes alone."""

import struct
from collections.abc import Callable

#: The formats that are opened. Each name is also Pillow's name for it, and no other plug-in of Pillow is ever tried.
JPEG, PNG, GIF, WEBP, AVIF, TIFF, BMP = "JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP"

_BEGINNINGS = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"BM", BMP),
)

#: Pictures that we know by sight and cannot open: the answer should say so, instead of "no picture".
_UNSUPPORTED = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  \r\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x01\x00", "Windows icon"),
    (b"<svg", "SVG"),
)

#: The brands of ISO base media files (ISO/IEC 14496-12) that hold AVIF pictures; others are HEIC or video.
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

#: More brands than any writer lists; it bounds the look at a hostile length field.
_MAX_BRANDS_LENGTH = 256


def format_of(content: bytes) -> str | None:
    """The format's name, or None when it is none that is opened."""
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return WEBP
    if content[4:8] == b"ftyp":
        return AVIF if _AVIF_BRANDS & _brands(content) else None
    return next((name for beginning, name in _BEGINNINGS if content.startswith(beginning)), None)


def unsupported_name(content: bytes) -> str | None:
    """What the bytes are when we know it but cannot open it, else None."""
    if content[4:8] == b"ftyp":
        return "HEIC or video"
    return next((name for beginning, name in _UNSUPPORTED if content.startswith(beginning)), None)


def _brands(content: bytes) -> frozenset[bytes]:
    length = min(int.from_bytes(content[:4], "big"), _MAX_BRANDS_LENGTH, len(content))
    # The four bytes after the major brand are a version number.
    return frozenset(content[at : at + 4] for at in range(8, length - 3, 4) if at != 12)


def webp_size(content: bytes) -> tuple[int, int]:
    """Width and height of a WebP from its header (RFC 9649), as Pillow reserves memory before it says them.

    (0, 0) when there is none; opening it will fail then.
    """
    chunk, body = content[12:16], content[20:30]
    if len(body) < 10:
        return 0, 0
    if chunk == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", body[6:10])
    return width & 0x3FFF, height & 0x3FFF


def ends_early(name: str, content: bytes) -> bool:
    """Whether the file is shorter than it says, for the formats that say it."""
    check = _ENDS_EARLY.get(name)
    return check is not None and check(content)


def _boxes_end_early(content: bytes) -> bool:
    at = 0
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if length == 1:
            length = int.from_bytes(content[at + 8 : at + 16], "big")
        if length == 0:  # "To the end of the file."
            return False
        at += max(length, 8)
    return at != len(content)


#: More segments than any JPEG has before its pixels; it bounds the look at a hostile file.
_MAX_SEGMENTS = 1_000


def _jpeg_ends_early(content: bytes) -> bool:
    """The end mark is looked for behind the segments: one of them may hold a preview, which has its own end mark."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        marker = content[at : at + 2]
        if marker == b"\xff\xda":
            return b"\xff\xd9" not in content[max(at, len(content) - _TAIL) :]
        if len(marker) < 2 or marker[0] != 0xFF:
            break
        at += 1 if marker == b"\xff\xff" else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return at + 2 > len(content)


#: Only the tail is searched for end marks: what follows them is rubbish that cameras and editors append.
_TAIL = 64 * 1024

_ENDS_EARLY: dict[str, Callable[[bytes], bool]] = {
    JPEG: _jpeg_ends_early,
    PNG: lambda content: b"IEND" not in content[-_TAIL:],
    GIF: lambda content: b"\x00\x3b" not in content[-_TAIL:],
    WEBP: lambda content: int.from_bytes(content[4:8], "little") + 8 > len(content),
    AVIF: _boxes_end_early,
    BMP: lambda content: int.from_bytes(content[2:6], "little") > len(content),
}
