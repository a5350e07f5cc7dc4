"""The site: Sphinx with MyST and furo, from these pages as they are. `make docs` builds it into build/docs.

The pages stay plain Markdown that reads well on a code host, so no page holds a Sphinx directive: the tree of contents
of a section is drawn from the links of its index page. Nothing here is fetched from another host, when building or
when reading.
"""

import re
from pathlib import Path

from pygments.lexers.special import TextLexer  # type: ignore[import-untyped]
from sphinx.application import Sphinx

DOCS = Path(__file__).parent

project = "Seawall"
author = "The Seawall maintainers"
project_copyright = "The Seawall maintainers. Apache-2.0"
language = "en"

extensions = ["myst_parser"]
exclude_patterns: list[str] = ["tutorial/images"]
nitpicky = True

#: Anchors as code hosts make them, so that one link serves both.
myst_heading_anchors = 4
#: Addresses in the text become links only where the author wrote a link.
myst_enable_extensions: list[str] = []
suppress_warnings: list[str] = []

html_theme = "furo"
html_title = "Seawall"
html_static_path = ["assets"]
html_css_files = ["seawall.css"]
html_favicon = "assets/icon.svg"
templates_path = ["assets/templates"]
html_copy_source = False
html_show_sphinx = False
html_permalinks_icon = "#"
html_theme_options = {"sidebar_hide_name": False, "footer_icons": []}
#: One style with enough contrast on either ground needs no second colour: words in bold and italics, see seawall.css.
pygments_style = "bw"
pygments_dark_style = "bw"

#: What an index page links to in its own folder or below, in the order of the page.
_LINK = re.compile(r"\]\(([\w./-]+\.md)\)")

#: The form for new decision records is for those who write one; it is linked, not listed.
_UNLISTED = {"adr/template"}


def listed(page: str, text: str) -> list[str]:
    """The pages that an index page leads to, as Sphinx names them: relative and without `.md`, each once."""
    if page == "adr/README":
        return sorted(path.stem for path in (DOCS / "adr").glob("[0-9]*.md"))
    return list(dict.fromkeys(place.removesuffix(".md") for place in _LINK.findall(text) if not place.startswith("..")))


def _is_index(page: str) -> bool:
    return page.rpartition("/")[2] in {"index", "README"}


def _add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Give an index page its tree of contents, and keep unlisted pages from being missed in one."""
    if page in _UNLISTED:
        source[0] = f"---\norphan: true\n---\n{source[0]}"
    elif _is_index(page):
        shown = [":maxdepth: 1"] if page == "adr/README" else [":hidden:"]
        source[0] += "\n".join(["", "```{toctree}", *shown, "", *listed(page, source[0]), "```", ""])


#: What the theme leaves out for people who use a keyboard or a screen reader: names for the two side bars, a way to
#: reach by keyboard what scrolls sideways, no empty headers of tables.
_MENDED = (
    ('<aside class="sidebar-drawer"', '<aside class="sidebar-drawer" aria-label="All pages"'),
    ('<aside class="toc-drawer', '<aside aria-label="Beside this page" class="toc-drawer'),
    ("<pre>", '<pre tabindex="0">'),
    ('<div class="table-wrapper', '<div role="group" aria-label="Table" tabindex="0" class="table-wrapper'),
    ('<div id="search-results"></div>', '<h1>Search</h1>\n<div id="search-results"></div>'),
)
_EMPTY_HEADER = re.compile(r'<th class="head"[^>]*>(<p></p>)?</th>')


def _mend(app: Sphinx, failure: Exception | None) -> None:
    """Complete the written pages, whatever part of the theme they came from."""
    for page in () if failure else Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for theirs, ours in _MENDED:
            text = text.replace(theirs, ours)
        page.write_text(_EMPTY_HEADER.sub("<td></td>", text), encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.connect("build-finished", _mend)
    app.connect("source-read", _add_contents)
    # A language that the highlighter does not know would be a warning; the pages name it for people.
    app.add_lexer("csv", TextLexer)
