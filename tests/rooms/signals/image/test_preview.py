"""What a person is shown of a held picture: made anew, small, grey and blurred, and nothing of the file but pixels."""

import contextlib
import io
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seawall.signals import Gap, Kind, Part, Preview, open_jail, preview_of
from seawall.signals.extract import CLEAR_FUNCTION, SEALED_FUNCTION
from seawall.signals.image.preview import preview
from seawall.signals.image.sealed import LARGEST_PREVIEW, LONGEST_SIDE, SealedPicture, is_bare
from seawall.signals.jail import InProcess, Jail, JailDied, JailRefused, JailTimeout
from tests.rooms.signals.pictures import PLANTED, drawn, jpeg, with_metadata
from tests.vectors.hostile import pictures as hostile

FORMATS = sorted(with_metadata())


@pytest.fixture(scope="module")
def jail() -> Iterator[Jail]:
    with open_jail(workers=1, deadline=30) as opened:
        yield opened


def shown(data: bytes, *, clear: bool = True) -> tuple[Image.Image, list[str]]:
    """The preview as a browser would open it, and the codes of its gaps."""
    said = msgspec.msgpack.decode(preview(data, clear=clear), type=SealedPicture)
    assert is_bare(said.jpeg)
    picture = Image.open(io.BytesIO(said.jpeg))
    picture.load()
    return picture, [gap.code for gap in said.gaps]


def part(data: bytes) -> Part:
    return Part(name="photo", kind=Kind.IMAGE, data=data)


class Scripted:
    """A boundary that answers what the test says, as a worker would that was taken over."""

    def __init__(self, outcome: bytes | Exception) -> None:
        self.outcome = outcome

    def call(self, function: str, payload: bytes, *, deadline: float | None = None) -> bytes:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def close(self) -> None:
        pass


