"""What one key holder can cost the others: nothing waits for a long request, and every request has an end."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from seawall.doors.gate import app, lookup, screen, searching
from seawall.doors.gate.problems import Refused
from seawall.doors.gate.screen import BATCH_SECONDS
from seawall.signals.extract import extract
from tests.rooms.doors.scene import LISTED_TEXT, OTHER_PICTURE, Api, problem, text_signal
from tests.rooms.doors.test_lookup import near

IMAGE = {"surface": "posts", "parts": [{"kind": "image", "file": "f"}]}
SLOW_ADDRESS = {"type": "url", "value": "https://a.example/" + "%e4" * 2_600}
TEXT = {"kind": "text", "text": "x"}


def threads_of(monkeypatch: pytest.MonkeyPatch, room: Any, name: str) -> list[str]:
    """The names of the threads in which this function runs."""
    seen: list[str] = []
    real = getattr(room, name)

    def noting(*arguments: Any, **more: Any) -> Any:
        seen.append(threading.current_thread().name)
        return real(*arguments, **more)

    monkeypatch.setattr(room, name, noting)
    return seen


class TestLongRequestsStandAside:
    def test_a_lookup_of_many_addresses_in_a_small_index(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = threads_of(monkeypatch, lookup, "read_signals")
        assert api.post("/v1/lookup", {"signals": [SLOW_ADDRESS] * 20}).status_code == 200
        assert seen[0].startswith("seawall-search")

    def test_a_screening_of_many_addresses(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = threads_of(monkeypatch, screen, "read_request")
        assert api.screen({"kind": "url", "signals": [SLOW_ADDRESS] * 20}).status_code == 200
        assert seen[0].startswith("seawall-search")

    def test_addresses_that_are_not_signals(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = threads_of(monkeypatch, screen, "screen")
        assert api.screen(*[{"kind": "url", "url": SLOW_ADDRESS["value"]}] * 5).status_code == 200
        assert seen[0].startswith("seawall-search")

    def test_many_short_texts_together(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = threads_of(monkeypatch, screen, "screen")
        assert api.screen(*[{"kind": "text", "text": "\ufdfa" * 100}] * 32).status_code == 200
        assert seen[0].startswith("seawall-search")

    def test_hashing_them(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = threads_of(monkeypatch, app, "read_parts")
        form = {"parts": [{"kind": "url", "signals": [SLOW_ADDRESS] * 20}]}
        assert api.post("/v1/hash", form).status_code == 200
        assert seen[0].startswith("seawall-search")

    def test_ordinary_requests_are_answered_at_once(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        screened, looked_up = (
            threads_of(monkeypatch, screen, "screen"),
            threads_of(monkeypatch, lookup, "read_signals"),
        )
        assert api.screen(TEXT).status_code == 200
        assert api.post("/v1/lookup", {"signals": [near(1)]}).status_code == 200
        assert [*screened, *looked_up] == [threading.current_thread().name] * 2


class TestEveryRequestHasAnEnd:
    def test_who_waits_too_long_for_a_thread_is_told_instead_of_worked_for(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app, "MOST_WAITING_SECONDS", 0.2)
        begun, released = threading.Event(), threading.Event()

        def occupy() -> None:
            begun.set()
            released.wait(20)

        api.app._decoding.submit(occupy)
        assert begun.wait(5)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(api.upload, "/v1/screen", IMAGE, {"f": OTHER_PICTURE})
            time.sleep(0.5)
            released.set()
            problem(waiting.result(20), 429, "busy")
        assert not api.recorder.recordings
        assert api.app._waiting == 0
        assert api.upload("/v1/screen", IMAGE, {"f": OTHER_PICTURE}).status_code == 200

    @pytest.mark.parametrize("path", ["/v1/screen", "/v1/hash"])
    def test_pictures_for_which_no_time_is_left_are_a_gap(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        monkeypatch.setattr(sys.modules["seawall.signals.extract"], "POST_SECONDS", -1.0)
        form = IMAGE if path == "/v1/screen" else {"parts": IMAGE["parts"]}
        answer = api.upload(path, form, {"f": OTHER_PICTURE}).json()
        [reason] = (answer if path == "/v1/screen" else answer["parts"][0])["degraded_reasons"]
        assert (reason["part"], reason["code"]) == ("image-1", "no_time_left")
        assert answer.get("verdict", "hold") == "hold"

    def test_hashing_shares_its_time_among_all_parts(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        times = iter([0.0, 0.0, 31.0])
        monkeypatch.setattr(lookup, "extract", lambda parts, jail: extract(parts, jail, stopwatch=lambda: next(times)))
        form = {"parts": [{"kind": "image", "file": "f"}, {"kind": "image", "file": "f"}]}
        first, second = api.upload("/v1/hash", form, {"f": OTHER_PICTURE}).json()["parts"]
        assert [one["type"] for one in first["signals"]] == ["pdq", "sha256", "md5"]
        assert [one["code"] for one in second["degraded_reasons"]] == ["no_time_left"]

    def test_a_batch_ends_and_says_which_requests_were_not_begun(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        times = iter([0.0, 0.0, BATCH_SECONDS, BATCH_SECONDS])
        real = screen.screen_batch
        monkeypatch.setattr(screen, "screen_batch", lambda *given: real(*given, stopwatch=lambda: next(times)))
        requests = [{"surface": "posts", "parts": [TEXT]}] * 3
        results = api.post("/v1/screen/batch", {"requests": requests}).json()["results"]
        assert [one.get("verdict") or one["error"]["code"] for one in results] == ["allow", "busy", "busy"]
        assert len(api.recorder.recordings) == 1


class TestManyMatches:
    @pytest.fixture(autouse=True)
    def _few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(searching, "MOST_MATCHES", 10)
        monkeypatch.setattr(searching, "ONE_PASS", 4)

    def test_as_many_as_allowed_are_answered(self, api: Api) -> None:
        assert api.post("/v1/lookup", {"signals": [near(bits) for bits in range(10)]}).status_code == 200

    @pytest.mark.parametrize("signals", [[near(bits) for bits in range(11)], [near(1)] * 11], ids=["many", "one"])
    def test_more_are_refused(self, api: Api, signals: list[dict[str, Any]]) -> None:
        problem(api.post("/v1/lookup", {"signals": signals}), 422, "too_many_matches")

    def test_there_is_no_verdict_either(self, api: Api) -> None:
        part = {"kind": "image", "signals": [near(bits) for bits in range(11)]}
        assert "Do not publish" in problem(api.screen(part), 422, "too_many_matches")["next_step"]
        assert not api.recorder.recordings

    def test_in_a_batch_it_spoils_only_its_own_answer(self, api: Api) -> None:
        many = {"surface": "posts", "parts": [{"kind": "image", "signals": [near(bits) for bits in range(11)]}]}
        requests = [many, {"surface": "posts", "parts": [{"kind": "text", "signals": [text_signal(LISTED_TEXT)]}]}]
        results = api.post("/v1/screen/batch", {"requests": requests}).json()["results"]
        assert [one.get("verdict") or one["error"]["code"] for one in results] == ["too_many_matches", "block"]

    def test_in_several_passes_the_same_is_found(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(searching, "MOST_MATCHES", 1_000)
        signals = [near(bits) for bits in range(40)]
        few = api.post("/v1/lookup", {"signals": signals}).json()
        monkeypatch.setattr(searching, "ONE_PASS", 256)
        assert api.post("/v1/lookup", {"signals": signals}).json() == few


def test_a_refusal_inside_a_thread_is_still_a_refusal(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise Refused("busy", "no")

    monkeypatch.setattr(screen, "screen", refuse)
    problem(api.upload("/v1/screen", IMAGE, {"f": OTHER_PICTURE}), 429, "busy")
