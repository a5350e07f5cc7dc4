"""The test card: harmless, always listed, never counted."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seawall.matching import banks, testcard
from seawall.matching.rows import indexed_signals
from seawall.matching.testcard import draw, ensure_test_card
from seawall.record.generation import generations
from seawall.settings import Settings
from seawall.signals.image.pdq import compute
from tests.rooms.matching.test_banks import NOW, OWNER, events


def pixels(picture: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(picture.convert("RGB")))


def shipped() -> Image.Image:
    return Image.open(io.BytesIO(testcard.picture()))


def test_the_picture_is_small_and_has_detail() -> None:
    assert len(testcard.picture()) <= 60_000
    found = compute(pixels(shipped()))
    assert (found.value.hex(), found.quality) == (testcard.PDQ, testcard.PDQ_QUALITY)
    assert found.quality >= 80


def test_the_committed_picture_is_the_drawn_one() -> None:
    assert np.array_equal(pixels(shipped()), pixels(draw.draw()))


@pytest.mark.parametrize("size", [(320, 240), (200, 150), (1280, 960)])
def test_a_scaled_or_compressed_copy_still_matches(size: tuple[int, int]) -> None:
    packed = io.BytesIO()
    shipped().convert("RGB").resize(size).save(packed, "JPEG", quality=60)
    found = compute(pixels(Image.open(packed)))
    distance = (int.from_bytes(found.value, "big") ^ int(testcard.PDQ, 16)).bit_count()
    assert distance <= 31


def test_it_resembles_no_picture_of_the_vectors() -> None:
    folder = Path(__file__).parents[2] / "vectors" / "images" / "bridge-mods"
    pictures = sorted(folder.glob("*.jpg"))
    assert pictures
    for path in pictures:
        found = compute(pixels(Image.open(path)))
        assert (int.from_bytes(found.value, "big") ^ int(testcard.PDQ, 16)).bit_count() >= 100, path.name


def test_the_bank_is_built_in_and_never_counts(settings: Settings) -> None:
    ensure_test_card(NOW)
    bank = banks.find_bank("test-card")
    assert (bank.default_action, bank.counts_as_protection, bank.kind) == ("block", False, "listed")
    found = list(indexed_signals())
    assert {one.type for one in found} == {"pdq", "sha256", "md5", "text", "url"}
    assert all(one.attributes.confirmed_here for one in found)


def test_asking_twice_changes_nothing(settings: Settings) -> None:
    ensure_test_card(NOW)
    count, then = len(events()), generations()
    ensure_test_card(NOW)
    assert (len(events()), generations()) == (count, then)


def test_what_the_owner_withdrew_or_retired_stays_so(settings: Settings) -> None:
    ensure_test_card(NOW)
    (one,) = (one for one in indexed_signals() if one.type == "url")
    banks.withdraw(one.signal_id, by=OWNER, now=NOW)
    ensure_test_card(NOW)
    assert "url" not in {one.type for one in indexed_signals()}
    banks.retire_bank("test-card", by=OWNER, now=NOW)
    ensure_test_card(NOW)
    assert list(indexed_signals()) == []


def test_a_card_that_grew_is_completed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = testcard.signals()
    monkeypatch.setattr(testcard, "signals", lambda: everything[:2])
    ensure_test_card(NOW)
    monkeypatch.undo()
    assert len(list(indexed_signals())) == 2
    ensure_test_card(NOW)
    assert len(list(indexed_signals())) == 5


def test_the_card_needs_no_django() -> None:
    code = "import sys, seawall.matching.testcard as t; t.signals(); sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
