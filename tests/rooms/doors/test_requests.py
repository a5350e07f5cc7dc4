"""Malformed, hostile, huge and duplicate requests: a clear problem each time, and the server stays up."""

import asyncio
import itertools
import json
import logging
import threading
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rooms.doors.scene import OTHER_PICTURE, Api, problem

TEXT = {"kind": "text", "text": "x"}
SIGNAL = {"type": "pdq", "value": "0f" * 32}


def with_parts(*parts: Any) -> dict[str, Any]:
    return {"surface": "posts", "parts": parts}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe\x00",
        b'{"surface":"posts","parts":[{"kind":"text","text":"\xff"}]}',
        b'{"surface":"posts","parts":[{"kind":"text","text":"\\ud800"}]}',
        b'{"surface":"posts","parts":[]} extra',
        b"\x00" * 1000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/screen", "/v1/screen/batch", "/v1/lookup", "/v1/hash"])
def test_what_is_no_json_is_refused(api: Api, path: str, body: bytes) -> None:
    response = api.call("POST", path, content=body, headers={"content-type": "application/json"})
    assert response.json()["code"] in {"bad_json", "invalid_request"}
    assert response.status_code in {400, 422}
    assert response.json()["next_step"]


@pytest.mark.parametrize(
    "body", [b"[" * 1_000_000, b'{"parts":' * 100_000, b'{"surface":' + b"[" * 500_000, b'"' + b"a" * 1_000_000 + b'"']
)
def test_deep_and_long_json_does_no_harm(api: Api, body: bytes) -> None:
    response = api.call("POST", "/v1/screen", content=body, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}


@pytest.mark.parametrize(
    ("form", "code", "pointer"),
    [
        ({}, "invalid_request", ""),
        ([], "invalid_request", ""),
        (None, "invalid_request", ""),
        ({**with_parts(TEXT), "contxt": {}}, "invalid_request", "/contxt"),
        ({**with_parts(TEXT), "a/b~c": 1}, "invalid_request", "/a~1b~0c"),
        (with_parts(), "invalid_request", "/parts"),
        (with_parts(*[TEXT] * 33), "invalid_request", "/parts"),
        (with_parts({**TEXT, "kind": "picture"}), "invalid_request", "/parts/0/kind"),
        (with_parts({**TEXT, "flie": "x"}), "invalid_request", "/parts/0/flie"),
        (with_parts({"kind": "text"}), "invalid_request", "/parts/0"),
        (with_parts({**TEXT, "url": "https://a.example"}), "invalid_request", "/parts/0"),
        (with_parts({"kind": "image", "text": "x"}), "invalid_request", "/parts/0/text"),
        (with_parts({"kind": "url", "text": "x"}), "invalid_request", "/parts/0/text"),
        (with_parts({"kind": "text", "url": "x"}), "invalid_request", "/parts/0/url"),
        (with_parts({**TEXT, "name": "a"}, {**TEXT, "name": "a"}), "invalid_request", "/parts/1/name"),
        (with_parts({**TEXT, "name": "text-2"}, TEXT), "invalid_request", "/parts/1/name"),
        (with_parts({**TEXT, "name": "a\u0000b"}), "invalid_request", "/parts/0/name"),
        (with_parts({**TEXT, "name": ""}), "invalid_request", "/parts/0/name"),
        (with_parts({**TEXT, "name": "n" * 129}), "invalid_request", "/parts/0/name"),
        ({**with_parts(TEXT), "content_id": "c" * 513}, "invalid_request", "/content_id"),
        ({**with_parts(TEXT), "content_id": "a\nb"}, "invalid_request", "/content_id"),
        ({**with_parts(TEXT), "uploader": "u" * 513}, "invalid_request", "/uploader"),
        ({**with_parts(TEXT), "uploader": 17}, "invalid_request", "/uploader"),
        ({**with_parts(TEXT), "created_at": "yesterday"}, "invalid_request", "/created_at"),
        ({**with_parts(TEXT), "created_at": "2026-11-23T12:00:00"}, "invalid_request", "/created_at"),
        ({**with_parts(TEXT), "context": {"claim": "satire"}}, "invalid_request", "/context/claim"),
        ({**with_parts(TEXT), "context": {}}, "invalid_request", "/context"),
        ({**with_parts(TEXT), "context": {"claim": "art", "text": "x" * 5001}}, "invalid_request", "/context/text"),
        (with_parts({**TEXT, "text": ""}), "empty_part", "/parts/0/text"),
        (with_parts({"kind": "url", "url": ""}), "empty_part", "/parts/0/url"),
        (with_parts({"kind": "image", "signals": []}), "empty_part", "/parts/0/signals"),
        (with_parts({**TEXT, "text": "x" * 250_001}), "invalid_request", "/parts/0/text"),
        (with_parts({"kind": "url", "url": "https://a.example/" + "x" * 9000}), "invalid_request", "/parts/0/url"),
        (with_parts({"kind": "image", "file": "f"}), "missing_file", "/parts/0/file"),
        (
            with_parts({"kind": "image", "signals": [SIGNAL, {**SIGNAL, "value": "0f"}]}),
            "bad_signal",
            "/parts/0/signals/1/value",
        ),
        (
            with_parts({"kind": "image", "signals": [{**SIGNAL, "type": "dhash"}]}),
            "bad_signal",
            "/parts/0/signals/0/type",
        ),
        (
            with_parts({"kind": "image", "signals": [{**SIGNAL, "version": 9}]}),
            "bad_signal",
            "/parts/0/signals/0/value",
        ),
        (
            with_parts({"kind": "image", "signals": [{**SIGNAL, "quality": 101}]}),
            "invalid_request",
            "/parts/0/signals/0/quality",
        ),
        (with_parts(*[{"kind": "image", "signals": [SIGNAL] * 5001}] * 2), "invalid_request", "/parts"),
    ],
)
def test_every_mistake_is_pointed_at(api: Api, form: Any, code: str, pointer: str) -> None:
    said = problem(api.post("/v1/screen", form), 422, code)
    assert pointer in [one["pointer"] for one in said["errors"]], said
    assert all(one["detail"] for one in said["errors"])
    assert not api.recorder.recordings


