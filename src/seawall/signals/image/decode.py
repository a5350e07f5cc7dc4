"""Bytes of a picture file → its PDQ signals. Runs in the jail and nowhere else.

Opens JPEG, PNG, GIF, WebP, AVIF, TIFF and BMP. The pixels are those that Pillow's `convert("RGB")` gives, as stored:
nothing is turned by EXIF, because that is what the hashes on every shared list were made from.
"""

import io
import re
import warnings
from collections.abc import Iterator

import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray

# Each plug-in is imported here, so that none has to be found on disk once the worker is locked in.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from seawall.signals.image.formats import JPEG, WEBP, ends_early, format_of, unsupported_name, webp_size
from seawall.signals.image.pdq import compute
from seawall.signals.jail.boundary import JailRefused
from seawall.signals.model import Extraction, Gap, Signal

#: The largest picture that is opened: above what telephones and cameras make in one shot, and in three forms at once it
#: still fits into a worker's memory.
MAX_PIXELS = 80_000_000

#: Frames of an animation, or pages of a TIFF, that are looked at. Twenty seconds of a usual animation.
MAX_FRAMES = 256

#: Pixels of all frames together, so that a large animation ends before its deadline. One picture always fits.
MAX_PIXELS_IN_ALL = 2 * MAX_PIXELS

# Pillow alone knows some sizes before it reserves memory for them, such as that of a later frame which enlarges its
# GIF. Its two complaints, above this and above twice this, are treated alike.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# The jail allows no second thread.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

#: The plug-ins that a listed format can reach; MPO is what telephones write as .jpg.
PLUGINS = (
    AvifImagePlugin, BmpImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin,
    WebPImagePlugin,
)  # fmt: skip

Pixels = NDArray[np.uint8]

_PIXELS_SAID = re.compile(r"\((\d+) pixels\)")


class _Broken(Exception):
    """Carries a gap; raised and caught in this file only."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.gap = Gap(part="", code=code, text=text)


def extract(content: bytes) -> bytes:
    """A msgpack `Extraction`: one `pdq` signal for each different frame, and gaps for frames that were not looked at.

    A picture that breaks off still gives the signal of what is there, beside the gap. Raises JailRefused with the code
    `not_an_image`, `unsupported_type`, `too_many_pixels`, `truncated` or `corrupt` when there is nothing to hash.
    """
    name = _require_format(content)
    signals: dict[str, Signal] = {}
    gaps: list[Gap] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for pixels in _frames(name, content, gaps):
                hashed = compute(pixels)
                value = hashed.value.hex()
                signals.setdefault(value, Signal(type="pdq", value=value, quality=hashed.quality))
    except _Broken as broken:
        gaps.append(broken.gap)
    if not signals:
        raise JailRefused(gaps[0].code, gaps[0].text)
    return msgspec.msgpack.encode(Extraction(signals=tuple(signals.values()), gaps=tuple(gaps)))


def _require_format(content: bytes) -> str:
    name = format_of(content)
    if name is not None:
        return name
    known = unsupported_name(content)
    if known is not None:
        raise JailRefused(
            "unsupported_type",
            f"This file looks like {known}, which this version cannot open: send it as JPEG or PNG, "
            "or have a person look.",
        )
    raise JailRefused(
        "not_an_image", "This file is not a picture, whatever its name says: send it as a part of kind file instead."
    )


def _frames(name: str, content: bytes, gaps: list[Gap]) -> Iterator[Pixels]:
    """The pixels of each frame. What cannot be opened strictly is opened leniently after a gap has been noted."""
    if name == WEBP:
        _require_size(webp_size(content))
    fast = _fast_jpeg(content) if name == JPEG else None
    if fast is not None:
        yield fast
        return
    shown = 0
    try:
        for pixels in _strict_frames(name, content):
            shown += 1
            yield pixels
    except _Broken as broken:
        # Browsers show the part of a broken picture that has arrived, so that part is hashed as well.
        if shown or broken.gap.code not in {"truncated", "corrupt"}:
            raise
        gaps.append(broken.gap)
        yield from _what_is_there(name, content)


def _fast_jpeg(content: bytes, *, strict: bool = True) -> Pixels | None:
    """A colour JPEG by the shorter way; None when Pillow has to decide (other colours, anything odd about the file)."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content, strict=strict)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken headers come as ValueError, KeyError and whatever else
        return None
    if colours != "YCbCr":
        return None
    _require_size((width, height))
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(content, colorspace="RGB", strict=strict)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - see above
        return None
    return pixels


def _strict_frames(name: str, content: bytes) -> Iterator[Pixels]:
    left = MAX_PIXELS_IN_ALL
    try:
        with Image.open(io.BytesIO(content), formats=[name]) as picture:
            for number in range(MAX_FRAMES + 1):
                if number and not _turn_to(picture, number, name):
                    return
                _require_size(picture.size)
                left -= picture.width * picture.height
                _require_budget(number, left)
                yield _rgb(picture)
    except (_Broken, JailRefused, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(_said_by_pillow(error)) from error
    except Exception as error:  # Pillow's plug-ins let through whatever a broken file provokes.
        raise _explained(name, content, error) from error


def _turn_to(picture: Image.Image, number: int, name: str) -> bool:
    """Goes to a later frame; False when there is none. A JPEG's further pictures are previews nobody is shown."""
    if name == JPEG:
        return False
    try:
        picture.seek(number)
    except EOFError:
        return False
    return True


def _rgb(picture: Image.Image) -> Pixels:
    picture.load()
    try:
        converted = picture if picture.mode == "RGB" else picture.convert("RGB")
    except ValueError as error:
        raise _Broken(
            "unsupported_type",
            f"This picture's colours ({picture.mode}) cannot be read: send it as JPEG or PNG, or have a person look.",
        ) from error
    return np.ascontiguousarray(np.asarray(converted, dtype=np.uint8))


def _what_is_there(name: str, content: bytes) -> Iterator[Pixels]:
    """The first frame of a broken file, as far as it goes; nothing when even that fails."""
    # Of a progressive JPEG this way shows the whole picture, coarser, as browsers do.
    jpeg = _fast_jpeg(content, strict=False) if name == JPEG else None
    if jpeg is not None:
        yield jpeg
        return
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with Image.open(io.BytesIO(content), formats=[name]) as picture:
            _require_size(picture.size)
            pixels = _rgb(picture)
    except (JailRefused, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - see above; the gap has been noted already
        return
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    yield pixels


def _require_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(f"it is {width} x {height}")


def _said_by_pillow(error: Exception) -> str:
    said = _PIXELS_SAID.search(str(error))
    return f"that it, or a part of it, has {int(said[1]) // 1_000_000} million" if said else "that it has too many"


def _too_many_pixels(says: str) -> _Broken:
    return _Broken(
        "too_many_pixels",
        f"This picture says {says} pixels, and at most {MAX_PIXELS // 1_000_000} million are opened: "
        "send a smaller copy, or have a person look.",
    )


def _require_budget(shown: int, pixels_left: int) -> None:
    if shown == MAX_FRAMES or pixels_left < 0:
        raise _Broken(
            "frames_skipped", f"Only the first {shown} frames of this animation were looked at: have a person look."
        )


def _explained(name: str, content: bytes, error: Exception) -> _Broken:
    if "truncated" in str(error) or ends_early(name, content):
        return _Broken("truncated", f"This {name} file breaks off before its end: send it again, whole.")
    return _Broken("corrupt", f"This {name} file is damaged and could not be read: send it again, or as PNG.")
