"""The normal form of a text (docs/reference/signals.md; vectors in tests/vectors/text_normalised.json)."""

import functools
import hashlib
import re
import unicodedata

#: Longer than any post that a platform allows. Text is normalised outside the jail, so the worst text of this length
#: (one character repeated that stands for eight) may hold up its process for a fraction of a second and no longer.
MAX_TEXT_LENGTH = 250_000

#: At most this many combining marks in a row are kept. No language needs more (UAX #15 §13 allows 30), and sorting an
#: endless run of them takes quadratic time.
MAX_COMBINING_MARKS = 30

#: A handful of rounds reaches the fixed point of every text; the bound only keeps a surprise in a later Unicode version
#: from becoming an endless loop.
MAX_ROUNDS = 10

#: The Unicode property White_Space (PropList.txt), written out: `str.isspace` counts four control characters more.
_WHITE_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")

#: What shows nothing but is not in category Cf: other control characters, the combining grapheme joiner, fillers and
#: variation selectors (Default_Ignorable_Code_Point, DerivedCoreProperties.txt).
_UNSEEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f"
    "\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
)

#: No combining mark and no format character lies above this, apart from the tags of plane 14, which _UNSEEN has.
_LAST_MARK = 0x1FFFF


class TextTooLong(ValueError):
    """The text has more than MAX_TEXT_LENGTH characters; send it as a file or in parts."""


def normalise(text: str) -> str:
    """The normal form: NFKC, case folded, white space runs one space, nothing invisible.

    Applying it twice changes nothing. Raises TextTooLong.
    """
    # U+FDFA stands for eighteen characters, so it is counted before the work; all others stand for eight at most.
    _require_length(len(text) + 17 * text.count("\ufdfa"))
    for _ in range(MAX_ROUNDS):
        settled = _one_round(text)
        _require_length(len(settled))
        if settled == text:
            break
        text = settled
    return text


def fingerprint(text: str) -> str:
    """The SHA-256 of the normal form in UTF-8, as 64 lower-case hex characters; empty when nothing visible is left."""
    normal = normalise(text)
    return hashlib.sha256(normal.encode("utf-8")).hexdigest() if normal else ""


def _require_length(length: int) -> None:
    if length > MAX_TEXT_LENGTH:
        raise TextTooLong(f"the text has {length} characters and {MAX_TEXT_LENGTH} are the limit: send it in parts")


def _one_round(text: str) -> str:
    if not text.isascii():
        text = _whole_characters(text)
        text = _invisible().sub("", text)
        text = unicodedata.normalize("NFKC", _without_endless_marks(text))
    else:
        text = _invisible_ascii.sub("", text)
    return _WHITE_SPACE.sub(" ", text.casefold()).strip(" ")


#: ASCII is most of what is posted and needs no tables.
_invisible_ascii = re.compile("[\x00-\x08\x0e-\x1f\x7f]+")


def _whole_characters(text: str) -> str:
    """Joins surrogate pairs that stand apart (JSON escapes give such) and replaces lone ones by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@functools.cache
def _invisible() -> re.Pattern[str]:
    formats = [code for code in range(0x80, _LAST_MARK) if unicodedata.category(chr(code)) == "Cf"]
    return re.compile(f"[{_UNSEEN}{_ranges(formats)}]+")


def _without_endless_marks(text: str) -> str:
    # A run that is too long covers at least one of these places, and most texts have no mark at any of them.
    if _mark().search(text[:: MAX_COMBINING_MARKS + 1]):
        return _too_many_marks().sub(r"\1", text)
    return text


@functools.cache
def _mark() -> re.Pattern[str]:
    """A combining mark, or a character whose decomposition begins with one: some vowel signs are letters by class."""
    marks = [
        code
        for code in range(0x300, _LAST_MARK)
        if not 0xD800 <= code < 0xE000 and unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[0])
    ]
    return re.compile(f"[{_ranges(marks)}]")


@functools.cache
def _too_many_marks() -> re.Pattern[str]:
    """A run of marks that is too long; the first group is the part that stays."""
    mark = _mark().pattern
    return re.compile(f"({mark}{{{MAX_COMBINING_MARKS}}}){mark}+")


def _ranges(codes: list[int]) -> str:
    """Code points in ascending order as the inside of a character class; ranges keep the search fast."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
