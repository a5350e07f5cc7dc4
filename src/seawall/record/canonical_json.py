"""One way to write a JSON value as bytes (RFC 8785 for the values we use), so that a hash of it means something."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

#: RFC 8785 counts numbers as IEEE 754 doubles: beyond this another reader may see another number.
MAX_INTEGER = 2**53 - 1
#: Deeper nesting is nobody's event; it only exhausts a parser's stack.
MAX_DEPTH = 32
#: A body above 1 MiB is a list that belongs into a table with its digest in the event.
MAX_BYTES = 1 << 20


class BadJson(ValueError):
    """The value has no canonical form, or the bytes are not a JSON object; the message says what to change."""


def encode(value: Json) -> bytes:
    """Canonical UTF-8 bytes of text, integers, booleans, null, lists and objects; BadJson for anything else."""
    text = json.dumps(_sorted(value, MAX_DEPTH), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise BadJson("text holds half a surrogate pair, which is no character: decode it properly first") from error
    if len(data) > MAX_BYTES:
        raise BadJson(f"{len(data)} bytes of JSON are more than {MAX_BYTES}: store the list and record its digest")
    return data


def decode(data: bytes) -> dict[str, Any]:
    """The JSON object in these bytes; BadJson for floats, repeated names, other top-level values and broken bytes."""
    if len(data) > MAX_BYTES:
        raise BadJson(f"{len(data)} bytes of JSON are more than {MAX_BYTES}")
    try:
        value = json.loads(data.decode(), **_STRICT)
    except BadJson:
        raise
    except RecursionError as error:
        raise BadJson("the JSON is nested too deeply") from error
    except ValueError as error:
        raise BadJson(f"not JSON in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise BadJson("expected a JSON object at the top")
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH or b"\\u" in data:
        # It may be nested deeply or hold half a surrogate pair: only what can be written is read.
        encode(value)
    return value


def _sorted(value: Json, depth: int) -> Json:
    if depth < 0:
        raise BadJson(f"the JSON is nested more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise BadJson("a number is beyond 2**53 - 1, where JSON readers disagree: write it as text")
        return value
    if isinstance(value, Mapping):
        return {key: _sorted(value[key], depth - 1) for key in _ordered(value)}
    if isinstance(value, (list, tuple)):
        return [_sorted(item, depth - 1) for item in value]
    raise BadJson(f"a {type(value).__name__} has no canonical JSON form: use text, whole numbers, lists and objects")


def _ordered(names: Iterable[str]) -> list[str]:
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise BadJson(f"an object's names are text, not {type(name).__name__}")
    if "".join(found).isascii():
        return sorted(found)
    # RFC 8785 section 3.2.3 sorts by UTF-16 code units, which differs from code points beyond U+FFFF.
    return sorted(found, key=lambda name: name.encode("utf-16-be", "surrogatepass"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("a name stands twice in one JSON object")
    return found


def _no_float(text: str) -> NoReturn:
    raise BadJson(f"{text[:40]} is not a whole number: events carry no fractions")


def _integer(text: str) -> int:
    # The length first: converting a million digits takes its time.
    number = int(text) if len(text) <= len(str(-MAX_INTEGER)) else None
    if number is None or abs(number) > MAX_INTEGER:
        raise BadJson(f"{text[:20]} is beyond 2**53 - 1, where JSON readers disagree: write it as text")
    return number


#: What the standard parser would let pass: repeated names, fractions, NaN, numbers of a million digits.
_STRICT: dict[str, Any] = {
    "object_pairs_hook": _object,
    "parse_float": _no_float,
    "parse_constant": _no_float,
    "parse_int": _integer,
}
