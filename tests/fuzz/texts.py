"""Targets that read text: addresses, texts, canonical JSON, checkpoints, lists to import."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from seawall.matching.checks import BankError
from seawall.matching.list_format import read_list
from seawall.record import canonical_json, checkpoint
from seawall.record.checkpoint import BadCheckpoint, LogState
from seawall.record.signing import new_signing_key
from seawall.signals.extract import SIGNAL_TYPES
from seawall.signals.model import BadSignal
from seawall.signals.text import TextTooLong
from seawall.signals.text.normal import normalise
from seawall.signals.url import canonical_url
from tests.fuzz.target import Broken, Target

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@contextmanager
def urls(_: Path) -> Iterator[Target]:
    seeds = [
        "https://example.org/a/../b?utm_source=x&b=2&a=1#top",
        "HTTP://user:word@EXAMPLE.org:80/%7euser/%E2%82%AC?q=%20+",
        "http://[2001:db8::1]:8080/",
        "http://192.0.2.1/x",
        "https://xn--mnchen-3ya.example/stra\u00dfe",
        "https://m\u00fcnchen.example./#!/route",
    ]
    words = [b"http://", b"https://", b"javascript:", b"//", b"@", b"#", b"?", b"&", b"=", b"%2F", b"%zz", b"xn--"]
    yield Target(seeds=[seed.encode() for seed in seeds], words=words, check=_check_url)


def _check_url(data: bytes) -> str:
    try:
        canonical = canonical_url(_text(data))
    except BadSignal as error:
        return str(error)
    if canonical_url(canonical) != canonical:
        raise Broken(f"canonical_url is not settled: {canonical[:200]!r}")
    if not canonical.isascii() or not canonical.startswith(("http://", "https://")):
        raise Broken(f"not a canonical address: {canonical[:200]!r}")
    return "canonical"


@contextmanager
def texts(_: Path) -> Iterator[Target]:
    seeds = [
        "The lighthouse keeper counts the gulls at seven.",
        "\ufb01ne \u017fpun \u0130stanbul STRASSE stra\u00dfe \u03a3\u03c2",
        "zero\u200bwidth \u202ereversed\u202c soft\u00adhyphen \U000e0041",
        "\u0e01\u0e33 \u0958 \u1100\u1161\u11a8 \u0300\u0301 e\u0301\u0327",
    ]
    words = [char.encode() for char in "\u200d\ufe0f\u0345\u03b1\u1fb3\u1e9e\u0149\u1e97\u3000\u00a0\u0fb2\u0f71"]
    yield Target(seeds=[seed.encode() for seed in seeds], words=words, check=_check_text)


def _check_text(data: bytes) -> str:
    try:
        normal = normalise(_text(data))
    except TextTooLong:
        return "too long"
    if normalise(normal) != normal:
        raise Broken(f"normalise is not settled: {normal[:200]!r}")
    normal.encode()
    return "normal" if normal else "nothing left"


def _text(data: bytes) -> str:
    """Also half surrogate pairs, which JSON can carry."""
    return data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace") if _decodes(data) else _lossy(data)


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _lossy(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape" if len(data) % 2 else "replace")


@contextmanager
def json(_: Path) -> Iterator[Target]:
    seeds = [
        b'{"schema":1,"name":"matching:signal:muted","by":"per_x","list":[1,2,{"a":null}],"b":true}',
        '{"\u20ac":"\u00f6","\U0001f600":-9007199254740991,"":{}}'.encode(),
        b"{}",
    ]
    words = [b"{", b"}", b"[", b"]", b'"a":', b"9007199254740992", b"1.5", b"-0", b"\\u0000", b"Infinity"]
    yield Target(seeds=seeds, words=words, check=_check_json)


def _check_json(data: bytes) -> str:
    try:
        value = canonical_json.decode(data)
        written = canonical_json.encode(value)
    except canonical_json.BadJson as error:
        return str(error)
    if canonical_json.decode(written) != value or canonical_json.encode(canonical_json.decode(written)) != written:
        raise Broken("canonical JSON is not settled")
    return "canonical"


@contextmanager
def checkpoints(_: Path) -> Iterator[Target]:
    """A note that is accepted says what was signed; nothing else may be accepted."""
    key = new_signing_key(origin="example.org/log", now=NOW, seed=bytes(range(32)))
    other = new_signing_key(origin="example.org/log", now=NOW, seed=bytes(32))
    states = [LogState(origin="example.org/log", size=size, root=bytes([size % 256]) * 32) for size in (0, 7, 2**40)]
    notes = [checkpoint.write(state, key) for state in states]
    cosigned = notes[1] + checkpoint.write(states[1], other).rpartition("\n\n")[2]

    def check(data: bytes) -> str:
        try:
            state, signer = checkpoint.read(_text(data), [key.verification])
        except BadCheckpoint as error:
            return str(error)
        if state not in states or signer != key.verification:
            raise Broken(f"a checkpoint that nobody signed was accepted: {state}")
        return "accepted"

    words = ["\u2014 example.org/log ".encode(), b"\n\n", b"=", b"+", b"/"]
    yield Target(seeds=[note.encode() for note in (*notes, cosigned)], words=words, check=check)


@contextmanager
def lists(_: Path) -> Iterator[Target]:
    """The first line of an input is the file's name, because its ending chooses the form."""
    pdq, sha256, md5 = "f8" * 32, "0a" * 32, "0b" * 16
    seeds = [
        f"a.csv\ntype,value,quality,labels,source,confidence,note\npdq,{pdq},99,a;b,forum,80,x\nmd5,{md5},,,,,\n",
        f'a.csv\nvalue,type\n{sha256},sha256\n"https://example.org/a,b",url\n',
        f'a.jsonl\n{{"type":"pdq","value":"{pdq}","quality":50,"labels":["a"]}}\n{{"type":"md5","value":"{md5}"}}\n',
        f'list\n{{"type":"sha256","value":"{sha256}","note":"made up"}}\n',
    ]
    words = [b"pdq,", b"url,", b'"', b'""', b"type,value\n", b"\r", b"\r\n", b"\x1f\x8b", b"PK\x03\x04", b"quality"]
    yield Target(seeds=[seed.encode() for seed in seeds], words=words, check=_check_list)


def _check_list(data: bytes) -> str:
    name, _, content = data.partition(b"\n")
    good = bad = last = 0
    try:
        for block in read_list(io.BytesIO(content), name.decode("latin-1")):
            numbers = sorted([row.line for row in block.rows] + [line.line for line in block.bad])
            if len(set(numbers)) != len(numbers) or (numbers and numbers[0] <= last):
                raise Broken(f"a line was counted twice: {numbers[:20]}")
            last = numbers[-1] if numbers else last
            for row in block.rows:
                if SIGNAL_TYPES[row.type].canonical(row.value) != row.value:
                    raise Broken(f"line {row.line} was taken with a value that is not canonical")
            good, bad = good + len(block.rows), bad + len(block.bad)
    except BankError as error:
        return error.code
    return f"good {good > 0} bad {bad > 0}"
