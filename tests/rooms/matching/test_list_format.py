"""Lists as files: CSV and JSON lines, good, bad and hostile."""

import csv
import io
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.matching import list_format
from seawall.matching.checks import BankError
from seawall.matching.list_format import BadLine, Row, read_list

PDQ = "0f" * 32
SHA = "ab" * 32


def read(data: bytes, name: str = "list.csv") -> tuple[list[Row], list[BadLine]]:
    rows, bad = [], []
    for block in read_list(io.BytesIO(data), name):
        rows += block.rows
        bad += block.bad
    return rows, bad


def test_csv_with_all_columns() -> None:
    rows, bad = read(
        b"type,value,quality,labels,source,confidence,note\n"
        b'pdq,%s,87,tvec;propaganda,Example,90,"one, two ""three"""\n' % PDQ.encode()
    )
    assert not bad
    assert rows[0][:5] == (2, "pdq", PDQ, bytes.fromhex(PDQ), 87)
    assert rows[0].details == (("propaganda", "tvec"), "Example", 90, 'one, two "three"')


def test_columns_come_in_any_order_case_and_spacing() -> None:
    rows, bad = read(f" Value , TYPE,Quality\r\n {PDQ.upper()} , PDQ , 50 \r\n\r\n  \r\n{SHA},sha256,\r\n".encode())
    assert not bad
    assert [(row.line, row.type, row.value, row.quality) for row in rows] == [
        (2, "pdq", PDQ, 50),
        (5, "sha256", SHA, None),
    ]


def test_json_lines() -> None:
    lines = [
        {"type": "pdq", "value": PDQ.upper(), "quality": 60, "labels": ["b", "a"], "confidence": 5, "note": "n"},
        {"type": "url", "value": "HTTP://Example.ORG/a", "labels": "x; y"},
    ]
    rows, bad = read("\n".join(map(json.dumps, lines)).encode(), "list.jsonl")
    assert not bad
    assert (rows[0].value, rows[0].quality, rows[0].details) == (PDQ, 60, (("a", "b"), "", 5, "n"))
    assert (rows[1].value, rows[1].details.labels) == ("https://example.org/a", ("x", "y"))


@pytest.mark.parametrize("name", ["list", "list.txt", "list.json", "-"])
def test_the_form_is_sniffed_where_the_ending_does_not_say(name: str) -> None:
    assert read(f"type,value\npdq,{PDQ}\n".encode(), name)[0][0].value == PDQ
    assert read(b'\n {"type":"pdq","value":"%s"}\n' % PDQ.encode(), name)[0][0].value == PDQ


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    assert len(read(b"\xef\xbb\xbftype,value\npdq,%s" % PDQ.encode())[0]) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"pdq,abc", "expected 64 hexadecimal characters, got 3"),
        (b"pdq," + b"zz" * 32, "0-9 and a-f"),
        (b"pdq", "1 columns"),
        (b"pdq,%s,3" % PDQ.encode(), "3 columns"),
        (b"magic," + PDQ.encode(), "no signal type"),
        (b",", "no signal type"),
        (b'pdq,"' + PDQ.encode(), "quotation marks"),
        (b'"pdq"x,' + PDQ.encode(), "quotation marks"),
        (b"pdq,\0" + PDQ.encode(), "NUL"),
        (b"pdq,\xff\xfe", "UTF-8"),
        (b"pdq," + b"0" * 70_000, "longer than"),
        (b"pdq," + b"0" * 3_000_000, "longer than"),
        (b"url,javascript:alert(1)", "http"),
        (b"url," + b"https://example.org/" + b"a" * 9_000, "limit"),
        ("pdq,\u0660\u0661".encode(), "expected 64"),
        (b"pdq, " + PDQ[:32].encode() + b" " + PDQ[33:].encode(), "0-9 and a-f"),
    ],
)
def test_a_bad_line_is_told_by_number_and_the_others_are_read(line: bytes, says: str) -> None:
    good = f"sha256,{SHA}\n".encode()
    rows, bad = read(b"type,value\n" + good + line + b"\n" + good)
    assert [row.line for row in rows] == [2, 4]
    assert [one.line for one in bad] == [3]
    assert says in bad[0].text
    assert len(bad[0].text) < 400
    assert bad[0].text.isprintable()


@pytest.mark.parametrize(
    ("columns", "fields", "says"),
    [
        ("quality", "101", "0 to 100"),
        ("quality", "-1", "whole number"),
        ("quality", "5.5", "whole number"),
        ("quality", "\u0665", "whole number"),
        ("quality", "9" * 5_000, "whole number"),
        ("confidence", "300", "0 to 100"),
        ("labels", "Bad Label", "label"),
        ("labels", ";".join(f"l{n}" for n in range(33)), "labels"),
        ("source", "s" * 201, "shorten"),
        ("note", "n" * 2_001, "shorten"),
        ("source", "a\x1b[2Jb", "control"),
    ],
)
def test_bad_optional_fields(columns: str, fields: str, says: str) -> None:
    rows, bad = read(f"type,value,{columns}\npdq,{PDQ},{fields}\npdq,{PDQ},\n".encode())
    assert [row.line for row in rows] == [3]
    assert says in bad[0].text
    assert bad[0].text.isprintable()


