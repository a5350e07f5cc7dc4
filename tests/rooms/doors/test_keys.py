"""Who may ask what: every way in which a key does not open the door."""

import secrets
from datetime import timedelta
from typing import Any

import httpx
import pytest

from seawall.members.keys import new_key
from seawall.members.scopes import Scope
from seawall.record.ids import new_id
from tests.rooms.doors.scene import NOW, Api, problem, publish

FORM = {"surface": "posts", "parts": [{"kind": "text", "text": "x"}]}


def ask(api: Api, authorization: str | None) -> httpx.Response:
    headers = {} if authorization is None else {"authorization": authorization}
    return api.post("/v1/screen", FORM, who=None, headers=headers)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "key_missing"),
        ("", "key_missing"),
        ("Bearer", "key_missing"),
        ("Bearer ", "key_missing"),
        ("Basic dXNlcjpwYXNz", "key_missing"),
        ("Bearer swk_", "key_malformed"),
        ("Bearer swk_" + "a" * 100_000, "key_malformed"),
        ("Bearer \xff\xfe", "key_malformed"),
    ],
)
def test_no_or_malformed_keys(api: Api, authorization: str | None, code: str) -> None:
    encoded: Any = None if authorization is None else authorization.encode("latin-1")
    response = ask(api, encoded)
    problem(response, 401, code)
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_an_unknown_key_and_a_wrong_secret_get_the_same_answer(api: Api) -> None:
    _, unknown = new_key(
        key_id=new_id("key", lambda: NOW), name="x", scopes=["screen"], now=NOW, secret=secrets.token_bytes(32)
    )
    wrong = api.cast.tokens["platform"][:36] + unknown[36:]
    first, second = ask(api, f"Bearer {unknown}"), ask(api, f"Bearer {wrong}")
    problem(first, 401, "key_unknown")
    assert first.content == second.content
    assert first.headers == second.headers


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [("expired", 401, "key_expired"), ("revoked", 401, "key_revoked"), ("reader", 403, "wrong_scope")],
)
def test_each_reason_has_its_own_code(api: Api, who: str, status: int, code: str) -> None:
    problem(api.post("/v1/screen", FORM, who=who), status, code)


@pytest.mark.parametrize("path", ["/v1/screen", "/v1/screen/batch", "/v1/lookup", "/v1/hash"])
def test_every_address_wants_its_scope_before_it_reads_the_body(api: Api, path: str) -> None:
    problem(api.call("POST", path, who="reader", content=b"not even JSON"), 403, "wrong_scope")
    problem(api.call("POST", path, who=None, content=b"\0" * 3_000_000), 401, "key_missing")


def test_the_scheme_is_read_without_regard_to_case(api: Api) -> None:
    assert ask(api, f"bEARER {api.cast.tokens['platform']}").status_code == 200


def test_two_keys_in_one_request_are_one_too_many(api: Api) -> None:
    right = f"Bearer {api.cast.tokens['platform']}"
    for headers in ([right, "Bearer x"], ["Bearer x", right], [right, right]):
        sent = [("authorization", one) for one in headers]
        problem(api.ask("POST", "/v1/screen", headers=sent, json=FORM), 401, "key_malformed")


def test_a_revocation_takes_effect_with_the_next_state(api: Api) -> None:
    assert ask(api, f"Bearer {api.cast.tokens['platform']}").status_code == 200
    publish(api.directory, {}, number=2)
    assert api.holder.refresh()
    problem(ask(api, f"Bearer {api.cast.tokens['platform']}"), 401, "key_unknown")


def test_a_key_that_expires_now_is_expired(api: Api) -> None:
    record, token = new_key(
        key_id=new_id("key", lambda: NOW),
        name="x",
        scopes=[Scope.SCREEN],
        now=NOW - timedelta(hours=1),
        secret=secrets.token_bytes(32),
        expires_at=NOW,
    )
    publish(api.directory, {record.key_id: record}, number=2)
    api.holder.refresh()
    problem(ask(api, f"Bearer {token}"), 401, "key_expired")
