"""Every page of the console is named, answers, and weighs no more than a slow telephone line can carry."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from seawall import app
from seawall.members.models import Instance
from seawall.settings import Settings
from tests.rooms.doors.console.browsing import Browser, open_console
from tests.rooms.doors.console.pages import (
    ALL,
    FORMS_ONLY,
    LEADS_ON,
    OWNER,
    Page,
    Populated,
    addresses,
    named,
    populate,
)

#: Uncompressed, with the style sheets and scripts that the page names.
MOST_BYTES = 100_000

_LINKED = re.compile(r'<link[^>]* rel="stylesheet"[^>]*>|<script[^>]* src="[^"]+"[^>]*>')
_ADDRESS = re.compile(r'(?:href|src)="([^"]+)"')


@pytest.fixture(scope="module")
def populated(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Populated]:
    scratch = tmp_path_factory.mktemp("weighed")
    shutil.copytree(sqlite_template, scratch / "data")
    settings = Settings(data_dir=scratch / "data", decoders=1)
    app.bind(settings)
    with open_console(settings) as console:
        yield populate(console, scratch)
    connections["default"].close()


@pytest.fixture(scope="module")
def weights() -> dict[str, int]:
    """What was weighed already, by address: most pages link the same."""
    return {}


def test_every_address_is_named() -> None:
    assert addresses() == named()


@pytest.mark.parametrize("page", ALL, ids=str)
def test_a_page_is_light(populated: Populated, weights: dict[str, int], page: Page) -> None:
    browser = populated.browsers[page.who]
    Instance.objects.update(next_step="done" if page.in_wizard else "")
    answer = browser.get(populated.path(page))
    assert answer.status_code == page.status, answer.headers.get("location")
    assert answer.headers["content-type"].startswith("text/html")
    assert ("<!doctype html>" in answer.text) is not page.is_part
    linked = [address[1] for found in _LINKED.findall(answer.text) if (address := _ADDRESS.search(found))]
    assert linked or page.is_part
    weight = len(answer.content) + sum(_weight(browser, address, weights) for address in linked)
    assert weight <= MOST_BYTES, f"{weight} bytes: {len(answer.content)} and {[(one, weights[one]) for one in linked]}"


def _weight(browser: Browser, address: str, weights: dict[str, int]) -> int:
    if address not in weights:
        sent = browser.get(address, headers={"accept-encoding": "identity"})
        assert sent.status_code == 200, address
        weights[address] = len(sent.content)
    return weights[address]


@pytest.mark.parametrize("name", FORMS_ONLY)
def test_what_takes_forms_only_shows_nothing(populated: Populated, name: str) -> None:
    assert populated.browsers[OWNER].get(FORMS_ONLY[name].format_map(populated.values)).status_code == 405


@pytest.mark.parametrize("name", LEADS_ON)
def test_what_leads_on_leads_to_a_page(populated: Populated, name: str) -> None:
    assert populated.browsers[OWNER].get(LEADS_ON[name]).headers["location"] in {"/", "/me"}
