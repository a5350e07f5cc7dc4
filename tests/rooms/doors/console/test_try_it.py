import re
from pathlib import Path

from seawall.matching.testcard import TEXT, URL, picture
from seawall.record.models import Event
from tests.rooms.doors.console.browsing import Browser, Console

MODS = Path(__file__).parents[3] / "vectors" / "images" / "bridge-mods"


def attempt(person: Browser, **given: str) -> str:
    response = person.post("/try", {"surface": "posts", **given})
    assert response.status_code == 200, response.text
    return response.text


def test_the_test_card_is_blocked_and_shown_with_its_grid(reader: Browser) -> None:
    shown = attempt(reader, card="on")
    assert "It would be refused" in shown
    assert "Distance 0 from an item in test-card" in shown
    assert shown.count('class="grid-set"') == 2
    assert re.search(r'class="grid-differs" d=""', shown)


def test_a_file_a_text_and_an_address_are_tried(sqlite_console: Console, reader: Browser) -> None:
    response = reader.post("/try", {"surface": "posts"}, files={"file": ("x.png", picture())})
    assert "It would be refused" in response.text
    assert "It would be refused" in attempt(reader, text=TEXT)
    assert "It would be refused" in attempt(reader, address=URL)
    assert "It would be published" in attempt(reader, text="good evening")


def test_nothing_is_recorded_or_kept(sqlite_console: Console, reader: Browser) -> None:
    before = Event.objects.count()
    attempt(reader, card="on")
    assert Event.objects.count() == before
    with sqlite_console.ledger.opened() as storage:
        assert storage.partitions() == []


def test_other_thresholds_are_told(sqlite_console: Console, owner: Browser) -> None:
    from seawall.matching.banks import add_signals, create_bank
    from seawall.record.clock import system_clock
    from seawall.signals.model import Signal

    base = int("f8" * 32, 16)
    listed = f"{base ^ ((1 << 20) - 1):064x}"
    create_bank("mine", by=owner.person.id, now=system_clock(), default_action="block")
    add_signals("mine", [Signal(type="pdq", value=listed, quality=100)], by=owner.person.id, now=system_clock())
    sqlite_console.publish()
    from seawall.doors.console.try_it.trial import trial
    from seawall.signals.model import Kind, Part

    context = sqlite_console.app._console
    loaded = context.published()
    assert loaded is not None
    part = Part(name="p", kind=Kind.IMAGE, signals=(Signal(type="pdq", value=f"{base:064x}", quality=100),))
    tried = trial([part], loaded.state.policy.surfaces["posts"], loaded, context.jail, system_clock())
    assert [(near.distance, near.matches) for near in tried.near] == [(20, True)]
    verdicts = {one.distance: str(one.verdict) for one in tried.thresholds}
    assert verdicts[16] == "allow"
    assert verdicts[24] == "block"


def test_what_cannot_be_read_is_said(reader: Browser) -> None:
    broken = reader.post("/try", {"surface": "posts"}, files={"file": ("<script>.png", picture()[:500])})
    assert "Not everything could be checked" in broken.text
    assert "<script>." not in broken.text
    nothing = reader.post("/try", {"surface": "posts"})
    assert (nothing.status_code, "Choose a file" in nothing.text) == (422, True)
    unknown = reader.post("/try", {"surface": "<b>no</b>", "text": "x"})
    assert unknown.status_code == 422
    assert "<b>no" not in unknown.text


def test_a_stranger_tries_nothing_and_sends_no_large_body(stranger: Browser) -> None:
    assert stranger.post("/try", {"card": "on"}, page="/account/login/").status_code == 302
    large = stranger.request("POST", "/try", data={"text": "x" * 100_000})
    assert (large.status_code, "Sign in, then send it again" in large.text) == (413, True)


def test_a_film_is_too_large_and_the_page_says_how_large_it_may_be(reader: Browser) -> None:
    film = reader.request("POST", "/try", headers={"content-length": str(64 * 1024 * 1024 + 1)})
    assert (film.status_code, film.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert "At most 64.0\xa0MB are taken" in film.text
    assert film.headers["cache-control"] == "no-store"
