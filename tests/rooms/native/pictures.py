"""Made-up pictures of every awkward kind, for comparing two versions of PDQ."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def noise(height: int, width: int, rng: np.random.Generator) -> Pixels:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def glare(height: int, width: int, rng: np.random.Generator) -> Pixels:
    """Nearly white: the largest sums there can be."""
    picture = rng.integers(250, 256, (height, width, 3), dtype=np.uint8)
    picture[: height // 3, : width // 2] -= 40
    return picture


def one_colour(height: int, width: int, rng: np.random.Generator) -> Pixels:
    return np.full((height, width, 3), rng.integers(0, 256, 3), dtype=np.uint8)


def gradient(height: int, width: int, rng: np.random.Generator) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    ramps = [x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) % 256]
    return np.ascontiguousarray(np.stack([ramps[i] for i in rng.integers(0, 3, 3)], axis=2).astype(np.uint8))


def stripes(height: int, width: int, rng: np.random.Generator) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    period = int(rng.integers(2, 40))
    grey = ((x * int(rng.integers(0, 2)) + y) // period % 2 * 255).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))


def boxes(height: int, width: int, rng: np.random.Generator) -> Pixels:
    """Flat areas with sharp edges, like a screenshot."""
    picture = one_colour(height, width, rng)
    for _ in range(int(rng.integers(1, 30))):
        top, bottom = sorted(rng.integers(0, height + 1, 2))
        left, right = sorted(rng.integers(0, width + 1, 2))
        picture[top:bottom, left:right] = rng.integers(0, 256, 3)
    return picture


def blobs(height: int, width: int, rng: np.random.Generator) -> Pixels:
    """Smooth and full of detail at all scales, like a photograph."""
    y, x = np.mgrid[0:height, 0:width]
    grey = np.full((height, width), 128.0)
    for _ in range(12):
        fy, fx = rng.uniform(0, 12, 2)
        grey += rng.uniform(5, 40) * np.sin(6.28 * (fy * y / height + fx * x / width) + rng.uniform(0, 6))
    return np.ascontiguousarray(np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2))


KINDS: dict[str, Callable[[int, int, np.random.Generator], Pixels]] = {
    made.__name__: made for made in (noise, glare, one_colour, gradient, stripes, boxes, blobs)
}
