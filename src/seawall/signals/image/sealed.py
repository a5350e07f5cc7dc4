"""What comes out of the jail as a preview: its form, and the check that it is a bare JPEG and nothing else.

Decodes nothing, so it may be used outside the jail.
"""

import msgspec

from seawall.signals.model import Gap

#: Longest side of a preview, in pixels: enough to decide by, less to be hurt by.
LONGEST_SIDE = 480

#: A clear preview of pure noise takes a quarter of this.
LARGEST_PREVIEW = 512 * 1024

#: The segments that a bare baseline JPEG is made of (ITU-T T.81, table B.1): quantisation and Huffman tables, frame and
#: scan. APP0 is JFIF's own head. Comments and the other APPn, where metadata and further pictures live, are not among
#: them.
_APP0, _SOF0, _SOS, _EOI = 0xE0, 0xC0, 0xDA, 0xD9
_ALLOWED = frozenset({_APP0, 0xDB, _SOF0, 0xC4, _SOS})
_JFIF_BYTES = 14


class SealedPicture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The jailed function's answer: a JPEG, and what it does not show."""

    jpeg: bytes
    gaps: tuple[Gap, ...] = ()


def is_bare(jpeg: bytes) -> bool:
    """Whether these bytes are one small baseline JPEG without metadata, comments, thumbnails or anything behind it."""
    if len(jpeg) > LARGEST_PREVIEW or jpeg[:2] != b"\xff\xd8" or jpeg[-2:] != bytes((0xFF, _EOI)):
        return False
    at, framed = 2, False
    while True:
        head = jpeg[at : at + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] not in _ALLOWED:
            return False
        length = int.from_bytes(head[2:], "big")
        segment = jpeg[at + 4 : at + 2 + length]
        if length < 2 or len(segment) != length - 2 or not _is_plain(head[1], segment):
            return False
        framed = framed or head[1] == _SOF0
        at += 2 + length
        if head[1] == _SOS:
            return framed and _is_one_scan(jpeg[at:-2])


def _is_plain(marker: int, segment: bytes) -> bool:
    if marker == _APP0:
        # A JFIF thumbnail would make it longer.
        return segment.startswith(b"JFIF\0") and len(segment) == _JFIF_BYTES
    if marker == _SOF0:
        height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
        return 1 <= height <= LONGEST_SIDE and 1 <= width <= LONGEST_SIDE
    return True


def _is_one_scan(coded: bytes) -> bool:
    """Coded data up to the end mark: each 0xFF in it is followed by 0 (stuffing), so no other segment hides there."""
    return all(part[:1] == b"\0" for part in coded.split(b"\xff")[1:])
