"""Multipart forms and the limits of bodies, down to single ASGI messages."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.doors.gate import body as bodies
from seawall.doors.gate.body import Form, Memory
from seawall.doors.gate.problems import Refused
from tests.rooms.doors.scene import Api, problem

REQUEST = b'{"surface":"posts","parts":[{"kind":"file","file":"f"}]}'


def multipart(*fields: tuple[bytes, bytes], boundary: bytes = b"B") -> bytes:
    """A form of (Content-Disposition line's value, content)."""
    parts = [
        b"--" + boundary + b"\r\nContent-Disposition: " + head + b"\r\n\r\n" + data + b"\r\n" for head, data in fields
    ]
    return b"".join(parts) + b"--" + boundary + b"--\r\n"


def field(name: bytes) -> bytes:
    return b'form-data; name="' + name + b'"'


GOOD = multipart((field(b"request"), REQUEST), (field(b"f") + b'; filename="x"', b"content"))


def send(api: Api, body: bytes, kind: str = "multipart/form-data; boundary=B") -> Any:
    return api.call("POST", "/v1/screen", content=body, headers={"content-type": kind.encode("latin-1")})


def test_the_good_form_is_good(api: Api) -> None:
    assert send(api, GOOD).status_code == 200


def test_a_file_may_come_before_the_request(api: Api) -> None:
    body = multipart((field(b"f"), b"content"), (field(b"request"), REQUEST))
    assert send(api, body).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=B"),
        (GOOD, "multipart/form-data"),
        (GOOD, "multipart/form-data; boundary="),
        (GOOD, "multipart/form-data; boundary=other"),
        (GOOD, "multipart/form-data; boundary=" + "b" * 300),
        (multipart((field(b"request"), REQUEST), boundary=b"B" * 71), "multipart/form-data; boundary=" + "B" * 71),
        (GOOD.replace(b"--B", b"--B\r"), 'multipart/form-data; boundary="B\r"'),
        (GOOD.replace(b"--B", b"--B\xe9"), 'multipart/form-data; boundary="B\xe9"'),
        (b"garbage", "multipart/form-data; boundary=B"),
        (b"--B\r\n\r\nno headers\r\n--B--\r\n", "multipart/form-data; boundary=B"),
        (b"--B--\r\n", "multipart/form-data; boundary=B"),
        (b"--B\r\n" + b"X-A: b\r\n" * 100 + b"\r\n--B--\r\n", "multipart/form-data; boundary=B"),
        (b"--B\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n--B--\r\n", "multipart/form-data; boundary=B"),
        (b"--B\r\nBad Header\r\n\r\nx\r\n--B--\r\n", "multipart/form-data; boundary=B"),
        (multipart((field(b"f"), b"x")), "multipart/form-data; boundary=B"),
        (multipart((field(b"request"), REQUEST), (field(b"request"), REQUEST)), "multipart/form-data; boundary=B"),
        (multipart((field(b"request"), REQUEST), *[(field(b"f"), b"x")] * 2), "multipart/form-data; boundary=B"),
        (multipart((b"attachment", b"x")), "multipart/form-data; boundary=B"),
        (multipart((field(b""), b"x")), "multipart/form-data; boundary=B"),
        (multipart((field(b"\xff"), b"x")), "multipart/form-data; boundary=B"),
        (multipart((field(b"n" * 600), b"x")), "multipart/form-data; boundary=B"),
        (multipart(*[(field(b"f%d" % n), b"") for n in range(40)]), "multipart/form-data; boundary=B"),
        (
            b"--B\r\nContent-Disposition: form-data; name=f\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--B--\r\n",
            "multipart/form-data; boundary=B",
        ),
    ],
)
def test_bad_forms_are_refused(api: Api, body: bytes, kind: str) -> None:
    problem(send(api, body, kind), 400, "bad_multipart")
    assert not api.recorder.recordings


