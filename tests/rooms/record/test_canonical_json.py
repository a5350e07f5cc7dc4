import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.record import canonical_json
from seawall.record.canonical_json import BadJson, Json
from tests.rooms.record.strategies import objects


@given(objects)
def test_what_is_written_is_read_again(value: dict[str, Json]) -> None:
    data = canonical_json.encode(value)
    assert canonical_json.decode(data) == value
    assert json.loads(data) == value


@given(objects)
def test_the_order_of_names_makes_no_difference(value: dict[str, Json]) -> None:
    assert canonical_json.encode(value) == canonical_json.encode(dict(reversed(value.items())))


def test_names_are_sorted_as_rfc_8785_says() -> None:
    """The example of RFC 8785 section 3.2.3, whose order differs between code points and UTF-16 code units."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = canonical_json.encode(dict.fromkeys(names, 0))
    assert list(json.loads(written)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_text_is_escaped_as_rfc_8785_says() -> None:
    assert canonical_json.encode({"a": '\u20ac$\x0f\nA\'B"\\\\"/\x7f'}) == (
        '{"a":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"}'.encode()
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"a": 1.5}, "float"),
        ({"a": float("nan")}, "float"),
        ({"a": b"x"}, "bytes"),
        ({"a": {1, 2}}, "set"),
        ({1: "x"}, "names are text"),
        ({"a": 2**53}, "2\\*\\*53"),
        ({"a": -(10**5000)}, "2\\*\\*53"),
        ({"a": "\ud800"}, "surrogate"),
        ({"\ud800": 1}, "surrogate"),
        ({"a": "x" * canonical_json.MAX_BYTES}, "digest"),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Json, says: str) -> None:
    with pytest.raises(BadJson, match=says):
        canonical_json.encode(value)


def test_endless_nesting_is_refused() -> None:
    value: Json = {}
    for _ in range(canonical_json.MAX_DEPTH + 1):
        value = {"a": value}
    with pytest.raises(BadJson, match="nested"):
        canonical_json.encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{} {}",
        b"\xff\xfe",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 10_000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":"' + b"x" * canonical_json.MAX_BYTES + b'"}',
    ],
    ids=range(22),
)
def test_broken_and_hostile_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadJson):
        canonical_json.decode(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = canonical_json.decode(data)
    except BadJson:
        return
    assert canonical_json.decode(canonical_json.encode(value)) == value
