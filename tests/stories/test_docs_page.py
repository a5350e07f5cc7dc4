"""Someone reads /docs of a running server in a real browser: narrow and wide, light and dark, by keyboard alone."""

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.stories.serving import Server

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup")

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed: apt-get install chromium"),
]

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]

WIDTHS = (1280, 360)
SCHEMES = ("light", "dark")

#: What an element shows behind its text: the nearest ancestor that is not transparent.
BEHIND = """
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (colour !== 'rgba(0, 0, 0, 0)' && colour !== 'transparent') return colour;
  }
  return 'rgb(255, 255, 255)';
};
"""

#: Every different pair of text and ground that is shown, with the text's size and an example.
COLOURS = (
    "() => {"
    + BEHIND
    + """
  const pairs = {};
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    const pair = [getComputedStyle(element).color, behind(element)];
    pairs[pair.join(' on ')] = [...pair, texts.currentNode.data.trim().slice(0, 40)];
  }
  return Object.values(pairs);
}"""
)

#: Elements that stick out to the right although nothing around them scrolls.
STICKING_OUT = """() => [...document.body.querySelectorAll('*')].filter(element => {
  if (!element.checkVisibility() || element.classList.contains('skip')) return false;
  for (let at = element.parentElement; at; at = at.parentElement)
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(at).overflowX)) return false;
  return element.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map(element => element.outerHTML.slice(0, 100))"""

#: What each thing that can be focused is called, after the rules that this page needs (accname 1.2).
NAMES = """() => [...document.querySelectorAll('a[href], summary, [tabindex], nav, section, article')].map(element => {
  const by = element.getAttribute('aria-labelledby');
  const name = by ? by.split(' ').map(id => document.getElementById(id)?.textContent ?? '').join(' ')
    : element.getAttribute('aria-label') ?? element.textContent;
  return [element.outerHTML.slice(0, 80), name.trim()];
})"""

#: What scrolls sideways must be reachable by keyboard.
UNREACHABLE = """() => [...document.querySelectorAll('*')].filter(element =>
  element.checkVisibility() && element.scrollWidth > element.clientWidth + 1
  && ['auto', 'scroll'].includes(getComputedStyle(element).overflowX) && element.tabIndex < 0
).map(element => element.outerHTML.slice(0, 100))"""


@dataclass
class Visit:
    """The page as it was opened, and what the browser said and asked for meanwhile."""

    page: Any
    scheme: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("docs") / "data", env={"SEAWALL_DECODERS": "1"}) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=itertools.product(WIDTHS, SCHEMES), ids=lambda one: f"{one[0]}-{one[1]}")
def visit(request: pytest.FixtureRequest, server: Server, browser: Any) -> Iterator[Visit]:
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, service_workers="block", reduced_motion="reduce"
    )
    page = context.new_page()
    visit = Visit(page=page, scheme=scheme)
    page.on("console", lambda message: visit.said.append(message.text))
    page.on("pageerror", lambda error: visit.said.append(str(error)))
    page.on("request", lambda asked: visit.asked.append(asked.url))
    page.on("requestfailed", lambda failed: visit.said.append(f"failed: {failed.url}"))
    response = page.goto(f"{server.url}/docs", wait_until="networkidle")
    assert response.status == 200
    yield visit
    context.close()


def channels(colour: str) -> list[float]:
    """`rgb(1, 2, 3)` → its three numbers; a half transparent one has no place on this page."""
    numbers = [float(one) for one in colour[colour.index("(") + 1 : -1].split(",")]
    assert len(numbers) == 3 or numbers[3] == 1, colour
    return numbers[:3]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    shares = [one / 255 for one in channels(colour)]
    red, green, blue = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def focused(page: Any) -> dict[str, Any]:
    """The element that has the focus: what it is, where it stands and how its focus is shown."""
    found: dict[str, Any] = page.evaluate("""() => {
      const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
      return {tag: at.tagName, id: at.id, href: at.getAttribute('href'), left: box.left, top: box.top,
        right: box.right, bottom: box.bottom, outline: style.outlineStyle, outlineWidth: parseFloat(style.outlineWidth),
        outlineColour: style.outlineColor};
    }""")
    return found


def open_details(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")


def test_the_browser_has_nothing_to_complain_of(visit: Visit) -> None:
    assert visit.said == []


def test_nothing_is_asked_of_another_host(visit: Visit, server: Server) -> None:
    assert {urlsplit(url).netloc for url in visit.asked} == {urlsplit(server.url).netloc}
    assert {urlsplit(url).path for url in visit.asked} - {"/docs/icon.svg"} == {"/docs", "/docs/style.css"}


def test_nothing_sticks_out_to_the_side(visit: Visit) -> None:
    open_details(visit.page)
    widths = visit.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1]
    assert visit.page.evaluate(STICKING_OUT) == []
    assert visit.page.evaluate(UNREACHABLE) == []


def test_it_stays_readable_with_text_of_twice_the_size(visit: Visit) -> None:
    visit.page.evaluate("document.documentElement.style.fontSize = '200%'")
    try:
        widths = visit.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert widths[0] <= widths[1]
    finally:
        visit.page.evaluate("document.documentElement.style.fontSize = ''")


