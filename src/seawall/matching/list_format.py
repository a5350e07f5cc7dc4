"""The two forms of a list that can be imported: CSV with a header row, and JSON lines. Knows no Django, streams.

`docs/how-to/import-a-list.md` describes both. One line is one signal; a quoted field never spans lines, so that a
forgotten quotation mark costs one line and not the rest of the file.
"""

import csv
import re
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import PurePath
from typing import BinaryIO, NamedTuple, TypeAlias

import msgspec

from seawall.matching.checks import (
    LONGEST_NOTE,
    LONGEST_SOURCE,
    BankError,
    checked_labels,
    checked_percent,
    checked_words,
    shown,
)
from seawall.signals.extract import SIGNAL_TYPES, canonical_signal
from seawall.signals.model import BadSignal

#: The longest URL with a full note and all labels stays far below; more is not a line of a list.
LONGEST_LINE = 64 * 1024

#: Read at once: large enough that reading costs nothing, small enough that memory stays flat.
BLOCK_BYTES = 1024 * 1024

REQUIRED = ("type", "value")
OPTIONAL = ("quality", "labels", "source", "confidence", "note")

CSV_ENDINGS = frozenset({".csv"})
JSON_LINES_ENDINGS = frozenset({".jsonl", ".ndjson"})

#: Beginnings of files that are no text, and what to do with them.
_NOT_TEXT = (
    (b"\x1f\x8b", "it is compressed with gzip", "unpack it first: gunzip FILE"),
    (b"PK\x03\x04", "it is a ZIP file or a spreadsheet", "unpack it, or save the sheet as CSV in UTF-8"),
    (b"\xff\xfe", "it is encoded in UTF-16", "save it in UTF-8"),
    (b"\xfe\xff", "it is encoded in UTF-16", "save it in UTF-8"),
)

_WHOLE_NUMBER = re.compile(r"[0-9]{1,3}")

#: Distinct combinations of label, source, confidence and note that are remembered. Usually there is a handful.
_MOST_REMEMBERED = 50_000


class Details(NamedTuple):
    """What usually many lines of a list share."""

    labels: tuple[str, ...]
    source: str
    confidence: int | None
    note: str


class Row(NamedTuple):
    """One good line."""

    line: int
    type: str
    value: str
    digest: bytes
    quality: int | None
    details: Details


class BadLine(NamedTuple):
    """One line that cannot be imported: its number, counted from 1, and what is wrong with it and what to do."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class Block(NamedTuple):
    """What the next part of the file holds; `done` counts the bytes read so far."""

    done: int
    rows: list[Row]
    bad: list[BadLine]


class _LineError(ValueError):
    """Why a line is refused, and what to do."""


ParseLine: TypeAlias = Callable[[int, str], Row]


def read_list(source: BinaryIO, name: str) -> Iterator[Block]:
    """The lines of a list, block by block. `name` is the file's name, whose ending may tell the form.

    Raises:
        BankError: the file as a whole is no list: empty, not UTF-8 text, no usable header row.
    """
    parse: ParseLine | None = None
    is_empty = True
    for done, first, lines in _blocks(source):
        block = Block(done, [], [])
        for number, raw in enumerate(lines, first):
            if isinstance(raw, BadLine):
                block.bad.append(raw)
                continue
            line = raw.rstrip("\r")
            if not line or line.isspace():
                continue
            if parse is None:
                parse, is_header = _choose(line, name)
                if is_header:
                    continue
            try:
                block.rows.append(parse(number, line))
            except (_LineError, BadSignal, BankError) as error:
                block.bad.append(BadLine(number, str(error)))
        is_empty = is_empty and not block.rows and not block.bad
        yield block
    if is_empty:
        raise BankError("empty_list", "the list has no signals", "check that this is the right file")


def _blocks(source: BinaryIO) -> Iterator[tuple[int, int, list[str | BadLine]]]:
    """(bytes read, number of the first line, whole lines) until the end of the file."""
    done, number, rest = 0, 1, b""
    while data := source.read(BLOCK_BYTES):
        head, newline, tail = (_begin(data) if not done else data).rpartition(b"\n")
        done += len(data)
        if newline:
            lines = _lines(rest + head, number)
            yield done, number, lines
            number += len(lines)
            rest = b""
        # Of an endless line only the beginning is kept, enough to be refused for its length.
        rest = (rest + tail)[: LONGEST_LINE + 1]
    if rest:
        yield done, number, _lines(rest, number)


def _begin(data: bytes) -> bytes:
    for magic, what, next_step in _NOT_TEXT:
        if data.startswith(magic):
            raise BankError("not_a_list", f"the file is no list: {what}", next_step)
    # UTF-16 without its mark: every other byte of plain letters is NUL.
    if b"\0" in data[:4]:
        raise BankError("not_a_list", "the file is no text in UTF-8: it holds NUL bytes", "save it as CSV in UTF-8")
    return data.removeprefix(b"\xef\xbb\xbf")


def _lines(data: bytes, first: int) -> list[str | BadLine]:
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        lines = []
    # A character has at most four bytes.
    if lines and max(map(len, lines)) <= LONGEST_LINE // 4:
        return list(lines)
    return [_line(line, number) for number, line in enumerate(data.split(b"\n"), first)]


def _line(line: bytes, number: int) -> str | BadLine:
    if len(line) > LONGEST_LINE:
        return BadLine(number, f"it is longer than {LONGEST_LINE} bytes; write one signal on each line")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return BadLine(number, f"byte {error.start + 1} is not UTF-8; save the file in UTF-8")


def _choose(line: str, name: str) -> tuple[ParseLine, bool]:
    """How to read the lines, and whether this first one is the header row."""
    ending = PurePath(name).suffix.lower()
    if ending in JSON_LINES_ENDINGS or (ending not in CSV_ENDINGS and line.lstrip().startswith(("{", "["))):
        return _JsonLines(), False
    return _Csv(_header(line)), True


def _header(line: str) -> list[str]:
    """The columns that a CSV's first row names."""
    try:
        names = [name.strip().lower() for name in next(csv.reader([line], strict=True))]
    except csv.Error:
        names = []
    has_type, has_value = (column in names for column in REQUIRED)
    if not (has_type and has_value):
        wanted = "begin the file with the line: type,value"
        if ";" in line and "type" in line:
            wanted = "separate the columns with commas; labels inside their column with semicolons"
        raise BankError("no_header", f"the first row {shown(line)} does not name the columns type and value", wanted)
    for column in names:
        if column not in REQUIRED + OPTIONAL:
            raise BankError(
                "unknown_column",
                f"the column {shown(column)} is unknown",
                f"rename or remove it; known are {', '.join(REQUIRED + OPTIONAL)}",
            )
    if len(set(names)) != len(names):
        raise BankError("unknown_column", "a column stands twice in the header row", "remove one of them")
    return names


