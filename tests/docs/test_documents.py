"""Documents that cannot rot: links lead somewhere, commands exist, generated pages are in step with the code."""

import re
from pathlib import Path

import pytest

from docs.generate import PAGES
from seawall.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes.d").glob("*.md")]
    if ".venv" not in path.parts
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MAKE = re.compile(r"`make ([a-z-]+)")
SETTINGS = Settings.__struct_fields__
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        assert target.exists(), f"{named(document)} links to {link}, which is not there"
        if anchor:
            headings = {heading_anchor(heading) for heading in HEADING.findall(target.read_text(encoding="utf-8"))}
            assert anchor in headings, f"{named(document)} links to {link}: there is no such heading"


def heading_anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_make_target_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(MAKE.findall(document.read_text(encoding="utf-8"))) <= targets


@pytest.mark.parametrize("place", PAGES)
def test_generated_pages_are_in_step(place: str) -> None:
    assert (ROOT / place).read_text(encoding="utf-8") == PAGES[place](), "run `python docs/generate.py`"


def test_every_setting_is_explained() -> None:
    page = PAGES["docs/reference/settings.md"]()
    rows = {name: next(row for row in page.splitlines() if row.startswith(f"| `{name}`")) for name in SETTINGS}
    unexplained = [name for name, row in rows.items() if row.endswith("|  |")]
    assert unexplained == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_no_document_names_a_place_of_somebodys_machine(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|root|work|Users)/", text)