def test_all_mistakes_are_said_at_once(api: Api) -> None:
    form = with_parts({"kind": "image", "text": "x"}, {"kind": "image", "file": "f"}, {**TEXT, "text": ""})
    said = problem(api.post("/v1/screen", form), 422, "invalid_request")
    assert [one["pointer"] for one in said["errors"]] == ["/parts/0/text", "/parts/1/file", "/parts/2/text"]


def test_ten_thousand_mistakes_are_not_all_said(api: Api) -> None:
    form = with_parts({"kind": "image", "signals": [{**SIGNAL, "value": "zz"}] * 10_000})
    assert len(problem(api.post("/v1/screen", form), 422, "bad_signal")["errors"]) == 50


def test_mixed_case_and_duplicate_signals_are_taken(api: Api) -> None:
    signals = [SIGNAL, {**SIGNAL, "value": "0F" * 32}, SIGNAL]
    verdict = api.screen({"kind": "image", "signals": signals}).json()
    assert [one["value"] for one in verdict["signals"]] == ["0f" * 32]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/jsonp", "application/x-www-form-urlencoded", "é"])
def test_other_content_types_are_refused(api: Api, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind.encode()}
    problem(api.call("POST", "/v1/screen", content=b"{}", headers=headers), 415, "unsupported_media_type")


def test_a_charset_beside_the_json_type_is_fine(api: Api) -> None:
    body = json.dumps(with_parts(TEXT))
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert api.call("POST", "/v1/screen", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/screen/", "/v2/screen", "//v1/screen", "/%00"])
def test_unknown_addresses(api: Api, path: str) -> None:
    problem(api.call("POST", path), 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "BREW"])