@pytest.mark.parametrize("keep", range(0, len(GOOD) - 6, 7))
def test_a_form_cut_short_is_never_screened(api: Api, keep: int) -> None:
    problem(send(api, GOOD[:keep]), 400, "bad_multipart")


def test_the_request_field_itself_must_be_good(api: Api) -> None:
    problem(send(api, multipart((field(b"request"), b"{"), (field(b"f"), b"x"))), 400, "bad_json")
    problem(send(api, multipart((field(b"request"), b""), (field(b"f"), b"x"))), 400, "bad_json")


def test_an_empty_file_is_an_empty_part(api: Api) -> None:
    said = problem(send(api, multipart((field(b"request"), REQUEST), (field(b"f"), b""))), 422, "empty_part")
    assert said["errors"] == [{"pointer": "/parts/0/file", "detail": "is empty"}]


def test_a_file_no_part_names_is_refused(api: Api) -> None:
    body = multipart((field(b"request"), REQUEST), (field(b"f"), b"x"), (field(b"g"), b"x"))
    assert "'g'" in problem(send(api, body), 422, "unused_file")["detail"]


def test_two_parts_may_look_at_one_file(api: Api) -> None:
    form = {"surface": "posts", "parts": [{"kind": "file", "file": "f"}, {"kind": "text", "file": "f"}]}
    verdict = api.upload("/v1/screen", form, {"f": b"words"}).json()
    assert {one["part"] for one in verdict["signals"]} == {"file-1", "text-1"}


