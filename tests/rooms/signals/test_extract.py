"""Parts become signals and gaps; outside values become canonical signals or are refused with the next step."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seawall import signals
from seawall.signals import (
    SIGNAL_TYPES,
    BadSignal,
    Extraction,
    Family,
    Gap,
    Kind,
    Part,
    Signal,
    Unreadable,
    canonical_signal,
    extract,
    fingerprint,
    open_jail,
)
from seawall.signals.extract import IMAGE_FUNCTION, POST_SECONDS, _own_jail, kind_of
from seawall.signals.image import formats
from seawall.signals.image.formats import format_of, unsupported_name
from seawall.signals.jail import Boundary, Jail, JailClosed, JailDied, JailRefused, JailTimeout
from seawall.signals.jail.boundary import MAX_TEXT
from seawall.signals.text import MAX_TEXT_LENGTH
from tests.vectors.hostile import pictures


@pytest.fixture(scope="module")
def jail() -> Iterator[Jail]:
    with open_jail(workers=1, deadline=30) as opened:
        yield opened


class Scripted:
    """A boundary that answers or raises what the test says: decoders that fail on cue cannot be had otherwise."""

    def __init__(self, outcome: bytes | Exception) -> None:
        self.outcome = outcome

    def call(self, function: str, payload: bytes, *, deadline: float | None = None) -> bytes:
        assert function == IMAGE_FUNCTION
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def close(self) -> None:
        pass


NO_JAIL = Scripted(AssertionError("the jail was asked"))


def photo(name: str = "JPEG", size: tuple[int, int] = (120, 90)) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(buffer, name)
    return buffer.getvalue()


def one(part: Part, jail: Boundary) -> tuple[list[str], list[str]]:
    found = extract([part], jail)
    assert all(signal.part == part.name for signal in found.signals)
    for gap in found.gaps:
        assert gap.part == part.name
        assert gap.text.endswith(".")
        assert ":" in gap.text  # what follows it is the next step
    return [signal.type for signal in found.signals], [gap.code for gap in found.gaps]


def said(*given_signals: Signal) -> bytes:
    """A worker's answer."""
    return msgspec.msgpack.encode(Extraction(signals=given_signals))


def gaps_said(*gaps: Gap) -> bytes:
    return msgspec.msgpack.encode(Extraction(signals=(), gaps=gaps))


