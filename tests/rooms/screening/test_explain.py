"""The signed link in a verdict: it opens one screening's page, for whoever has it, and cannot be made by others."""

import base64
import hmac
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.record.ids import BadId, new_id, uuid7
from seawall.screening import explain
from seawall.screening.explain import (
    DIRECTORY,
    KEY_BYTES,
    MAC_BYTES,
    TOKEN_CHARACTERS,
    BadExplainKey,
    ExplainKey,
    ExplainKeys,
    ExplainLinks,
    link,
    load,
    load_or_create,
    open_link,
    renew,
    retire,
    rotate,
)
from seawall.screening.model import Action
from tests.rooms.screening.recordings import NOW, clock_at, verdict

BASE = "https://seawall.example"


def key(number: int = 1, fill: bytes = b"k") -> ExplainKey:
    return ExplainKey(number=number, created_at=NOW, secret=fill * KEY_BYTES)


def keys(*several: ExplainKey) -> ExplainKeys:
    return ExplainKeys(by_number={one.number: one for one in several or (key(),)})


def token(screening_id: str, by: ExplainKey | None = None) -> str:
    return link(BASE, screening_id, by or key()).removeprefix(f"{BASE}/x/")


SCREENING = new_id("scr", clock_at(NOW))
ids = st.binary(min_size=10, max_size=10).map(lambda random: f"scr_{uuid7(NOW, random)}")


@given(screening_id=ids, number=st.integers(1, explain.LARGEST_NUMBER), secret=st.binary(min_size=32, max_size=32))
def test_what_is_made_opens(screening_id: str, number: int, secret: bytes) -> None:
    mine = ExplainKey(number=number, created_at=NOW, secret=secret)
    made = token(screening_id, mine)
    assert len(made) == TOKEN_CHARACTERS
    assert open_link(made, keys(mine)) == screening_id


@given(text=st.text(max_size=120))
def test_no_other_text_opens(text: str) -> None:
    assert open_link(text, keys()) is None


@given(raw=st.binary(min_size=36, max_size=36))
def test_no_guess_of_the_right_length_opens(raw: bytes) -> None:
    assert open_link(base64.urlsafe_b64encode(raw).decode(), keys()) is None


