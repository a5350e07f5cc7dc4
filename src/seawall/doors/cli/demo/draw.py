"""Draws the demonstration's pictures: harmless, our own, and with enough detail for a perceptual hash.

`python -m seawall.doors.cli.demo.draw DIRECTORY` writes them anew. The files beside this one were made so and are what
the demonstration uses; a test draws them again and compares.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 640, 480
JPEG_QUALITY = 82

#: The picture whose edited copy the demonstration's curl line sends.
EDITED = "harbour"
#: Smaller, cropped a little and compressed again: what people do to a picture before they post it once more.
EDITED_SIZE = (400, 300)
EDITED_CROP = (3, 2, 637, 478)
EDITED_QUALITY = 55

Color = tuple[int, int, int]


def harbour() -> Image.Image:
    """A lighthouse on a breakwater, three boats, hills behind."""
    picture = _sky((244, 190, 120), (96, 140, 190))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((455, 70, 535, 150), fill=(255, 236, 190))
    _ridge(draw, seed=3, top=210, height=70, color=(92, 110, 140))
    _ridge(draw, seed=8, top=250, height=45, color=(60, 84, 104))
    draw.rectangle((0, 300, WIDTH, HEIGHT), fill=(38, 92, 118))
    _waves(draw, seed=4, top=310)
    draw.polygon([(0, 330), (230, 350), (260, 400), (0, 420)], fill=(112, 100, 92))
    draw.polygon([(110, 330), (128, 110), (172, 110), (190, 334)], fill=(236, 232, 222))
    for low in (150, 220, 290):
        draw.polygon([(113, low + 36), (118, low), (182, low), (187, low + 36)], fill=(176, 52, 44))
    draw.rectangle((122, 80, 178, 112), fill=(250, 226, 130))
    draw.polygon([(112, 82), (150, 46), (188, 82)], fill=(70, 60, 66))
    for left, base, size in ((300, 360, 60), (420, 400, 90), (540, 345, 42)):
        draw.polygon(
            [(left, base), (left + size, base), (left + size - 14, base + 18), (left + 12, base + 18)],
            fill=(84, 48, 36),
        )
        draw.polygon(
            [(left + size // 2, base - 4), (left + size // 2, base - size), (left + size - 4, base - 8)],
            fill=(244, 240, 228),
        )
    return picture


def orchard() -> Image.Image:
    """Rows of round trees with fruit on a sloping meadow, and a barn."""
    picture = _sky((206, 226, 238), (130, 178, 220))
    draw = ImageDraw.Draw(picture)
    _ridge(draw, seed=21, top=150, height=60, color=(140, 168, 120))
    draw.polygon([(0, 230), (WIDTH, 170), (WIDTH, HEIGHT), (0, HEIGHT)], fill=(122, 158, 74))
    draw.rectangle((430, 130, 580, 240), fill=(150, 60, 44))
    draw.polygon([(415, 134), (505, 70), (595, 134)], fill=(84, 70, 66))
    draw.rectangle((480, 175, 530, 240), fill=(60, 40, 34))
    places = np.random.default_rng(17)
    for row in range(4):
        size = 34 + 14 * row
        for column in range(6 - row):
            x = 50 + column * (96 + 26 * row) + int(places.integers(-12, 12))
            y = 250 + row * 58 - x // 14
            draw.rectangle((x - 5, y, x + 5, y + size), fill=(92, 66, 44))
            draw.ellipse((x - size, y - size, x + size, y + size // 3), fill=(46 + 10 * row, 104, 48))
            for _ in range(7):
                dx, dy = int(places.integers(-size // 2, size // 2)), int(places.integers(-size // 2, 2))
                draw.ellipse((x + dx - 5, y + dy - 10, x + dx + 5, y + dy), fill=(206, 60, 40))
    return picture


def rooftops() -> Image.Image:
    """A town's roofs at night under a moon, some windows lit."""
    picture = _sky((34, 40, 74), (12, 14, 34))
    draw = ImageDraw.Draw(picture)
    places = np.random.default_rng(29)
    for _ in range(90):
        x, y = int(places.integers(0, WIDTH)), int(places.integers(0, 220))
        draw.point((x, y), fill=(230, 230, 250))
    draw.ellipse((70, 40, 160, 130), fill=(238, 234, 208))
    draw.ellipse((100, 34, 180, 116), fill=(20, 24, 50))
    left = -20
    while left < WIDTH:
        wide, high = int(places.integers(60, 130)), int(places.integers(130, 300))
        top = HEIGHT - high
        shade = int(places.integers(40, 80))
        draw.rectangle((left, top, left + wide, HEIGHT), fill=(shade, shade - 8, shade + 22))
        draw.polygon([(left - 6, top), (left + wide // 2, top - 50), (left + wide + 6, top)], fill=(118, 56, 52))
        for x in range(left + 12, left + wide - 20, 28):
            for y in range(top + 16, HEIGHT - 20, 38):
                lit = places.random() < 0.45
                draw.rectangle((x, y, x + 14, y + 20), fill=(250, 214, 120) if lit else (30, 32, 52))
        left += wide + 8
    return picture


def balloons() -> Image.Image:
    """Striped balloons over dunes. In no bank: the demonstration lets it pass."""
    picture = _sky((250, 222, 196), (120, 170, 214))
    draw = ImageDraw.Draw(picture)
    _ridge(draw, seed=41, top=330, height=80, color=(222, 178, 110))
    _ridge(draw, seed=47, top=390, height=60, color=(196, 142, 82))
    stripes: tuple[tuple[int, int, int, Color], ...] = (
        (160, 150, 110, (196, 50, 60)),
        (410, 110, 80, (40, 110, 160)),
        (545, 240, 56, (70, 140, 80)),
        (300, 270, 44, (150, 80, 150)),
    )
    for x, y, size, color in stripes:
        for number, part in enumerate((1.0, 0.66, 0.33)):
            half = int(size * 0.8 * part)
            fill = color if number % 2 == 0 else (250, 240, 220)
            draw.ellipse((x - half, y - size, x + half, y + int(size * 0.8)), fill=fill)
        draw.line((x - size // 3, y + int(size * 0.7), x - 8, y + int(size * 1.25)), fill=(70, 50, 40), width=2)
        draw.line((x + size // 3, y + int(size * 0.7), x + 8, y + int(size * 1.25)), fill=(70, 50, 40), width=2)
        draw.rectangle((x - 10, y + int(size * 1.25), x + 10, y + int(size * 1.25) + 16), fill=(110, 74, 40))
    return picture


#: Every picture by its name; `balloons` is the one that no bank lists.
PICTURES: Mapping[str, Callable[[], Image.Image]] = {
    "harbour": harbour,
    "orchard": orchard,
    "rooftops": rooftops,
    "balloons": balloons,
}


def edited(picture: Image.Image) -> Image.Image:
    """The picture as somebody posts it again: cropped by a hair and made smaller."""
    return picture.crop(EDITED_CROP).resize(EDITED_SIZE, Image.Resampling.BICUBIC)


def write_all(directory: Path) -> None:
    """Write every picture, and the edited one, as JPEG files."""
    for name, draw in PICTURES.items():
        picture = draw().filter(ImageFilter.GaussianBlur(0.6))
        picture.save(directory / f"{name}.jpg", quality=JPEG_QUALITY, optimize=True)
        if name == EDITED:
            edited(picture).save(directory / f"{name}-edited.jpg", quality=EDITED_QUALITY, optimize=True)


def _sky(low: Color, high: Color) -> Image.Image:
    """A vertical gradient, `high` at the top."""
    share = np.linspace(0, 1, HEIGHT)[:, None, None]
    rows: NDArray[np.uint8] = (np.array(high) * (1 - share) + np.array(low) * share).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(rows, (HEIGHT, WIDTH, 3))))


def _ridge(draw: ImageDraw.ImageDraw, *, seed: int, top: int, height: int, color: Color) -> None:
    """A line of hills, filled to the bottom."""
    phases = np.random.default_rng(seed).random(5) * 2 * np.pi
    x = np.arange(0, WIDTH + 1, 4)
    waves = sum(np.sin(x / WIDTH * 2 * np.pi * (turn + 1) + phase) / (turn + 1) for turn, phase in enumerate(phases))
    line = [(int(a), int(top + height * b / 2)) for a, b in zip(x, np.asarray(waves), strict=True)]
    draw.polygon([*line, (WIDTH, HEIGHT), (0, HEIGHT)], fill=color)


def _waves(draw: ImageDraw.ImageDraw, *, seed: int, top: int) -> None:
    places = np.random.default_rng(seed)
    for _ in range(70):
        x, y = int(places.integers(0, WIDTH)), int(places.integers(top, HEIGHT))
        wide = 10 + (y - top) // 4
        draw.arc((x, y, x + wide, y + 8), 200, 340, fill=(150, 190, 204), width=2)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
