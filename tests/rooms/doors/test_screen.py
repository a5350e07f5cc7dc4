"""Content or signals in, one durable verdict out."""

import threading
from typing import Any

import pytest

from seawall.screening.explain import load, open_link
from seawall.screening.model import Claim, Context, HoldExpiry
from seawall.signals.model import Kind
from tests.rooms.doors.scene import (
    LISTED_PICTURE,
    LISTED_TEXT,
    LISTED_URL,
    NO_LOOK_TEXT,
    NOW,
    OTHER_PICTURE,
    SAFE_TEXT,
    Api,
    problem,
    text_signal,
)

HELD = {"kind": "text", "text": "Held for a person."}
PLAIN = {"kind": "text", "text": "Nothing to see."}


def test_a_listed_picture_is_blocked_and_recorded(api: Api) -> None:
    form = {"surface": "posts", "content_id": "c1", "uploader": "u1", "parts": [{"kind": "image", "file": "photo"}]}
    response = api.upload("/v1/screen", form, {"photo": LISTED_PICTURE})
    assert response.status_code == 200, response.text
    verdict = response.json()
    assert verdict["verdict"] == "block"
    assert verdict["content_id"] == "c1"
    assert verdict["screened_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert verdict["matches"][0]["part"] == "image-1"
    assert {one["type"] for one in verdict["signals"]} == {"pdq", "sha256", "md5"}
    [recording] = api.recorder.recordings
    assert recording.verdict.id == verdict["id"]
    assert recording.uploader == "u1"
    assert recording.held_parts == ()


def test_the_verdict_has_exactly_the_fields_of_the_design(api: Api) -> None:
    verdict = api.screen(PLAIN).json()
    assert list(verdict) == [
        "schema", "id", "verdict", "surface", "content_id", "screened_at", "degraded", "degraded_reasons",
        "hold_expires_at", "policy", "reasons", "public_reason", "signals", "matches", "intervention", "explain_url",
    ]  # fmt: skip
    assert verdict["policy"] == {"id": "default", "version": 7}


def test_whoever_is_stopped_gets_a_link_to_their_page_and_nobody_else(api: Api) -> None:
    held, blocked, allowed = (api.screen(part).json() for part in (HELD, {"kind": "text", "text": LISTED_TEXT}, PLAIN))
    keys = load(api.directory.parent / "data" / "keys")
    assert keys is not None
    for verdict in (held, blocked):
        before, _, token = verdict["explain_url"].rpartition("/")
        assert before == "http://127.0.0.1:8080/x"
        assert open_link(token, keys) == verdict["id"]
    assert allowed["explain_url"] is None
    # The ledger has the same, so that a replay and GET /v1/screenings say it too.
    assert [one.verdict.explain_url for one in api.recorder.recordings] == [
        held["explain_url"],
        blocked["explain_url"],
        None,
    ]


def test_in_a_batch_each_has_its_own_link(api: Api) -> None:
    requests = [{"surface": "posts", "parts": [HELD]}] * 2
    links = {one["explain_url"] for one in api.post("/v1/screen/batch", {"requests": requests}).json()["results"]}
    assert len(links) == 2
    assert None not in links


def test_another_picture_is_allowed(api: Api) -> None:
    form = {"surface": "posts", "parts": [{"kind": "image", "file": "photo"}]}
    verdict = api.upload("/v1/screen", form, {"photo": OTHER_PICTURE}).json()
    assert (verdict["verdict"], verdict["matches"], verdict["degraded"]) == ("allow", [], False)


@pytest.mark.parametrize(
    ("part", "verdict"),
    [
        (PLAIN, "allow"),
        ({"kind": "text", "text": LISTED_TEXT.upper()}, "block"),
        ({"kind": "url", "url": f"{LISTED_URL}#top"}, "block"),
        (HELD, "hold"),
        ({"kind": "text", "text": SAFE_TEXT}, "allow"),
        ({"kind": "text", "text": NO_LOOK_TEXT}, "block"),
        ({"kind": "text", "signals": [text_signal(LISTED_TEXT)]}, "block"),
    ],
)
def test_texts_addresses_and_signals(api: Api, part: dict[str, Any], verdict: str) -> None:
    assert api.screen(part).json()["verdict"] == verdict


def test_parts_are_judged_together_and_named(api: Api) -> None:
    verdict = api.screen(PLAIN, {"kind": "text", "name": "caption", "text": LISTED_TEXT}, {**PLAIN, "text": "b"}).json()
    assert verdict["verdict"] == "block"
    assert [one["part"] for one in verdict["signals"]] == ["text-1", "caption", "text-3"]
    assert [one["part"] for one in verdict["matches"]] == ["caption"]


def test_many_signals_are_searched_in_one_pass_with_the_same_result(api: Api) -> None:
    others = [{"type": "pdq", "value": f"{number:064x}"} for number in range(40)]
    verdict = api.screen({"kind": "image", "signals": [*others, text_signal(LISTED_TEXT)]}).json()
    assert verdict["verdict"] == "block"
    assert len(verdict["signals"]) == 41


def test_asking_for_a_person_turns_a_block_into_a_hold_whose_bytes_are_kept(api: Api) -> None:
    context = {"claim": "journalism", "text": "from our report"}
    verdict = api.screen({"kind": "text", "text": LISTED_TEXT}, context=context).json()
    assert verdict["verdict"] == "hold"
    assert verdict["hold_expires_at"] == "2026-11-24T12:00:00Z"
    [recording] = api.recorder.recordings
    assert [(one.name, one.kind, one.data) for one in recording.held_parts] == [
        ("text-1", Kind.TEXT, LISTED_TEXT.encode())
    ]


@pytest.mark.parametrize(
    ("part", "kept"),
    [({"kind": "url", "url": LISTED_URL}, LISTED_URL), ({"kind": "text", "text": LISTED_TEXT}, LISTED_TEXT)],
)
def test_who_decides_about_words_and_addresses_sees_them_and_what_was_said_with_them(
    api: Api, part: dict[str, str], kept: str
) -> None:
    context = {"claim": "journalism", "text": "from our report"}
    assert api.screen(part, context=context).json()["verdict"] == "hold"
    [recording] = api.recorder.recordings
    assert [one.data for one in recording.held_parts] == [kept.encode()]
    assert recording.context == Context(claim=Claim.JOURNALISM, text="from our report")
    assert "our report" not in repr(recording)


def test_of_a_hash_only_hold_there_are_no_bytes(api: Api) -> None:
    verdict = api.screen({"kind": "text", "signals": [text_signal("Held for a person.")]}).json()
    assert verdict["verdict"] == "hold"
    assert api.recorder.recordings[0].held_parts == ()


def test_no_look_material_is_refused_shown_to_nobody_and_never_kept(api: Api) -> None:
    form = {
        "surface": "posts",
        "context": {"claim": "research"},
        "parts": [{"kind": "text", "file": "a"}, HELD],
    }
    verdict = api.upload("/v1/screen", form, {"a": NO_LOOK_TEXT.encode()}).json()
    assert (verdict["verdict"], verdict["signals"], verdict["matches"]) == ("block", [], [])
    assert api.recorder.recordings[0].held_parts == ()


@pytest.mark.parametrize(("surface", "verdict"), [("posts", "hold"), ("open", "allow"), ("closed", "block")])
def test_what_could_not_be_looked_at_is_said_and_the_surface_decides(api: Api, surface: str, verdict: str) -> None:
    form = {"surface": surface, "parts": [{"kind": "image", "file": "f"}]}
    answer = api.upload("/v1/screen", form, {"f": LISTED_PICTURE[:300]}).json()
    assert (answer["verdict"], answer["degraded"]) == (verdict, True)
    assert answer["degraded_reasons"][0]["part"] == "image-1"


def test_a_text_named_jpg_is_said_to_be_no_picture(api: Api) -> None:
    form = {"surface": "posts", "parts": [{"kind": "image", "file": "cat.jpg"}]}
    answer = api.upload("/v1/screen", form, {"cat.jpg": b"this is not a picture"}).json()
    assert answer["degraded_reasons"][0]["code"] == "not_an_image"


def test_a_surface_may_switch_off_storing_what_matched_nothing(api: Api) -> None:
    api.screen(PLAIN, surface="open")
    api.screen(PLAIN, surface="posts")
    assert [one.store for one in api.recorder.recordings] == [False, True]


class TestSurfaces:
    def test_an_unknown_one_is_refused_with_the_known_ones(self, api: Api) -> None:
        said = problem(api.screen(PLAIN, surface="post"), 422, "unknown_surface")
        assert "posts" in said["detail"]

    def test_a_limited_key_learns_only_its_own(self, api: Api) -> None:
        said = problem(api.screen(PLAIN, surface="nope", who="poster"), 422, "unknown_surface")
        assert "posts" in said["detail"]
        assert "groups" not in said["detail"]

    def test_a_limited_key_serves_only_its_own(self, api: Api) -> None:
        assert api.screen(PLAIN, who="poster").status_code == 200
        problem(api.screen(PLAIN, surface="groups", who="poster"), 403, "wrong_surface")

    def test_private_communication_is_refused_with_the_legal_reason(self, api: Api) -> None:
        said = problem(api.screen(PLAIN, surface="messages"), 403, "private_communication")
        assert "2002/58/EC" in said["detail"]
        assert not api.recorder.recordings

    def test_private_with_a_recorded_basis_is_screened(self, api: Api) -> None:
        assert api.screen(PLAIN, surface="reported-messages").status_code == 200


class TestRecording:
    def test_a_verdict_is_recorded_with_what_its_surface_promises(self, api: Api) -> None:
        api.screen({"kind": "text", "text": "Held for a person."})
        [recording] = api.recorder.recordings
        assert recording.verdict.verdict == "hold"
        assert recording.hold_expiry is HoldExpiry.REFUSE

    def test_what_cannot_be_recorded_gets_no_verdict(self, api: Api) -> None:
        api.recorder.failing = True
        response = api.screen({"kind": "text", "text": LISTED_TEXT})
        said = problem(response, 503, "ledger_unavailable")
        assert response.headers["retry-after"] == "5"
        assert "verdict" not in said

    def test_a_repeated_key_gets_the_same_verdict_again(self, api: Api) -> None:
        headers = {"idempotency-key": "k1"}
        first = api.screen(PLAIN, headers=headers)
        again = api.screen(PLAIN, headers=headers)
        assert first.json() == again.json()
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert len(api.recorder.recordings) == 1

    def test_a_repeated_key_with_another_request_is_a_conflict(self, api: Api) -> None:
        headers = {"idempotency-key": "k1"}
        api.screen(PLAIN, headers=headers)
        problem(api.screen({**PLAIN, "text": "other"}, headers=headers), 409, "idempotency_conflict")

    def test_form_and_boundary_do_not_matter_but_every_byte_does(self, api: Api) -> None:
        headers = {"idempotency-key": "k1"}
        form = {"surface": "posts", "parts": [{"kind": "file", "file": "f"}]}
        first = api.upload("/v1/screen", form, {"f": b"same bytes"}, headers=headers)
        turned = dict(reversed(form.items()))
        again = api.upload("/v1/screen", turned, {"f": b"same bytes"}, headers=headers)
        assert again.json()["id"] == first.json()["id"]
        other = api.upload("/v1/screen", form, {"f": b"same bytez"}, headers=headers)
        problem(other, 409, "idempotency_conflict")

    def test_another_api_key_has_its_own_idempotency_keys(self, api: Api) -> None:
        headers = {"idempotency-key": "k1"}
        first = api.screen(PLAIN, headers=headers)
        assert api.screen(PLAIN, headers=headers, who="poster").json()["id"] != first.json()["id"]

    @pytest.mark.parametrize("value", ["", "a b", "x" * 256, "\x7f", "é".encode("latin-1")])
    def test_unusable_keys_are_refused(self, api: Api, value: str | bytes) -> None:
        problem(api.screen(PLAIN, headers={"idempotency-key": value}), 400, "bad_idempotency_key")

    def test_two_keys_in_one_request_are_refused(self, api: Api) -> None:
        token = f"Bearer {api.cast.tokens['platform']}"
        headers = [("authorization", token), ("idempotency-key", "a"), ("idempotency-key", "b")]
        response = api.ask("POST", "/v1/screen", headers=headers, json={"surface": "posts", "parts": [PLAIN]})
        problem(response, 400, "bad_idempotency_key")


class TestBatch:
    def test_each_is_answered_for_itself_in_order(self, api: Api) -> None:
        requests: list[Any] = [
            {"surface": "posts", "parts": [{"kind": "text", "text": LISTED_TEXT}]},
            {"surface": "nowhere", "parts": [PLAIN]},
            {"surface": "posts", "parts": [PLAIN], "contxt": None},
            {"surface": "messages", "parts": [PLAIN]},
            {"surface": "posts", "parts": [{"kind": "image", "file": "f"}]},
            17,
            {"surface": "posts", "parts": [PLAIN]},
        ]
        response = api.post("/v1/screen/batch", {"requests": requests})
        assert response.status_code == 200
        results = response.json()["results"]
        assert [one.get("verdict") or one["error"]["code"] for one in results] == [
            "block", "unknown_surface", "invalid_request", "private_communication", "missing_file", "invalid_request",
            "allow",
        ]  # fmt: skip
        assert results[2]["error"]["errors"][0]["pointer"] == "/requests/2/contxt"
        assert results[4]["error"]["errors"][0]["pointer"] == "/requests/4/parts/0/file"
        assert len(api.recorder.recordings) == 2

    def test_a_replayed_batch_gives_the_same_verdicts(self, api: Api) -> None:
        form = {"requests": [{"surface": "posts", "parts": [{"kind": "text", "text": f"t{n}"}]} for n in range(3)]}
        first = api.post("/v1/screen/batch", form, headers={"idempotency-key": "k"})
        again = api.post("/v1/screen/batch", form, headers={"idempotency-key": "k"})
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert len({one["id"] for one in first.json()["results"]}) == 3

    @pytest.mark.parametrize("form", [{"requests": []}, {"requests": [{}] * 1001}, {}, {"requests": {}}])
    def test_empty_and_oversized_batches_are_refused(self, api: Api, form: Any) -> None:
        problem(api.post("/v1/screen/batch", form), 422, "invalid_request")

    def test_files_are_not_taken(self, api: Api) -> None:
        problem(api.upload("/v1/screen/batch", {}, {"f": b"x"}), 415, "unsupported_media_type")

    def test_a_failing_ledger_spoils_every_answer_and_gives_no_verdict(self, api: Api) -> None:
        api.recorder.failing = True
        [result] = api.post("/v1/screen/batch", {"requests": [{"surface": "posts", "parts": [PLAIN]}]}).json()[
            "results"
        ]
        assert result["error"]["code"] == "ledger_unavailable"


def test_decoding_happens_beside_the_event_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = api.app._jail.call

    def call(*arguments: Any, **more: Any) -> bytes:
        seen.append(threading.current_thread().name)
        result: bytes = original(*arguments, **more)
        return result

    monkeypatch.setattr(api.app._jail, "call", call)
    api.upload("/v1/screen", {"surface": "posts", "parts": [{"kind": "image", "file": "f"}]}, {"f": LISTED_PICTURE})
    assert seen
    assert seen[0].startswith("seawall-decode")