def test_sealed_it_is_grey_and_blurred_and_small() -> None:
    clear, _ = shown(jpeg(), clear=True)
    sealed, _ = shown(jpeg(), clear=False)
    assert (clear.size, clear.mode) == ((480, 270), "RGB")
    assert (sealed.size, sealed.mode) == ((480, 270), "L")
    # The stripes are gone: neighbours hardly differ any more.
    sharp = np.abs(np.diff(np.asarray(clear.convert("L"), dtype=int)[200:]))
    soft = np.abs(np.diff(np.asarray(sealed, dtype=int)[200:]))
    assert sharp.mean() > 10
    assert soft.mean() < 1


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("clear", [True, False])
def test_nothing_that_was_planted_beside_the_pixels_comes_out(name: str, clear: bool) -> None:
    data = with_metadata()[name]
    assert PLANTED in data
    said = preview(data, clear=clear)
    assert PLANTED not in said
    for word in (b"Zanzibar", b"Exif", b"ICC_PROFILE", b"http:", b"xmp", b"Adobe"):
        assert word not in said
    picture, gaps = shown(data, clear=clear)
    assert gaps == []
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert not picture.getexif()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_shown_upright(orientation: int) -> None:
    undo = [None, None, 0, 3, 1, 5, 4, 6, 2]
    upright = drawn()
    turn = undo[orientation]
    turned = upright if turn is None else upright.transpose(_inverse(Image.Transpose(turn)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture, _ = shown(jpeg(turned, exif=exif.tobytes()))
    assert picture.size == (480, 270)
    corner = np.asarray(picture)[10:50, 10:100].mean(axis=(0, 1))
    assert corner[0] > 200
    assert corner[1] > 200


def _inverse(turn: Image.Transpose) -> Image.Transpose:
    left, right = Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270
    return {left: right, right: left}.get(turn, turn)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_is_none_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert shown(jpeg(exif=exif.tobytes()))[0].size == (480, 270)


def test_damaged_exif_is_no_reason_to_show_nothing() -> None:
    good = jpeg(exif=b"Exif\0\0" + b"MM\0*\xff\xff\xff\xff" + b"\xff" * 40)
    assert shown(good)[0].size == (480, 270)


@pytest.mark.parametrize("size", [(1, 1), (1, 4_000), (4_000, 1), (16, 16), (480, 480), (481, 2)])
def test_every_shape_has_a_preview(size: tuple[int, int]) -> None:
    for clear in (True, False):
        picture, _ = shown(jpeg(drawn(*size)), clear=clear)
        assert max(picture.size) <= LONGEST_SIDE
        assert min(picture.size) >= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_kind_of_colour_has_a_preview(mode: str) -> None:
    form = "TIFF" if mode in {"CMYK", "I", "F"} else "PNG"
    out = io.BytesIO()
    source = drawn().convert("L").convert(mode) if mode in {"I", "F", "I;16"} else drawn().convert(mode)
    source.save(out, form)
    assert shown(out.getvalue())[0].size == (480, 270)


def test_what_is_transparent_shows_neither_its_hidden_colours_nor_vanishes() -> None:
    hidden = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    out = io.BytesIO()
    hidden.save(out, "PNG")
    assert np.abs(np.asarray(shown(out.getvalue())[0], dtype=int) - 128).max() < 8


def test_of_an_animation_the_first_frame_is_shown_and_said_so() -> None:
    out = io.BytesIO()
    drawn().save(out, "GIF", save_all=True, append_images=[drawn().rotate(180)])
    picture, gaps = shown(out.getvalue())
    assert gaps == ["frames_skipped"]
    assert picture.size == (480, 270)


def test_of_a_broken_picture_what_is_there_is_shown_and_said_so() -> None:
    whole = jpeg(quality=95)
    picture, gaps = shown(whole[: len(whole) // 2])
    assert gaps == ["truncated"]
    assert np.asarray(picture)[10:40, 10:100].mean() > 100


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"no picture", "not_an_image"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(40), "unsupported_type"),
        (b"<svg onload='x'>", "unsupported_type"),
        (b"\xff\xd8\xff", "corrupt"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "corrupt"),
        (hostile.png_bomb(), "too_many_pixels"),
        (hostile.webp_bomb(), "too_many_pixels"),
        (hostile.bmp_bomb(), "too_many_pixels"),
        (hostile.gif_bomb(), "too_many_pixels"),
        (hostile.tiff_bomb(), None),
    ],
    ids=["text", "heic", "svg", "jpeg head", "png head", "png", "webp", "bmp", "gif", "tiff"],
)
def test_what_cannot_be_shown_says_why(jail: Jail, data: bytes, code: str | None) -> None:
    found = preview_of(part(data), jail, clear=False)
    assert found.picture is None
    [gap] = found.gaps
    assert gap.text
    assert code in {None, gap.code}


def test_a_later_frame_that_is_a_bomb_does_not_spoil_the_first(jail: Jail) -> None:
    assert preview_of(part(hostile.gif_bomb_behind_a_frame()), jail, clear=False).picture


def test_the_jail_gives_what_the_function_gives(jail: Jail) -> None:
    data = with_metadata(6)["JPEG"]
    for clear in (False, True):
        found = preview_of(part(data), jail, clear=clear)
        assert found.picture is not None
        assert found.picture == msgspec.msgpack.decode(preview(data, clear=clear), type=SealedPicture).jpeg
        assert (PLANTED in found.picture, found.gaps) == (False, ())
    with InProcess(functions=(SEALED_FUNCTION, CLEAR_FUNCTION)) as open_door:
        assert preview_of(part(data), open_door, clear=True).picture


@pytest.mark.parametrize("cut", list(hostile.cut(with_metadata()["PNG"], 12)))
def test_pieces_of_a_file_never_raise_anything_but_a_refusal(cut: bytes) -> None:
    with contextlib.suppress(JailRefused):
        shown(cut)


@settings(max_examples=30)
@given(data=st.data(), name=st.sampled_from(FORMATS))
def test_changed_bytes_never_raise_anything_but_a_refusal(data: st.DataObject, name: str) -> None:
    content = bytearray(with_metadata()[name])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(JailRefused):
        shown(bytes(content), clear=data.draw(st.booleans()))


def test_what_has_no_picture_says_so(jail: Jail) -> None:
    for one in (
        Part(name="", kind=Kind.IMAGE, data=b""),
        Part(name="", kind=Kind.IMAGE),
        Part(name="", kind=Kind.FILE, data=jpeg()),
        Part(name="", kind=Kind.TEXT, text="words"),
    ):
        found = preview_of(one, jail, clear=True)
        assert (found.picture, [gap.code for gap in found.gaps]) == (None, ["wrong_content"])


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (JailTimeout("10 s"), "decoder_timeout"),
        (JailDied("gone", reason="memory"), "decoder_died"),
        (JailRefused("Not a code!", "words"), "decoder_died"),
        (JailRefused("corrupt", "words"), "corrupt"),
        (b"", "decoder_died"),
        (b"\xc1" * 100, "decoder_died"),
        (b"\x91" * 100_000, "decoder_died"),
        (msgspec.msgpack.encode(SealedPicture(jpeg=b"<script>alert(1)</script>")), "decoder_died"),
        (msgspec.msgpack.encode(SealedPicture(jpeg=jpeg())), "decoder_died"),
        (msgspec.msgpack.encode({"jpeg": jpeg(drawn(64, 64)), "more": 1}), "decoder_died"),
        (
            msgspec.msgpack.encode(
                SealedPicture(jpeg=jpeg(drawn(64, 64)), gaps=(Gap(part="", code="Not a code!", text=""),))
            ),
            "decoder_died",
        ),
        (
            msgspec.msgpack.encode(
                SealedPicture(jpeg=jpeg(drawn(64, 64)), gaps=(Gap(part="", code="x", text=""),) * 9)
            ),
            "decoder_died",
        ),
    ],
)
def test_a_worker_that_was_taken_over_reaches_no_browser(outcome: bytes | Exception, code: str) -> None:
    found = preview_of(part(jpeg()), Scripted(outcome), clear=True)
    assert (found.picture, [gap.code for gap in found.gaps]) == (None, [code])


