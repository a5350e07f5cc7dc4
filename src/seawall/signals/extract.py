"""From the parts of a post to its signals: each kind's own fingerprints, put together.

Pictures are decoded in the jail; everything else here only hashes or rewrites what it is given.
"""

import atexit
import functools
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from seawall.signals.file import md5, sha256
from seawall.signals.jail import Boundary, Jail, JailDied, JailRefused, JailTimeout
from seawall.signals.jail.boundary import DEADLINE, MEMORY, plain
from seawall.signals.model import BadSignal, Extraction, Family, Gap, Kind, Part, Preview, Signal, SignalType
from seawall.signals.text import TextTooLong
from seawall.signals.text import fingerprint as text_fingerprint
from seawall.signals.url import canonical_url

#: The jailed function for pictures: bytes of a file in, a msgpack `Extraction` out. Named, not imported, so that no
#: decoder is ever loaded into this process.
IMAGE_FUNCTION = "seawall.signals.image.decode:extract"
#: And those that make a picture to show of one, grey and blurred or clear: a msgpack `SealedPicture` out.
SEALED_FUNCTION = "seawall.signals.image.preview:sealed"
CLEAR_FUNCTION = "seawall.signals.image.preview:clear"

#: The most signals that one picture may give, whatever a worker says: the frames of one animation.
_MAX_SIGNALS_PER_PICTURE = 1_000

#: A decoder says one thing that went wrong, sometimes two.
_MAX_GAPS_PER_PICTURE = 8
_GAP_CODE = re.compile(r"[a-z_]{1,40}")

#: Seconds in which the pictures of one post are begun. The last one may still use up its own deadline, so that a post
#: of many slow pictures holds a decoder for this and one deadline, instead of for one deadline each.
POST_SECONDS = 30.0

_NO_SENSE = "The decoder's answer made no sense, so it was not used: have a person look."


def _hexadecimal(name: str, length: int, about: str) -> SignalType:
    """A signal type whose value is `length` hexadecimal characters."""
    form = re.compile(f"[0-9a-f]{{{length}}}")

    def canonical(value: str) -> str:
        lowered = value.lower() if value.isascii() else value
        if form.fullmatch(lowered):
            return lowered
        if value != value.strip():
            raise BadSignal(f"{name}: white space around the value: send the {length} characters alone")
        if len(value) != length:
            raise BadSignal(
                f"{name}: expected {length} hexadecimal characters, got {len(value)}: "
                f"check that this is {about}, copied whole"
            )
        raise BadSignal(f"{name}: expected {length} characters of 0-9 and a-f, got others: copy the value again")

    return SignalType(
        name=name,
        version=1,
        family=Family.HAMMING256 if name == "pdq" else Family.EXACT,
        canonical=canonical,
        digest=bytes.fromhex,
        private=name != "pdq",
        about=about,
    )


def _listed_url(value: str) -> str:
    if value != value.strip():
        raise BadSignal("url: white space around the value: send the address alone")
    return canonical_url(value)


#: Every type of signal that this version extracts and compares, by name.
SIGNAL_TYPES: Mapping[str, SignalType] = MappingProxyType(
    {
        "pdq": _hexadecimal("pdq", 64, "the PDQ hash of a picture"),
        "sha256": _hexadecimal("sha256", 64, "the SHA-256 of a file"),
        "md5": _hexadecimal("md5", 32, "the MD5 of a file"),
        "text": _hexadecimal("text", 64, "the SHA-256 of a normalised text"),
        "url": SignalType(
            name="url",
            version=1,
            family=Family.EXACT,
            canonical=_listed_url,
            digest=lambda value: hashlib.sha256(value.encode("utf-8")).digest(),
            private=True,
            about="the canonical form of a web address",
        ),
    }
)

#: The types that come with a quality, 0..100.
_MEASURED = frozenset({"pdq"})


class Unreadable(ValueError):
    """A file could not be looked at completely. `signals` has what was found, `gaps` what was not and why."""

    def __init__(self, extraction: Extraction) -> None:
        super().__init__(" ".join(gap.text for gap in extraction.gaps))
        self.signals = extraction.signals
        self.gaps = extraction.gaps


