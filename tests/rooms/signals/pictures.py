"""Harmless pictures with words planted wherever a file can carry them beside its pixels."""

import functools
import io
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

#: Long enough that no pixel data contains it by accident.
PLANTED = b"Zanzibar Quagga was here"


def drawn(width: int = 640, height: int = 360) -> Image.Image:
    """Coloured stripes and a bright corner at the top left, so that turning and blurring show."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, ::8] = (200, 30, 90)
    pixels[:, 4::8] = (20, 160, 40)
    pixels[: height // 4, : width // 4] = (255, 255, 120)
    return Image.fromarray(pixels)


def jpeg(picture: Image.Image | None = None, **options: Any) -> bytes:
    return _saved(picture or drawn(), "JPEG", **options)


def _saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x010E] = PLANTED.decode()
    made[0x013B] = PLANTED.decode()
    return made


@functools.cache
def with_metadata(orientation: int = 1) -> dict[str, bytes]:
    """One file of each format that has a place for it, with PLANTED in EXIF, colour profile, comments and behind."""
    picture = drawn()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", PLANTED.decode())
    text.add_itxt("XML:com.adobe.xmp", PLANTED.decode())
    both: dict[str, Any] = {"exif": exif(orientation).tobytes(), "icc_profile": PLANTED * 40}
    return {
        "JPEG": jpeg(picture, comment=PLANTED, xmp=PLANTED, **both) + PLANTED,
        "PNG": _saved(picture, "PNG", pnginfo=text, **both) + PLANTED,
        "WEBP": _saved(picture, "WEBP", xmp=PLANTED, **both),
        "AVIF": _saved(picture, "AVIF", xmp=PLANTED, **both),
        "GIF": _saved(picture.convert("P"), "GIF", comment=PLANTED) + PLANTED,
        "TIFF": _saved(picture, "TIFF", description=PLANTED.decode(), **both),
    }
