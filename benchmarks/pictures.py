"""Pictures drawn by number, the same on every run: clouds of several sizes, shapes and grain, as photographs have."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]

JPEG_QUALITY = 90

BRIDGE = Path(__file__).parents[1] / "tests" / "vectors" / "images" / "bridge-mods" / "aaa-orig.jpg"

#: The usual sizes of the goals, as (name, width, height).
SIZES = (("640 x 480", 640, 480), ("1080p", 1920, 1080), ("12 megapixels", 4000, 3000))


def draw(width: int, height: int, seed: int) -> Image.Image:
    """An RGB picture. Clouds at four scales give the slow changes, shapes the edges, noise the grain."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((3, 90.0), (8, 60.0), (24, 30.0), (80, 15.0)):
        rough = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        smooth = Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(smooth, np.float32) * (weight / 195)
    picture = Image.fromarray(total.clip(0, 255).astype(np.uint8))
    _shapes(ImageDraw.Draw(picture), width, height, random)
    grain = random.integers(-6, 7, (height, width, 1), dtype=np.int16)
    return Image.fromarray((np.asarray(picture, np.int16) + grain).clip(0, 255).astype(np.uint8))


def _shapes(pen: ImageDraw.ImageDraw, width: int, height: int, random: np.random.Generator) -> None:
    for number in range(24):
        left, top = int(random.integers(width)), int(random.integers(height))
        right, bottom = left + 1 + int(random.integers(width // 3)), top + 1 + int(random.integers(height // 3))
        red, green, blue = (int(value) for value in random.integers(0, 256, 3))
        if number % 3:
            pen.rectangle((left, top, right, bottom), fill=(red, green, blue))
        else:
            pen.ellipse((left, top, right, bottom), fill=(red, green, blue))


def jpeg(width: int, height: int, seed: int, *, quality: int = JPEG_QUALITY) -> bytes:
    out = io.BytesIO()
    draw(width, height, seed).save(out, "JPEG", quality=quality)
    return out.getvalue()


def pixels(content: bytes) -> Pixels:
    """The full-size RGB pixels, shape (height, width, 3), as every Python tool of the field decodes them."""
    with Image.open(io.BytesIO(content)) as picture:
        return np.ascontiguousarray(np.asarray(picture.convert("RGB"), dtype=np.uint8))
