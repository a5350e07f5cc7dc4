import re
import shlex
from datetime import timedelta

from seawall.doors.console.keys.views import curl
from seawall.members.issue import issue_key, key_records
from seawall.members.models import ApiKey
from seawall.members.roles import Role
from seawall.record import journal
from seawall.record.clock import system_clock
from seawall.record.events import KeyRevoked
from seawall.record.models import Event
from tests.plans import assert_lean
from tests.rooms.doors.console.browsing import Browser, Console

FORM = {"name": "web shop", "scopes": ["screen", "read"], "reach": "some", "surfaces": ["posts"], "days": "90"}
TOKEN = re.compile(r"swk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}")


def _issue(name: str = "web shop") -> str:
    key, _ = issue_key(name=name, scopes=["screen"], by="per_x", now=system_clock())
    return key.key_id


def test_no_key_yet_says_what_to_do(owner: Browser) -> None:
    assert "No key is in use." in owner.get("/keys").text


def test_a_key_is_made_shown_once_and_works(sqlite_console: Console, owner: Browser) -> None:
    answer = owner.post("/new-key", FORM)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    [token] = set(TOKEN.findall(answer.text))
    [record] = key_records().values()
    assert (record.name, list(record.scopes), record.surfaces) == ("web shop", ["read", "screen"], ("posts",))
    assert record.expires_at is not None
    assert abs(record.expires_at - system_clock() - timedelta(days=90)) < timedelta(minutes=5)
    event = journal.read(Event.objects.order_by("-serial")[0])
    assert event is not None
    assert (event.name, event.by) == ("members:key:issued", owner.person.id)
    assert token not in owner.get("/keys").text
    assert token[-6:] not in owner.get("/keys").text
    sqlite_console.publish()
    body = {"surface": "posts", "parts": [{"kind": "text", "text": "Good evening."}]}
    screened = owner.request("POST", "/v1/screen", json=body, headers={"authorization": f"Bearer {token}"})
    assert screened.json()["verdict"] == "allow"


def test_the_line_to_copy_asks_what_the_key_may_ask(sqlite_console: Console, owner: Browser) -> None:
    token, line = "", ""
    for scope in ("screen", "lookup", "hash", "read"):
        key, token = issue_key(name=scope, scopes=[scope], by="per_x", now=system_clock())
        sqlite_console.publish()
        line = curl(key, "posts", "http://localhost")
        words = shlex.split(line)
        address = words[2].removeprefix("http://localhost")
        headers = {"authorization": f"Bearer {token}"}
        if "-d" not in words:
            assert owner.request("GET", address, headers=headers).json()["code"] == "unknown_screening"
            continue
        headers["content-type"] = "application/json"
        answer = owner.request("POST", address, content=words[-1].encode(), headers=headers)
        assert answer.status_code == 200, (line, answer.text)
    assert token not in line


def test_a_key_for_every_surface_without_an_end(owner: Browser) -> None:
    answer = owner.post("/new-key", {"name": "x", "scopes": ["lookup"], "reach": "all", "days": ""})
    assert answer.status_code == 200
    [record] = key_records().values()
    assert (record.surfaces, record.expires_at) == (None, None)


BAD: tuple[tuple[str, str | list[str]], ...] = (
    ("name", ""),
    ("name", "x" * 201),
    ("name", "a\0b"),
    ("scopes", []),
    ("scopes", ["everything"]),
    ("scopes", ["admin"]),
    ("reach", ""),
    ("reach", "all"),
    ("surfaces", []),
    ("surfaces", ["unknown"]),
    ("days", "0"),
    ("days", "3651"),
    ("days", "9" * 300),
    ("days", "soon"),
)


def test_bad_input_makes_no_key(owner: Browser) -> None:
    for field, value in BAD:
        answer = owner.post("/new-key", {**FORM, field: value})
        assert answer.status_code == 422, (field, value, answer.text)
        assert f'id="id_{field}_error"' in answer.text
    assert not ApiKey.objects.exists()


def test_a_hostile_name_is_shown_as_text(owner: Browser) -> None:
    hostile = "<script>alert(1)</script>"
    assert "<script>alert" not in owner.post("/new-key", {**FORM, "name": hostile}).text
    shown = owner.get("/keys").text
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown
    # A name the room refuses is told in the room's words.
    assert owner.post("/new-key", {**FORM, "name": "two\u2028lines"}).status_code == 422


def test_a_key_is_revoked_with_a_reason(owner: Browser) -> None:
    key_id = _issue()
    path = f"/keys/{key_id}/revoke"
    assert "cannot be undone" in owner.get(path).text
    for reason in ("", "because <b>I</b> say so"):
        assert owner.post(path, {"reason": reason}).status_code == 422
    assert key_records()[key_id].revoked_at is None
    assert owner.post(path, {"reason": "leaked"}).headers["location"] == "/keys"
    assert key_records()[key_id].revoked_at is not None
    event = journal.read(Event.objects.order_by("-serial")[0])
    assert event == KeyRevoked(by=owner.person.id, key=key_id, reason="leaked")
    shown = owner.get("/keys").text
    assert "The key web shop is revoked" in shown
    assert "Revoked keys" in shown
    assert "is revoked already" in owner.get(path).text


def test_an_expired_key_says_so(owner: Browser) -> None:
    now = system_clock()
    issue_key(name="old", scopes=["read"], by="per_x", now=now - timedelta(days=9), expires_at=now - timedelta(days=1))
    assert ">expired<" in owner.get("/keys").text


def test_what_is_not_there_is_not_found(owner: Browser) -> None:
    for key_id in ("key_x", "%00", "x" * 300, "%C3%A4"):
        assert owner.get(f"/keys/{key_id}/revoke").status_code == 404, key_id


def test_only_who_configures_comes_in(sqlite_console: Console) -> None:
    key_id = _issue()
    for path in ("/keys", "/new-key", f"/keys/{key_id}/revoke"):
        for role in (Role.MODERATOR, Role.READER):
            browser = sqlite_console.browser(role)
            assert browser.get(path).status_code == 404
            assert browser.post(path, {**FORM, "reason": "leaked"}, page="/").status_code == 404
        stranger = sqlite_console.browser(None)
        assert stranger.get(path).headers["location"].startswith("/account/login/")
    assert [one.revoked_at for one in key_records().values()] == [None]


def test_forms_without_their_token_are_refused(owner: Browser) -> None:
    key_id = _issue()
    assert owner.request("POST", "/new-key", data=FORM).status_code == 403
    assert owner.request("POST", f"/keys/{key_id}/revoke", data={"reason": "leaked"}).status_code == 403
    assert key_records()[key_id].revoked_at is None


def test_many_keys_go_on_page_by_page(owner: Browser) -> None:
    ids = [_issue(f"program {number}") for number in range(60)]
    seen: list[str] = []
    path = "/keys"
    while path:
        lean = assert_lean(lambda path=path: owner.get(path))  # type: ignore[misc]
        text = lean.answer.text
        assert len(text) < 33_000
        seen += [key_id for key_id in ids if f"/keys/{key_id}/revoke" in text]
        path = "/keys?before=" + text.split("?before=")[1].split('"')[0] if "?before=" in text else ""
    assert sorted(seen) == sorted(ids)
    assert owner.get("/keys?before=%00").status_code == 200
