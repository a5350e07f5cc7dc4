import re
from datetime import timedelta

import pytest

from seawall.doors.web.background import keep_log
from seawall.matching.testcard import TEXT, picture
from seawall.members.issue import issue_key
from seawall.members.roles import Role
from seawall.record.clock import system_clock
from seawall.record.models import Event
from seawall.record.signing import load_or_create_signing_key
from seawall.screening import explain as explain_keys
from seawall.screening import holds
from seawall.screening.holds import asking, explaining
from seawall.screening.model import Action, Rule
from seawall.screening.models import Hold
from seawall.screening.policies import policy_in_force, rules_of, save_policy
from seawall.screening.publish import bank_rules
from tests.rooms.doors.console.browsing import Browser, Console


class Platform:
    """A program that uploads, so that something waits."""

    def __init__(self, console: Console) -> None:
        self._console = console
        _, self._token = issue_key(name="platform", scopes=["screen", "read"], by="per_x", now=system_clock())
        console.publish()

    def upload(
        self, *, text: str = TEXT, claim: str | None = "research", words: str = "", picture: bytes | None = None
    ) -> str:
        """A test card with a claim is held; its screening's id."""
        import json

        parts = [{"name": "words", "kind": "text", "text": text}]
        files = {}
        if picture is not None:
            parts.append({"name": "photo", "kind": "image", "file": "photo"})
            files["photo"] = ("photo.png", picture)
        form = {
            "surface": "posts",
            "content_id": "post-7",
            "context": claim and {"claim": claim, "text": words},
            "parts": parts,
        }
        browser = self._console.browser(None)
        headers = {"authorization": f"Bearer {self._token}"}
        if files:
            answer = browser.request(
                "POST", "/v1/screen", data={"request": json.dumps(form)}, files=files, headers=headers
            )
        else:
            answer = browser.request("POST", "/v1/screen", json=form, headers=headers)
        assert answer.status_code == 200, answer.text
        self.verdict = answer.json()
        key = load_or_create_signing_key(self._console.settings.keys_dir, system_clock())
        keep_log(self._console.ledger, key, system_clock)
        return str(self.verdict["id"])


@pytest.fixture
def platform(sqlite_console: Console) -> Platform:
    return Platform(sqlite_console)


def test_an_empty_list_reassures(moderator: Browser) -> None:
    assert "Nothing waits." in moderator.get("/holds").text
    assert "Nobody asked." in moderator.get("/holds?list=asked").text
    assert "Nothing was decided yet." in moderator.get("/holds?list=decided").text


def test_a_held_upload_is_listed_explained_and_decided(console: Console) -> None:
    hold = Platform(console).upload(picture=picture())
    moderator = console.browser(Role.MODERATOR)
    listed = moderator.get("/holds").text
    assert f"/holds/{hold}" in listed
    assert "Waiting</a>" not in listed
    shown = moderator.get(f"/holds/{hold}").text
    assert "test-card" in shown
    assert "post-7" in shown
    assert TEXT not in shown
    assert "<img" not in shown
    decided = moderator.post(f"/holds/{hold}/decision", {"choice": "release:research"}, page=f"/holds/{hold}")
    assert decided.status_code == 302
    pending = moderator.get(f"/holds/{hold}").text
    assert "It is being released" in pending
    assert "Undo" in pending
    state = holds.state(hold)
    assert state is not None
    assert state.state == "waiting"
    holds.settle_due(console.ledger, now=system_clock() + timedelta(seconds=11))
    after = moderator.get(f"/holds/{hold}").text
    assert "Decided by Mo Derator" in after
    assert "Mo Derator" in moderator.get("/holds?list=decided").text


def test_the_list_names_a_few_reasons_and_the_hold_itself_all(
    sqlite_console: Console, platform: Platform, moderator: Browser
) -> None:
    """Rules may have texts of a thousand characters; a page of 25 holds is light all the same."""
    rules = [
        Rule(
            name=f"long-{number}",
            action=Action.HOLD,
            code="long",
            text=f"number {number} {'x' * 900} ends",
            public_text="A person will look.",
            labels=("test-card",),
        )
        for number in range(5)
    ]
    rules += rules_of(policy_in_force())
    save_policy(rules, banks=bank_rules(), by="per_x", now=system_clock())
    sqlite_console.publish()
    hold = platform.upload()
    shown = moderator.get(f"/holds/{hold}").text
    assert all(f"number {number} " in shown for number in range(5))
    assert shown.count("x ends") == 5
    listed = moderator.get("/holds").text
    assert 0 < listed.count('<span class="reason">') <= 3
    assert "and more reasons" in listed
    assert "x ends" not in listed


