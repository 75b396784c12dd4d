"""Takes all pictures of the documentation anew, into docs/images: ``make screenshots``.

    .venv/bin/python -m tools.screenshots [console]

Those of the README are of a running demonstration in a window of 1440 × 900, light, in English.
``console_pictures`` and ``ways_in_pictures`` take the others; with ``console`` the latter and those
of a sign-in stay as they are.
"""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page, sync_playwright
from tools import console_pictures, ways_in_pictures

from worksgate.cli.demo.people import GUESTS, PASSWORD

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
LARGEST = 120_000
"""Bytes of one picture: the README is also read on a phone."""
MARGIN = 16
"""Pixels around what is shown."""


@contextmanager
def running_demo() -> Iterator[tuple[str, str]]:
    """Start the demonstration on free ports; yields the simulator's address and the console's."""
    ports = {f"--{name}": _free_port() for name in ("port", "simulator-port", "console-port")}
    program = str(Path(sys.executable).with_name("worksgate"))
    options = [str(part) for pair in ports.items() for part in pair]
    with subprocess.Popen(  # noqa: S603  # our own program
        [program, "demo", *options], stdout=subprocess.PIPE, text=True
    ) as demo:
        try:
            lines = [] if demo.stdout is None else [demo.stdout.readline() for _ in range(5)]
            if not all(lines):
                raise SystemExit("the demonstration did not start")
            yield f"http://127.0.0.1:{ports['--simulator-port']}", lines[-1].split()[-1]
        finally:
            demo.terminate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def take(tab: Page, simulator: str) -> None:
    """Sign in, and take a picture of the login page and of all steps at the end."""
    tab.goto(simulator)
    tab.click("button[value=browser]")
    tab.fill("#username", GUESTS[0].username)
    tab.fill("#password", PASSWORD)
    save(tab, "login.png", around(tab, ".card", 960))
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#steps")
    save(tab, "flow.png", around(tab, ".diagram"))


def around(tab: Page, selector: str, width: float = 0) -> FloatRect:
    """A frame with some room above and below an element, and as wide as wanted."""
    box: FloatRect = tab.eval_on_selector(selector, "(found) => found.getBoundingClientRect()")
    width, height = width or box["width"] + 2 * MARGIN, box["height"] + 2 * MARGIN
    return {
        "x": box["x"] + (box["width"] - width) / 2,
        "y": box["y"] + (box["height"] - height) / 2,
        "width": width,
        "height": height,
    }


def packed(taken: bytes) -> bytes:
    """The same picture in fewer bytes, and in all of its colors: the pale ones are close."""
    made = BytesIO()
    with Image.open(BytesIO(taken)) as image:
        image.convert("RGB").save(made, "PNG", optimize=True)
    return made.getvalue()


def save(tab: Page, name: str, frame: FloatRect) -> None:
    taken = tab.screenshot(clip=frame, full_page=True, animations="disabled", caret="hide")
    picture = packed(taken)
    if len(picture) > LARGEST:
        picture = ways_in_pictures.with_few_colors(taken)
    if len(picture) > LARGEST:
        raise SystemExit(f"{name} has {len(picture):,} bytes, and {LARGEST:,} are enough")
    (IMAGES / name).write_bytes(picture)
    print(f"{IMAGES / name}: {len(picture):,} bytes")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    is_all = sys.argv[1:] != ["console"]
    with running_demo() as (simulator, console), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell") or shutil.which("chromium"),
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        if is_all:
            page = browser.new_page(
                viewport={"width": 1440, "height": 900}, color_scheme="light", locale="en-US"
            )
            take(page, simulator)
        console_pictures.first_screen(browser, simulator, console, IMAGES / "first.webp")
        console_pictures.take(browser, simulator, console, IMAGES / "console")
        browser.close()
    if is_all:
        ways_in_pictures.take(IMAGES)


if __name__ == "__main__":
    main()
