"""The figures of docs/why/what-a-match-means.md, drawn from the published test vectors: `python -m docs.generate`.

In: `tests/vectors/pdq_vectors.json`. Out: a ruler with the distances of the bridge's edits, and the 16 by 16 bits of
two hashes with those that differ. SVG of fixed size, with a title and a description; nothing is measured by eye.
"""

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path

VECTORS = Path(__file__).parents[1] / "tests" / "vectors" / "pdq_vectors.json"

#: The bits of a PDQ hash, and how many may differ before a bank's default distance is exceeded.
BITS, SIDE, MAX_DISTANCE = 256, 16, 31

#: What the figures call a file of the vectors, in the order of their distances.
EDITS = {
    "bridge-mods/blur-a-little.jpg": "blurred a little",
    "bridge-mods/shrink-a-little.jpg": "a little smaller",
    "bridge-mods/high-saturation.jpg": "stronger colours",
    "bridge-mods/blur-a-lot.jpg": "blurred a lot",
    "bridge-mods/sharpen-a-little.jpg": "sharpened a little",
    "bridge-mods/high-contrast.jpg": "more contrast",
    "bridge-mods/square-512x512.jpg": "squeezed into a square of 512 pixels",
    "bridge-mods/square-128x128.jpg": "squeezed into a square of 128 pixels",
    "bridge-mods/square-256x256.jpg": "squeezed into a square of 256 pixels",
    "bridge-mods/sharpen-a-lot.jpg": "sharpened a lot",
    "bridge-mods/shrink-a-lot.jpg": "much smaller",
}
OTHERS = {
    "dih/bridge-7-flip-plus-1.jpg": "mirrored along a diagonal",
    "dih/bridge-2-rotate-90.jpg": "turned by 90 degrees",
    "dih/bridge-5-flipx.jpg": "mirrored along an axis",
    "misc/wee.jpg": "another picture",
}
GRID = "bridge-mods/shrink-a-lot.jpg"

INK, QUIET, LINE, MATCHED, OTHER, GROUND = "#16222c", "#4c5c68", "#cfd8de", "#0b5a8a", "#b34a00", "#ffffff"


def hashes() -> dict[str, int]:
    """The PDQ hash of each picture of the vectors, by its path below `images/`."""
    found = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return {one["file"].removeprefix("images/"): int(one["pdqhash"], 16) for one in found}


def distance(file: str) -> int:
    """How many bits of this picture's hash differ from the bridge's."""
    found = hashes()
    return (found[file] ^ found["bridge-mods/aaa-orig.jpg"]).bit_count()


def ruler() -> str:
    """A ruler of 0 to 160 bits: edits of one photograph to the left of the threshold, everything else far right."""
    left, unit, line = 40, 4.5, 74
    marks = [*_ticks(left, unit, line)]
    end = left + MAX_DISTANCE * unit
    marks.append(
        f'<rect x="{left}" y="{line - 22}" width="{end - left:g}" height="22" fill="{MATCHED}" opacity="0.15"/>'
    )
    marks.append(f'<path d="M{end:g} 28V{line + 10}" stroke="{INK}" stroke-width="2"/>')
    marks.append(_text(end + 6, 38, f"{MAX_DISTANCE}: as far as a bank reaches by default", INK))
    for files, colour in ((EDITS, MATCHED), (OTHERS, OTHER)):
        places = sorted({left + distance(file) * unit for file in files})
        marks += [f'<circle cx="{at:g}" cy="{line - 11}" r="5" fill="{colour}"/>' for at in places]
    marks.append(_text(left, line + 48, "edits of the same photograph", MATCHED))
    marks.append(_text(left + 104 * unit, line + 48, "turned, mirrored, or another picture", OTHER))
    title = "Distances from the photograph of a bridge, in bits"
    return _svg(800, 140, title, _in_words(), marks)


def grid() -> str:
    """The bits of the bridge, of its much smaller copy, and the bits in which the two differ."""
    found = hashes()
    one, other = found["bridge-mods/aaa-orig.jpg"], found[GRID]
    panels = (("the photograph", one, INK), ("much smaller", other, INK), ("what differs", one ^ other, OTHER))
    marks = []
    for number, (title, bits, colour) in enumerate(panels):
        left = 20 + number * 260
        marks.append(_text(left, 22, title, INK))
        marks.append(f'<rect x="{left}" y="32" width="224" height="224" fill="{GROUND}" stroke="{LINE}"/>')
        marks += [
            f'<rect x="{left + 14 * (at % SIDE)}" y="{32 + 14 * (at // SIDE)}" width="13" height="13" fill="{colour}"/>'
            for at in range(BITS)
            if bits >> (BITS - 1 - at) & 1
        ]
    differing = (one ^ other).bit_count()
    words = f"Two grids of 16 by 16 bits that look almost alike, and a third with the {differing} bits that differ."
    return _svg(790, 270, "The hash of a photograph and of its much smaller copy", words, marks)


def _in_words() -> str:
    said = [f"{name} {distance(file)}" for file, name in (EDITS | OTHERS).items()]
    return f"Threshold {MAX_DISTANCE}. {', '.join(said)}."


def _ticks(left: int, unit: float, line: int) -> Iterator[str]:
    yield f'<path d="M{left} {line}H{left + 160 * unit:g}" stroke="{QUIET}" stroke-width="1.5"/>'
    for at in range(0, 161, 10):
        yield f'<path d="M{left + at * unit:g} {line}v6" stroke="{QUIET}"/>'
        if at % 20 == 0:
            yield _text(left + at * unit, line + 22, str(at), QUIET, anchor="middle")


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: int, title: str, words: str, marks: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = 'font-family="sans-serif" font-size="14" role="img">'
    ground = f'<rect width="{width}" height="{height}" fill="{GROUND}"/>'
    described = [f"<title>{escape(title)}</title>", f"<desc>{escape(words)}</desc>", ground]
    return "\n".join([f"{head} {style}", *described, *marks, "</svg>", ""])