def test_the_scheme_is_followed(visit: Visit) -> None:
    ground = visit.page.evaluate("() => {" + BEHIND + "return behind(document.body); }")
    assert luminance(ground) < 0.1 if visit.scheme == "dark" else luminance(ground) > 0.9


def test_all_text_can_be_told_from_its_ground(visit: Visit) -> None:
    open_details(visit.page)
    pairs = visit.page.evaluate(COLOURS)
    assert len(pairs) >= 4
    assert [pair for pair in pairs if contrast(pair[0], pair[1]) < 4.5] == []


def test_the_skip_link_comes_first_is_seen_and_leads_to_the_content(visit: Visit) -> None:
    page = visit.page
    page.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
    page.keyboard.press("Tab")
    link = focused(page)
    assert (link["tag"], link["href"]) == ("A", "#content")
    assert link["left"] >= 0
    assert link["top"] >= 0
    assert link["right"] <= page.viewport_size["width"]
    page.keyboard.press("Enter")
    assert focused(page)["id"] == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_everything_is_reached_by_keyboard_in_order_and_the_focus_is_seen(visit: Visit) -> None:
    page = visit.page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = false; })")
    page.evaluate("window.scrollTo(0, 0); document.querySelector('.skip').focus()")
    wanted = page.evaluate("""[...document.querySelectorAll('a[href], summary, [tabindex="0"]')]
      .filter(one => one.checkVisibility()).length""")
    ground = page.evaluate("() => {" + BEHIND + "return behind(document.body); }")
    places = []
    for _ in range(wanted - 1):
        page.keyboard.press("Tab")
        at = focused(page)
        assert at["tag"] in {"A", "PRE", "SUMMARY"}, at
        assert at["outline"] != "none", at
        assert at["outlineWidth"] >= 2, at
        assert contrast(at["outlineColour"], ground) >= 3, at
        assert at["bottom"] > 0, at
        assert at["top"] < page.viewport_size["height"], at
        places.append(page.evaluate("""[...document.querySelectorAll('*')].indexOf(document.activeElement)"""))
    assert places == sorted(set(places)), "in the order of the page, each once"


def test_the_problems_of_an_address_open_by_keyboard(visit: Visit) -> None:
    page = visit.page
    summary = page.locator("summary").first
    details = page.locator("details").first
    details.evaluate("one => { one.open = false; }")
    summary.focus()
    page.keyboard.press("Enter")
    assert details.evaluate("one => one.open")
    page.keyboard.press("Tab")
    assert details.evaluate("one => one.contains(document.activeElement)")


def test_headings_stand_in_order(visit: Visit) -> None:
    levels = visit.page.evaluate("""[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')]
      .filter(one => one.checkVisibility()).map(one => Number(one.tagName[1]))""")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_screen_reader_finds_its_way(visit: Visit) -> None:
    page = visit.page
    assert page.title()
    assert page.evaluate("document.documentElement.lang") == "en"
    for landmark in ("banner", "navigation", "main"):
        assert page.get_by_role(landmark).count() == 1, landmark
    assert [one for one in page.evaluate(NAMES) if not one[1]] == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    referred = page.evaluate("""[...document.querySelectorAll('[aria-labelledby], [aria-describedby]')].flatMap(one =>
      [one.getAttribute('aria-labelledby'), one.getAttribute('aria-describedby')]).filter(one => one)""")
    assert {one for value in referred for one in value.split()} <= set(ids)
    assert (
        page.evaluate("document.querySelectorAll('img:not([alt]), [tabindex]:not([tabindex=\"0\"],main)').length") == 0
    )
    assert "user-scalable" not in page.evaluate("document.querySelector('meta[name=viewport]').content")
    lists = "document.querySelectorAll('dl > :not(div, dt, dd), ul > :not(li), dl > div > :not(dt, dd)').length"
    assert page.evaluate(lists) == 0


def test_links_of_the_menu_are_large_enough_to_hit(visit: Visit) -> None:
    heights = visit.page.evaluate("""[...document.querySelectorAll('nav a')].map(one =>
      [one.getBoundingClientRect().height, one.getBoundingClientRect().width])""")
    assert heights
    assert all(min(size) >= 24 for size in heights)


def test_every_link_within_leads_to_a_place_that_is_shown(visit: Visit) -> None:
    lost = visit.page.evaluate("""[...document.querySelectorAll('a[href^="#"]')].map(one => one.hash.slice(1))
      .filter(id => !document.getElementById(id)?.checkVisibility())""")
    assert lost == []


def test_what_it_shows_is_what_the_server_serves(visit: Visit, server: Server, browser: Any) -> None:
    context = browser.new_context()
    try:
        description = json.loads(context.request.get(f"{server.url}/openapi.json").body())
    finally:
        context.close()
    shown = visit.page.evaluate("[...document.querySelectorAll('main h2 code')].map(one => one.textContent)")
    assert shown == [path for path, methods in description["paths"].items() for _ in methods]
