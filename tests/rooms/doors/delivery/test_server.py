"""The mail server's settings: what is accepted, how they are kept, and that nobody sees the password."""

import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from seawall.doors.delivery.server import (
    MAX_FILE_BYTES,
    BadMailSettings,
    MailSettings,
    Security,
    check,
    is_address,
    is_loopback,
    load,
    read,
    remove,
    save,
)

GOOD = MailSettings(
    host="smtp.example.org",
    port=465,
    security=Security.TLS,
    sender="seawall@example.org",
    username="harbour",
    password="correct horse",
)


def changed(**values: Any) -> MailSettings:
    return msgspec.structs.replace(GOOD, **values)


def test_settings_survive_and_only_we_can_read_them(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    save(tmp_path, GOOD)
    assert load(tmp_path) == GOOD
    assert stat.S_IMODE((tmp_path / "mail.json").stat().st_mode) == 0o600
    save(tmp_path, changed(port=587, security=Security.STARTTLS))
    assert [path.name for path in tmp_path.iterdir()] == ["mail.json"]
    assert remove(tmp_path)
    assert not remove(tmp_path)
    assert load(tmp_path) is None


def test_the_password_is_in_no_repr_and_in_no_error(tmp_path: Path) -> None:
    @dataclass
    class Holder:
        server: MailSettings

    assert "correct horse" not in f"{GOOD} {GOOD!r} {Holder(GOOD)}"
    data = msgspec.json.encode(GOOD)
    for damaged in (data[:-1], data.replace(b"465", b'"correct horse"'), data.replace(b'"tls"', b'"correct horse"')):
        with pytest.raises(BadMailSettings) as caught:
            read(damaged)
        assert "correct horse" not in str(caught.value)
        assert caught.value.__cause__ is None


BAD = {
    "host with port": {"host": "smtp.example.org:465"},
    "host as URL": {"host": "https://smtp.example.org"},
    "host empty": {"host": ""},
    "host with line end": {"host": "smtp.example.org\r\n"},
    "host with NUL": {"host": "smtp\0.example.org"},
    "host with other letters": {"host": "smtp.exämple.org"},
    "host with empty label": {"host": "smtp..example.org"},
    "host with long label": {"host": "a" * 64 + ".org"},
    "host with scope": {"host": "fe80::1%eth0\r\n"},
    "host too long": {"host": ".".join(["a" * 50] * 6)},
    "port 0": {"port": 0},
    "port too large": {"port": 65_536},
    "port negative": {"port": -1},
    "sender empty": {"sender": ""},
    "sender with name": {"sender": "Seawall <seawall@example.org>"},
    "sender with header": {"sender": "seawall@example.org\nBcc: everyone@example.org"},
    "sender with other letters": {"sender": "seawäll@example.org"},
    "sender two": {"sender": "a@example.org,b@example.org"},
    "user without password": {"password": ""},
    "password without user": {"username": ""},
    "password with line end": {"password": "a\r\nRCPT TO:<x@example.org>"},
    "password with other letters": {"password": "pässword"},
    "password too long": {"password": "x" * 1_025},
    "user name with NUL": {"username": "a\0b"},
    "hour too late": {"digest_hour": 24},
    "hour negative": {"digest_hour": -1},
    "password in the clear": {"security": Security.NONE, "allow_plain": True},
    "unencrypted elsewhere": {"security": Security.NONE, "username": "", "password": ""},
}


@pytest.mark.parametrize("wrong", list(BAD.values()), ids=list(BAD))
def test_what_cannot_be_used_is_refused_when_saved_and_when_read(tmp_path: Path, wrong: dict[str, Any]) -> None:
    save(tmp_path, GOOD)
    problems = check(changed(**wrong))
    assert len(problems) == 1
    assert problems[0].endswith(".")
    with pytest.raises(BadMailSettings):
        save(tmp_path, changed(**wrong))
    assert load(tmp_path) == GOOD
    (tmp_path / "mail.json").write_bytes(msgspec.json.encode(changed(**wrong)))
    with pytest.raises(BadMailSettings, match="Set the mail server again"):
        load(tmp_path)


@pytest.mark.parametrize(
    "fine",
    [
        {"host": "xn--exmple-cua.org"},
        {"host": "2001:db8::1"},
        {"host": "192.0.2.1"},
        {"host": "mail"},
        {"host": "localhost", "security": Security.NONE},
        {"host": "127.0.0.1", "security": Security.NONE, "username": "", "password": ""},
        {"host": "::1", "security": Security.NONE},
        {"security": Security.NONE, "username": "", "password": "", "allow_plain": True},
        {"sender": "o'neil+seawall@sub.example.org"},
        {"sender": "root@localhost"},
        {"password": "x" * 1_024},
    ],
)
def test_what_can_be_used_is_taken(fine: dict[str, Any]) -> None:
    assert check(changed(**fine)) == []


@pytest.mark.parametrize("host", ["127.9.9.9", "::1", "LOCALHOST", "localhost"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.org", "0.0.0.0", "10.0.0.1", "", "127.0.0.1.example.org"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a@",
        "@example.org",
        "a b@example.org",
        '"a b"@example.org',
        "a@b@example.org",
        "a@[127.0.0.1]",
        ".a@example.org",
        "a..b@example.org",
        "a@example.org\r\nDATA",
        "a@example.org\n",
        "\ra@example.org",
        "<a@example.org>",
        "a@example.org>",
        "a@example.org,b@example.org",
        "a@exa mple.org",
        "ä@example.org",
        "a@-example.org",
        "x" * 65 + "@example.org",
        "a@" + "b." * 150 + "org",
        "a\0@example.org",
        "a\u2028@example.org",
    ],
)
def test_no_address(text: str) -> None:
    assert not is_address(text)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_address_can_end_a_command(local: str, domain: str) -> None:
    for text in (f"{local}@{domain}", f"a{local}@example.org", f"a@example{domain}.org"):
        if is_address(text):
            assert text.isascii()
            assert not set(text) & set('\r\n\0 <>,;:"()[]\\\t')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{" * 10_000,
        b"[" * 10_000,
        b" " * (MAX_FILE_BYTES + 1),
        msgspec.json.encode(GOOD)[:-1] + b',"colour":"red"}',
        msgspec.json.encode(GOOD)[:-1] + b',"port":1e999}',
        msgspec.json.encode(GOOD) * 2,
        json.dumps({**msgspec.to_builtins(GOOD), "security": "perhaps"}).encode(),
        json.dumps({**msgspec.to_builtins(GOOD), "password": "\ud800"}).encode(),
    ],
    ids=range(13),
)
def test_a_file_that_is_none_is_refused_with_the_next_step(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "mail.json").write_bytes(data)
    with pytest.raises(BadMailSettings, match="Set the mail server again"):
        load(tmp_path)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "mail.json").mkdir()
    with pytest.raises(BadMailSettings, match="Set the mail server again"):
        load(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=2)
)
FIELDS = st.sampled_from([*MailSettings.__struct_fields__, "colour"])


@hypothesis_settings(max_examples=200)
@given(st.binary(max_size=200) | st.dictionaries(FIELDS, VALUES).map(lambda one: json.dumps(one).encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except BadMailSettings:
        return
    assert check(found) == []


@hypothesis_settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(MailSettings.__struct_fields__), VALUES, max_size=2))
def test_a_good_file_with_odd_values_is_read_as_good_or_refused(values: dict[str, Any]) -> None:
    test_any_bytes_are_read_or_refused.hypothesis.inner_test(  # type: ignore[attr-defined]
        json.dumps({**msgspec.to_builtins(GOOD), **values}).encode()
    )