def test_quality_belongs_to_pdq() -> None:
    rows, bad = read(f"type,value,quality\nsha256,{SHA},80\n".encode())
    assert not rows
    assert "no quality" in bad[0].text


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "null",
        "{",
        '{"type":"pdq"}',
        '{"type":1,"value":"a"}',
        '{"type":"pdq","value":"a","lables":["x"]}',
        f'{{"type":"pdq","value":"{PDQ}","quality":1.5}}',
        f'{{"type":"pdq","value":"{PDQ}","quality":900}}',
        f'{{"type":"pdq","value":"{PDQ}","confidence":-1}}',
        f'{{"type":"pdq","value":"{PDQ}","labels":[1]}}',
        f'{{"type":"pdq","value":"{PDQ}","note":"\\ud800"}}',
        f'{{"type":"pdq","value":"{PDQ}","note":"a\\u0000"}}',
        "[" * 30_000,
        f'{{"type":"pdq","value":"{PDQ}"}} x',
    ],
)
def test_bad_json_lines(line: str) -> None:
    good = f'{{"type":"sha256","value":"{SHA}"}}'
    rows, bad = read(f"{good}\n{line}\n{good}\n".encode(), "list.jsonl")
    assert [row.line for row in rows] == [1, 3]
    assert [one.line for one in bad] == [2]
    assert bad[0].text.isprintable()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_list"),
        (b"\n\n  \n", "empty_list"),
        (b"\xef\xbb\xbf", "empty_list"),
        (b"type,value\n", "empty_list"),
        (b"\x1f\x8b\x08aaaa", "not_a_list"),
        (b"PK\x03\x04aaaa", "not_a_list"),
        ("type,value\n".encode("utf-16"), "not_a_list"),
        ("type,value\n".encode("utf-16-le"), "not_a_list"),
        (b"pdq,%s\n" % PDQ.encode(), "no_header"),
        (b"type;value\npdq;a\n", "no_header"),
        (b'"type,value\n', "no_header"),
        (b"kind,hash\na,b\n", "no_header"),
        (b"type,value,lables\na,b,c\n", "unknown_column"),
        (b"type,value,value\na,b,c\n", "unknown_column"),
        (b"type,value\rpdq,a\r", "no_header"),
    ],
)
def test_a_file_that_is_no_list_is_refused_whole(data: bytes, code: str) -> None:
    with pytest.raises(BankError) as caught:
        read(data)
    assert caught.value.code == code
    assert caught.value.next_step
    assert str(caught.value).isprintable()


def test_a_header_in_semicolons_is_explained() -> None:
    with pytest.raises(BankError, match="separate the columns with commas"):
        read(b"type;value\n")


def test_line_numbers_hold_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_format, "BLOCK_BYTES", 100)
    lines = ["type,value"] + [f"sha256,{number:064x}" for number in range(500)]
    lines[250] = "sha256,wrong"
    lines[400] = "x" * 200
    rows, bad = read("\r\n".join(lines).encode())
    assert [one.line for one in bad] == [251, 401]
    assert all(int(row.value, 16) == row.line - 2 for row in rows)
    assert len(rows) == 498


def test_a_line_without_end_is_refused_in_little_memory() -> None:
    class Endless(io.RawIOBase):
        left = 300

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"x" * size if self.left > 0 else b""

    source = Endless()
    with pytest.raises(BankError, match="columns type and value"):
        next(read_list(io.BytesIO(b"x" * 50_000), "a.csv"))
    blocks = list(read_list(source, "a.csv"))  # type: ignore[arg-type]
    assert [one.line for block in blocks for one in block.bad] == [1]


def test_done_counts_every_byte() -> None:
    data = b"\xef\xbb\xbftype,value\n" + b"sha256,%s\n" % SHA.encode() * 30_000
    assert [block.done for block in read_list(io.BytesIO(data), "a.csv")][-1] == len(data)


_texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.binary(min_size=32, max_size=32),
            st.none() | st.integers(0, 100),
            st.lists(st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,8}\Z"), max_size=3),
            _texts,
            st.none() | st.integers(0, 100),
            _texts,
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_was_written_is_read_in_both_forms(
    entries: list[tuple[bytes, int | None, list[str], str, int | None, str]],
) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["type", "value", "quality", "labels", "source", "confidence", "note"])
    objects = []
    for digest, quality, labels, source, confidence, note in entries:
        writer.writerow(["pdq", digest.hex(), quality, ";".join(labels), source, confidence, note])
        one = {"type": "pdq", "value": digest.hex(), "quality": quality, "labels": labels, "source": source}
        objects.append(msgspec.json.encode({**one, "confidence": confidence, "note": note}))
    from_csv, bad_csv = read(table.getvalue().encode())
    from_json, bad_json = read(b"\n".join(objects), "a.jsonl")
    assert not bad_csv
    assert not bad_json
    expected = [
        (digest, quality, (tuple(sorted(set(labels))), source.strip(), confidence, note.strip()))
        for digest, quality, labels, source, confidence, note in entries
    ]
    assert [(row.digest, row.quality, row.details) for row in from_csv] == expected
    assert [(row.digest, row.quality, row.details) for row in from_json] == expected


@settings(max_examples=150)
@given(st.binary(max_size=300), st.sampled_from(["a.csv", "a.jsonl", "a"]), st.booleans())
def test_no_bytes_crash_the_reader(data: bytes, name: str, has_header: bool) -> None:
    if has_header:
        data = b"type,value,quality,note\n" + data
    try:
        rows, bad = read(data, name)
    except BankError:
        return
    assert rows or bad
    assert len({*(row.line for row in rows), *(one.line for one in bad)}) == len(rows) + len(bad)