def canonical_signal(type: str, value: str, quality: int | None = None) -> Signal:  # noqa: A002 - the format's own word
    """A signal that came from outside, in canonical form. Raises BadSignal, which says what to change.

    Mixed-case hexadecimal is lower-cased. `quality` is 0..100 and belongs to PDQ only.
    """
    known = SIGNAL_TYPES.get(type)
    if known is None:
        raise BadSignal(f"{type[:40]!r} is no signal type known here: use one of {', '.join(SIGNAL_TYPES)}")
    if quality is not None and type not in _MEASURED:
        raise BadSignal(f"{type}: this type has no quality: leave it out")
    if quality is not None and not 0 <= quality <= 100:
        raise BadSignal(f"{type}: quality is a whole number from 0 to 100, got {quality}: leave it out if unknown")
    return Signal(type=type, value=known.canonical(value), version=known.version, quality=quality)


def open_jail(*, workers: int, deadline: float = DEADLINE, memory: int = MEMORY) -> Jail:
    """A jail with every function that `extract` and `preview_of` call."""
    functions = (IMAGE_FUNCTION, SEALED_FUNCTION, CLEAR_FUNCTION)
    return Jail(functions=functions, workers=workers, deadline=deadline, memory=memory)


def extract(parts: Sequence[Part], jail: Boundary, *, stopwatch: Callable[[], float] = time.monotonic) -> Extraction:
    """The signals of all parts, in their order, without repetition inside a part; and an honest gap for the rest.

    Raises nothing for bad content: what cannot be looked at becomes a gap. JailClosed when the jail is closed.
    Pictures that come after POST_SECONDS (by `stopwatch`, in seconds) are not opened.
    """
    signals: list[Signal] = []
    gaps: list[Gap] = []
    until = stopwatch() + POST_SECONDS
    for part in parts:
        found = _extract_part(part, jail, late=lambda: stopwatch() >= until)
        signals.extend(_named(found.signals, part.name))
        gaps.extend(Gap(part=part.name, code=gap.code, text=gap.text) for gap in found.gaps)
    return Extraction(signals=tuple(signals), gaps=tuple(gaps))


def _named(signals: Iterable[Signal], part: str) -> Iterator[Signal]:
    for signal in dict.fromkeys(signals):
        yield Signal(type=signal.type, value=signal.value, version=signal.version, quality=signal.quality, part=part)


def _extract_part(part: Part, jail: Boundary, *, late: Callable[[], bool]) -> Extraction:
    if part.signals is not None:
        return _given(part.signals)
    if part.kind is Kind.TEXT:
        return _text(part)
    if part.kind is Kind.URL:
        return _url(part)
    if part.data is None:
        return _gap(
            "wrong_content", f"A part of kind {part.kind} needs a file, and none came: send the file or its signals."
        )
    return _file(part.kind, part.data, jail, late=late)


def _gap(code: str, text: str, signals: Iterable[Signal] = ()) -> Extraction:
    return Extraction(signals=tuple(signals), gaps=(Gap(part="", code=code, text=text),))


def _given(given: Sequence[Signal]) -> Extraction:
    signals, gaps = [], []
    for signal in given:
        try:
            signals.append(canonical_signal(signal.type, signal.value, signal.quality))
        except BadSignal as error:
            gaps.append(Gap(part="", code="bad_signal", text=f"A signal was not understood. {error}."))
    if not given:
        gaps.append(Gap(part="", code="empty", text="This part has no signals: send at least one, or leave it out."))
    return Extraction(signals=tuple(signals), gaps=tuple(gaps))


def _text(part: Part) -> Extraction:
    text = part.text
    if text is None and part.data is not None:
        try:
            text = part.data.decode("utf-8")
        except UnicodeDecodeError:
            return _gap("not_utf8", "This text is not UTF-8, so it could not be read: send it as UTF-8.")
    if text is None:
        return _gap("wrong_content", "A part of kind text needs a text, and none came: send the text or its signals.")
    if not text:
        return _gap("empty", "This text is empty: leave the part out when there is nothing to check.")
    try:
        value = text_fingerprint(text)
    except TextTooLong as error:
        return _gap("text_too_long", f"This text was not looked at: {error}.")
    # A text of nothing but spaces has been looked at, and there was nothing to find: neither a signal nor a gap.
    return Extraction(signals=(canonical_signal("text", value),) if value else ())


