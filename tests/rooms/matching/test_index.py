"""The index: exact at every radius, alike in memory, from a file and under an overlay."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.matching.index import Index
from seawall.matching.model import Attributes, Hit, IndexedSignal
from seawall.matching.reference import ReferenceHammingIndex
from seawall.signals.model import BadSignal
from tests.rooms.matching.strategies import PDQ, listed, near, signal_id

OWN = Attributes(bank="own")


def one(number: int, kind: str, value: str, attributes: Attributes = OWN) -> IndexedSignal:
    return IndexedSignal(signal_id=signal_id(number), type=kind, value=value, attributes=attributes)


def expected(signals: Sequence[IndexedSignal], kind: str, value: str, radius: int) -> list[Hit]:
    """What the obvious search finds: for PDQ by the reference, for the exact types by comparing text."""
    rows = [signal for signal in signals if signal.type == kind]
    if kind == "pdq":
        digests = np.frombuffer(bytes.fromhex("".join(row.value for row in rows)), np.uint8).reshape(-1, 32)
        positions, distances = ReferenceHammingIndex(digests).search(bytes.fromhex(value), radius)
        found = [(rows[at], int(bits)) for at, bits in zip(positions, distances, strict=True)]
    else:
        found = [(row, 0) for row in rows if row.value == value]
    hits = [Hit(signal_id=row.signal_id, distance=bits, attributes=row.attributes) for row, bits in found]
    return sorted(hits, key=lambda hit: (hit.distance, hit.signal_id))


@settings(max_examples=60, deadline=None)
@given(listed(), PDQ, st.integers(0, 64))
def test_every_radius_gives_what_the_reference_gives(signals: list[IndexedSignal], query: str, radius: int) -> None:
    index = Index.build(signals)
    assert index.search("pdq", query, radius) == expected(signals, "pdq", query, radius)
    for kind in ("sha256", "md5", "url"):
        for value in {signal.value for signal in signals if signal.type == kind}:
            assert index.search(kind, value, radius) == expected(signals, kind, value, radius)


@settings(max_examples=30, deadline=None)
@given(listed(), st.lists(PDQ, max_size=5), st.integers(0, 64))
def test_many_are_searched_as_one_by_one(signals: list[IndexedSignal], queries: list[str], radius: int) -> None:
    index = Index.build(signals)
    assert index.search_many("pdq", queries, radius) == [index.search("pdq", query, radius) for query in queries]


@settings(max_examples=30, deadline=None)
@given(listed(), PDQ, st.integers(0, 64))
def test_a_saved_index_answers_the_same(signals: list[IndexedSignal], query: str, radius: int) -> None:
    index = Index.build(signals)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "index"
        index.save(path)
        for verify in (False, True):
            opened = Index.open(path, verify=verify)
            assert opened.counts() == index.counts()
            assert opened.search("pdq", query, radius) == index.search("pdq", query, radius)
            for signal in signals:
                found = opened.search(signal.type, signal.value, 0)
                assert Hit(signal_id=signal.signal_id, distance=0, attributes=signal.attributes) in found


@settings(max_examples=40, deadline=None)
@given(listed(min_size=1), st.data(), st.integers(0, 64))
def test_an_overlay_answers_like_an_index_built_anew(
    signals: list[IndexedSignal], data: st.DataObject, radius: int
) -> None:
    fresh = [
        IndexedSignal(signal_id=f"sig_{signal_id(1_000 + number)[4:]}", type=s.type, value=s.value, attributes=OWN)
        for number, s in enumerate(data.draw(listed(max_size=6)))
    ]
    gone = data.draw(st.sets(st.sampled_from(signals)))
    changed = data.draw(st.sets(st.sampled_from(signals)))
    renewed = [one_changed(signal) for signal in changed]
    removed = {signal.signal_id for signal in gone | changed}
    added = [signal for signal in renewed if signal.signal_id not in {other.signal_id for other in gone}] + fresh
    overlaid = Index.build(signals).with_overlay(removed=removed, added=added)
    anew = Index.build([signal for signal in signals if signal.signal_id not in removed] + added)
    assert overlaid.counts() == anew.counts()
    assert len(overlaid) == len(anew)
    for signal in [*signals, *added]:
        assert overlaid.search(signal.type, signal.value, radius) == anew.search(signal.type, signal.value, radius)


def one_changed(signal: IndexedSignal) -> IndexedSignal:
    return IndexedSignal(
        signal_id=signal.signal_id, type=signal.type, value=signal.value, attributes=Attributes(bank="changed")
    )


@pytest.mark.parametrize("kind", ["pdq", "sha256", "md5", "text", "url"])
def test_an_index_of_one_entry_matches(kind: str, tmp_path: Path) -> None:
    value = {"md5": "ab" * 16, "url": "https://example.org/a"}.get(kind, "ab" * 32)
    index = Index.build([one(1, kind, value)])
    hit = Hit(signal_id=signal_id(1), distance=0, attributes=OWN)
    assert index.search(kind, value, 0) == [hit]
    assert index.search(kind, value, 64) == [hit]
    index.save(tmp_path / "index")
    assert Index.open(tmp_path / "index", verify=True).search(kind, value, 31) == [hit]


@pytest.mark.parametrize("distance", range(65))
def test_the_radius_is_inclusive_at_every_distance(distance: int) -> None:
    index = Index.build([one(1, "pdq", near(0, list(range(0, 3 * distance, 3))))])
    assert [hit.distance for hit in index.search("pdq", "0" * 64, distance)] == [distance]
    if distance:
        assert index.search("pdq", "0" * 64, distance - 1) == []


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    index = Index.build([])
    index.save(tmp_path / "index")
    for empty in (index, Index.open(tmp_path / "index", verify=True)):
        assert empty.search("pdq", "0" * 64, 64) == []
        assert empty.search_many("pdq", [], 31) == []
        assert (len(empty), empty.counts()) == (0, {})


def test_values_are_taken_in_any_case_and_hits_come_nearest_first() -> None:
    index = Index.build([one(1, "pdq", near(0, [1, 2, 3])), one(2, "pdq", near(0, [1])), one(3, "pdq", near(0, []))])
    assert [hit.distance for hit in index.search("pdq", "0" * 64, 31)] == [0, 1, 3]
    assert Index.build([one(1, "md5", "ab" * 16)]).search("md5", "AB" * 16, 0)


@pytest.mark.parametrize("radius", [-1, 65, 10**9])
def test_other_radii_are_refused(radius: int) -> None:
    with pytest.raises(ValueError, match=r"0\.\.64"):
        Index.build([]).search("pdq", "0" * 64, radius)


@pytest.mark.parametrize(
    ("kind", "value"), [("pdq", ""), ("pdq", "0" * 63), ("pdq", "0" * 10**6), ("nonsense", "0"), ("url", "x")]
)
def test_what_is_no_signal_is_refused(kind: str, value: str) -> None:
    with pytest.raises(BadSignal):
        Index.build([]).search(kind, value, 0)


def test_an_unknown_type_cannot_be_built() -> None:
    with pytest.raises(BadSignal, match="nonsense"):
        Index.build([one(1, "nonsense", "0")])


def test_equal_keys_of_exact_types_are_told_apart() -> None:
    # The first eight bytes are what is sorted by; these differ only behind them.
    values = ["00" * 31 + f"{number:02x}" for number in range(50)]
    index = Index.build([one(number, "sha256", value) for number, value in enumerate(values)])
    for number, value in enumerate(values):
        assert [hit.signal_id for hit in index.search("sha256", value, 0)] == [signal_id(number)]


def test_an_overlay_is_not_saved_by_mistake(tmp_path: Path) -> None:
    index = Index.build([one(1, "pdq", "0" * 64)])
    for overlaid in (
        index.with_overlay(removed=[signal_id(1)], added=[]),
        index.with_overlay(removed=[], added=[one(2, "pdq", "1" * 64)]),
    ):
        with pytest.raises(ValueError, match="overlay"):
            overlaid.save(tmp_path / "index")
    assert not (tmp_path / "index").exists()


def test_removing_what_is_not_there_changes_nothing() -> None:
    index = Index.build([one(1, "pdq", "0" * 64)])
    overlaid = index.with_overlay(removed=[signal_id(7)], added=[])
    assert overlaid.counts() == {"pdq": 1}
    assert len(overlaid.search("pdq", "0" * 64, 0)) == 1