@pytest.mark.parametrize(
    ("on_expiry", "hours", "said"),
    [
        ("release", 5, "Then it is released without a decision."),
        ("refuse", 5, "Then it is refused without a decision."),
        ("release", -1, "within a minute it is released"),
        ("refuse", -1, "within a minute it is refused"),
        ("", 5, "only a person ends this"),
        ("refuse", None, "There is no deadline"),
    ],
)
def test_whoever_decides_reads_what_happens_without_them(
    platform: Platform, moderator: Browser, on_expiry: str, hours: int | None, said: str
) -> None:
    hold = platform.upload()
    at = None if hours is None else system_clock() + timedelta(hours=hours)
    Hold.objects.update(on_expiry=on_expiry, expires_at=at)
    assert said in moderator.get(f"/holds/{hold}").text


def test_a_decision_can_be_undone_by_who_made_it(
    sqlite_console: Console, platform: Platform, moderator: Browser, owner: Browser
) -> None:
    hold = platform.upload()
    moderator.post(f"/holds/{hold}/decision", {"choice": "refuse:recruits", "note": "n"}, page=f"/holds/{hold}")
    refused = owner.post(f"/holds/{hold}/undo", page=f"/holds/{hold}")
    assert refused.status_code == 409
    assert "only they can undo it" in refused.text
    state = holds.state(hold)
    assert state is not None
    assert state.pending is not None
    # What refreshes this page goes to the hold: loaded anew it would send the form again.
    late = owner.post(f"/holds/{hold}/decision", {"choice": "release:art"}, page="/me")
    assert late.status_code == 409
    assert "a moment ago" in late.text
    assert "per_" not in late.text
    assert f'data-page="/holds/{hold}"' in late.text
    assert moderator.post(f"/holds/{hold}/undo", page=f"/holds/{hold}").status_code == 302
    state = holds.state(hold)
    assert state is not None
    assert state.pending is None
    holds.settle_due(sqlite_console.ledger, now=system_clock() + timedelta(minutes=1))
    state = holds.state(hold)
    assert state is not None
    assert state.state == "waiting"


def test_a_decision_needs_a_reason(platform: Platform, moderator: Browser) -> None:
    hold = platform.upload()
    for choice in ("", "release", "release:", "release:<script>", "delete:tvec", "refuse:no_match"):
        answer = moderator.post(f"/holds/{hold}/decision", {"choice": choice}, page=f"/holds/{hold}")
        assert answer.status_code == 422
        assert "Choose what happens" in answer.text
        assert "<script>" not in answer.text.replace("<script src", "")


def test_a_picture_is_shown_only_after_a_press_and_noted(
    sqlite_console: Console, platform: Platform, moderator: Browser
) -> None:
    hold = platform.upload(picture=picture())
    place = f"/holds/{hold}/parts/1"
    assert moderator.get(f"{place}/picture").status_code == 404
    assert not Event.objects.filter(name="screening:hold:looked").exists()
    pressed = moderator.post(place, page=f"/holds/{hold}")
    address = re.search(r'<img src="([^"]+)"', pressed.text)
    assert address is not None
    seen = moderator.get(address[1].replace("&amp;", "&"))
    assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
    assert seen.content != picture()
    assert len(seen.content) < 40_000
    assert Event.objects.filter(name="screening:hold:looked").count() == 1


def test_the_word_of_a_press_is_for_one_person_and_one_part(
    sqlite_console: Console, platform: Platform, moderator: Browser, owner: Browser
) -> None:
    hold = platform.upload(picture=picture())
    pressed = moderator.post(f"/holds/{hold}/parts/1", page=f"/holds/{hold}").text
    address = re.search(r'<img src="([^"]+)"', pressed)
    assert address is not None
    assert owner.get(address[1]).status_code == 404
    assert moderator.get(address[1].replace("/parts/1/", "/parts/0/")).status_code == 404
    assert moderator.get(address[1] + "x").status_code == 404


