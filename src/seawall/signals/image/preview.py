"""Bytes of a picture file → a small JPEG made anew from its pixels. Runs in the jail and nowhere else.

A person who has to decide sees this and never the file: nothing of it but pixels comes out, no metadata, no colour
profile, no bytes that a browser's decoder could be attacked with.
"""

import io
import warnings

import msgspec
from PIL import Image, ImageFile, ImageFilter

# Its limits for Pillow, and its plug-ins loaded before the worker is locked in, hold here too.
from seawall.signals.image.decode import MAX_PIXELS
from seawall.signals.image.formats import JPEG, WEBP, format_of, unsupported_name, webp_size
from seawall.signals.image.sealed import LONGEST_SIDE, SealedPicture
from seawall.signals.jail.boundary import JailRefused
from seawall.signals.model import Gap

#: Blur of a sealed preview, in pixels of 480: one sees that there are people, not what is done to them.
BLUR_RADIUS = 12
QUALITY = 75
#: Behind transparent pixels: neither black nor white drawings vanish on it.
BACKGROUND = (128, 128, 128)

#: The tag of EXIF that says how the camera was held, and what undoes it (CIPA DC-008, 4.6.5).
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def preview(data: bytes, *, clear: bool) -> bytes:
    """A msgpack `SealedPicture`: a JPEG of at most 480 x 480 pixels, upright, grey and blurred unless `clear`.

    Of an animation its first frame, of a broken picture what is there, each with a gap that says so. Raises JailRefused
    with the code `not_an_image`, `unsupported_type`, `too_many_pixels` or `corrupt` when there is nothing to show.
    """
    name = _require_format(data)
    gaps: list[Gap] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        small = _small(name, data, gaps)
    if not clear:
        small = small.convert("L").filter(ImageFilter.GaussianBlur(BLUR_RADIUS))
    return msgspec.msgpack.encode(SealedPicture(jpeg=_encoded(small), gaps=tuple(gaps)))


def sealed(data: bytes) -> bytes:
    """`preview`, grey and blurred, as a jailed function."""
    return preview(data, clear=False)


def clear(data: bytes) -> bytes:
    """`preview`, clear, as a jailed function."""
    return preview(data, clear=True)


def _require_format(data: bytes) -> str:
    name = format_of(data)
    if name is not None:
        return name
    known = unsupported_name(data)
    if known is not None:
        raise JailRefused("unsupported_type", f"This file looks like {known}, which this version cannot open.")
    raise JailRefused("not_an_image", "This file is not a picture, so there is nothing to show.")


def _small(name: str, data: bytes, gaps: list[Gap]) -> Image.Image:
    """Its first frame, upright and small. A broken file is opened once more, for what is there."""
    try:
        return _opened(name, data, gaps)
    except (JailRefused, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception:  # noqa: BLE001 - Pillow's plug-ins let through whatever a broken file provokes
        gaps[:] = [_gap("truncated", "This picture is damaged or breaks off: what is there is shown.")]
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        return _opened(name, data, [])
    except (JailRefused, MemoryError):
        raise
    except Exception as error:
        raise JailRefused("corrupt", "This picture is damaged, so there is nothing to show.") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _opened(name: str, data: bytes, gaps: list[Gap]) -> Image.Image:
    if name == WEBP:
        _require_size(webp_size(data))
    with Image.open(io.BytesIO(data), formats=[name]) as picture:
        _require_size(picture.size)
        # A large JPEG is decoded at a fraction of its size, which takes a fraction of the time.
        picture.draft(None, (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
        picture.load()
        orientation = _orientation(picture)
        small = _flat(picture)
        if name != JPEG and _has_more(picture):
            gaps.append(_gap("frames_skipped", "This picture has several frames, and only the first is shown."))
    turn = _UPRIGHT.get(orientation)
    return small if turn is None else small.transpose(turn)


def _flat(picture: Image.Image) -> Image.Image:
    """The picture in RGB, without transparency, at most LONGEST_SIDE wide and high."""
    most = (LONGEST_SIDE, LONGEST_SIDE)
    if not picture.has_transparency_data:
        flat = picture.convert("RGB")
        flat.thumbnail(most, reducing_gap=2.0)
        return flat
    layer = picture.convert("RGBA")
    layer.thumbnail(most, reducing_gap=2.0)
    flat = Image.new("RGB", layer.size, BACKGROUND)
    flat.paste(layer, mask=layer.getchannel("A"))
    return flat


def _orientation(picture: Image.Image) -> int:
    """1 where it says nothing, or nothing that makes sense: then it is shown as stored."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - damaged metadata is no reason to show nothing
        return 1
    return found if isinstance(found, int) else 1


def _has_more(picture: Image.Image) -> bool:
    try:
        picture.seek(1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the first frame is here; that the second is broken changes nothing
        return False
    return True


def _encoded(small: Image.Image) -> bytes:
    # A picture of its own: the opened one carries its file's metadata along, and saving would write some of it.
    bare = Image.new(small.mode, small.size)
    bare.paste(small)
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _require_size(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels() -> JailRefused:
    text = f"This picture says it has more than {MAX_PIXELS // 1_000_000} million pixels, and no more are opened."
    return JailRefused("too_many_pixels", text)


def _gap(code: str, text: str) -> Gap:
    return Gap(part="", code=code, text=text)
