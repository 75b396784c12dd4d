"""A page by day and by night, side by side in one picture of few bytes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.async_api import Page, ViewportSize

from worksgate.provider.factors.totp import new_totp

LANGUAGES: Final = {"en": "en-US", "ja": "ja-JP", "ko": "ko-KR"}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
PHONE: Final = ViewportSize(width=360, height=560)
DESK: Final = ViewportSize(width=1200, height=480)
"""The width of a page, and its least height."""
HIGHEST: Final = 560
"""Pixels of a page that are shown: what is below is more of the same."""
SCALE: Final = 0.55
"""Of the pictures, in which text can just be read well."""
QUALITY: Final = 18
"""Of WebP: letters stay clear."""
PATIENCE: Final = 120_000.0
"""Milliseconds that a page may take on a busy machine."""
GAP: Final = 12
STAGE: Final = "#8fa1ab"
"""What the pages lie on: it goes with light ones and with dark ones."""
WIDEST: Final = 1_000
"""Of two pages side by side, in pixels of the picture."""
LARGEST: Final = 120_000
"""Bytes of one picture."""
MOST: Final = 3_000_000
"""Bytes of all pictures together: a clone has them all."""

ANY_MACHINE: Final = """(said) => {
  const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    let text = node.data.replace(/^Linux .*/, "Linux x86_64");
    text = text.replace(/\\/tmp\\/\\w+/, "/var/lib/worksgate");
    for (const [now, usual] of said) text = text.replaceAll(now, usual);
    if (text !== node.data) node.data = text;
  }
}"""
"""The pictures say nothing of the machine on which they were taken."""
KEY: Final = "WORKSGATE" * 3 + "WORKS"
"""The key of every authenticator app in the pictures: that of nobody, and the same each time."""
AS_KEY: Final = """([box, paths, key]) => {
  for (const svg of document.querySelectorAll(":is(.scan, .qr) svg")) {
    const name = "http://www.w3.org/2000/svg";
    const scaled = document.createElementNS(name, "g");
    scaled.setAttribute("transform", "scale(4)");
    for (const [color, drawn] of [["fill", paths[0]], ["stroke", paths[1]]]) {
      const path = document.createElementNS(name, "path");
      path.setAttribute(color, color === "fill" ? "#fff" : "#000");
      path.setAttribute("d", drawn);
      scaled.append(path);
    }
    svg.setAttribute("viewBox", box);
    svg.replaceChildren(scaled);
  }
  for (const code of document.querySelectorAll(".scan ~ .hint code")) code.textContent = key;
}"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a page in a language; ``shots`` are by day and by night."""

    name: str
    language: str
    shots: tuple[Image.Image, Image.Image]

    def save(self, folder: Path) -> int:
        """Write it, and return how many bytes it has. Ends with a message if it is too large."""
        file = folder / file_name(self.name, self.language)
        data = packed(side_by_side(self.shots))
        if len(data) > LARGEST:
            raise SystemExit(f"{file.name} has {len(data):,} bytes, and {LARGEST:,} are enough")
        file.write_bytes(data)
        return len(data)


def file_name(name: str, language: str) -> str:
    return f"{name}.{language}.webp"


async def both(
    tab: Page,
    size: ViewportSize,
    said: Sequence[tuple[str, str]] = (),
    *,
    left: int = 0,
    highest: int = HIGHEST,
) -> tuple[Image.Image, Image.Image]:
    """The page that a tab shows, as it is at that width, by day and by night.

    Of each pair in ``said``, a text becomes another one: a port, the usual one. ``left`` pixels are
    cut off: the menu of the console is the same on all its pages.
    """
    await tab.wait_for_load_state()
    await tab.mouse.move(0, 0)
    await tab.evaluate(ANY_MACHINE, list(said))
    await tab.evaluate(AS_KEY, _key_drawn())
    await tab.set_viewport_size(size)
    height = int(await tab.evaluate("document.documentElement.scrollHeight"))
    height = min(max(height, size["height"]), highest)
    await tab.set_viewport_size({"width": size["width"], "height": height})
    await tab.evaluate("scrollTo(0, 0)")
    day, night = [await _shot(tab, scheme, left, size["width"], height) for scheme in SCHEMES]
    return day, night


@cache
def _key_drawn() -> tuple[str, list[str], str]:
    """The QR code of ``KEY``: its frame, its white and its black parts; and what is typed."""
    made = new_totp("name@example.com", "Example Trading", KEY)
    (box,) = re.findall(r'viewBox="([^"]+)"', made.svg)
    return box, re.findall(r' d="([^"]+)"', made.svg), made.shown


async def _shot(
    tab: Page, scheme: Literal["light", "dark"], left: int, width: int, height: int
) -> Image.Image:
    await tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    taken = await tab.screenshot(
        clip={"x": left, "y": 0, "width": width - left, "height": height},
        animations="disabled",
        caret="hide",
    )
    with Image.open(BytesIO(taken)) as image:
        return image.convert("RGB")


def side_by_side(shots: Sequence[Image.Image]) -> Image.Image:
    """One picture of two, at the scale of the pictures; wide ones are one above the other."""
    small = [scaled(each) for each in shots]
    return in_rows(small, 1 if small[0].width > WIDEST else len(small))


def in_rows(shots: Sequence[Image.Image], columns: int) -> Image.Image:
    """A sheet of pages of one width; the shorter ones go on in their color."""
    width, height = shots[0].width, max(each.height for each in shots)
    rows = -(-len(shots) // columns)
    size = (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    made = Image.new("RGB", size, STAGE)
    for number, each in enumerate(shots):
        x, y = number % columns * (width + GAP), number // columns * (height + GAP)
        red, green, blue = each.crop((0, each.height - 1, 1, each.height)).tobytes()
        made.paste((red, green, blue), (x, y, x + width, y + height))
        made.paste(each, (x, y))
    return made


def scaled(shot: Image.Image, scale: float = SCALE) -> Image.Image:
    size = round(shot.width * scale), round(shot.height * scale)
    return shot.resize(size, Image.Resampling.LANCZOS)


def packed(image: Image.Image, quality: int = QUALITY) -> bytes:
    """A picture in few bytes."""
    made = BytesIO()
    image.save(made, "WEBP", quality=quality, method=6)
    return made.getvalue()