def test_a_text_is_shown_as_text(platform: Platform, moderator: Browser) -> None:
    hold = platform.upload(text=TEXT, picture=None)
    shown = moderator.post(f"/holds/{hold}/parts/0", page=f"/holds/{hold}").text
    assert TEXT in shown


def test_a_reader_sees_why_and_neither_looks_nor_decides(platform: Platform, reader: Browser) -> None:
    hold = platform.upload(picture=picture())
    shown = reader.get(f"/holds/{hold}")
    assert shown.status_code == 200
    assert "Your decision" not in shown.text
    assert "Show it" not in shown.text
    for path in ("decision", "undo", "parts/0"):
        assert reader.post(f"/holds/{hold}/{path}", {"choice": "release:art"}, page="/holds").status_code == 404
    assert reader.get(f"/holds/{hold}/parts/0/hidden").status_code == 404


def test_a_stranger_sees_nothing(platform: Platform, stranger: Browser) -> None:
    hold = platform.upload()
    for path in ("/holds", f"/holds/{hold}", f"/holds/{hold}/parts/0/picture"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.text) == (302, "")
    for path in ("decision", "undo", "parts/0"):
        assert stranger.post(f"/holds/{hold}/{path}", page="/account/login/").status_code == 302


@pytest.mark.parametrize("bad", ["scr_x", "x", "%00", "scr_0193b2a0-0000-7000-8000-000000000000", "..%2fholds"])
def test_unknown_holds_are_nothing(moderator: Browser, bad: str) -> None:
    assert moderator.get(f"/holds/{bad}").status_code == 404


@pytest.mark.parametrize("cursor", ["x", "e30", "%00", "A" * 5_000])
def test_a_made_up_cursor_shows_the_beginning(moderator: Browser, cursor: str) -> None:
    answer = moderator.get(f"/holds?after={cursor}")
    assert (answer.status_code, answer.headers["location"]) == (302, "/holds?list=waiting")


def test_what_was_said_with_the_upload_is_there_for_whoever_decides(
    sqlite_console: Console, platform: Platform, moderator: Browser
) -> None:
    hold = platform.upload(claim="counter_speech", words="<script>alert(1)</script> It warns of them.")
    shown = moderator.get(f"/holds/{hold}").text
    assert "What was said with the upload" in shown
    assert "counter-speech" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; It warns of them." in shown
    # They are in the sealed row and nowhere in the clear.
    kept = [path for path in sqlite_console.settings.data_dir.rglob("*") if path.is_file()]
    assert [path for path in kept if b"warns of them" in path.read_bytes()] == []


def test_what_was_kept_and_is_damaged_is_not_called_destroyed(
    sqlite_console: Console, platform: Platform, moderator: Browser
) -> None:
    hold = platform.upload()
    (sqlite_console.settings.keys_dir / "holds" / f"{hold}.key").unlink()
    shown = moderator.get(f"/holds/{hold}").text
    assert "cannot be read" in shown
    assert "from a backup" in shown
    assert "Your decision" in shown
    assert moderator.post(f"/holds/{hold}/parts/0", page=f"/holds/{hold}").status_code == 404


def test_the_page_of_a_hold_deciphers_nothing_of_the_upload(
    sqlite_console: Console, platform: Platform, moderator: Browser
) -> None:
    hold = platform.upload()
    (sqlite_console.settings.holds_dir / hold / "0000.data").write_bytes(b"x" * 1_052)
    shown = moderator.get(f"/holds/{hold}").text
    assert "1.0\xa0KB" in shown


def test_a_long_note_has_the_length_that_a_browser_counts_and_is_not_lost(
    platform: Platform, moderator: Browser
) -> None:
    hold = platform.upload()
    page, address = f"/holds/{hold}", f"/holds/{hold}/decision"
    long = moderator.post(address, {"choice": "refuse:recruits", "note": "z" * 1_001}, page=page)
    assert long.status_code == 422
    assert "z" * 1_001 in long.text
    assert 'value="refuse:recruits" checked' in long.text
    assert long.text.count(" checked") == 1
    assert 'aria-invalid="true"' in long.text
    answer = moderator.post(address, {"choice": "refuse:recruits", "note": "z\r\n" * 500}, page=page)
    assert answer.status_code == 302


