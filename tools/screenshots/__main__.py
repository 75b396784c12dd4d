"""``make screenshots``.

    .venv/bin/python -m tools.screenshots [console|people]

With ``console`` or ``people`` the pictures of the others stay as they are. Those of the README are
of a window of 1440 × 900, light, in English.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import structlog
from PIL import Image
from playwright.async_api import Browser, FloatRect, Page
from tests.browser.windows import launched
from tools.screenshots import console, gallery, people
from tools.screenshots.camera import MOST, PATIENCE, Picture, packed
from tools.screenshots.demonstration import Demonstration, running_demonstration

from worksgate.cli.demo.people import GUESTS, PASSWORD

DOCS = Path(__file__).resolve().parents[2] / "docs"
IMAGES = DOCS / "images"
MARGIN = 16
"""Pixels around what is shown."""
BEST = 80
"""The quality of the pictures of the README."""
WIDTHS = (460, 1200)
ATTEMPTS = 5
"""To open the sign-in page: a busy server says that one should try again."""
GAP = 20


async def of_readme(browser: Browser, demo: Demonstration) -> None:
    """The login page, all steps of a sign-in, and the first picture of the README."""
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme="light", locale="en-US"
    )
    context.set_default_timeout(PATIENCE)
    tab = await context.new_page()
    await _open_sign_in(tab, demo)
    await tab.fill("#username", GUESTS[0].username)
    await tab.fill("#password", PASSWORD)
    await save(tab, "login.webp", await around(tab, ".card", 960))
    await tab.keyboard.press("Enter")
    await tab.wait_for_selector("#steps")
    await save(tab, "flow.webp", await around(tab, ".diagram"))
    await first_screen(tab, demo)
    await context.close()


async def _open_sign_in(tab: Page, demo: Demonstration) -> None:
    for _ in range(ATTEMPTS):
        await tab.goto(demo.simulator)
        await console.press(tab, "button[value=browser]")
        if await tab.locator("#password").count():
            return
    raise SystemExit("the sign-in page did not appear: is the machine too busy?")


async def first_screen(tab: Page, demo: Demonstration) -> None:
    """The sign-in page, and beside it why somebody cannot get in."""
    sign_in, why = WIDTHS
    await tab.context.clear_cookies()
    await tab.set_viewport_size({"width": sign_in, "height": 800})
    await _open_sign_in(tab, demo)
    shots = [await tab.screenshot(animations="disabled", caret="hide")]
    await tab.goto(demo.door)
    await console.press(tab, "button.large")
    await tab.set_viewport_size({"width": why, "height": 800})
    await tab.goto(f"{demo.console}/people?q=yuki.nakagawa")
    await console.press(tab, "tbody th a")
    await tab.mouse.move(0, 0)
    shots.append(await tab.screenshot(animations="disabled", caret="hide"))
    beside = Image.new("RGB", (sum(WIDTHS) + GAP, 800), "#ffffff")
    for shot, at in zip(shots, (0, sign_in + GAP), strict=True):
        with Image.open(BytesIO(shot)) as image:
            beside.paste(image.convert("RGB"), (at, 0))
    (IMAGES / "first.webp").write_bytes(packed(beside, BEST))


async def around(tab: Page, selector: str, width: float = 0) -> FloatRect:
    """A frame with some room above and below an element, and as wide as wanted."""
    box: FloatRect = await tab.eval_on_selector(
        selector, "(found) => found.getBoundingClientRect()"
    )
    width, height = width or box["width"] + 2 * MARGIN, box["height"] + 2 * MARGIN
    return {
        "x": box["x"] + (box["width"] - width) / 2,
        "y": box["y"] + (box["height"] - height) / 2,
        "width": width,
        "height": height,
    }


async def save(tab: Page, name: str, frame: FloatRect) -> None:
    taken = await tab.screenshot(clip=frame, full_page=True, animations="disabled", caret="hide")
    with Image.open(BytesIO(taken)) as image:
        (IMAGES / name).write_bytes(packed(image.convert("RGB"), BEST))


async def keep(pictures: AsyncIterator[Picture]) -> None:
    folder = DOCS / gallery.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    async for each in pictures:
        print(f"{each.name} ({each.language}): {each.save(folder):,} bytes", flush=True)


async def take(*, of_console: bool, of_people: bool) -> None:
    async with launched() as browser:
        if of_console:
            async with running_demonstration() as demo:
                await of_readme(browser, demo)
                await keep(console.pictures(browser, demo))
        if of_people:
            await keep(people.pictures(browser))


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    only = sys.argv[1:]
    asyncio.run(take(of_console=only != ["people"], of_people=only != ["console"]))
    gallery.write(DOCS)
    total = sum(each.stat().st_size for each in IMAGES.rglob("*") if each.is_file())
    print(f"{IMAGES}: {total:,} bytes")
    if total > MOST:
        raise SystemExit(f"the pictures have {total:,} bytes, and {MOST:,} are enough")


if __name__ == "__main__":
    main()
