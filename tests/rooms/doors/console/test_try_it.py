import re
from datetime import timedelta
from pathlib import Path

from seawall.doors.console.try_it.trial import Trial, trial
from seawall.matching import testcard
from seawall.matching.banks import add_signals, create_bank, mute
from seawall.matching.model import BankKind
from seawall.matching.testcard import TEXT, URL, picture
from seawall.members.roles import Role
from seawall.record.clock import system_clock
from seawall.record.models import Event
from seawall.signals.model import Kind, Part, Signal
from tests.rooms.doors.console.browsing import Browser, Console

MODS = Path(__file__).parents[3] / "vectors" / "images" / "bridge-mods"


#: A made-up fingerprint that nothing else here is near to.
PDQ = "f8" * 32


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
    create_bank("mine", by=owner.person.id, now=system_clock(), default_action="block")
    add_signals("mine", [Signal(type="pdq", value=PDQ, quality=100)], by=owner.person.id, now=system_clock())
    tried = _trial(sqlite_console, 20)
    assert [(near.distance, near.is_near) for near in tried.near] == [(20, True)]
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


def test_too_long_a_text_is_said_beside_it_and_far_too_long_a_one_at_all(reader: Browser) -> None:
    answer = reader.post("/try", {"surface": "posts", "text": "x" * 200_001})
    assert answer.status_code == 422
    assert 'id="text-error"' in answer.text
    assert 'aria-invalid="true" aria-describedby="text-error"' in answer.text
    assert "autofocus" in answer.text
    larger = reader.post("/try", {"surface": "posts", "text": "x" * 1_100_000})
    assert (larger.status_code, "At most 1.0\xa0MB are taken" in larger.text) == (413, True)
    assert larger.headers["cache-control"] == "no-store"


def test_a_stranger_tries_nothing_and_sends_no_large_body(stranger: Browser) -> None:
    assert stranger.post("/try", {"card": "on"}, page="/account/login/").status_code == 302
    large = stranger.request("POST", "/try", data={"text": "x" * 100_000})
    assert (large.status_code, "Sign in, then send it again" in large.text) == (413, True)


def test_a_film_is_too_large_and_the_page_says_how_large_it_may_be(reader: Browser) -> None:
    film = reader.request("POST", "/try", headers={"content-length": str(64 * 1024 * 1024 + 1)})
    assert (film.status_code, film.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert "At most 64.0\xa0MB are taken" in film.text
    assert film.headers["cache-control"] == "no-store"


def test_cookies_of_other_programs_on_this_host_do_not_sign_anybody_out(
    sqlite_console: Console, reader: Browser
) -> None:
    """Cookies know no ports: whatever else runs here sends its own along, in whatever form."""
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', reader.get("/try").text)
    assert token
    ours = "; ".join(f"{one.name}={one.value}" for one in reader.cookies.jar)
    answer = sqlite_console.browser(None).request(
        "POST",
        "/try",
        headers={"cookie": f'prefs={{"a": [1, 2]}}; {ours}'},
        data={"csrfmiddlewaretoken": token[1], "surface": "posts"},
        files={"file": ("large.txt", b"good evening " * 10_000)},
    )
    assert (answer.status_code, "It would be" in answer.text) == (200, True)


def test_whose_session_ended_sends_no_large_body(sqlite_console: Console, moderator: Browser, reader: Browser) -> None:
    """Gone, or signed out by a new password elsewhere: the row of the session is still there, and opens nothing."""
    sqlite_console.accounts[Role.MODERATOR].delete()
    account = sqlite_console.accounts[Role.READER]
    account.set_password("the tenth boat sails home")
    account.save()
    for browser in (moderator, reader):
        answer = browser.request("POST", "/try", data={"text": "x" * 100_000})
        assert (answer.status_code, "Sign in, then send it again" in answer.text) == (413, True)


def test_nothing_tells_how_near_something_is_to_what_nobody_may_look_at(
    sqlite_console: Console, owner: Browser
) -> None:
    """Whoever were told could find the way to it, step by step."""
    create_bank(
        "unseen", by=owner.person.id, now=system_clock(), kind=BankKind.NO_LOOK, reporting_duty="a made-up duty"
    )
    add_signals("unseen", [Signal(type="pdq", value=PDQ, quality=100)], by=owner.person.id, now=system_clock())
    for differing in (0, 20, 40):
        tried = _trial(sqlite_console, differing)
        assert (tried.near, tried.thresholds) == ((), ()), differing
        assert tried.outcome.verdict == ("allow" if differing == 40 else "block")
    create_bank("mine", by=owner.person.id, now=system_clock(), default_action="hold")
    add_signals("mine", [Signal(type="pdq", value=PDQ, quality=100)], by=owner.person.id, now=system_clock())
    tried = _trial(sqlite_console, 40)
    assert [near.bank for near in tried.near] == ["mine"]
    assert {str(one.verdict) for one in tried.thresholds} == {"allow", "hold"}, "the other bank says nothing of itself"


def test_what_is_muted_is_said_to_match_nothing(sqlite_console: Console, owner: Browser) -> None:
    create_bank("mine", by=owner.person.id, now=system_clock(), default_action="block")
    card = Signal(type="pdq", value=testcard.PDQ, quality=100)
    [signal_id] = add_signals("mine", [card], by=owner.person.id, now=system_clock()).ids
    until = system_clock() + timedelta(days=1)
    mute(signal_id, until=until, by=owner.person.id, now=system_clock())
    sqlite_console.publish()
    shown = attempt(owner, card="on")
    assert f"matches nothing until {until:%Y-%m-%d %H:%M} UTC" in shown
    assert shown.count("It is muted") == 1


def _trial(console: Console, differing: int) -> Trial:
    """Of a picture whose fingerprint differs from PDQ in so many bits."""
    console.publish()
    context = console.app._console
    loaded = context.published()
    assert loaded is not None
    value = f"{int(PDQ, 16) ^ ((1 << differing) - 1):064x}"
    part = Part(name="p", kind=Kind.IMAGE, signals=(Signal(type="pdq", value=value, quality=100),))
    return trial([part], loaded.state.policy.surfaces["posts"], loaded, context.jail, system_clock())