def _url(part: Part) -> Extraction:
    if part.url is None:
        return _gap("wrong_content", "A part of kind url needs an address, and none came: send it as `url`.")
    if not part.url.strip():
        return _gap("empty", "This address is empty: leave the part out when there is nothing to check.")
    try:
        return Extraction(signals=(Signal(type="url", value=canonical_url(part.url)),))
    except BadSignal as error:
        return _gap("bad_url", f"This address was not understood. {error}.")


def _file(kind: Kind, content: bytes, jail: Boundary, *, late: Callable[[], bool]) -> Extraction:
    if not content:
        return _gap("empty", "This file has no bytes in it: send it again, or leave the part out.")
    exact = (canonical_signal("sha256", sha256(content)), canonical_signal("md5", md5(content)))
    if kind is Kind.IMAGE:
        picture = _gap("no_time_left", _NO_TIME_LEFT) if late() else _picture(content, jail)
        return Extraction(signals=picture.signals + exact, gaps=picture.gaps)
    if kind is Kind.FILE:
        return Extraction(signals=exact)
    return _gap(
        "unsupported_kind",
        f"This version compares {kind} files only byte for byte and does not look inside: have a person look.",
        exact,
    )


_NO_TIME_LEFT = (
    f"The parts before this picture took the {POST_SECONDS:.0f} seconds that one post gets, so it was not opened: "
    "send fewer pictures at once, or have a person look."
)


def _picture(content: bytes, jail: Boundary) -> Extraction:
    answer = _jailed(IMAGE_FUNCTION, content, jail)
    return _checked(answer) if isinstance(answer, bytes) else answer


def _jailed(function: str, content: bytes, jail: Boundary) -> bytes | Extraction:
    """The answer of a jailed function, or the gap that it leaves."""
    try:
        return jail.call(function, content)
    except JailRefused as refusal:
        return (
            _gap(refusal.code, refusal.text) if _GAP_CODE.fullmatch(refusal.code) else _gap("decoder_died", _NO_SENSE)
        )
    except JailTimeout as error:
        return _gap("decoder_timeout", f"This picture took too long to open ({error}): have a person look.")
    except JailDied as error:
        return _gap("decoder_died", f"This picture could not be opened safely ({error}): have a person look.")


def preview_of(part: Part, jail: Boundary, *, clear: bool) -> Preview:
    """The picture of a part as a person may be shown it: a small JPEG made anew in the jail, grey and blurred unless
    `clear`. Gaps say what it does not show, or why there is none. Raises nothing for bad content.
    """
    from seawall.signals.image.sealed import SealedPicture, is_bare

    if part.kind is not Kind.IMAGE or not part.data:
        return Preview(gaps=_gap("wrong_content", "This part has no picture that could be shown.").gaps)
    answer = _jailed(CLEAR_FUNCTION if clear else SEALED_FUNCTION, part.data, jail)
    if isinstance(answer, Extraction):
        return Preview(gaps=answer.gaps)
    try:
        said = msgspec.msgpack.decode(answer, type=SealedPicture)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = SealedPicture(jpeg=b"")
    # A worker that was taken over must not reach the browser of the person who looks.
    sense = len(said.gaps) <= _MAX_GAPS_PER_PICTURE and all(_GAP_CODE.fullmatch(gap.code) for gap in said.gaps)
    if not sense or not is_bare(said.jpeg):
        return Preview(gaps=_gap("decoder_died", _NO_SENSE).gaps)
    gaps = tuple(Gap(part="", code=gap.code, text=plain(gap.text)) for gap in said.gaps)
    return Preview(picture=said.jpeg, gaps=gaps)


def _checked(answer: bytes) -> Extraction:
    """What came out of the jail is as untrusted as what went in: it is read strictly, and each value is validated."""
    try:
        said = msgspec.msgpack.decode(answer, type=Extraction)
        _require_sense(said)
        signals = [canonical_signal(signal.type, signal.value, signal.quality) for signal in said.signals]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadSignal):
        return _gap("decoder_died", _NO_SENSE)
    gaps = [Gap(part="", code=gap.code, text=plain(gap.text)) for gap in said.gaps]
    return Extraction(signals=tuple(signals), gaps=tuple(gaps))


