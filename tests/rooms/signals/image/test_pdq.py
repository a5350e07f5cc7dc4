"""PDQ of real pictures equals the published vectors, with the compiled kernel and without it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seawall.signals.image import pdq, reference

VECTORS = Path(__file__).parents[3] / "vectors"
SHARED = Path(__file__).parents[5] / "shared" / "data"

LARGEST_MATCHING_DISTANCE = 31

EXPECTED: dict[str, tuple[str, int]] = {
    vector["file"]: (vector["pdqhash"], vector["quality"])
    for vector in json.loads((VECTORS / "pdq_vectors.json").read_text())["vectors"]
}


def pixels_of(name: str) -> NDArray[np.uint8]:
    for folder in (VECTORS, SHARED):
        if (folder / name).exists():
            with Image.open(folder / name) as picture:
                return np.ascontiguousarray(picture.convert("RGB"))
    pytest.skip(f"{name} is not kept in the project and there is no ../shared/data beside it")


def bits_between(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def test_the_vectors_in_the_project_are_there() -> None:
    kept = [name for name in EXPECTED if (VECTORS / name).exists()]
    assert len(EXPECTED) == 34
    assert len(kept) == 27


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_vector_has_its_published_hash_and_quality(name: str) -> None:
    found = pdq.compute(pixels_of(name))
    assert (found.value.hex(), found.quality) == EXPECTED[name]


@pytest.mark.parametrize("name", ["misc/wee.jpg", "misc/small.jpg", "bridge-mods/square-512x512.jpg"])
def test_the_numpy_twin_gives_the_published_hash_too(name: str) -> None:
    value, quality = reference.pdq_hash(pixels_of(f"images/{name}"))
    assert (value.hex(), quality) == EXPECTED[f"images/{name}"]


def test_edited_copies_are_near_and_other_pictures_far() -> None:
    original = pdq.compute(pixels_of("images/bridge-mods/aaa-orig.jpg")).value
    for name in EXPECTED:
        if name.startswith("images/bridge-mods/"):
            assert bits_between(original, pdq.compute(pixels_of(name)).value) <= 16
    for name in ("images/misc/wee.jpg", "images/misc/small.jpg"):
        assert bits_between(original, pdq.compute(pixels_of(name)).value) >= 122


def test_the_eight_forms_are_those_of_the_turned_pictures() -> None:
    """The files are named after what was done to the first; the forms are what would have to be done to each."""
    forms = pdq.compute_dihedral(pixels_of("images/dih/bridge-1-original.jpg"))
    names = ["1-original", "2-rotate-90", "3-rotate-180", "4-rotate-270", "5-flipx", "6-flipy", "7-flip-plus-1"]
    names.append("8-flip-minus-1")
    found = [pdq.compute(pixels_of(f"images/dih/bridge-{name}.jpg")).value for name in names]
    assert [bits_between(form.value, value) <= 16 for form, value in zip(forms, found, strict=True)] == [True] * 8
    for i, form in enumerate(forms):
        others = [bits_between(form.value, value) for j, value in enumerate(found) if j != i]
        assert min(others) > 60
    assert forms[0] == pdq.compute(pixels_of("images/dih/bridge-1-original.jpg"))
    assert {form.quality for form in forms} == {100}


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_each_turned_picture_is_found_among_the_forms(turns: int, mirrored: bool) -> None:
    picture = pixels_of("images/bridge-mods/square-512x512.jpg")
    forms = [form.value for form in pdq.compute_dihedral(picture)]
    turned = np.ascontiguousarray(np.rot90(picture[:, ::-1] if mirrored else picture, turns))
    distances = sorted(bits_between(pdq.compute(turned).value, form) for form in forms)
    # Samples are not taken quite symmetrically, so a turned picture is near its form, not at it.
    assert distances[0] <= LARGEST_MATCHING_DISTANCE < 60 < distances[1]


def test_quality_is_said_and_nothing_is_dropped() -> None:
    plain = np.full((300, 300, 3), 127, np.uint8)
    assert pdq.compute(plain).quality == 0
    tiny = np.zeros((1, 1, 3), np.uint8)
    assert pdq.compute(tiny) == pdq.Pdq(value=bytes(32), quality=0)
    assert pdq.compute_dihedral(tiny) == (pdq.Pdq(value=bytes(32), quality=0),) * 8


def test_without_the_compiled_kernel_the_twin_is_used() -> None:
    script = (
        "import sys; sys.modules['seawall_native'] = None\n"
        "import numpy as np\n"
        "from seawall.signals.image import pdq\n"
        "assert not pdq.NATIVE\n"
        "rgb = np.arange(90 * 80 * 3, dtype=np.uint32).reshape(90, 80, 3).astype(np.uint8)\n"
        "print(pdq.compute(rgb).value.hex(), pdq.compute_dihedral(rgb)[3].value.hex())\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    rgb = np.arange(90 * 80 * 3, dtype=np.uint32).reshape(90, 80, 3).astype(np.uint8)
    assert ran.stdout.split() == [pdq.compute(rgb).value.hex(), pdq.compute_dihedral(rgb)[3].value.hex()]
