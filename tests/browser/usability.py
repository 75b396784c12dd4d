"""Whether a page can be used without a script, by keyboard alone, on a phone, and on paper."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, ViewportSize

PHONE: Final = ViewportSize(width=360, height=740)
DESK: Final = ViewportSize(width=1280, height=900)
MOST_STOPS: Final = 400


@cache
def _checks() -> str:
    return Path(__file__).with_name("usable.js").read_text("utf-8")


@dataclass
class Usability:
    """The faults of pages that were looked at, each in a line that begins with its page."""

    script: list[str] = field(default_factory=list)
    phone: list[str] = field(default_factory=list)
    paper: list[str] = field(default_factory=list)
    keyboard: list[str] = field(default_factory=list)

    async def look_at(self, name: str, tab: Page, *, within: str = "body") -> None:
        """Look at the page that a tab shows, which must have its scripts off and be dark.

        ``within`` is where the keyboard is tried.
        """
        await tab.wait_for_load_state()  # with its style
        await tab.evaluate(f"void (window.usable = {_checks().strip()})")
        await tab.set_viewport_size(PHONE)
        self.phone += _of(name, await _call(tab, "tooWide()"))
        self.phone += _of(name, await _call(tab, "tooWideWhenLonger()"))
        self.script += _of(name, await _call(tab, "withoutScript()"))
        await tab.set_viewport_size(DESK)
        self.script += _of(name, await _call(tab, "withoutScript()"))
        await tab.emulate_media(media="print")
        self.paper += _of(name, await _call(tab, "onPaper()"))
        await tab.emulate_media(media="screen")
        self.keyboard += _of(name, await _tabbed(tab, within))


def _of(name: str, faults: list[str]) -> list[str]:
    return [f"{name}: {fault}" for fault in faults]


async def _call(tab: Page, what: str) -> Any:
    """Call a function of ``usable.js``, which the page has."""
    return await tab.evaluate(f"usable.{what}")


async def _tabbed(tab: Page, within: str) -> list[str]:
    """Press Tab through a page: everything is reached, in order, seen, and left again."""
    prepared = await _call(tab, f"prepare({within!r})")
    stops, faults, reached, presses = prepared["stops"], list(prepared["faults"]), -1, 0
    while presses < MOST_STOPS:
        presses += 1
        await tab.keyboard.press("Tab")
        focus = await _call(tab, "focus()")
        if focus is None or (focus["stop"] is None and not focus["scrolls"]):
            break
        if focus["stop"] is None or focus["stop"] == reached:  # it scrolls, or has several parts
            continue
        if focus["stop"] != reached + 1:
            faults.append(f"Tab leads from {reached} to {focus['what']}")
            break
        reached = focus["stop"]
        if not focus["changes"]:
            faults.append(f"the focus is not seen on {focus['what']}")
        if not focus["isInView"]:
            faults.append(f"the focus is out of view on {focus['what']}")
    if reached + 1 != stops:
        faults.append(f"Tab reaches {reached + 1} of {stops}")
    if presses == MOST_STOPS:
        faults.append("Tab never leaves it")
    return faults
