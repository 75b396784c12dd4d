"""What attackers send as a logo, and what becomes of a good one."""

import io
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.clients.branding.pictures import SIGNATURE, animated, bomb, picture, saved, talkative
from tests.properties import examples

from worksgate.cli.running import left_out
from worksgate.clients.branding import DARK_SURFACE, LIGHT_SURFACE, logo
from worksgate.clients.branding.logo import (
    BOX,
    MAX_FILE,
    MAX_STORED,
    BadLogo,
    Logo,
    LogosUnavailable,
    read_logo,
)

SURFACES = (LIGHT_SURFACE, DARK_SURFACE)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
GOOD = picture()


def read(file: bytes) -> Logo:
    return read_logo(file, SURFACES)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_logo_is_encoded_again_and_scaled_down(kind: str) -> None:
    made = read(picture((1_280, 320), kind=kind))
    assert (made.width, made.height) == (640, 160)
    with Image.open(io.BytesIO(made.content)) as image:
        assert (image.format, image.size) == ("WEBP", (640, 160))
    small = read(picture((64, 32)))
    assert (small.width, small.height) == (64, 32)


@pytest.mark.parametrize(
    "file",
    [
        *(b"", b"x", SVG, b"<?xml version='1.0'?>" + SVG, b"\xef\xbb\xbf" + SVG),
        *(b"GIF89a" + bytes(40), b"%PDF-1.7", b"<html>", b"\x00\x00\x01\x00"),
        *(SIGNATURE, GOOD[:60], GOOD[:-40], SIGNATURE + SVG, b"RIFF\x10\0\0\0WEBPVP8 " + bytes(8)),
        saved(Image.new("RGB", (64, 64)), "GIF"),
        saved(Image.new("RGB", (64, 64)), "JPEG"),
        saved(Image.new("RGB", (64, 64)), "BMP"),
        saved(Image.new("RGB", (64, 64)), "TIFF"),
        saved(Image.new("RGB", (64, 64)), "ICO"),
    ],
)
def test_r181_what_is_no_png_or_webp_is_refused(file: bytes) -> None:
    with pytest.raises(BadLogo, match="neither a PNG nor a WebP"):
        read(file)


def test_r181_an_animation_is_refused() -> None:
    with pytest.raises(BadLogo, match="animated"):
        read(animated())


def test_r181_nothing_but_the_pixels_is_kept() -> None:
    file = talkative()
    assert b"script" in file
    content = read(file).content
    for hidden in (b"script", b"xmpmeta", b"profile", b"Exif", b"EXIF", b"ICCP", b"XMP "):
        assert hidden not in content, hidden
    with Image.open(io.BytesIO(content)) as image:
        assert not {"exif", "icc_profile", "xmp"} & image.info.keys()


@pytest.mark.parametrize("size", [(30_000, 30_000), (5_000, 20), (3_000, 3_000)])
def test_r181_a_decompression_bomb_is_refused_before_it_is_decoded(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(Image.Image, "convert", decode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BadLogo, match=r"pixels|damaged"):
            read(bomb(*size))


def test_r181_a_file_that_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logo, "_pillow", lambda: pytest.fail("it was opened"))
    with pytest.raises(BadLogo, match="256 kB"):
        read(GOOD + bytes(MAX_FILE))


@pytest.mark.parametrize("size", [(8, 64), (64, 8)])
def test_a_logo_that_is_too_small_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadLogo, match="at least 16"):
        read(picture(size))


@examples(60)
@given(st.data())
def test_r181_a_damaged_file_does_no_worse_than_be_refused(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from([GOOD, picture(kind="WEBP")])))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        made = read(bytes(file))
    except BadLogo:
        return
    assert made.width <= BOX[0]
    assert len(made.content) <= MAX_STORED


def test_transparent_margins_are_cut_off() -> None:
    made = read(picture((320, 80), margin=100))
    assert (made.width, made.height) == (320, 80)
    with pytest.raises(BadLogo, match="transparent"):
        read(saved(Image.new("RGBA", (64, 64))))


def test_a_picture_with_many_details_is_stored_in_few_bytes() -> None:
    noise = Image.effect_noise((480, 190), 90).convert("RGB")
    assert len(read(saved(noise, "WEBP", quality=95)).content) <= MAX_STORED


@pytest.mark.parametrize(
    ("color", "on_light", "on_dark"),
    [("#ffffff", False, True), ("#101010", True, False), ("#0c8c5a", True, True)],
)
def test_it_is_known_where_a_logo_cannot_be_seen(
    color: str, *, on_light: bool, on_dark: bool
) -> None:
    made = read(picture(color=color))
    assert (made.on_light, made.on_dark) == (on_light, on_dark)


def test_a_logo_with_a_ground_of_its_own_is_seen_everywhere() -> None:
    made = read(saved(Image.new("RGB", (64, 64), "white")))
    assert made.on_light
    assert made.on_dark


def test_without_pillow_it_says_what_to_install() -> None:
    with left_out("PIL"), pytest.raises(LogosUnavailable, match=r"worksgate\[logo\]"):
        read(GOOD)