@settings(max_examples=300)
@given(at=st.integers(0, 36 * 8 - 1))
def test_no_bit_can_be_changed(at: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(token(SCREENING)))
    raw[at // 8] ^= 1 << at % 8
    assert open_link(base64.urlsafe_b64encode(raw).decode(), keys()) is None


def test_one_screening_has_one_spelling_per_key() -> None:
    made = token(SCREENING)
    for other in (
        f"{made}=",
        f"{made}==",
        f" {made}",
        f"{made}\n",
        made[:-1],
        made + "A",
        made.swapcase(),
        made + "\0",
    ):
        assert open_link(other, keys()) is None


def test_a_token_of_another_key_number_purpose_or_version_does_not_open() -> None:
    made = token(SCREENING)
    assert open_link(made, keys(key(fill=b"o"))) is None
    assert open_link(made, keys(key(2))) is None
    said = base64.urlsafe_b64decode(made)[:-MAC_BYTES]
    # The same key used for something else must give nothing that passes here.
    plain = hmac.digest(key().secret, said, "sha256")[:MAC_BYTES]
    assert open_link(base64.urlsafe_b64encode(said + plain).decode(), keys()) is None
    newer = b"\x02" + said[1:]
    signed = newer + explain._code(key().secret, newer)
    assert open_link(base64.urlsafe_b64encode(signed).decode(), keys()) is None


def test_only_screenings_have_links() -> None:
    for wrong in ("", "scr_", "sig_01933b6e-0000-7000-8000-000000000000", "scr_" + "0" * 32, "scr_../x"):
        with pytest.raises(BadId):
            link(BASE, wrong, key())
    other = UUID(int=0)
    assert open_link(explain.token_of(other, key()), keys()) is None


def test_the_link_says_nothing_else_about_the_screening() -> None:
    raw = base64.urlsafe_b64decode(token(SCREENING))
    assert raw[:4] == b"\x01\0\0\x01"
    assert raw[4:20] == UUID(SCREENING.removeprefix("scr_")).bytes
    assert len(raw) == 36


def test_an_unknown_key_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """No oracle: however wrong a token of the right form is, one code is computed and compared in constant time."""
    computed, compared = [], []
    code, compare = explain._code, hmac.compare_digest

    def compute(secret: bytes, said: bytes) -> bytes:
        computed.append(said)
        return code(secret, said)

    def note_and_compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(explain, "_code", compute)
    monkeypatch.setattr(hmac, "compare_digest", note_and_compare)
    good = bytearray(base64.urlsafe_b64decode(token(SCREENING)))
    computed.clear()
    for at in (0, 1, 3, 4, 10, 20, 35):
        bad = bytearray(good)
        bad[at] ^= 1
        assert open_link(base64.urlsafe_b64encode(bad).decode(), keys()) is None
    assert (len(computed), len(compared)) == (7, 7)


def test_the_first_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    first = load_or_create(tmp_path, NOW)
    [path] = (tmp_path / DIRECTORY).iterdir()
    assert (path.stat().st_mode & 0o777, (tmp_path / DIRECTORY).stat().st_mode & 0o777) == (0o600, 0o700)
    assert load_or_create(tmp_path, NOW) == first == load(tmp_path)
    assert first.current.secret not in repr(first).encode()
    assert "secret" not in repr(first)


def test_many_processes_make_one_key(tmp_path: Path) -> None:
    found: list[ExplainKeys] = []
    threads = [threading.Thread(target=lambda: found.append(load_or_create(tmp_path, NOW))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    # Whoever came second may have made a second key, but nobody's first one was replaced.
    last = load(tmp_path)
    assert last is not None
    assert len(found) == 8
    for one in found:
        assert open_link(token(SCREENING, one.current), last) == SCREENING


def test_old_links_open_after_a_rotation_until_their_key_is_retired(tmp_path: Path) -> None:
    first = load_or_create(tmp_path, NOW)
    old = token(SCREENING, first.current)
    second = rotate(tmp_path, NOW + timedelta(days=90))
    assert second.current.number == 2
    new = token(SCREENING, second.current)
    assert new != old
    assert open_link(old, second) == open_link(new, second) == SCREENING
    half_a_year = timedelta(days=183)
    # Its last link was made on day 90.
    assert retire(tmp_path, keep=half_a_year, now=NOW + timedelta(days=273)) == []
    assert retire(tmp_path, keep=half_a_year, now=NOW + timedelta(days=273, seconds=1)) == [1]
    after = load(tmp_path)
    assert after is not None
    assert (open_link(old, after), open_link(new, after)) == (None, SCREENING)
    assert retire(tmp_path, keep=half_a_year, now=NOW + timedelta(days=9_000)) == []
    assert rotate(tmp_path, NOW + timedelta(days=9_000)).current.number == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda body: body[: len(body) // 2],
        lambda _: b"{}",
        lambda _: b"[" * 100_000,
        lambda body: body.replace(b'"number":1', b'"number":2'),
        lambda body: body.replace(b'"number":1', b'"number":-1'),
        lambda body: body + b" " * 5_000,
        lambda body: b"\xff" + body,
        lambda body: body.replace(b'"key":"', b'"key":"AAAA'),
    ],
)
def test_a_damaged_key_says_which_and_what_to_do(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    load_or_create(tmp_path, NOW)
    [path] = (tmp_path / DIRECTORY).iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadExplainKey, match=r"00000001.json.*restore it from a backup"):
        load(tmp_path)
    with pytest.raises(BadExplainKey):
        ExplainLinks(tmp_path, base_url=BASE, now=NOW)


def test_a_damaged_key_leaves_the_links_of_the_others_alone(tmp_path: Path) -> None:
    made = token(SCREENING, load_or_create(tmp_path, NOW).current)
    rotate(tmp_path, NOW)
    (tmp_path / DIRECTORY / "00000002.json").write_bytes(b"damaged")
    found = load(tmp_path, skip_damaged=True)
    assert found is not None
    assert open_link(made, found) == SCREENING
    (tmp_path / DIRECTORY / "00000001.json").write_bytes(b"")
    assert load(tmp_path, skip_damaged=True) is None


def test_a_running_server_takes_up_a_new_key_and_survives_a_damaged_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    links = ExplainLinks(tmp_path, base_url=BASE, now=NOW)
    first = links.keys.current
    assert links.url(SCREENING) == link(BASE, SCREENING, first)
    second = rotate(tmp_path, NOW).current
    links.refresh()
    assert links.url(SCREENING) == link(BASE, SCREENING, second)
    (tmp_path / DIRECTORY / "00000003.json").write_bytes(b"damaged")
    links.refresh()
    assert links.url(SCREENING) == link(BASE, SCREENING, second)
    assert "00000003.json" in caplog.text
    (tmp_path / DIRECTORY / "00000003.json").unlink()
    third = rotate(tmp_path, NOW).current
    links.refresh()
    assert links.url(SCREENING) == link(BASE, SCREENING, third)


def test_keys_are_renewed_and_go_with_the_last_day_that_may_be_asked_about(tmp_path: Path) -> None:
    def tidy(days: float, *, needed: float) -> list[int]:
        return renew(tmp_path, needed_since=NOW + timedelta(days=needed), now=NOW + timedelta(days=days))

    def numbers() -> list[int]:
        found = load(tmp_path)
        return sorted(found.by_number) if found else []

    assert tidy(0, needed=-200) == []
    assert numbers() == [], "the first key is made by whoever makes links"
    load_or_create(tmp_path, NOW)
    assert tidy(29.9, needed=-150) == []
    assert numbers() == [1]
    assert tidy(30, needed=-150) == []
    assert numbers() == [1, 2]
    assert tidy(59, needed=-121) == []
    assert tidy(60, needed=-120) == []
    assert numbers() == [1, 2, 3]
    # The first made its last link on day 30, the second on day 60.
    assert tidy(80, needed=30) == []
    assert tidy(80, needed=30.1) == [1]
    assert tidy(80, needed=70) == [2]
    assert tidy(80, needed=80) == [], "the present one stays"
    assert numbers() == [3]


@pytest.mark.parametrize("years", [-50, 50])
def test_a_clock_that_is_wrong_for_a_moment_kills_no_link(tmp_path: Path, years: int) -> None:
    made = token(SCREENING, load_or_create(tmp_path, NOW).current)
    wrong = NOW + timedelta(days=365 * years)
    renew(tmp_path, needed_since=wrong - timedelta(days=180), now=wrong)
    after = NOW + timedelta(days=1)
    renew(tmp_path, needed_since=after - timedelta(days=180), now=after)
    found = load(tmp_path)
    assert found is not None
    assert open_link(made, found) == SCREENING


def test_a_retired_key_is_overwritten_and_unfinished_ones_go(tmp_path: Path) -> None:
    first = load_or_create(tmp_path, NOW).current
    directory = tmp_path / DIRECTORY
    # As a process that is killed leaves them: a second name of the key, and one that never became a key.
    second_name = directory / ".00000001.json.0a1b2c3d"
    os.link(directory / "00000001.json", second_name)
    os.link(second_name, tmp_path / "elsewhere")
    (directory / ".00000009.json.0a1b2c3d").write_bytes(b"half")
    for path in directory.iterdir():
        os.utime(path, (0, 0))
    renew(tmp_path, needed_since=NOW, now=NOW)
    assert [path.name for path in directory.iterdir()] == ["00000001.json"]
    found = load(tmp_path)
    assert found is not None
    assert found.current == first, "its second name went without it"
    rotate(tmp_path, NOW)
    written = (tmp_path / "elsewhere").read_bytes()
    assert retire(tmp_path, keep=timedelta(), now=NOW + timedelta(days=1)) == [1]
    assert (tmp_path / "elsewhere").read_bytes() != written


def test_a_key_that_is_retired_while_others_read_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_or_create(tmp_path, NOW)
    last = rotate(tmp_path, NOW).current
    read = explain._read

    def slow(path: Path) -> ExplainKey:
        (tmp_path / DIRECTORY / "00000001.json").unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(explain, "_read", slow)
    assert load(tmp_path) == ExplainKeys(by_number={2: last})


def test_two_changes_within_one_tick_of_the_clock_are_both_seen(tmp_path: Path) -> None:
    links = ExplainLinks(tmp_path, base_url=BASE, now=NOW)
    directory = tmp_path / DIRECTORY
    stamp = directory.stat()
    second = rotate(tmp_path, NOW).current
    os.utime(directory, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    links.refresh()
    assert links.url(SCREENING) == link(BASE, SCREENING, second)


@pytest.mark.parametrize("action", Action)
def test_whoever_is_stopped_gets_a_link(tmp_path: Path, action: Action) -> None:
    links = ExplainLinks(tmp_path, base_url=BASE, now=NOW)
    made = verdict(action)
    expected = None if action is Action.ALLOW else links.url(made.id)
    assert links.linked(made).explain_url == expected


def test_without_a_place_for_keys_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"in the way")
    with pytest.raises(OSError, match="keys"):
        ExplainLinks(tmp_path / "keys", base_url=BASE, now=NOW)


def test_what_a_killed_process_left_is_no_key(tmp_path: Path) -> None:
    (tmp_path / DIRECTORY).mkdir()
    (tmp_path / DIRECTORY / ".00000001.json.abcd").write_bytes(b"half")
    (tmp_path / DIRECTORY / "readme.json").write_bytes(b"{}")
    assert load(tmp_path) is None
    assert load_or_create(tmp_path, NOW).current.number == 1


def test_it_knows_no_framework_and_no_database() -> None:
    names = ("django", "sqlite3", "psycopg")
    code = f"import sys, seawall.screening.explain; print([name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
