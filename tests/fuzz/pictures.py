"""Target: picture files in the jail. Every answer comes in time, and afterwards the jail still opens a good picture.

A worker that dies or takes too long is what the jail is for, and no failure. The first input of each kind is kept all
the same, because it costs us a worker's start.
"""

import io
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from seawall.signals.extract import extract, open_jail
from seawall.signals.model import Kind, Part
from tests.fuzz.running import keep
from tests.fuzz.target import Broken, Target, say

#: Short, so that a slow file costs little; the grace covers a fresh worker on a busy machine.
DEADLINE = 3.0
GRACE = 20.0


@contextmanager
def pictures(_: Path) -> Iterator[Target]:
    seeds = _seeds()
    seen: Counter[str] = Counter()
    said: set[str] = set()
    beginnings = {seed[:4]: seed[:4].hex() for seed in seeds}
    with open_jail(workers=2, deadline=DEADLINE) as jail:

        def check(data: bytes) -> str:
            began = time.monotonic()
            found = extract([Part(name="p", kind=Kind.IMAGE, data=data)], jail)
            took = time.monotonic() - began
            if took > DEADLINE + GRACE:
                raise Broken(f"the answer took {took:.1f} s, with a deadline of {DEADLINE} s")
            kinds = {signal.type for signal in found.signals}
            if not found.gaps and data and "pdq" not in kinds:
                raise Broken("neither a hash of the picture nor a gap that says why not")
            outcome = ",".join(sorted({gap.code for gap in found.gaps})) or "hashed"
            for gap in found.gaps:
                if gap.code in {"decoder_died", "decoder_timeout"} and gap.text not in said:
                    said.add(gap.text)
                    say(f"  {keep('picture', data)}: {gap.text}")
            seen[outcome] += 1
            return f"{beginnings.get(data[:4], 'other')} {outcome}"

        def finish() -> None:
            good = extract([Part(name="p", kind=Kind.IMAGE, data=seeds[0])], jail)
            if good.gaps:
                raise Broken(f"after all that, the jail cannot open a good picture: {good.gaps[0].text}")
            say(f"  pictures: {dict(seen.most_common())}")

        yield Target(
            seeds=seeds, check=check, finish=finish, words=[b"IHDR", b"acTL", b"\xff\xda", b"VP8X", b"ftypavif"]
        )


def _seeds() -> list[bytes]:
    """Small pictures of each format, still and moving, drawn from fixed noise."""
    coarse = np.random.default_rng(7).integers(0, 256, (3, 6, 8, 3), dtype=np.uint8)
    frames = [Image.fromarray(one).resize((48, 36), Image.Resampling.BICUBIC) for one in coarse]
    first, *others = frames
    made = [_written(first, name) for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")]
    made += [_written(first, name, save_all=True, append_images=others) for name in ("GIF", "WEBP", "PNG", "TIFF")]
    made += [
        _written(first, "JPEG", progressive=True),
        _written(first.convert("CMYK"), "JPEG"),
        _written(first.convert("P"), "PNG"),
        _written(first.convert("L"), "TIFF", compression="tiff_lzw"),
        _written(first, "TIFF", compression="jpeg"),
        _written(first, "WEBP", lossless=True),
    ]
    return made


def _written(picture: Image.Image, name: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, name, **options)
    return out.getvalue()
