"""Matches and signals without a verdict."""

from typing import Any

import pytest

from tests.rooms.doors.scene import (
    LISTED_PICTURE,
    LISTED_TEXT,
    NO_LOOK_TEXT,
    SAFE_TEXT,
    Api,
    all_listed,
    problem,
    text_signal,
)

LISTED_PDQ = next(one.value for one in all_listed() if one.type == "pdq")


def near(bits: int) -> dict[str, Any]:
    """A PDQ hash at this distance from the listed one."""
    value = int(LISTED_PDQ, 16) ^ ((1 << bits) - 1)
    return {"type": "pdq", "value": f"{value:064x}"}


def look_up(api: Api, *signals: Any, **more: Any) -> list[dict[str, Any]]:
    response = api.post("/v1/lookup", {"signals": signals, **more})
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    return results


class TestLookup:
    def test_results_come_in_order(self, api: Api) -> None:
        results = look_up(api, near(3), near(200), text_signal(LISTED_TEXT), near(31), near(32))
        assert [[match["distance"] for match in one["matches"]] for one in results] == [[3], [], [0], [31], []]
        [match] = results[0]["matches"]
        assert match["bank"] == "pictures"
        assert match["max_distance"] == 31
        assert match["signal"].startswith("sig_")

    def test_max_distance_narrows_and_never_widens(self, api: Api) -> None:
        for most, found in ((0, [1, 0, 0]), (10, [1, 1, 0]), (64, [1, 1, 0])):
            results = look_up(api, near(0), near(10), near(40), max_distance=most)
            assert [len(one["matches"]) for one in results] == found

    def test_one_and_many_give_the_same(self, api: Api) -> None:
        signals = [near(bits) for bits in range(40)]
        assert look_up(api, *signals) == [look_up(api, one)[0] for one in signals]

    def test_a_bad_signal_spoils_only_its_own_result(self, api: Api) -> None:
        bad: list[Any] = [{"type": "pdq", "value": "0f"}, {"type": "x", "value": "y"}, 7, {"type": "pdq"}, None]
        results = look_up(api, near(1), *bad, near(2))
        assert "matches" in results[0]
        assert "matches" in results[-1]
        assert [one["error"]["code"] for one in results[1:-1]] == ["bad_signal"] * 2 + ["invalid_request"] * 3
        assert [one["error"]["errors"][0]["pointer"] for one in results[1:-1]] == [
            f"/signals/{number}" for number in range(1, 6)
        ]

    def test_known_safe_signals_match_nothing(self, api: Api) -> None:
        assert look_up(api, text_signal(SAFE_TEXT)) == [{"matches": []}]

    def test_no_look_banks_show_nothing_but_say_so(self, api: Api) -> None:
        [result] = look_up(api, text_signal(NO_LOOK_TEXT))
        assert result["error"]["code"] == "no_look"
        assert "no-look" not in str(result).replace("no_look", "")

    def test_nothing_is_recorded(self, api: Api) -> None:
        look_up(api, near(1))
        assert not api.recorder.recordings

    def test_mixed_case_and_duplicates(self, api: Api) -> None:
        upper = {"type": "pdq", "value": LISTED_PDQ.upper()}
        first, second = look_up(api, upper, upper)
        assert first == second
        assert first["matches"][0]["distance"] == 0

    @pytest.mark.parametrize(
        "form",
        [
            {},
            {"signals": []},
            {"signals": [near(1)] * 10_001},
            {"signals": {}},
            {"signals": [near(1)], "max_distance": 65},
            {"signals": [near(1)], "max_distance": -1},
            {"signals": [near(1)], "max_distance": 1.5},
            {"signals": [near(1)], "maxdistance": 1},
        ],
    )
    def test_bad_forms_are_refused_whole(self, api: Api, form: Any) -> None:
        problem(api.post("/v1/lookup", form), 422, "invalid_request")

    def test_ten_thousand_are_answered(self, api: Api) -> None:
        assert len(look_up(api, *[near(number % 60) for number in range(10_000)])) == 10_000


class TestHash:
    def test_signals_of_a_picture_and_a_text(self, api: Api) -> None:
        form = {"parts": [{"kind": "image", "file": "f"}, {"kind": "text", "text": LISTED_TEXT}]}
        image, text = api.upload("/v1/hash", form, {"f": LISTED_PICTURE}).json()["parts"]
        assert image["part"] == "image-1"
        assert image["signals"][0] == {"type": "pdq", "version": 1, "value": LISTED_PDQ, "quality": 100}
        assert text["signals"][0]["value"] == text_signal(LISTED_TEXT)["value"]
        assert image["degraded_reasons"] == []
        assert not api.recorder.recordings

    def test_its_signals_can_be_screened_as_they_are(self, api: Api) -> None:
        [part] = api.upload("/v1/hash", {"parts": [{"kind": "image", "file": "f"}]}, {"f": LISTED_PICTURE}).json()[
            "parts"
        ]
        verdict = api.screen({"kind": "image", "name": part["part"], "signals": part["signals"]}).json()
        assert verdict["verdict"] == "block"

    def test_what_could_not_be_looked_at_is_said(self, api: Api) -> None:
        form = {"parts": [{"kind": "image", "file": "f"}, {"kind": "url", "url": "no address"}]}
        image, url = api.upload("/v1/hash", form, {"f": b"GIF89a"}).json()["parts"]
        assert image["degraded_reasons"][0]["part"] == "image-1"
        assert url["degraded_reasons"][0]["code"] == "bad_url"

    def test_featureless_pictures_say_their_quality(self, api: Api) -> None:
        png = bytes.fromhex(
            "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
            "53de0000000c4944415408d763f8ffff3f0005fe02fedccc59e70000000049454e44ae426082"
        )
        [part] = api.upload("/v1/hash", {"parts": [{"kind": "image", "file": "f"}]}, {"f": png}).json()["parts"]
        assert [one["quality"] for one in part["signals"] if one["type"] == "pdq"] == [0]

    def test_a_screening_form_is_no_hash_form(self, api: Api) -> None:
        form = {"surface": "posts", "parts": [{"kind": "text", "text": "x"}]}
        said = problem(api.post("/v1/hash", form), 422, "invalid_request")
        assert said["errors"][0]["pointer"] == "/surface"
