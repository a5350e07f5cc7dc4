"""Each benchmark runs at its smallest size, finds the peers that are installed, and reports what it must."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks import hashes, http_verdict, peers, picture_hash, pictures, report, search
from benchmarks.machine import describe
from benchmarks.model import Figure, Goal, Part, Ratio, Report, Row, Size, WrongAnswer
from benchmarks.rounds import interleave, ratios, seconds_per_call
from seawall.signals.image import compute

ROOT = Path(__file__).parents[2]
INSTALL = "the peers are not installed: run `make bench`"


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if peers.find(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)}: {INSTALL}")


def finished(row: Row, name: str) -> None:
    assert row.name == name
    assert row.parts
    assert row.checks
    for part in row.parts:
        assert all(0 < figure.low <= figure.median <= figure.high for figure in part.figures)
        assert all(figure.rounds >= 5 for figure in part.figures)
        assert all(ratio.goal is None for ratio in part.ratios), "no goal belongs to the tiny size"


@needs("faiss")
@pytest.mark.slow
def test_k1() -> None:
    row = search.run(Size.TINY)
    finished(row, "K1")
    assert {ratio.peer for ratio in row.parts[0].ratios} == set(search.GOALS)
    assert "recall 1.0" in row.checks[0]
    assert row.missing == ()


@needs("pdqhash", "threatexchange")
@pytest.mark.slow
def test_p1() -> None:
    row = picture_hash.run_files(Size.TINY)
    finished(row, "P1")
    assert row.checks[0].startswith("0 bits from pdqhash")
    assert any("decoder" in note for note in row.notes)


@needs("pdqhash")
@pytest.mark.slow
def test_p3() -> None:
    row = picture_hash.run_pixels(Size.TINY)
    finished(row, "P3")
    assert all(part.ratios for part in row.parts)


@needs(*http_verdict.PEERS)
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_s2() -> None:
    row = http_verdict.run(Size.TINY)
    finished(row, "S2")
    assert row.parts[0].ratios[0].peer == http_verdict.STAND_IN
    assert [part.name for part in row.parts] == ["per core", "processor time", "time of an answer"]


@pytest.mark.slow
def test_without_peers_a_row_has_figures_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_ours(module: str) -> object:
        return __import__(module) if module == "seawall_native" else None

    monkeypatch.setattr(peers, "find", only_ours)
    rows = [search.run(Size.TINY), picture_hash.run_files(Size.TINY)]
    assert all(not part.ratios for row in rows for part in row.parts)
    assert rows[0].missing == ("faiss",)
    assert rows[1].missing == ("pdqhash", "threatexchange")
    assert rows[1].checks == ("not compared: pdqhash is not installed",)
    assert "faiss is not installed" in report.markdown(_report(rows))


def test_a_lost_match_stops_the_run() -> None:
    rows = hashes.listed(500, 1)
    asked = hashes.questions(rows, 40, 2)
    whole = search._library(rows, asked)  # a plain index that finds all
    blind = replace(whole, read=lambda _: [])
    assert search._check({"whole": whole, "again": whole}, asked)
    with pytest.raises(WrongAnswer, match="lost"):
        search._check({"whole": whole, "blind": blind}, asked)


def test_a_match_too_many_stops_the_run() -> None:
    rows = hashes.listed(500, 1)
    asked = hashes.questions(rows, 40, 2)
    whole = search._library(rows, asked)
    inventive = replace(whole, read=lambda answer: [*whole.read(answer), (499, 31)])
    with pytest.raises(WrongAnswer, match="different answers"):
        search._check({"whole": whole, "inventive": inventive}, asked)


def test_made_up_hashes_are_balanced_and_the_same_each_time() -> None:
    rows = hashes.listed(300, 5)
    assert np.array_equal(rows, hashes.listed(300, 5))
    ones = np.unpackbits(rows, axis=1).sum(axis=1)
    assert ones.min() > 118
    assert ones.max() <= 128


def test_planted_questions_lie_as_far_as_they_say() -> None:
    rows = hashes.listed(300, 5)
    asked = hashes.questions(rows, 100, 6)
    assert len(asked.planted) == 50
    for number, row, distance in asked.planted:
        assert int(np.bitwise_count(asked.values[number] ^ rows[row]).sum()) == distance
    assert {distance for _, _, distance in asked.planted} == set(range(34))


def test_drawn_pictures_are_the_same_each_time_and_have_a_good_hash() -> None:
    assert pictures.jpeg(160, 120, 3) == pictures.jpeg(160, 120, 3)
    hashed = compute(pictures.pixels(pictures.jpeg(320, 240, 3)))
    assert hashed.quality >= 50


def test_rounds_are_in_turn_and_begin_with_another_subject_each_time() -> None:
    order: list[str] = []

    def subject(name: str) -> float:
        order.append(name)
        return 1.0

    interleave("x", {name: lambda name=name: subject(name) for name in "abc"}, 3)  # type: ignore[misc]
    assert "".join(order) == "abcbcacab"


def test_a_ratio_is_taken_round_by_round() -> None:
    measured = {"ours": [1.0, 2.0, 4.0], "theirs": [10.0, 10.0, 80.0]}
    (ratio,) = ratios(measured, "ours", {"theirs": Goal(least=10), "absent": None})
    assert (ratio.low, ratio.median, ratio.high) == (5.0, 10.0, 20.0)
    assert ratio.result == "met"


@pytest.mark.parametrize(("median", "said"), [(9.9, "missed"), (10, "met"), (19.9, "met"), (20, "beyond")])
def test_a_missed_goal_says_so(median: float, said: str) -> None:
    goal = Goal(least=10, beyond=20)
    assert Ratio(subject="a", peer="b", median=median, low=1, high=99, goal=goal).result == said


def test_every_argument_is_used_in_turn() -> None:
    seen: list[int] = []
    seconds_per_call(seen.append, list(range(20)), 0.001)
    assert seen[:20] == list(range(20))
    assert seen[20:28] == list(range(min(8, len(seen) - 20)))


def test_a_report_is_written_and_put_into_the_page(tmp_path: Path) -> None:
    figure = Figure.of("ours", "ms", [1.0, 2.0, 3.0])
    row = Row(name="X", work="nothing", command="none", parts=(Part(name="p", figures=(figure,)),))
    as_json, as_markdown = report.write(_report([row]), tmp_path)
    assert json.loads(as_json.read_text())["rows"][0]["parts"][0]["figures"][0]["median"] == 2.0
    assert msgspec.json.decode(as_json.read_bytes(), type=Report).rows == (row,)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.put_into(page, _report([row]))
    assert page.read_text() == f"before\n{report.BEGIN}\n{as_markdown.read_text()}{report.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="put both lines"):
        report.put_into(page, _report([row]))


def test_the_page_has_room_for_the_table() -> None:
    text = (ROOT / "docs" / "why" / "performance.md").read_text()
    assert text.count(report.BEGIN) == text.count(report.END) == 1


def test_an_unknown_row_is_a_usage_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "K99"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "K99" in done.stderr


def _report(rows: list[Row]) -> Report:
    return Report(size=Size.TINY, started="2026-11-23T00:00:00Z", machine=describe(), rows=tuple(rows))
