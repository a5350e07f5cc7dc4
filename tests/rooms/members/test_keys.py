import base64
import contextlib
import hashlib
import hmac
import statistics
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.members import keys
from seawall.members.keys import (
    BadKey,
    KeyExpired,
    KeyMalformed,
    KeyMissing,
    KeyRecord,
    KeyRefused,
    KeyRevoked,
    KeyUnknown,
    WrongScope,
    WrongSurface,
    authenticate,
    new_key,
    require_surface,
)
from seawall.members.scopes import Scope

NOW = datetime(2026, 11, 23, 20, 28, tzinfo=UTC)
KEY_ID = "key_019ab1c2-d3e4-7000-8000-00000000000a"
OTHER_ID = "key_019ab1c2-d3e4-7000-8000-00000000000b"
SECRET = bytes(range(32))


def made(
    *,
    scopes: Iterable[Scope | str] = ("screen", "read"),
    expires_at: datetime | None = None,
    surfaces: Iterable[str] | None = None,
) -> tuple[KeyRecord, str]:
    return new_key(
        key_id=KEY_ID, name="forum", scopes=scopes, now=NOW, secret=SECRET, expires_at=expires_at, surfaces=surfaces
    )


KEY, SHOWN = made()
RECORDS = {KEY_ID: KEY}


def test_the_text_is_id_and_secret_and_the_record_holds_the_hash_only() -> None:
    assert f"swk_019ab1c2d3e47000800000000000000a_{base64.urlsafe_b64encode(SECRET).decode()[:43]}" == SHOWN
    assert len(SHOWN) == keys.TOKEN_LENGTH
    assert KEY.secret_hash == hashlib.sha256(SECRET).hexdigest()
    assert KEY.scopes == (Scope.READ, Scope.SCREEN)
    stored = msgspec.json.encode(KEY).decode()
    for secret in (SHOWN.split("_", 2)[2], SECRET.hex(), repr(SECRET)):
        assert secret not in stored


@given(st.binary(min_size=32, max_size=32))
def test_every_secret_opens_its_key(secret: bytes) -> None:
    """Base64 for URLs uses _ and - itself."""
    key, shown = new_key(key_id=KEY_ID, name="n", scopes=["hash"], now=NOW, secret=secret)
    assert authenticate(shown, {KEY_ID: key}, NOW, Scope.HASH) is key


def test_a_key_opens_what_its_scopes_say() -> None:
    for scope in Scope:
        if scope in KEY.scopes:
            assert authenticate(SHOWN, RECORDS, NOW, scope) is KEY
        else:
            with pytest.raises(WrongScope):
                authenticate(SHOWN, RECORDS, NOW, scope)


def test_admin_does_not_contain_the_others() -> None:
    key, shown = made(scopes=["admin"])
    with pytest.raises(WrongScope):
        authenticate(shown, {KEY_ID: key}, NOW, Scope.READ)


@pytest.mark.parametrize("token", [None, ""])
def test_no_key(token: str | None) -> None:
    with pytest.raises(KeyMissing, match="Authorization: Bearer"):
        authenticate(token, RECORDS, NOW, Scope.SCREEN)


@pytest.mark.parametrize(
    "token",
    [
        " ",
        "swk_",
        SHOWN[:-1],
        SHOWN + "A",
        SHOWN + "\n",
        " " + SHOWN,
        SHOWN.upper(),
        SHOWN.replace("swk_", "sk__"),
        SHOWN.replace("-", "+", 1) if "-" in SHOWN else SHOWN[:-1] + "+",
        SHOWN[:-1] + "=",
        SHOWN[:-1] + chr(ord(SHOWN[-1]) + 1),
        SHOWN[:-1] + "ä",
        SHOWN[:-1] + "\0",
        SHOWN[:-1] + "\ud800",
        f"Bearer {SHOWN}",
        f"{SHOWN},{SHOWN}",
        "x" * 10_000_000,
        "swk_" + "٣" * 32 + SHOWN[36:],
    ],
    ids=range(18),
)
def test_malformed_keys(token: str) -> None:
    with pytest.raises(KeyMalformed) as caught:
        authenticate(token, RECORDS, NOW, Scope.SCREEN)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=100))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises((KeyMissing, KeyMalformed)):
        authenticate(token, RECORDS, NOW, Scope.SCREEN)


@given(at=st.integers(36, 79), letter=st.sampled_from("ABCDwxyz0189-_"))
def test_one_wrong_character_in_the_secret_is_refused(at: int, letter: str) -> None:
    changed = SHOWN[:at] + letter + SHOWN[at + 1 :]
    if changed == SHOWN:
        return
    with pytest.raises((KeyUnknown, KeyMalformed)):
        authenticate(changed, RECORDS, NOW, Scope.SCREEN)


def wrong_secret() -> str:
    return new_key(key_id=KEY_ID, name="n", scopes=["read"], now=NOW, secret=b"\1" * 32)[1]


def unknown_id() -> str:
    return new_key(key_id=OTHER_ID, name="n", scopes=["read"], now=NOW, secret=SECRET)[1]


