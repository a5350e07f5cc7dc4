"""Draws the test card: `python -m seawall.matching.testcard.draw FILE`. The same bytes each time with the same Pillow.

A lighthouse on a breakwater in flat colours: large shapes, so that it survives scaling and compression, in an
arrangement that no photograph has.
"""

import sys
from collections.abc import Iterator
from math import sin
from pathlib import Path

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 640, 480

SKY = ((16, 32, 74), (32, 62, 112), (60, 104, 156), (120, 160, 190), (212, 206, 180))
SEA = ((14, 84, 92), (24, 116, 116), (9, 58, 70), (44, 148, 138))
STONES = ((88, 84, 80), (120, 114, 106), (62, 60, 60), (150, 142, 130))
WHITE, RED, LAMP, INK = (240, 236, 226), (196, 44, 40), (250, 214, 90), (18, 20, 28)

HORIZON = 290


def draw() -> Image.Image:
    """The card, RGB."""
    card = Image.new("RGB", (WIDTH, HEIGHT), SKY[0])
    pen = ImageDraw.Draw(card)
    for number, colour in enumerate(SKY):
        top = HORIZON * number // len(SKY)
        edge = [(x, top + 14 * sin(x / (37 + 9 * number) + number)) for x in range(0, WIDTH + 8, 8)]
        pen.polygon([*edge, (WIDTH, HORIZON), (0, HORIZON)], fill=colour)
    pen.ellipse((72, 36, 146, 110), fill=LAMP)
    for number, colour in enumerate(SEA * 2):
        top = HORIZON + number * 24
        edge = [(x, top + (6 + number) * sin(x / (11 + 5 * number) + 2 * number)) for x in range(0, WIDTH + 4, 4)]
        pen.polygon([*edge, (WIDTH, HEIGHT), (0, HEIGHT)], fill=colour)
    for stone, colour in _stones():
        pen.polygon(stone, fill=colour, outline=INK)
    _lighthouse(pen)
    _boat(pen)
    return card


def _stones() -> Iterator[tuple[list[tuple[float, float]], tuple[int, int, int]]]:
    """The breakwater: three courses of blocks that slope into the water from the right."""
    for course in range(3):
        for block in range(9 - course):
            left = 250 + course * 28 + block * 52
            top = 352 + course * 36 - (block % 3) * 5
            lean = 7 * sin(block * 1.7 + course)
            corners: list[tuple[float, float]] = [
                (left + lean, top),
                (left + 48 + lean, top + 4),
                (left + 50, top + 36),
                (left - 2, top + 33),
            ]
            yield corners, STONES[(block * 2 + course) % len(STONES)]


def _lighthouse(pen: ImageDraw.ImageDraw) -> None:
    pen.polygon([(470, 112), (0, 168), (0, 232)], fill=(228, 220, 160))
    pen.polygon([(500, 112), (640, 84), (640, 140)], fill=(228, 220, 160))
    for band in range(6):
        top, bottom = 140 + band * 38, 140 + (band + 1) * 38
        wide, wider = 34 + band * 5, 39 + band * 5
        corners = [(485 - wide, top), (485 + wide, top), (485 + wider, bottom), (485 - wider, bottom)]
        pen.polygon(corners, fill=RED if band % 2 else WHITE, outline=INK)
    pen.rectangle((440, 130, 530, 142), fill=INK)
    pen.rectangle((460, 92, 510, 130), fill=LAMP, outline=INK, width=4)
    pen.polygon([(450, 92), (485, 58), (520, 92)], fill=RED, outline=INK)
    pen.rectangle((474, 330, 496, 366), fill=INK)


def _boat(pen: ImageDraw.ImageDraw) -> None:
    pen.polygon([(70, 330), (214, 330), (188, 366), (96, 366)], fill=INK)
    pen.polygon([(138, 196), (138, 322), (64, 322)], fill=WHITE, outline=INK)
    pen.polygon([(146, 214), (146, 322), (206, 322)], fill=RED, outline=INK)


def main(target: Path) -> None:
    # A palette keeps the file small; every colour of the drawing has its place in it, so nothing is lost.
    draw().quantize(64, dither=Image.Dither.NONE).save(target, "PNG", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
