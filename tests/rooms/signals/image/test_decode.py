"""Picture files become PDQ signals of exactly the pixels that Pillow sees, and hostile files become honest gaps."""

import io
import warnings
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from seawall.signals.image import compute, decode
from seawall.signals.image.formats import format_of
from seawall.signals.jail import JailRefused
from seawall.signals.model import Extraction
from tests.vectors.hostile import pictures

FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP"]
MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"]
OUTCOMES = {"seen", "out of memory", "truncated", "corrupt", "not_an_image", "unsupported_type", "too_many_pixels"}


def picture(width: int = 96, height: int = 72, seed: int = 1) -> Image.Image:
    """A made-up pattern, smooth enough to survive compression and with features enough for a high quality."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def looked_at(content: bytes) -> Extraction:
    return msgspec.msgpack.decode(decode.extract(content), type=Extraction)


def refusal(content: bytes) -> str:
    with pytest.raises(JailRefused) as refused:
        decode.extract(content)
    assert refused.value.text.endswith(".")
    return refused.value.code


def outcome(content: bytes) -> str:
    """What becomes of damaged files; running out of memory is an honest death in the jail."""
    try:
        looked_at(content)
    except JailRefused as refused:
        return refused.code
    except MemoryError:
        return "out of memory"
    return "seen"


def as_pillow_sees_it(content: bytes) -> tuple[str, int]:
    with Image.open(io.BytesIO(content)) as opened:
        pixels = np.ascontiguousarray(np.asarray(opened.convert("RGB")))
    hashed = compute(pixels)
    return hashed.value.hex(), hashed.quality


def in_mode(mode: str) -> Image.Image:
    try:
        return picture().convert(mode)
    except ValueError:
        return picture().convert("L").convert(mode)


def holds(name: str, mode: str) -> bool:
    try:
        saved(in_mode(mode), name)
    except (OSError, KeyError, ValueError):
        return False
    return True


HELD = [(name, mode) for name in FORMATS for mode in MODES if holds(name, mode)]


class TestPixels:
    def test_there_are_many_combinations(self) -> None:
        assert len(HELD) >= 60

    @pytest.mark.parametrize(("name", "mode"), HELD)
    def test_each_format_in_each_colour_mode_is_hashed_as_pillow_converts_it(self, name: str, mode: str) -> None:
        content = saved(in_mode(mode), name)
        found = looked_at(content)
        assert [(signal.value, signal.quality) for signal in found.signals] == [as_pillow_sees_it(content)]
        assert {signal.type for signal in found.signals} == {"pdq"}
        assert found.gaps == ()

    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
    @pytest.mark.parametrize("quality", [5, 50, 95])
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("size", [(96, 72), (33, 17), (1, 1)])
    def test_the_short_way_gives_the_same_pixels(
        self, subsampling: str, quality: int, progressive: bool, size: tuple[int, int]
    ) -> None:
        content = saved(picture(*size), "JPEG", subsampling=subsampling, quality=quality, progressive=progressive)
        pixels = decode._fast_jpeg(content)
        assert pixels is not None
        with Image.open(io.BytesIO(content)) as opened:
            assert np.array_equal(pixels, np.asarray(opened.convert("RGB")))

    @pytest.mark.parametrize("mode", ["L", "CMYK"])
    def test_other_jpegs_do_not_go_the_short_way(self, mode: str) -> None:
        assert decode._fast_jpeg(saved(picture().convert(mode), "JPEG")) is None

    def test_rgb_without_conversion_inside_a_jpeg(self) -> None:
        content = saved(picture(), "JPEG", keep_rgb=True)
        assert [signal.value for signal in looked_at(content).signals] == [as_pillow_sees_it(content)[0]]

    def test_a_turn_in_the_exif_data_is_not_followed(self) -> None:
        turned = Image.Exif()
        turned[0x0112] = 6
        plain, marked = saved(picture(), "JPEG"), saved(picture(), "JPEG", exif=turned)
        assert looked_at(plain).signals == looked_at(marked).signals

    def test_transparency_with_a_palette_warns_nobody(self) -> None:
        content = saved(in_mode("P"), "PNG", transparency=bytes(range(200)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(looked_at(content).signals) == 1

    @pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (4, 4), (5, 5), (64, 64)])
    def test_small_pictures_have_a_signal_and_their_low_quality_is_said(self, size: tuple[int, int]) -> None:
        (signal,) = looked_at(saved(picture(*size), "PNG")).signals
        assert signal.quality is not None
        assert signal.quality == 0 or min(size) >= 5

    def test_a_featureless_picture_says_quality_0(self) -> None:
        (signal,) = looked_at(saved(Image.new("RGB", (300, 200), "grey"), "PNG")).signals
        assert signal.quality == 0


class TestFrames:
    @pytest.mark.parametrize(
        ("name", "options"),
        [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("AVIF", {"quality": 95}), ("TIFF", {})],
    )
    def test_every_frame_that_differs_gives_a_signal(self, name: str, options: dict[str, object]) -> None:
        frames = [picture(seed=seed) for seed in (1, 2, 3)]
        # AVIF changes a frame by those before it, so that there the repeated one would not be quite the same.
        again = [] if name == "AVIF" else frames[:1]
        content = saved(frames[0], name, save_all=True, append_images=frames[1:] + again, **options)
        found = looked_at(content)
        assert len(found.signals) == 3
        assert found.signals[0].value == as_pillow_sees_it(content)[0]
        assert found.gaps == ()

    def test_frames_beyond_the_budget_are_a_gap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decode, "MAX_FRAMES", 2)
        frames = [picture(seed=seed) for seed in (1, 2, 3)]
        found = looked_at(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        assert len(found.signals) == 2
        assert [gap.code for gap in found.gaps] == ["frames_skipped"]
        assert "first 2 frames" in found.gaps[0].text

    def test_exactly_the_budget_is_no_gap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decode, "MAX_FRAMES", 3)
        monkeypatch.setattr(decode, "MAX_PIXELS_IN_ALL", 3 * 96 * 72)
        frames = [picture(seed=seed) for seed in (1, 2, 3)]
        found = looked_at(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        assert (len(found.signals), found.gaps) == (3, ())

    def test_pixels_of_all_frames_are_counted_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decode, "MAX_PIXELS_IN_ALL", 2 * 96 * 72)
        frames = [picture(seed=seed) for seed in (1, 2, 3)]
        found = looked_at(saved(frames[0], "WEBP", lossless=True, save_all=True, append_images=frames[1:]))
        assert (len(found.signals), [gap.code for gap in found.gaps]) == (2, ["frames_skipped"])

    def test_ten_thousand_frames_end_at_the_budget(self) -> None:
        frames = [Image.new("P", (8, 8), index % 256) for index in range(decode.MAX_FRAMES + 50)]
        for index, frame in enumerate(frames):
            frame.putpalette([index % 256] * 768)
        found = looked_at(saved(frames[0], "GIF", save_all=True, append_images=frames[1:], optimize=False))
        assert [gap.code for gap in found.gaps] == ["frames_skipped"]

    def test_a_page_with_too_many_pixels_keeps_the_pages_before_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decode, "MAX_PIXELS", 10_000)
        found = looked_at(saved(picture(), "TIFF", save_all=True, append_images=[picture(200, 200)]))
        assert (len(found.signals), [gap.code for gap in found.gaps]) == (1, ["too_many_pixels"])

    def test_the_previews_in_a_telephones_jpeg_are_not_frames(self) -> None:
        content = saved(picture().convert("L"), "MPO", save_all=True, append_images=[picture(seed=2).convert("L")])
        assert (format_of(content), len(looked_at(content).signals)) == ("JPEG", 1)


class TestBrokenFiles:
    @pytest.mark.parametrize("name", FORMATS)
    def test_a_file_that_breaks_off_is_said_to_at_every_place(self, name: str) -> None:
        whole = saved(picture(), name)
        codes = set()
        for content in pictures.cut(whole, 60):
            try:
                found = looked_at(content)
            except JailRefused as refused:
                codes.add(refused.code)
                continue
            codes.update(gap.code for gap in found.gaps)
            assert found.gaps or found.signals == looked_at(whole).signals
        assert codes <= {"truncated", "corrupt", "not_an_image", "unsupported_type"}
        assert "truncated" in codes or name == "TIFF"

    def test_the_end_of_a_preview_is_not_taken_for_the_end_of_the_file(self) -> None:
        preview = Image.Exif()
        preview.get_ifd(0x8769)[0x927C] = saved(picture(), "JPEG")
        whole = saved(picture(400, 300), "JPEG", quality=95, exif=preview)
        start = whole.rindex(b"\xff\xda")
        assert whole.index(b"\xff\xd9") < start, "the preview's"
        for length in (start - 300, start - 1):
            assert refusal(whole[:length]) == "truncated"
        for length in (start + 300, len(whole) - 300):
            assert [gap.code for gap in looked_at(whole[:length]).gaps] == ["truncated"]

    @pytest.mark.parametrize("share", [0.7, 0.9, 0.999])
    def test_most_of_a_jpeg_still_matches_and_the_gap_is_told(self, share: float) -> None:
        whole = saved(picture(400, 300), "JPEG", quality=95, progressive=True)
        found = looked_at(whole[: int(len(whole) * share)])
        assert [gap.code for gap in found.gaps] == ["truncated"]
        ours, theirs = (int(looked.signals[0].value, 16) for looked in (found, looked_at(whole)))
        assert (ours ^ theirs).bit_count() <= 31

    @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.data())
    def test_damage_anywhere_is_a_signal_or_a_refusal(self, data: st.DataObject) -> None:
        content = bytearray(_SAMPLES[data.draw(st.sampled_from(FORMATS))])
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        assert outcome(bytes(content)) in OUTCOMES

    @settings(max_examples=100, deadline=None)
    @given(st.sampled_from(FORMATS), st.binary(max_size=200))
    def test_rubbish_behind_a_good_beginning_is_a_signal_or_a_refusal(self, name: str, rubbish: bytes) -> None:
        assert outcome(_SAMPLES[name][:16] + rubbish) in OUTCOMES

    def test_leniency_ends_with_the_file(self) -> None:
        for content in pictures.cut(saved(picture(), "PNG"), 20):
            try:
                decode.extract(content)
            except JailRefused:
                continue
        assert ImageFile.LOAD_TRUNCATED_IMAGES is False

    @pytest.mark.parametrize("content", [b"", b"\x00", b"\xff\xd8", b"RIFF", b"\x00" * 1000, b"a text named photo.jpg"])
    def test_what_is_no_picture(self, content: bytes) -> None:
        assert refusal(content) == "not_an_image"

    @pytest.mark.parametrize(
        "content", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\x00", b"RIFF\x00\x00\x00\x00WEBP"]
    )
    def test_a_beginning_and_nothing_more(self, content: bytes) -> None:
        assert refusal(content) in {"truncated", "corrupt"}


class TestLimits:
    def test_a_png_of_900_megapixels_is_refused_from_its_header(self) -> None:
        bomb = pictures.png_bomb(30_000, 30_000)
        assert len(bomb) < 5_000_000
        with pytest.raises(JailRefused, match="900 million") as refused:
            decode.extract(bomb)
        assert refused.value.code == "too_many_pixels"

    @pytest.mark.parametrize(
        "bomb",
        [pictures.webp_bomb, pictures.bmp_bomb, pictures.gif_bomb, pictures.tiff_bomb],
        ids=lambda bomb: bomb.__name__,
    )
    def test_other_bombs(self, bomb: Callable[[], bytes]) -> None:
        assert refusal(bomb()) == "too_many_pixels"

    @pytest.mark.parametrize("size", [(65_535, 65_535), (20_000, 20_000), (9_000, 9_000)])
    def test_a_later_frame_that_grows_keeps_the_frames_before_it(self, size: tuple[int, int]) -> None:
        found = looked_at(pictures.gif_bomb_behind_a_frame(*size))
        assert (len(found.signals), [gap.code for gap in found.gaps]) == (1, ["too_many_pixels"])

    @pytest.mark.parametrize("name", FORMATS)
    def test_the_limit_itself(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        content = saved(picture(100, 80), name)
        monkeypatch.setattr(decode, "MAX_PIXELS", 8_000)
        assert len(looked_at(content).signals) == 1
        monkeypatch.setattr(decode, "MAX_PIXELS", 7_999)
        assert refusal(content) == "too_many_pixels"

    @pytest.mark.parametrize("name", ["ICO", "JPEG2000", "PPM", "PCX", "TGA", "SGI", "DDS", "EPS", "PDF", "ICNS"])
    def test_no_other_plug_in_of_pillow_is_reached(self, name: str) -> None:
        assert refusal(saved(picture(64, 64), name)) in {"unsupported_type", "not_an_image"}

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC"),
            (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42", "video"),
            (b"\xff\x0a" + bytes(20), "JPEG XL"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
            (b"8BPS\x00\x01", "Photoshop"),
        ],
    )
    def test_a_type_that_is_known_but_not_opened_is_named(self, content: bytes, words: str) -> None:
        with pytest.raises(JailRefused, match=words) as refused:
            decode.extract(content)
        assert refused.value.code == "unsupported_type"


_SAMPLES = {name: saved(picture(), name) for name in FORMATS}