class TestCanonicalSignal:
    def test_every_type_says_what_it_is(self) -> None:
        assert set(SIGNAL_TYPES) == {"pdq", "sha256", "md5", "text", "url"}
        assert {name for name, kind in SIGNAL_TYPES.items() if not kind.private} == {"pdq"}
        assert {name for name, kind in SIGNAL_TYPES.items() if kind.family is Family.HAMMING256} == {"pdq"}
        assert all(kind.name == name and kind.about and kind.version == 1 for name, kind in SIGNAL_TYPES.items())

    @pytest.mark.parametrize(("name", "length"), [("pdq", 64), ("sha256", 64), ("md5", 32), ("text", 64)])
    def test_mixed_case_is_lowered_and_digested(self, name: str, length: int) -> None:
        signal = canonical_signal(name, "aB" * (length // 2))
        assert signal == Signal(type=name, value="ab" * (length // 2))
        assert SIGNAL_TYPES[name].digest(signal.value) == b"\xab" * (length // 2)

    def test_a_url_is_canonical_and_its_digest_is_its_sha256(self) -> None:
        signal = canonical_signal("url", "HTTP://Example.ORG/?b=1&a=2")
        assert signal.value == "https://example.org/?a=2&b=1"
        assert SIGNAL_TYPES["url"].digest(signal.value) == hashlib.sha256(signal.value.encode()).digest()

    @pytest.mark.parametrize("length", [0, 1, 31, 33, 63, 65, 128, 100_000])
    @pytest.mark.parametrize("name", ["pdq", "sha256", "md5", "text"])
    def test_a_wrong_length_names_type_and_both_lengths(self, name: str, length: int) -> None:
        expected = 32 if name == "md5" else 64
        with pytest.raises(
            BadSignal, match=f"^{name}: expected {expected} hexadecimal characters, got {length}: check"
        ):
            canonical_signal(name, "a" * length)

    @pytest.mark.parametrize(
        "value", ["g" * 64, "\u0661" * 64, "\uff41" * 64, "a" * 63 + "\n", "a" * 63 + "\x00", "K" * 64]
    )
    def test_other_characters_are_refused(self, value: str) -> None:
        with pytest.raises(BadSignal, match=r"^pdq: (expected 64 characters of 0-9 and a-f|white space around)"):
            canonical_signal("pdq", value)

    @pytest.mark.parametrize("around", [" {}", "{} ", "\t{}", "{}\n", "\u3000{}"])
    @pytest.mark.parametrize("name", ["pdq", "md5"])
    def test_white_space_around_is_refused_with_the_reason(self, name: str, around: str) -> None:
        with pytest.raises(BadSignal, match=f"^{name}: white space around the value"):
            canonical_signal(name, around.format("a" * (32 if name == "md5" else 64)))

    @pytest.mark.parametrize("name", ["", "PDQ", "sha1", "x" * 10_000])
    def test_an_unknown_type_lists_the_known_ones(self, name: str) -> None:
        with pytest.raises(BadSignal, match="use one of pdq, sha256, md5, text, url") as refused:
            canonical_signal(name, "a" * 64)
        assert len(str(refused.value)) < 200

    @pytest.mark.parametrize("quality", [0, 50, 100, None])
    def test_quality_is_kept(self, quality: int | None) -> None:
        assert canonical_signal("pdq", "a" * 64, quality).quality == quality

    @pytest.mark.parametrize("quality", [-1, 101, 10**9])
    def test_quality_outside_its_range_is_refused(self, quality: int) -> None:
        with pytest.raises(BadSignal, match="from 0 to 100"):
            canonical_signal("pdq", "a" * 64, quality)

    def test_quality_belongs_to_pdq_only(self) -> None:
        with pytest.raises(BadSignal, match="has no quality"):
            canonical_signal("md5", "a" * 32, 50)

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(sorted(SIGNAL_TYPES)), st.text(max_size=80))
    def test_any_value_is_a_signal_or_a_bad_signal(self, name: str, value: str) -> None:
        try:
            signal = canonical_signal(name, value)
        except BadSignal:
            return
        assert canonical_signal(name, signal.value) == signal


class TestParts:
    def test_a_picture_gives_pdq_and_the_exact_hashes(self, jail: Jail) -> None:
        content = photo()
        found = extract([Part(name="image", kind=Kind.IMAGE, data=content)], jail)
        pdq, sha256, md5 = found.signals
        assert (pdq.type, len(pdq.value), pdq.part) == ("pdq", 64, "image")
        assert pdq.quality is not None
        assert sha256 == Signal(type="sha256", value=hashlib.sha256(content).hexdigest(), part="image")
        assert md5 == Signal(type="md5", value=hashlib.md5(content, usedforsecurity=False).hexdigest(), part="image")
        assert found.gaps == ()

    @pytest.mark.parametrize("kind", [Kind.VIDEO, Kind.AUDIO, Kind.DOCUMENT])
    def test_kinds_of_later_versions_give_exact_hashes_and_a_gap(self, kind: Kind) -> None:
        assert one(Part(name="p", kind=kind, data=b"x"), NO_JAIL) == (["sha256", "md5"], ["unsupported_kind"])

    def test_a_file_is_hashed_and_never_opened(self) -> None:
        assert one(Part(name="p", kind=Kind.FILE, data=photo()), NO_JAIL) == (["sha256", "md5"], [])

    def test_text_in_a_string_or_in_bytes(self) -> None:
        by_string = extract([Part(name="p", kind=Kind.TEXT, text="Made-up WORDS")], NO_JAIL)
        by_bytes = extract([Part(name="p", kind=Kind.TEXT, data=b"\xef\xbb\xbfmade-up  words")], NO_JAIL)
        assert by_string == by_bytes
        assert by_string.signals[0].value == hashlib.sha256(b"made-up words").hexdigest()

    def test_a_url(self) -> None:
        found = extract([Part(name="p", kind=Kind.URL, url="http://Example.org#x")], NO_JAIL)
        assert found == Extraction(signals=(Signal(type="url", value="https://example.org/", part="p"),))

    @pytest.mark.parametrize(
        ("part", "code"),
        [
            (Part(name="p", kind=Kind.IMAGE, data=b""), "empty"),
            (Part(name="p", kind=Kind.FILE, data=b""), "empty"),
            (Part(name="p", kind=Kind.TEXT, text=""), "empty"),
            (Part(name="p", kind=Kind.URL, url=" "), "empty"),
            (Part(name="p", kind=Kind.IMAGE, signals=()), "empty"),
            (Part(name="p", kind=Kind.URL, url="ftp://example.org"), "bad_url"),
            (Part(name="p", kind=Kind.URL, url="https://a/" + "a" * 10_000), "bad_url"),
            (Part(name="p", kind=Kind.TEXT, data=b"\xff\xfe"), "not_utf8"),
            (Part(name="p", kind=Kind.TEXT, text="a" * (MAX_TEXT_LENGTH + 1)), "text_too_long"),
            (Part(name="p", kind=Kind.IMAGE, text="words"), "wrong_content"),
            (Part(name="p", kind=Kind.TEXT, url="https://example.org"), "wrong_content"),
            (Part(name="p", kind=Kind.URL, data=b"https://example.org"), "wrong_content"),
            (Part(name="p", kind=Kind.FILE), "wrong_content"),
        ],
    )
    def test_gaps(self, part: Part, code: str) -> None:
        assert one(part, NO_JAIL) == ([], [code])

    @pytest.mark.parametrize("text", [" \n", "\u200b", "\x00"])
    def test_a_text_without_anything_visible_has_been_looked_at(self, text: str) -> None:
        assert one(Part(name="p", kind=Kind.TEXT, text=text), NO_JAIL) == ([], [])

    def test_given_signals_become_canonical_and_bad_ones_a_gap(self) -> None:
        given_signals = (
            Signal(type="pdq", value="AB" * 32, quality=7, version=9, part="someone else's"),
            Signal(type="pdq", value="ab" * 32, quality=7),
            Signal(type="md5", value="short"),
        )
        found = extract([Part(name="p", kind=Kind.IMAGE, signals=given_signals)], NO_JAIL)
        assert found.signals == (Signal(type="pdq", value="ab" * 32, quality=7, part="p"),)
        assert [(gap.part, gap.code) for gap in found.gaps] == [("p", "bad_signal")]

    def test_several_parts_keep_their_order_and_their_own_repetitions(self, jail: Jail) -> None:
        content = photo()
        found = extract(
            [
                Part(name="image1", kind=Kind.IMAGE, data=content),
                Part(name="text1", kind=Kind.TEXT, text="words"),
                Part(name="image2", kind=Kind.IMAGE, data=content),
                Part(name="file1", kind=Kind.IMAGE, data=b"not a picture"),
            ],
            jail,
        )
        assert [signal.part for signal in found.signals] == [
            *["image1"] * 3, "text1", *["image2"] * 3, *["file1"] * 2,
        ]  # fmt: skip
        assert [(gap.part, gap.code) for gap in found.gaps] == [("file1", "not_an_image")]

    def test_no_parts_give_nothing(self) -> None:
        assert extract([], NO_JAIL) == Extraction(signals=())


class TestHostilePictures:
    """Through the real jail: every one of these is answered, and the next picture is too."""

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (pictures.png_bomb(), "too_many_pixels"),
            (pictures.webp_bomb(), "too_many_pixels"),
            (pictures.bmp_bomb(), "too_many_pixels"),
            (pictures.gif_bomb(), "too_many_pixels"),
            (pictures.tiff_bomb(), "too_many_pixels"),
            (b"a text named photo.jpg", "not_an_image"),
            (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "unsupported_type"),
            (b"\xff\xd8\xff\xe0", "truncated"),
            (b"x" * 50_000_000, "not_an_image"),
        ],
        ids=[
            "png bomb",
            "webp bomb",
            "bmp bomb",
            "gif bomb",
            "tiff bomb",
            "text",
            "heic",
            "truncated",
            "50 MB",
        ],
    )
    def test_the_exact_hashes_remain_and_the_gap_says_why(self, jail: Jail, content: bytes, code: str) -> None:
        assert one(Part(name="p", kind=Kind.IMAGE, data=content), jail) == (["sha256", "md5"], [code])
        assert one(Part(name="p", kind=Kind.IMAGE, data=photo()), jail) == (["pdq", "sha256", "md5"], [])

    def test_a_small_gif_whose_second_frame_is_gigantic_kills_nobody(self, jail: Jail) -> None:
        before = [worker.pid for worker in jail._idle]
        part = Part(name="p", kind=Kind.IMAGE, data=pictures.gif_bomb_behind_a_frame())
        assert one(part, jail) == (["pdq", "sha256", "md5"], ["too_many_pixels"])
        assert [worker.pid for worker in jail._idle] == before

    def test_a_broken_picture_gives_what_is_there_and_a_gap(self, jail: Jail) -> None:
        content = photo(size=(800, 600))
        part = Part(name="p", kind=Kind.IMAGE, data=content[: len(content) * 9 // 10])
        assert one(part, jail) == (["pdq", "sha256", "md5"], ["truncated"])

    def test_quality_0_is_said(self, jail: Jail) -> None:
        for size in ((1, 1), (200, 200)):
            buffer = io.BytesIO()
            Image.new("RGB", size, "grey").save(buffer, "PNG")
            found = extract([Part(name="p", kind=Kind.IMAGE, data=buffer.getvalue())], jail)
            assert found.signals[0].quality == 0
            assert found.gaps == ()

    def test_a_picture_that_does_not_fit_into_the_memory_is_a_death(self) -> None:
        with open_jail(workers=1, memory=400 * 1024**2) as small:
            part = Part(name="p", kind=Kind.IMAGE, data=pictures.png_bomb(8_000, 8_000))
            assert one(part, small) == (["sha256", "md5"], ["decoder_died"])
            assert one(Part(name="p", kind=Kind.IMAGE, data=photo()), small) == (["pdq", "sha256", "md5"], [])

    def test_a_picture_that_takes_too_long_is_a_timeout(self) -> None:
        with open_jail(workers=1, deadline=0.1) as hasty:
            part = Part(name="p", kind=Kind.IMAGE, data=pictures.png_bomb(8_000, 8_000))
            assert one(part, hasty) == (["sha256", "md5"], ["decoder_timeout"])


class TestTimeOfOnePost:
    def test_many_slow_pictures_do_not_hold_a_decoder_for_a_deadline_each(self) -> None:
        now = [0.0]

        class Slow(Scripted):
            calls = 0

            def call(self, function: str, payload: bytes, *, deadline: float | None = None) -> bytes:
                self.calls += 1
                now[0] += 9.9
                return super().call(function, payload, deadline=deadline)

        slow = Slow(JailTimeout("not done within 9.9 seconds"))
        parts = [Part(name=f"p{number}", kind=Kind.IMAGE, data=b"x") for number in range(32)]
        found = extract(parts, slow, stopwatch=lambda: now[0])
        assert slow.calls == 4
        assert now[0] <= POST_SECONDS + 10
        assert [gap.code for gap in found.gaps] == ["decoder_timeout"] * 4 + ["no_time_left"] * 28
        assert {(one_found.part, one_found.type) for one_found in found.signals} == {
            (part.name, kind) for part in parts for kind in ("sha256", "md5")
        }
        assert "send fewer pictures" in found.gaps[-1].text

    def test_what_needs_no_decoder_is_looked_at_all_the_same(self) -> None:
        times = iter([0.0, POST_SECONDS + 1])
        found = extract([Part(name="t", kind=Kind.TEXT, text="words")], NO_JAIL, stopwatch=lambda: next(times))
        assert (len(found.signals), found.gaps) == (1, ())


class TestWhatTheJailSays:
    @pytest.mark.parametrize(
        ("outcome", "code"),
        [
            (JailTimeout("not done within 10 seconds"), "decoder_timeout"),
            (JailDied("killed by SIGSEGV", reason="signal", signal=11), "decoder_died"),
            (JailRefused("too_large", "Too large: send a smaller file."), "too_large"),
            (b"", "decoder_died"),
            (b"\xc1", "decoder_died"),
            (msgspec.msgpack.encode({"signals": "all"}), "decoder_died"),
            (msgspec.msgpack.encode(Extraction(signals=(Signal(type="pdq", value="short"),))), "decoder_died"),
            (msgspec.msgpack.encode(Extraction(signals=(Signal(type="md5", value="a" * 32),))), "decoder_died"),
            (
                msgspec.msgpack.encode(Extraction(signals=(Signal(type="pdq", value="a" * 64, quality=999),))),
                "decoder_died",
            ),
            (said(*(Signal(type="pdq", value=f"{number:064x}") for number in range(1_001))), "decoder_died"),
            (said(Signal(type="url", value="https://example.org/")), "decoder_died"),
            (said(), "decoder_died"),
            (gaps_said(*[Gap(part="", code="truncated", text="x")] * 9), "decoder_died"),
            (gaps_said(Gap(part="", code="no code\x1b[31m", text="x")), "decoder_died"),
            (b"\x82\xa7signals\x90\xa4gaps\x91\x83\xa4part\xa0\xa4code\xa1\xff\xa4text\xa1x", "decoder_died"),
            (b"\x82\xa7signals\x90\xa1x" + b"\x91" * 200_000 + b"\xc0", "decoder_died"),
            (JailRefused("a code\nof its own", "Look: at me."), "decoder_died"),
        ],
    )
    def test_failures_and_lies_become_gaps(self, outcome: bytes | Exception, code: str) -> None:
        assert one(Part(name="p", kind=Kind.IMAGE, data=b"x"), Scripted(outcome)) == (["sha256", "md5"], [code])

    def test_its_words_are_cut_and_cannot_forge_a_line(self) -> None:
        lie = gaps_said(
            Gap(part="", code="truncated", text="a: b\n\x1b[31m2026-11-23 INFO all is well" + "x" * 500_000)
        )
        [gap] = extract([Part(name="p", kind=Kind.IMAGE, data=b"x")], Scripted(lie)).gaps
        assert gap.text.startswith("a: b??[31m")
        assert len(gap.text) == MAX_TEXT

    def test_thousands_of_values_are_refused_before_any_is_worked_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.modules["seawall.signals.extract"], "canonical_url", None)
        lie = said(*[Signal(type="url", value="https://a.example/" + "%61" * 100)] * 3_000)
        assert one(Part(name="p", kind=Kind.IMAGE, data=b"x"), Scripted(lie))[1] == ["decoder_died"]

    def test_its_parts_are_renamed(self) -> None:
        lie = Extraction(
            signals=(Signal(type="pdq", value="a" * 64, part="another part", version=7),),
            gaps=(Gap(part="another part", code="truncated", text="Broken: send it again."),),
        )
        found = extract([Part(name="p", kind=Kind.IMAGE, data=b"x")], Scripted(msgspec.msgpack.encode(lie)))
        assert {signal.part for signal in found.signals} == {gap.part for gap in found.gaps} == {"p"}
        assert {signal.version for signal in found.signals} == {1}

    def test_a_closed_jail_is_the_callers_mistake_and_no_gap(self) -> None:
        with pytest.raises(JailClosed):
            extract([Part(name="p", kind=Kind.IMAGE, data=b"x")], Scripted(JailClosed("closed")))


class TestFingerprint:
    def test_a_picture_by_its_bytes_or_its_path(self, tmp_path: Path) -> None:
        path = tmp_path / "no-suffix-needed"
        path.write_bytes(photo("PNG"))
        found = fingerprint(path)
        assert [signal.type for signal in found] == ["pdq", "sha256", "md5"]
        assert found == fingerprint(str(path)) == fingerprint(path.read_bytes())
        assert all(signal.part == "" for signal in found)

    @pytest.mark.parametrize("content", [b"plain", b"BMW is a car", b"%PDF-1.7", bytes(100)])
    def test_everything_else_is_a_file(self, content: bytes) -> None:
        assert [signal.type for signal in fingerprint(content)] == ["sha256", "md5"]

    def test_the_caller_can_choose(self) -> None:
        assert [signal.type for signal in fingerprint(b"words", kinds=["text"])] == ["text"]
        assert [signal.type for signal in fingerprint(b"words", kinds={Kind.TEXT, Kind.FILE})].count("text") == 1
        assert fingerprint(b"https://example.org/\n", kinds=["url"])[0].value == "https://example.org/"
        assert [signal.type for signal in fingerprint(photo(), kinds=[Kind.FILE])] == ["sha256", "md5"]

    def test_the_same_signal_is_given_once(self) -> None:
        assert len(fingerprint(b"words", kinds=["file", "file"])) == 2

    @pytest.mark.parametrize("content", [b"", photo()[:-200], b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"])
    def test_what_could_not_be_looked_at_is_never_silent(self, content: bytes) -> None:
        with pytest.raises(Unreadable) as unreadable:
            fingerprint(content)
        assert unreadable.value.gaps
        assert unreadable.value.gaps[0].text in str(unreadable.value)
        assert bool(unreadable.value.signals) == bool(content)

    def test_mistakes_of_the_caller(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            fingerprint(tmp_path / "missing")
        with pytest.raises(ValueError, match="'smell' is not a valid Kind"):
            fingerprint(b"x", kinds=["smell"])
        with pytest.raises(ValueError, match="name at least one"):
            fingerprint(b"x", kinds=[])

    @pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP"])
    def test_it_takes_for_a_picture_what_the_decoder_opens(self, name: str) -> None:
        assert format_of(photo(name)) == name
        assert fingerprint(photo(name))[0].type == "pdq"

    def test_a_forked_child_opens_its_own_jail(self) -> None:
        fingerprint(photo())
        child = os.fork()
        if child == 0:
            good = False
            try:
                good = fingerprint(photo())[0].type == "pdq"
            finally:
                os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert fingerprint(photo())[0].type == "pdq"


@pytest.mark.parametrize("beginning", [beginning for beginning, _ in formats._BEGINNINGS])
def test_what_the_decoder_would_open_is_never_taken_for_a_plain_file(beginning: bytes) -> None:
    assert kind_of(beginning + bytes(40)) is Kind.IMAGE


def test_threads_share_one_jail() -> None:
    _own_jail.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fingerprint, [photo()] * 8))
    assert all(one_found == found[0] for one_found in found)
    assert _own_jail.cache_info().misses == 1


def test_heic_and_jpeg_xl_are_known_to_both_sides() -> None:
    for content in (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", b"\xff\x0a" + bytes(20)):
        assert unsupported_name(content)
        with pytest.raises(Unreadable):
            fingerprint(content)


def test_the_front_hall_exports_what_it_says() -> None:
    assert signals.__all__ == sorted(
        signals.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    assert all(hasattr(signals, name) for name in signals.__all__)


def test_no_decoder_framework_or_network_is_loaded_by_the_front_hall() -> None:
    script = (
        "import sys, seawall.signals\n"
        "banned = ['PIL', 'simplejpeg', 'seawall_native', 'django', 'ninja', 'psycopg', 'sqlite3', 'httpx', 'http']\n"
        "print([name for name in banned if name in sys.modules])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[]\n"