def _require_sense(said: Extraction) -> None:
    """BadSignal unless this can be what a picture gave: how much, of which types, and never nothing at all."""
    if len(said.signals) > _MAX_SIGNALS_PER_PICTURE or len(said.gaps) > _MAX_GAPS_PER_PICTURE:
        raise BadSignal("more than any picture gives")
    if not said.signals and not said.gaps:
        raise BadSignal("neither a signal nor a reason why there is none")
    if any(signal.type != "pdq" for signal in said.signals):
        raise BadSignal("a type that no picture gives")
    if not all(_GAP_CODE.fullmatch(gap.code) for gap in said.gaps):
        raise BadSignal("a gap without a code")


#: How the files begin that `fingerprint` takes for pictures: (offset, bytes). HEIC, JPEG XL, JPEG 2000 and Photoshop
#: are among them although the decoder cannot open them yet: that has to become a gap, not a silent plain file.
_PICTURE_BEGINNINGS = (
    (0, b"\xff\xd8\xff"),
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"GIF87a"),
    (0, b"GIF89a"),
    (0, b"II*\x00"),
    (0, b"MM\x00*"),
    (0, b"II+\x00"),
    (0, b"MM\x00+"),
    (8, b"WEBP"),
    (4, b"ftypavi"),
    (4, b"ftyphei"),
    (4, b"ftypmif1"),
    (4, b"ftypmsf1"),
    (0, b"\xff\x0a"),
    (0, b"\x00\x00\x00\x0cJXL \r\n"),
    (0, b"\xff\x4f\xff\x51"),
    (0, b"\x00\x00\x00\x0cjP  \r\n"),
    (0, b"8BPS"),
)


def kind_of(content: bytes) -> Kind:
    """How a file is read when nobody said what it is: a picture if it begins like one, else a plain file."""
    return Kind.IMAGE if _looks_like_a_picture(content) else Kind.FILE


def _looks_like_a_picture(content: bytes) -> bool:
    bitmap = content.startswith(b"BM") and content[6:10] == b"\x00\x00\x00\x00"  # "BM" alone begins many texts
    return bitmap or any(content.startswith(magic, offset) for offset, magic in _PICTURE_BEGINNINGS)


def fingerprint(
    path_or_bytes: str | os.PathLike[str] | bytes, *, kinds: Collection[Kind | str] | None = None
) -> list[Signal]:
    """The signals of one file, decoded in a jail that this process keeps.

    Without `kinds` the content decides between image and file; with it, the file is read as each of them (`text` as
    UTF-8). Raises OSError for an unreadable path, ValueError for an unknown kind, and Unreadable, with the signals that
    were found, when something could not be looked at.
    """
    content = path_or_bytes if isinstance(path_or_bytes, bytes) else Path(path_or_bytes).read_bytes()
    if kinds is None:
        kinds = (kind_of(content),)
    parts = [_part_of_file(Kind(kind), content) for kind in kinds]
    if not parts:
        raise ValueError("no kind was asked for: leave `kinds` out, or name at least one")
    found = extract(parts, OwnJail())
    unique = Extraction(signals=tuple(dict.fromkeys(found.signals)), gaps=found.gaps)
    if unique.gaps:
        raise Unreadable(unique)
    return list(unique.signals)


def _part_of_file(kind: Kind, content: bytes) -> Part:
    if kind is Kind.URL:
        return Part(name="", kind=kind, url=content.decode("utf-8", "replace").strip())
    return Part(name="", kind=kind, data=content)


#: Two threads with a first picture each must not open a jail each.
_ONE_OPENS = threading.Lock()


class OwnJail:
    """Opens this process's jail when the first picture comes, so that hashing plain files starts nothing."""

    def call(self, function: str, payload: bytes, *, deadline: float | None = None) -> bytes:
        with _ONE_OPENS:
            jail = _own_jail(os.getpid())
        return jail.call(function, payload, deadline=deadline)

    def close(self) -> None:
        """Nothing to end: the jail belongs to the process."""


@functools.lru_cache(maxsize=1)
def _own_jail(process: int) -> Jail:  # noqa: ARG001 - a forked child must not talk to its parent's workers
    jail = open_jail(workers=1)
    atexit.register(jail.close)
    return jail
