"""The nouns of the first arrow: content comes in as parts, signals and honest gaps come out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a part of the content is, as the caller declares it."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    URL = "url"
    DOCUMENT = "document"
    FILE = "file"


class Family(StrEnum):
    """Index families: how two signals of one type are compared."""

    EXACT = "exact"
    HAMMING256 = "hamming256"


class BadSignal(ValueError):
    """A signal's value does not have its type's form; the message says which form that is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One fingerprint. `value` is canonical text (lower-case hex, or a canonical URL).

    `quality` is 0..100 where the type measures it (PDQ), else None. `part` names the part it came from.
    """

    type: str
    value: str
    version: int = 1
    quality: int | None = None
    part: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalType:
    """A kind of signal: its name, extractor version, index family, and how a value is validated.

    `canonical` returns the canonical form of a value or raises BadSignal. `digest` gives the 32 bytes (16 for MD5
    are padded by the index) that the index compares; `private` types are kept in the ledger only as keyed hashes.
    """

    name: str
    version: int
    family: Family
    canonical: Callable[[str], str]
    digest: Callable[[str], bytes]
    private: bool
    about: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part of the content: exactly one of `data`, `text`, `url`, `signals` is given."""

    name: str
    kind: Kind
    data: bytes | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)
    signals: tuple[Signal, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Something that could not be looked at: which part, a stable code, and plain words with the next step."""

    part: str
    code: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Extraction:
    """All signals found, and what could not be looked at. An empty `gaps` means everything was."""

    signals: tuple[Signal, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A picture as a person may be shown it: a small JPEG made here; None where `gaps` say why there is none."""

    picture: bytes | None = field(default=None, repr=False)
    gaps: tuple[Gap, ...] = ()