class _Rows:
    """Turns the fields of a line into a Row; remembers what many lines share."""

    def __init__(self) -> None:
        self._details: dict[tuple[str, str, str, str], Details] = {}
        self._numbers: dict[str, int | None] = {"": None}

    def row(self, line: int, type_name: str, value: str, quality: int | None, details: Details) -> Row:
        kind = SIGNAL_TYPES.get(type_name)
        if kind is None or (quality is not None and type_name != "pdq"):
            raise _LineError(_why_not(type_name, value, quality))
        canonical = kind.canonical(value)
        return Row(line, type_name, canonical, kind.digest(canonical), quality, details)

    def details(self, labels: str, source: str, confidence: str, note: str) -> Details:
        key = (labels, source, confidence, note)
        found = self._details.get(key)
        if found is None:
            given = [label.strip() for label in labels.split(";")]
            found = _checked([label for label in given if label], source, self.number("confidence", confidence), note)
            if len(self._details) < _MOST_REMEMBERED:
                self._details[key] = found
        return found

    def number(self, what: str, text: str) -> int | None:
        if text in self._numbers:
            return self._numbers[text]
        if not _WHOLE_NUMBER.fullmatch(text):
            raise _LineError(f"{what} {shown(text)} is no whole number from 0 to 100; leave it empty if unknown")
        number = checked_percent(what, int(text))
        self._numbers[text] = number
        return number


def _checked(labels: list[str], source: str, confidence: int | None, note: str) -> Details:
    return Details(
        checked_labels(labels),
        checked_words("source", source, LONGEST_SOURCE),
        checked_percent("confidence", confidence),
        checked_words("note", note, LONGEST_NOTE),
    )


def _why_not(type_name: str, value: str, quality: int | None) -> str:
    """The words of `canonical_signal` for a type or quality that it refuses."""
    try:
        canonical_signal(type_name, value, quality)
    except BadSignal as error:
        return str(error)
    return "this signal cannot be listed; check its type and quality"


class _Csv(_Rows):
    """Reads the rows of a CSV whose header named these columns."""

    def __init__(self, columns: list[str]) -> None:
        super().__init__()
        self._columns = len(columns)
        at = {column: number for number, column in enumerate(columns)}
        # A column that the file has not is read from an empty field put at the end of each row.
        self._pick = itemgetter(*(at.get(column, len(columns)) for column in REQUIRED + OPTIONAL))

    def __call__(self, line: int, text: str) -> Row:
        fields = self._quoted(text) if '"' in text else text.split(",")
        if len(fields) != self._columns:
            raise _LineError(
                f"it has {len(fields)} columns, the header {self._columns}; put fields with commas in quotes"
            )
        if "\0" in text:
            raise _LineError("it holds a NUL character; remove it")
        if " " in text or "\t" in text:
            fields = [field.strip() for field in fields]
        fields.append("")
        type_name, value, quality, labels, source, confidence, note = self._pick(fields)
        details = self.details(labels, source, confidence, note)
        return self.row(line, type_name.lower(), value, self.number("quality", quality), details)

    def _quoted(self, text: str) -> list[str]:
        try:
            return next(csv.reader([text], strict=True))
        except csv.Error as error:
            raise _LineError(
                f"its quotation marks do not balance ({error}); write a quote inside quotes twice"
            ) from error


class _Line(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One object of JSON lines."""

    type: str
    value: str
    quality: int | None = None
    labels: list[str] | str = ""
    source: str = ""
    confidence: int | None = None
    note: str = ""


class _JsonLines(_Rows):
    """Reads one JSON object from each line."""

    def __init__(self) -> None:
        super().__init__()
        self._decode = msgspec.json.Decoder(_Line).decode

    def __call__(self, line: int, text: str) -> Row:
        try:
            one = self._decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise _LineError(f'{error}; write it as {{"type": "pdq", "value": "…"}}') from error
        labels = one.labels if isinstance(one.labels, str) else ";".join(one.labels)
        details = self.details(labels, one.source, "" if one.confidence is None else str(one.confidence), one.note)
        return self.row(line, one.type, one.value, checked_percent("quality", one.quality), details)
