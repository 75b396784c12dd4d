"""A client's logo: decoded from what was uploaded, and encoded again.

Only the pixels are kept: whatever else the file holds, metadata, text or a second file, is gone.
Pillow decodes it, in the processes of administrators alone; servers pass on the stored bytes.
"""

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from worksgate.clients.branding.colors import contrast

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_FILE: Final = 256 * 1024
"""Bytes of an uploaded file."""
MAX_SIDE: Final = 4_096
MIN_SIDE: Final = 16
MAX_PIXELS: Final = 4_000_000
"""Of an uploaded picture: 16 MB once it is decoded."""
BOX: Final = (640, 192)
"""Pixels into which it is scaled down: twice and three times what the page shows."""
MAX_STORED: Final = 64 * 1024
"""Bytes of what is stored; a picture that needs more is compressed with losses."""
MEDIA_TYPE: Final = "image/webp"

_FORMATS: Final = ("PNG", "WEBP")
_SAMPLE: Final = (64, 64)
_UNSEEN_CONTRAST: Final = 1.6
"""Below this nobody sees a shape on a page."""
_UNSEEN_SHARE: Final = 0.3
"""Of the visible pixels: with more that cannot be seen, the logo needs a ground of its own."""


class LogosUnavailable(Exception):
    """Pillow is not installed; one sentence."""


class BadLogo(ValueError):
    """The file cannot be used as a logo; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture in WebP, its size in pixels, and whether it can be seen on each kind of page."""

    content: bytes = field(repr=False)
    width: int
    height: int
    on_light: bool
    on_dark: bool


def read_logo(file: bytes, surfaces: tuple[str, str]) -> Logo:
    """The logo in a PNG or WebP file; ``surfaces`` are the colors of a light and a dark page.

    Raises BadLogo, or LogosUnavailable. It takes up to a second of one core.
    """
    if len(file) > MAX_FILE:
        raise BadLogo(f"the file has more than {MAX_FILE // 1024} kB")
    picture = _trimmed(_decoded(file))
    picture.thumbnail(BOX)
    on_light, on_dark = (_is_seen(picture, surface) for surface in surfaces)
    return Logo(
        content=_encoded(picture),
        width=picture.width,
        height=picture.height,
        on_light=on_light,
        on_dark=on_dark,
    )


def _decoded(file: bytes) -> "Image":
    """The picture without anything else, once its size is known to be harmless."""
    image_module = _pillow()
    try:
        with image_module.open(io.BytesIO(file), formats=_FORMATS) as image:
            _check_size(*image.size)
            _check_is_still(image)
            pixels = image.convert("RGBA")
    except BadLogo:
        raise
    except Exception:  # decoders raise many kinds for a hostile file, and each means the same
        raise BadLogo("the file is neither a PNG nor a WebP picture, or it is damaged") from None
    clean: Image = image_module.frombytes("RGBA", pixels.size, pixels.tobytes())
    return clean


def _check_is_still(image: "Image") -> None:
    if getattr(image, "is_animated", False):
        raise BadLogo("the picture is animated")


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise BadLogo(
            f"the picture is {width} × {height} pixels; at most {MAX_SIDE} a side and "
            f"{MAX_PIXELS // 1_000_000} million in all are allowed"
        )
    if min(width, height) < MIN_SIDE:
        raise BadLogo(f"the picture is {width} × {height} pixels; at least {MIN_SIDE} are needed")


def _trimmed(picture: "Image") -> "Image":
    """Without transparent margins, which would make it look smaller than others."""
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    if box is None:
        raise BadLogo("the picture is transparent everywhere")
    return picture.crop(box)


def _encoded(picture: "Image") -> bytes:
    exact = _saved(picture, lossless=True, quality=80)
    if len(exact) <= MAX_STORED:
        return exact
    for quality in (90, 70, 40):
        smaller = _saved(picture, lossless=False, quality=quality)
        if len(smaller) <= MAX_STORED:
            return smaller
    raise BadLogo("the picture has too many details for a logo")


def _saved(picture: "Image", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", method=4, **options)
    return out.getvalue()


def _is_seen(picture: "Image", surface: str) -> bool:
    """Whether enough of the visible pixels differ from a page of this color."""
    sample = picture.copy()
    sample.thumbnail(_SAMPLE)
    data = sample.tobytes()
    pixels = [data[at : at + 4] for at in range(0, len(data), 4)]
    visible = [each for each in pixels if each[3] > 127]
    if not visible:
        return True
    unseen = sum(contrast(f"#{each[:3].hex()}", surface) < _UNSEEN_CONTRAST for each in visible)
    is_box = len(visible) > 0.95 * len(pixels)  # it brings its own ground
    return is_box or unseen <= _UNSEEN_SHARE * len(visible)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise LogosUnavailable(
            "logos need Pillow: install Worksgate as 'worksgate[logo]'"
        ) from None
    return Image