def test_a_workers_words_are_made_plain() -> None:
    said = SealedPicture(jpeg=jpeg(drawn(64, 64)), gaps=(Gap(part="x", code="truncated", text="\x1b[2J\n" * 1_000),))
    found = preview_of(part(jpeg()), Scripted(msgspec.msgpack.encode(said)), clear=True)
    assert isinstance(found, Preview)
    assert found.picture == said.jpeg
    assert found.gaps[0].text.isprintable()
    assert len(found.gaps[0].text) <= 500


SMALL = jpeg(drawn(64, 64))


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    "changed",
    [
        b"",
        b"\xff\xd8\xff\xd9",
        SMALL[:-2],
        SMALL + b"\0",
        SMALL + SMALL,
        SMALL[:2] + segment(0xE1, b"Exif\0\0" + PLANTED) + SMALL[2:],
        SMALL[:2] + segment(0xE2, b"ICC_PROFILE\0" + PLANTED) + SMALL[2:],
        SMALL[:2] + segment(0xFE, PLANTED) + SMALL[2:],
        SMALL[:2] + segment(0xE0, b"JFIF\0" + bytes(9) + PLANTED) + SMALL[2:],
        SMALL[:2] + segment(0xE0, b"JFXX\0" + bytes(9)) + SMALL[2:],
        SMALL[:-2] + segment(0xFE, PLANTED) + b"\xff\xd9",
        SMALL[:-2] + b"\xff\xd9" + PLANTED + b"\xff\xd9",
        jpeg(drawn(64, 64), progressive=True),
        jpeg(drawn(LONGEST_SIDE + 1, 4)),
        jpeg(drawn(64, 64), comment=PLANTED),
        with_metadata()["JPEG"],
        with_metadata()["PNG"],
        b"\xff\xd8" + segment(0xDB, bytes(65_000)) * (LARGEST_PREVIEW // 65_000 + 1) + b"\xff\xd9",
    ],
)
def test_only_a_bare_small_jpeg_is_one(changed: bytes) -> None:
    assert is_bare(SMALL)
    assert is_bare(jpeg(drawn(LONGEST_SIDE, LONGEST_SIDE)))
    assert not is_bare(changed)


@settings(max_examples=200)
@given(noise=st.binary(max_size=200), at=st.integers(0, len(SMALL)))
def test_no_bytes_make_the_check_fail_otherwise(noise: bytes, at: int) -> None:
    for one in (noise, SMALL[:at] + noise, SMALL[:at] + noise + SMALL[at:]):
        assert is_bare(one) in {True, False}