class TestExplain:
    def address(self, platform: Platform) -> str:
        return str(platform.verdict["explain_url"]).partition("/x/")[2]

    def test_who_was_held_learns_why_and_asks(self, sqlite_console: Console, platform: Platform) -> None:
        hold = platform.upload(picture=picture())
        someone = sqlite_console.browser(None)
        path = f"/x/{self.address(platform)}"
        shown = someone.get(path).text
        assert "Your upload waits for a person" in shown
        for secret in ("test-card", "distance", "signal", hold, "post-7", "seawall.sqlite3"):
            assert secret not in shown.replace("Seawall", "")
        asked = someone.post(path, {"claim": "journalism", "text": "<script>alert(1)</script>\r\nplease"})
        assert asked.status_code == 302
        assert "A person will look." in someone.get(path).text
        seen = sqlite_console.browser(Role.MODERATOR).get(f"/holds/{hold}").text
        assert "&lt;script&gt;alert(1)" in seen
        assert "journalism" in seen
        assert f"/holds/{hold}" in sqlite_console.browser(Role.MODERATOR).get("/holds?list=asked").text

    def test_a_block_becomes_a_hold(self, sqlite_console: Console, platform: Platform) -> None:
        block = platform.upload(claim=None)
        assert platform.verdict["verdict"] == "block"
        path = f"/x/{self.address(platform)}"
        someone = sqlite_console.browser(None)
        assert "Your upload was not published" in someone.get(path).text
        assert someone.post(path, {"claim": "", "text": ""}).status_code == 302
        state = holds.state(block)
        assert state is not None
        assert state.state == "waiting"
        assert "<form" not in someone.get(path).text

    @pytest.mark.parametrize("token", ["x", "A" * 48, "%00" * 16, "é" * 48])
    def test_made_up_links_open_nothing(self, stranger: Browser, token: str) -> None:
        assert stranger.get(f"/x/{token}").status_code == 404
        assert stranger.post(f"/x/{token}", page="/account/login/").status_code == 404

    def test_too_long_a_text_is_refused_and_not_lost(self, platform: Platform, stranger: Browser) -> None:
        platform.upload()
        answer = stranger.post(f"/x/{self.address(platform)}", {"text": "z" * 1_001})
        assert answer.status_code == 422
        assert "z" * 1_001 in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert "longer than the 1000 characters" in answer.text

    def test_an_ask_from_elsewhere_is_refused(self, platform: Platform, stranger: Browser) -> None:
        hold = platform.upload()
        path = f"/x/{self.address(platform)}"
        answer = stranger.request("POST", path, data={"text": "x"}, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403
        state = holds.state(hold)
        assert state is not None
        assert state.asked is None

    def test_what_nobody_looked_at_is_not_said_to_be_looked_at(
        self, sqlite_console: Console, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        platform.upload()
        path = f"/x/{self.address(platform)}"
        later = system_clock() + timedelta(hours=25)
        assert holds.expire_due(sqlite_console.ledger, now=later) == 1
        someone = sqlite_console.browser(None)
        assert "Have a person look" in someone.get(path).text
        monkeypatch.setattr(asking, "appeal_window", lambda _: timedelta(hours=-30))
        monkeypatch.setattr(explaining, "appeal_window", lambda _: timedelta(hours=-30))
        shown = someone.get(path).text
        assert "A person has looked" not in shown
        assert "Nobody can be asked to look here any more." in shown

    def test_a_damaged_key_is_no_fault_that_strangers_see(self, sqlite_console: Console, platform: Platform) -> None:
        platform.upload()
        path, someone = f"/x/{self.address(platform)}", sqlite_console.browser(None)
        explain_keys.rotate(sqlite_console.settings.keys_dir, system_clock())
        broken = sqlite_console.settings.keys_dir / explain_keys.DIRECTORY / "00000002.json"
        broken.write_bytes(b"damaged")
        assert someone.get(path).status_code == 200
        assert someone.request("HEAD", path).status_code == 200
        broken.with_name("00000001.json").write_bytes(b"damaged")
        assert someone.get(path).status_code == 404
