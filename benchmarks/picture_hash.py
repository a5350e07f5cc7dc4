"""P1: a JPEG file → its PDQ hash. P3: RGB pixels → their PDQ hash. On one core, without the jail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import simplejpeg

from benchmarks import peers, pictures
from benchmarks.model import Figure, Goal, Part, Ratio, Row, Size, WrongAnswer
from benchmarks.rounds import Round, Rounds, interleave, milliseconds, one_core, ratios, say, seconds_per_call
from seawall.signals.image import compute
from seawall.signals.image.decode import extract
from seawall.signals.model import Extraction

SEED = 4_711

OURS_FILE = "seawall.signals.image.decode"
DECODER = "of that, the JPEG decoder alone"
THEIRS_FILE = "threatexchange pdq_from_bytes"
OURS_PIXELS = "seawall.signals.image.compute"
THEIRS_PIXELS = "pdqhash.compute"

GOALS_FILE = {
    "640 x 480": Goal(least=3.5, beyond=5),
    "1080p": Goal(least=7, beyond=9),
    "12 megapixels": Goal(least=12, beyond=16),
}
GOALS_PIXELS = {"640 x 480": Goal(least=33), "1080p": Goal(least=55), "12 megapixels": Goal(least=95)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """`shrink` divides width and height; `others` more pictures of each size are compared, not timed."""

    shrink: int
    seconds: float
    rounds: int
    others: int


SCALES = {
    Size.TINY: Scale(shrink=8, seconds=0.01, rounds=5, others=1),
    Size.SMALL: Scale(shrink=1, seconds=0.5, rounds=5, others=2),
    Size.FULL: Scale(shrink=1, seconds=2.0, rounds=9, others=8),
}


def run_files(size: Size) -> Row:
    hasher = peers.find("threatexchange.signal_type.pdq.pdq_hasher")
    parts, notes = [], []
    for name, content in _files(SCALES[size]):
        subjects: dict[str, Callable[[Any], object]] = {OURS_FILE: extract, DECODER: _decode}
        if hasher is not None:
            subjects[THEIRS_FILE] = hasher.pdq_from_bytes
        part, measured = _part("P1", name, content, subjects, SCALES[size], {THEIRS_FILE: GOALS_FILE.get(name)})
        parts.append(part)
        share = np.median(np.array(measured[DECODER]) / np.array(measured[OURS_FILE]))
        notes.append(f"{name} ({len(content):,} bytes): {share:.0%} of Seawall's time is the JPEG decoder's")
    return Row(
        name="P1",
        work="JPEG file → PDQ, one core, in process",
        command=f"python -m benchmarks P1 --size {size}",
        parts=tuple(parts),
        checks=_identical(SCALES[size]),
        notes=(*notes, f"drawn pictures, JPEG quality {pictures.JPEG_QUALITY}, seed {SEED}"),
        missing=_missing("pdqhash", "threatexchange"),
    )


def run_pixels(size: Size) -> Row:
    pdqhash = peers.find("pdqhash")
    parts = []
    for name, content in _files(SCALES[size]):
        subjects: dict[str, Callable[[Any], object]] = {OURS_PIXELS: compute}
        if pdqhash is not None:
            subjects[THEIRS_PIXELS] = pdqhash.compute
        rgb = pictures.pixels(content)
        part, _ = _part("P3", name, rgb, subjects, SCALES[size], {THEIRS_PIXELS: GOALS_PIXELS.get(name)})
        parts.append(part)
    return Row(
        name="P3",
        work="RGB pixels → PDQ, one core",
        command=f"python -m benchmarks P3 --size {size}",
        parts=tuple(parts),
        checks=_identical(SCALES[size]),
        notes=(f"the pixels of the same pictures as P1, seed {SEED}",),
        missing=_missing("pdqhash"),
    )


def _files(scale: Scale) -> list[tuple[str, bytes]]:
    """The timed pictures: drawn ones, and the bridge of the published test vectors where the clone has it."""
    say("drawing pictures")
    drawn = []
    for name, full_width, full_height in pictures.SIZES:
        width, height = full_width // scale.shrink, full_height // scale.shrink
        # A shrunk picture goes by its own size, to which no goal belongs.
        drawn.append((name if scale.shrink == 1 else f"{width} x {height}", pictures.jpeg(width, height, SEED)))
    return drawn + ([("the bridge", pictures.BRIDGE.read_bytes())] if pictures.BRIDGE.exists() else [])


def _part(
    row: str,
    name: str,
    argument: object,
    subjects: Mapping[str, Callable[[Any], object]],
    scale: Scale,
    goals: Mapping[str, Goal | None],
) -> tuple[Part, Rounds]:
    with one_core():
        timed = {subject: _round(call, argument, scale.seconds) for subject, call in subjects.items()}
        measured = interleave(f"{row} {name}", timed, scale.rounds)
    ours = next(iter(subjects))
    figures: tuple[Figure, ...] = milliseconds(measured)
    compared: tuple[Ratio, ...] = ratios(measured, ours, goals)
    return Part(name=name, figures=figures, ratios=compared), measured


def _round(call: Callable[[Any], object], argument: object, seconds: float) -> Round:
    return lambda: seconds_per_call(call, [argument], seconds)


def _decode(content: bytes) -> object:
    """The decoder call that `seawall.signals.image.decode` makes for a colour JPEG."""
    return simplejpeg.decode_jpeg(content, colorspace="RGB", strict=True)


def _identical(scale: Scale) -> tuple[str, ...]:
    """Bits between Seawall's hash and pdqhash's of the full RGB decode, summed over all pictures: must be none."""
    pdqhash = peers.find("pdqhash")
    if pdqhash is None:
        return ("not compared: pdqhash is not installed",)
    contents = [content for _, content in _files(scale)]
    contents += [
        pictures.jpeg(width // scale.shrink, height // scale.shrink, SEED + 1 + number)
        for _, width, height in pictures.SIZES
        for number in range(scale.others)
    ]
    for number, content in enumerate(contents):
        bits, quality = pdqhash.compute(pictures.pixels(content))
        theirs = np.packbits(np.asarray(bits, np.uint8)).tobytes()
        (ours,) = msgspec.msgpack.decode(extract(content), type=Extraction).signals
        differing = (int(ours.value, 16) ^ int.from_bytes(theirs, "big")).bit_count()
        alone = compute(pictures.pixels(content))
        if differing or alone.value != theirs or not ours.quality == alone.quality == quality:
            raise WrongAnswer(f"picture {number}: {differing} bits from pdqhash, quality {ours.quality} and {quality}")
    return (f"0 bits from pdqhash, and the same quality, on all {len(contents)} pictures",)


def _missing(*names: str) -> tuple[str, ...]:
    return tuple(name for name in names if peers.find(name) is None)
