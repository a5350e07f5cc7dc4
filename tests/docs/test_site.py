"""The site of the docs: built without a warning, complete, and in need of no other host."""

import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from docs import conf

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: Pages that the theme makes of its own accord; nobody needs to be led there.
OF_THE_THEME = {"search.html", "genindex.html"}

#: Attributes by which a page asks a host for something, without anybody's click.
LOADS = {
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("source", "srcset"),
    ("iframe", "src"),
    ("form", "action"),
}


@dataclass
class Page:
    """What matters of one written page. `links` are those in the text, `loads` what the browser asks for by itself."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    other_links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    headings: int = 0
    title: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._in_text = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.page.ids |= {given[name] for name in ("id", "name") if name in given}
        self._in_text += tag == "article"
        self._in_title = tag == "title"
        self.page.headings += tag == "h1"
        if tag == "a" and "href" in given:
            (self.page.links if self._in_text else self.page.other_links).append(given["href"])
        self.page.loads += [given[name] for kind, name in LOADS if kind == tag and name in given]
        self.page.loads += re.findall(r"url\(([^)]*)\)", given.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        self._in_text -= tag == "article"
        self._in_title = False

    def handle_data(self, data: str) -> None:
        self.page.title += data.strip() if self._in_title else ""


def read(text: str) -> Page:
    reader = _Reader()
    reader.feed(text)
    return reader.page


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """As `make docs` does."""
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html", str(source), str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(DOCS, out)
    assert (done.returncode, done.stderr) == (0, "")
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Every page by its path in the site."""
    return {
        path.relative_to(site).as_posix(): read(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }


def inner(place: str, links: list[str]) -> Iterator[tuple[str, str]]:
    """Path in the site and anchor of each link that stays on the site."""
    for link in links:
        parts = urlsplit(urljoin(f"https://site/{place}", link))
        if parts.netloc == "site":
            yield unquote(parts.path).lstrip("/"), unquote(parts.fragment)


def outside(loads: list[str]) -> list[str]:
    """What would be asked of another host."""
    return [load for load in loads if load.startswith("//") or urlsplit(load).scheme not in {"", "data"}]


def test_every_page_of_the_docs_is_on_the_site(pages: dict[str, Page]) -> None:
    written = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert set(pages) == written | OF_THE_THEME


def test_every_link_and_anchor_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    lost = [
        (place, f"{target}#{anchor}")
        for place, page in pages.items()
        for target, anchor in inner(place, [*page.links, *page.other_links, *page.loads])
        if not (site / target).is_file() or (anchor and target in pages and anchor not in pages[target].ids)
    ]
    assert lost == []


def test_nothing_is_asked_of_another_host(site: Path, pages: dict[str, Page]) -> None:
    assert {place: asked for place, page in pages.items() if (asked := outside(page.loads))} == {}
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert "@import" not in text, sheet
        assert outside([url.strip("\"'") for url in re.findall(r"url\(([^)]*)\)", text)]) == [], sheet
    for drawing in site.rglob("*.svg"):
        text = drawing.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http" not in text, drawing


def test_every_page_is_reached_from_the_first_by_links_in_the_text(pages: dict[str, Page]) -> None:
    reached, next_ones = {"index.html"}, ["index.html"]
    while next_ones:
        place = next_ones.pop()
        found = {target for target, _ in inner(place, pages[place].links)} & set(pages) - reached
        reached |= found
        next_ones += found
    assert set(pages) - OF_THE_THEME - reached == set(), "link these from the index page of their section"


def test_every_page_has_a_title_and_one_heading_of_the_first_order(pages: dict[str, Page]) -> None:
    assert [
        place for place, page in pages.items() if len(page.title) < len(" - Seawall") and place != "index.html"
    ] == []
    assert {place: page.headings for place, page in pages.items() if page.headings != 1} == {}
    titles = [page.title for page in pages.values()]
    assert len(titles) == len(set(titles))


def test_no_markup_is_left_over_in_the_text(site: Path, pages: dict[str, Page]) -> None:
    """A fence with a backtick behind its language, or a table without a line before it, shows as it was written."""
    for place in pages:
        text = (site / place).read_text(encoding="utf-8")
        assert "<p>```" not in text, place
        assert "|---" not in text, place


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_pages_read_well_on_a_code_host(page: Path) -> None:
    assert not re.search(r"^ *(```|:::)\{", page.read_text(encoding="utf-8"), re.MULTILINE), "a directive of Sphinx"


def test_an_index_page_lists_what_it_links_to_once_and_in_order() -> None:
    text = "[b](b.md), [up](../x.md), [out](https://c2sp.org/a.md), [a](a.md#part), [a](deep/a.md), [b](b.md)"
    assert conf.listed("how-to/index", text) == ["b", "deep/a"]


def test_a_planted_fault_is_noticed(tmp_path: Path) -> None:
    """A page that no index names and a link that leads nowhere: the build fails and says so."""
    source = tmp_path / "docs"
    for name in ("conf.py", "assets"):
        target = source / name
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(DOCS / name)
    (source / "index.md").write_text("# First\n\n[gone](gone.md) [anchor](#nowhere)\n", encoding="utf-8")
    (source / "lonely.md").write_text("# Lonely\n", encoding="utf-8")
    done = build(source, tmp_path / "out")
    assert done.returncode != 0
    assert "lonely.md" in done.stderr
    assert "gone" in done.stderr
    assert "nowhere" in done.stderr


def test_a_planted_request_is_noticed() -> None:
    page = read(
        '<title>x</title><link href="//fonts.example/a.css"><script src="https://cdn.example/a.js"></script>'
        '<img src="a.png"><article><a href="https://example.org/">a link may</a></article>'
        '<div style="background: url(https://example.org/b.png)"></div>'
    )
    assert len(outside(page.loads)) == 3
    assert page.links == ["https://example.org/"]


def test_pictures_are_whole(site: Path) -> None:
    """A PNG that broke off, or a page of errors under its name, would show as nothing."""
    for picture in DOCS.rglob("*.png"):
        data = picture.read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n"), picture
        assert data.endswith(b"IEND" + zlib.crc32(b"IEND").to_bytes(4, "big")), picture
