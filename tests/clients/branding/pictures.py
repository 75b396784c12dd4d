"""Pictures for logos, good and bad."""

import io
import struct
import zlib

from PIL import Image, ImageDraw, PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(
    size: tuple[int, int] = (320, 80), color: str = "#0c5878", kind: str = "PNG", margin: int = 0
) -> bytes:
    """A sign of one color on a transparent ground, as a file."""
    image = Image.new("RGBA", (size[0] + 2 * margin, size[1] + 2 * margin), (0, 0, 0, 0))
    width, height = size
    draw = ImageDraw.Draw(image)
    draw.ellipse((margin, margin, margin + width - 1, margin + height - 1), fill=color)
    return saved(image, kind)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def talkative() -> bytes:
    """A picture with texts in its metadata, and a page behind its end."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "<script>alert('comment')</script>")
    texts.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>secret place</x:xmpmeta>")
    image = Image.open(io.BytesIO(picture()))
    file = saved(image, pnginfo=texts, icc_profile=b"a profile of ours", exif=b"Exif\0\0II*\0")
    return file + b"<html><script>alert('behind')</script>"


def animated() -> bytes:
    frames = [Image.new("RGBA", (64, 64), color) for color in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return out.getvalue()


def bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A few bytes that say that they are a picture of 900 million pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(1_000))
    return SIGNATURE + b"".join(
        _chunk(kind, content)
        for kind, content in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