def test_an_unknown_id_and_a_wrong_secret_get_the_same_answer() -> None:
    answers = []
    for token in (wrong_secret(), unknown_id()):
        with pytest.raises(KeyRefused) as caught:
            authenticate(token, RECORDS, NOW, Scope.SCREEN)
        answers.append((type(caught.value), caught.value.code, str(caught.value)))
    assert answers[0] == answers[1]
    assert answers[0][0] is KeyUnknown


def test_a_wrong_secret_learns_nothing_about_the_key() -> None:
    """Not that it was revoked, has expired or lacks the scope: only its holder is told."""
    for record in (
        msgspec.structs.replace(KEY, revoked_at=NOW),
        msgspec.structs.replace(KEY, expires_at=NOW),
        msgspec.structs.replace(KEY, scopes=()),
    ):
        with pytest.raises(KeyUnknown):
            authenticate(wrong_secret(), {KEY_ID: record}, NOW, Scope.SCREEN)


@pytest.mark.parametrize("token", [SHOWN, wrong_secret(), unknown_id()])
def test_hashes_are_always_compared_and_never_by_equality(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(left: str, right: str) -> bool:
        compared.append((len(left), len(right)))
        return hmac.compare_digest(left, right)

    class Twin:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(keys, "hmac", Twin)
    with contextlib.suppress(KeyUnknown):
        authenticate(token, RECORDS, NOW, Scope.SCREEN)
    assert compared == [(64, 64)]


def test_the_hash_of_nobody_is_no_key() -> None:
    """Even a secret that hashed to the stand-in would not open an unknown id."""
    _, shown = new_key(key_id=OTHER_ID, name="n", scopes=["read"], now=NOW, secret=SECRET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_NOBODY", hashlib.sha256(SECRET).hexdigest())
        with pytest.raises(KeyUnknown):
            authenticate(shown, RECORDS, NOW, Scope.READ)


def test_expiry_is_the_first_moment_at_which_a_key_is_not_good() -> None:
    key, shown = made(expires_at=NOW + timedelta(hours=1))
    records = {KEY_ID: key}
    assert authenticate(shown, records, NOW + timedelta(minutes=59, seconds=59), Scope.READ) is key
    for moment in (NOW + timedelta(hours=1), NOW + timedelta(days=400)):
        with pytest.raises(KeyExpired):
            authenticate(shown, records, moment, Scope.READ)


def test_revoked_is_said_before_expired_and_wrong_scope() -> None:
    key = msgspec.structs.replace(KEY, revoked_at=NOW, expires_at=NOW)
    with pytest.raises(KeyRevoked):
        authenticate(SHOWN, {KEY_ID: key}, NOW, Scope.ADMIN)


def test_surfaces_limit_a_key_that_names_them() -> None:
    limited, _ = made(surfaces=["posts", "posts", "avatars"])
    assert limited.surfaces == ("avatars", "posts")
    require_surface(limited, "posts")
    require_surface(KEY, "anything")
    for surface in ("messages", "", "post", "POSTS"):
        with pytest.raises(WrongSurface):
            require_surface(limited, surface)


@pytest.mark.parametrize(
    "refused", [KeyMissing, KeyMalformed, KeyUnknown, KeyExpired, KeyRevoked, WrongScope, WrongSurface]
)
def test_each_refusal_has_a_code_and_a_next_step(refused: type[KeyRefused]) -> None:
    error = refused()
    assert error.code.islower()
    assert error.text.endswith(".")
    assert error.next_step.endswith(".")
    assert error.text in str(error)
    assert len({each.code for each in KeyRefused.__subclasses__()}) == len(KeyRefused.__subclasses__())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"scopes": []}, "without a scope"),
        ({"scopes": ["root"]}, "screen, lookup, hash, read, resolve, admin"),
        ({"scopes": "screen"}, "screen, lookup"),
        ({"surfaces": []}, "surfaces"),
        ({"surfaces": [""]}, "surfaces"),
        ({"surfaces": [str(number) for number in range(1_001)]}, "surfaces"),
        ({"expires_at": NOW}, "expired already"),
        ({"expires_at": NOW - timedelta(days=1)}, "expired already"),
        ({"secret": b""}, "32 random bytes"),
        ({"secret": b"x" * 31}, "32 random bytes"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(change: dict[str, object], says: str) -> None:
    fields: dict[str, object] = {"key_id": KEY_ID, "name": "n", "scopes": ["read"], "now": NOW, "secret": SECRET}
    with pytest.raises(BadKey, match=says):
        new_key(**(fields | change))  # type: ignore[arg-type]


def test_nothing_secret_shows() -> None:
    for text in (repr(KEY), str(KEY), f"{KEY}", repr(RECORDS)):
        assert KEY.secret_hash not in text
        assert "forum" in text


def test_a_key_survives_the_gate_state() -> None:
    assert msgspec.json.decode(msgspec.json.encode(KEY), type=KeyRecord) == KEY


def test_a_check_is_cheap_enough_for_every_request() -> None:
    """Median of 200: a slow hash would take milliseconds."""
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        authenticate(SHOWN, RECORDS, NOW, Scope.SCREEN)
        times.append(time.perf_counter() - begin)
    assert statistics.median(times) < 0.001
