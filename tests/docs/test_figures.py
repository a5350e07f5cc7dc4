"""What the pages about matches and the evening show is what the test vectors and the script say."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docs import figures, screenshots

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "why" / "what-a-match-means.md").read_text(encoding="utf-8")
EVENING = DOCS / "tutorial" / "first-evening.md"

UPLOADS_A_YEAR = 10_000 * 365
TRUE_MATCHES_A_YEAR = UPLOADS_A_YEAR * 4.29 / 100_000


def test_the_table_of_distances_is_that_of_the_vectors() -> None:
    rows = re.findall(r"^\| ([a-z0-9 ]+) \| (\d+) \| (\*\*no\*\*|no|yes) \|$", PAGE, re.MULTILINE)
    told = {name: (int(bits), found == "yes") for name, bits, found in rows}
    measured = {name: figures.distance(file) for file, name in (figures.EDITS | figures.OTHERS).items()}
    assert told == {name: (bits, bits <= figures.MAX_DISTANCE) for name, bits in measured.items()}


@pytest.mark.parametrize("drawn", [figures.ruler, figures.grid])
def test_the_figures_are_drawings_with_words_for_those_who_do_not_see_them(drawn: object) -> None:
    assert callable(drawn)
    root = ET.fromstring(drawn())
    spaced = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{spaced}title")
    assert root.findtext(f"{spaced}desc")


def test_the_grid_lights_as_many_squares_as_bits_differ() -> None:
    lit = figures.grid().count(f'height="13" fill="{figures.OTHER}"')
    assert lit == figures.distance(figures.GRID) == 16
    assert f"Of 256 bits,\n{lit} differ" in PAGE


def test_the_worked_example_is_worked_out() -> None:
    assert f"about\n{TRUE_MATCHES_A_YEAR:.0f} true matches a year" in PAGE.replace("about ", "about\n")
    rows = re.findall(r"^\| ([\d ]{5,}) \| ([\d.]+) \| ([\d.]+) % \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for one_in, false_a_year, wrong in rows:
        false = UPLOADS_A_YEAR / int(one_in.replace(" ", ""))
        assert float(false_a_year) == pytest.approx(false, rel=0.15)
        assert float(wrong) == pytest.approx(100 * false / (false + TRUE_MATCHES_A_YEAR), rel=0.2)


def test_chance_is_as_small_as_the_page_says() -> None:
    """Two hashes of 256 coin throws within 31 bits."""
    chance = sum(math.comb(figures.BITS, bits) for bits in range(figures.MAX_DISTANCE + 1)) / 2**figures.BITS
    assert 1e36 < 1 / chance < 1e38


def test_the_evening_shows_the_pictures_that_the_script_takes_and_no_others() -> None:
    source = (DOCS / "screenshots.py").read_text(encoding="utf-8")
    taken = re.findall(r'Shot\(\s*name="([a-z-]+)"', source)
    shown = re.findall(r"\]\(images/([a-z-]+)\.png\)", EVENING.read_text(encoding="utf-8"))
    assert shown == taken
    kept = {path.stem for path in (EVENING.parent / "images").glob("*.png")}
    assert kept == set(taken)


@pytest.mark.parametrize("picture", sorted((EVENING.parent / "images").glob("*.png")), ids=lambda path: path.stem)
def test_pictures_are_small(picture: Path) -> None:
    assert picture.stat().st_size <= 150_000


def test_a_picture_of_another_page_is_noticed(tmp_path: Path) -> None:
    """As `python -m docs.screenshots --check` does it."""
    kept = EVENING.parent / "images" / "home.png"
    assert not screenshots.unlike(kept, kept.read_bytes())
    assert screenshots.unlike(kept, (kept.parent / "holds.png").read_bytes())
    assert screenshots.unlike(tmp_path / "not-there.png", kept.read_bytes())