def test_wrong_methods_name_the_right_ones(api: Api, method: str) -> None:
    response = api.call(method, "/v1/screen")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST, OPTIONS"
    assert (method == "HEAD") == (response.content == b"")


def test_options_and_head(api: Api) -> None:
    response = api.call("OPTIONS", "/v1/lookup", who=None)
    assert (response.status_code, response.content) == (204, b"")
    assert "POST" in response.headers["allow"]
    head, full = api.call("HEAD", "/readyz", who=None), api.call("GET", "/readyz", who=None)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]
    assert api.call("GET", "/livez", who=None).json() == {"alive": True}


def test_no_trace_of_the_inside_leaves_and_no_content_is_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(parts: Any, _: object) -> None:
        raise RuntimeError(parts[0].text)

    monkeypatch.setattr("seawall.doors.gate.screen.extract", broken)
    with caplog.at_level(logging.DEBUG):
        said = problem(api.screen({**TEXT, "text": "secret words"}), 500, "internal_error")
    assert "secret" not in json.dumps(said)
    assert "Traceback" not in json.dumps(said)
    assert said["error_id"] in caplog.text
    assert "secret words" not in caplog.text
    assert "RuntimeError" in caplog.text


def test_a_full_queue_is_said_before_anything_is_read(api: Api) -> None:
    api.app._waiting = api.app._settings.queue_limit
    response = api.screen(TEXT)
    problem(response, 429, "busy")
    assert response.headers["retry-after"] == "1"


def test_the_queue_empties_again(api: Api) -> None:
    async def many() -> None:
        await asyncio.gather(*(api.app._in_thread(api.app._searching, lambda: None) for _ in range(200)))

    asyncio.run(many())
    assert api.app._waiting == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    ["surface", "parts", "content_id", "uploader", "created_at", "context", "kind", "signals", "x"]
)
forms = st.dictionaries(fields, json_values | st.lists(st.dictionaries(fields, json_values, max_size=4), max_size=3))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["/v1/screen", "/v1/screen/batch", "/v1/lookup", "/v1/hash"]), form=forms)
def test_any_json_gets_an_answer_of_the_documented_form(api: Api, path: str, form: dict[str, Any]) -> None:
    response = api.call("POST", path, content=json.dumps(form), headers={"content-type": "application/json"})
    assert response.status_code in {200, 400, 422}
    assert response.status_code == 200 or response.json()["next_step"]


def test_more_than_the_queue_takes_are_told_so_and_the_others_are_answered(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve uploads at once, a queue of four, and a decoder that waits until the rest were answered."""
    limited = msgspec.structs.replace(api.app._settings, queue_limit=4)
    monkeypatch.setattr(api.app, "_settings", limited)
    released = threading.Event()
    original = api.app._jail.call

    def slow(*arguments: Any, **more: Any) -> Any:
        released.wait(20)
        return original(*arguments, **more)

    monkeypatch.setattr(api.app._jail, "call", slow)
    form = msgspec.json.encode(with_parts({"kind": "image", "file": "f"}))
    headers = {"authorization": f"Bearer {api.cast.tokens['platform']}"}

    async def all_at_once() -> list[int]:
        transport = httpx.ASGITransport(app=api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://seawall.test") as client:

            async def one() -> int:
                response = await client.post(
                    "/v1/screen", data={"request": form}, files={"f": OTHER_PICTURE}, headers=headers
                )
                return response.status_code

            asked = [asyncio.create_task(one()) for _ in range(12)]
            for refused in itertools.islice(asyncio.as_completed(asked), 8):
                assert await refused == 429
            released.set()
            return await asyncio.gather(*asked)

    statuses = asyncio.run(all_at_once())
    assert sorted(statuses) == [200] * 4 + [429] * 8
    assert len(api.recorder.recordings) == 4
    assert api.app._waiting == 0
    assert api.app._memory.held == 0