class TestLimits:
    def test_a_large_body_is_refused(self, api: Api) -> None:
        form = {"surface": "posts", "parts": [{"kind": "file", "file": "f"}]}
        assert api.upload("/v1/screen", form, {"f": b"x" * 1_900_000}).status_code == 200
        problem(api.upload("/v1/screen", form, {"f": b"x" * 2_000_000}), 413, "body_too_large")

    def test_json_has_its_own_limit(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bodies, "MOST_JSON_BYTES", 1000)
        problem(api.screen({"kind": "text", "text": "x" * 1000}), 413, "body_too_large")

    def test_the_json_inside_a_form_has_it_too(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bodies, "MOST_JSON_BYTES", len(REQUEST))
        assert send(api, GOOD).status_code == 200
        body = multipart((field(b"request"), REQUEST + b" "), (field(b"f"), b"content"))
        problem(send(api, body), 413, "body_too_large")

    @pytest.mark.parametrize("length", [b"10", None, b"nonsense", b"-1", b"9" * 5000])
    def test_a_lying_content_length_changes_nothing(self, api: Api, length: bytes | None) -> None:
        sent = endless(b"x" * 65_536)
        headers = [] if length is None else [(b"content-length", length)]
        status, answer = raw(api, sent, headers=headers)
        assert (status, answer["code"]) == (413, "body_too_large")
        assert sent.taken <= 2_000_000 // 65_536 + 2

    def test_an_honest_content_length_is_refused_before_a_byte_is_read(self, api: Api) -> None:
        sent = endless(b"x")
        status, _ = raw(api, sent, headers=[(b"content-length", b"2000001")])
        assert status == 413
        assert sent.taken == 0

    def test_all_bodies_together_are_limited_and_given_back(self, api: Api) -> None:
        api.app._memory = Memory(100_000)
        form = {"surface": "posts", "parts": [{"kind": "file", "file": "f"}]}
        problem(api.upload("/v1/screen", form, {"f": b"x" * 200_000}), 429, "busy")
        assert api.app._memory.held == 0
        assert api.upload("/v1/screen", form, {"f": b"x" * 50_000}).status_code == 200
        assert api.app._memory.held == 0

    def test_a_body_that_trickles_in_is_given_up(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

        class Stalled(Sender):
            async def __call__(self) -> dict[str, Any]:
                await asyncio.sleep(5)
                return await super().__call__()

        said: dict[bytes, bytes] = {}
        status, answer = raw(api, Stalled([b"x"]), said=said)
        assert (status, answer["code"]) == (408, "body_too_slow")
        assert said[b"connection"] == b"close", "what is still to come is not waited for"

    def test_a_content_type_of_kilobytes_is_not_taken_apart(self, api: Api) -> None:
        kind = "multipart/form-data; boundary=B" + ";" * 2_000
        problem(send(api, GOOD, kind), 415, "unsupported_media_type")


class TestClientGone:
    @pytest.mark.parametrize("sent", [0, 1, 3])
    def test_in_the_middle_of_the_body_nothing_is_screened_or_kept(self, api: Api, sent: int) -> None:
        status, _ = raw(api, Sender([b"--B\r\nA: b\r\n", b"C: d", b"e\r\n"][:sent], then_gone=True))
        assert status is None
        assert api.app._memory.held == 0
        assert api.app._waiting == 0

    def test_after_the_body_the_verdict_is_recorded_all_the_same(self, api: Api) -> None:
        raw(api, Sender([GOOD], gone_after=True))
        assert len(api.recorder.recordings) == 1
        assert api.app._memory.held == 0


class Sender:
    """What a client sends, as ASGI messages; `then_gone` hangs up before the body is whole."""

    def __init__(self, pieces: Iterable[bytes], *, then_gone: bool = False, gone_after: bool = False) -> None:
        self._pieces = list(pieces)
        self._then_gone = then_gone
        self.gone_after = gone_after
        self.taken = 0

    async def __call__(self) -> dict[str, Any]:
        if not self._pieces:
            return {"type": "http.disconnect"}
        self.taken += 1
        piece = self._pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": self._then_gone or bool(self._pieces)}


class endless(Sender):  # noqa: N801
    def __init__(self, piece: bytes) -> None:
        super().__init__([])
        self._piece = piece

    async def __call__(self) -> dict[str, Any]:
        self.taken += 1
        return {"type": "http.request", "body": self._piece if self.taken > 1 else GOOD[:200], "more_body": True}


def raw(
    api: Api,
    sender: Sender,
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    said: dict[bytes, bytes] | None = None,
) -> tuple[int | None, Any]:
    """Status and JSON of the answer, or None when there was none."""
    messages: list[dict[str, Any]] = []

    async def keep(message: dict[str, Any]) -> None:
        if sender.gone_after:
            raise OSError("the connection is closed")
        messages.append(message)

    token = api.cast.tokens["platform"].encode()
    sent = [(b"authorization", b"Bearer " + token), (b"content-type", b"multipart/form-data; boundary=B"), *headers]
    scope = {"type": "http", "method": "POST", "path": "/v1/screen", "headers": sent}
    try:
        asyncio.run(api.app(scope, sender, keep))
    except OSError:
        assert sender.gone_after
    if not messages:
        return None, None
    if said is not None:
        said.update(messages[0]["headers"])
    return messages[0]["status"], msgspec.json.decode(messages[1]["body"])


names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


@settings(max_examples=80, deadline=None)
@given(fields=st.dictionaries(names, st.binary(max_size=200), max_size=6), sizes=st.lists(st.integers(1, 60)))
def test_whatever_is_sent_arrives_however_it_is_cut(fields: dict[str, bytes], sizes: list[int]) -> None:
    boundary = b"a-boundary-that-no-content-has"
    rest = multipart(*((field(name.encode()), data) for name, data in fields.items()), boundary=boundary)
    if not fields:
        return
    form = Form(boundary)
    for size in (*sizes, len(rest)):
        form.feed(rest[:size])
        rest = rest[size:]
    assert form.finish() == fields


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=300), at=st.integers(0, len(GOOD)), cut=st.integers(0, 40))
def test_no_bytes_break_the_reader(body: bytes, at: int, cut: int) -> None:
    form = Form(b"B")
    with contextlib.suppress(Refused):
        form.feed(GOOD[:at] + body + GOOD[at + cut :])
        form.finish()
