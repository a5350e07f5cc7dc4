"""The site as people meet it: axe finds nothing, nothing sticks out, nothing is asked of another host."""

import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make setup")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: make setup")

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed: apt-get install chromium"),
]

FLAGS = ["--disable-background-networking", "--disable-gpu", "--no-first-run"]
FLAGS += ["--no-sandbox"] if os.geteuid() == 0 else []

#: One page of each sort: a list of links, prose with pictures, wide tables, much code, what the theme writes itself.
PAGES = (
    "index.html",
    "tutorial/first-evening.html",
    "how-to/import-a-list.html",
    "why/what-a-match-means.html",
    "why/what-applies-to-you.html",
    "reference/api.html",
    "reference/ledger.html",
    "search.html",
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", "docs", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=110)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(out)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=((1280, "light"), (1280, "dark"), (360, "dark")), ids=lambda p: f"{p[0]}-{p[1]}")
def window(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, service_workers="block", reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing(window: Any, address: str, page: str) -> None:
    asked: list[str] = []
    said: list[str] = []
    window.on("request", lambda request: asked.append(request.url))
    window.on("console", lambda message: said.append(message.text))
    assert window.goto(f"{address}/{page}", wait_until="networkidle").ok
    found = axe.Axe().run(window).response
    assert [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found["violations"]] == []
    # Of text in the very colour of its ground axe only says that it could not tell.
    assert [one["nodes"] for one in found["incomplete"] if "equalRatio" in json.dumps(one["nodes"])] == []
    assert [url for url in asked if not url.startswith(f"{address}/")] == []
    assert [text for text in said if "favicon" not in text] == []
    sizes = window.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes[0] <= sizes[1], "the page sticks out to the side"


def test_the_search_finds_a_word(window: Any, address: str) -> None:
    """It works without any host but the site's own."""
    window.goto(f"{address}/search.html?q=ledger", wait_until="networkidle")
    window.wait_for_selector("#search-results li a")
    assert "ledger" in window.inner_text("#search-results").lower()
