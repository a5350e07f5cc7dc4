"""Mutations of bytes: small damage, moved pieces, surprising numbers, and words that parsers look for."""

from collections.abc import Callable, Sequence
from random import Random

#: No mutated input grows beyond this; size itself is tested by the rooms.
LONGEST = 256 * 1024

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)

_WORDS = (
    b"", b"\0", b"\n", b"\r\n", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"%00", b"../",
    b"-1", b"0", b"1e999", b"NaN", b"null", b"true", b"{}", b"[]", b'"', b"'", b"\\", b"\\ud800", b",", b":", b";",
    b"[" * 2000, b"A" * 1000, b"99999999999999999999", "\N{COMBINING ACUTE ACCENT}".encode() * 60,
    "\N{LATIN SMALL LIGATURE FFI}".encode(), "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}".encode(),
)  # fmt: skip

Mutation = Callable[[bytearray, Random, Sequence[bytes]], None]


def mutated(inputs: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """One of the inputs after one to six mutations; now and then two of them put together first."""
    data = bytearray(random.choice(inputs))
    if random.random() < 0.1:
        other = random.choice(inputs)
        data[random.randint(0, len(data)) :] = other[random.randint(0, len(other)) :]
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        random.choice(_MUTATIONS)(data, random, words)
    return bytes(data[:LONGEST])


def _flip_bit(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set_byte(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def _set_number(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    width = random.choice((1, 2, 4, 8))
    at = random.randint(0, max(0, len(data) - width))
    number = random.choice(_NUMBERS) + random.choice((0, 0, -1, 1))
    data[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, random.choice(("little", "big")))


def _drop(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    start = random.randint(0, len(data))
    del data[start : start + _length(random)]


def _repeat(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    start = random.randint(0, len(data))
    piece = data[start : start + _length(random)]
    data[start:start] = piece * random.choice((1, 1, 2, 9))


def _move(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    start, to = random.randint(0, len(data)), random.randint(0, len(data))
    piece = data[start : start + _length(random)]
    data[to : to + len(piece)] = piece


def _cut_short(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    del data[random.randint(0, len(data)) :]


def _insert_noise(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randint(0, len(data))
    data[at:at] = random.randbytes(min(_length(random), 64))


def _insert_word(data: bytearray, random: Random, words: Sequence[bytes]) -> None:
    at = random.randint(0, len(data))
    word = random.choice(words) if words and random.random() < 0.6 else random.choice(_WORDS)
    data[at : at + random.choice((0, 0, len(word)))] = word


def _length(random: Random) -> int:
    """Mostly a few bytes, seldom thousands."""
    return 1 + int(2 ** random.uniform(0, 12))


_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bit, _flip_bit, _set_byte, _set_number, _drop, _repeat, _move, _cut_short, _insert_noise, _insert_word,
    _insert_word,
)  # fmt: skip
