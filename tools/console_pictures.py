"""The pictures of docs/console-pictures.md: each page of the console, and the sign-in page.

By day and by night, in English, Japanese and Korean, of a running demonstration. The people are
those of the demonstration; the link that opens it is void when it ends.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.sync_api import Browser, Page

LANGUAGES: Final[Mapping[str, str]] = {"en": "en-US", "ja": "ja-JP", "ko": "ko-KR"}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
SIZE: Final = {"width": 1280, "height": 860}
QUALITY: Final = 62
"""Of WebP: letters stay clear, and a picture has some 25 kB."""
MOST: Final = 2_400_000
"""Bytes of all pictures together: a clone has them all."""

PAGES: Final[Mapping[str, str]] = {
    "today": "/",
    "people": "/people",
    "person": "/people?q=yuki.nakagawa",
    "trace": "/trace?q=09:03",
    "audit": "/audit",
    "administrators": "/administrators",
    "me": "/me",
}
"""The pages in the order of the menu; a person is opened from the list."""
NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "title": "The console in pictures",
        "lead": "Of the demonstration (`make run`), by day and by night.",
        "sign-in": "The sign-in page of people",
        "today": "Today",
        "people": "People",
        "person": "A person who cannot get in",
        "trace": "The trace of a time",
        "audit": "The audit log",
        "administrators": "Administrators and their roles",
        "me": "One’s own sessions",
        "light": "by day",
        "dark": "by night",
    },
    "ja": {
        "title": "コンソールの画面",
        "lead": "デモ（`make run`）の画面です。ライトモードとダークモードがあります。",
        "sign-in": "利用者のログインページ",
        "today": "今日",
        "people": "ユーザー一覧",
        "person": "ログインできないユーザー",
        "trace": "時刻からたどるログイン",
        "audit": "監査ログ",
        "administrators": "管理者とその役割",
        "me": "自分のセッション",
        "light": "ライトモードの画面",
        "dark": "ダークモードの画面",
    },
    "ko": {
        "title": "콘솔 화면",
        "lead": "데모(`make run`)의 화면입니다. 밝은 모드와 어두운 모드가 있습니다.",
        "sign-in": "사용자의 로그인 페이지",
        "today": "오늘",
        "people": "사용자 목록",
        "person": "들어오지 못하는 사용자",
        "trace": "시각으로 찾는 로그인",
        "audit": "감사 로그",
        "administrators": "관리자와 역할",
        "me": "내 세션",
        "light": "밝은 모드의 화면",
        "dark": "어두운 모드의 화면",
    },
}
"""The texts of the pages with the pictures."""
LINKS: Final[Mapping[str, str]] = {"en": "English", "ja": "日本語", "ko": "한국어"}
PLACES: Final[Mapping[str, str]] = {
    "en": "console-pictures.md",
    "ja": "ja/console-pictures.md",
    "ko": "ko/console-pictures.md",
}
"""The pages with the pictures, in docs."""


@dataclass(frozen=True)
class Picture:
    """One picture; its file is named after all of it."""

    page: str
    language: str
    scheme: str

    @property
    def name(self) -> str:
        return f"{self.page}.{self.language}.{self.scheme}.webp"


def take(browser: Browser, simulator: str, console_link: str, folder: Path) -> None:
    """Take all pictures into a folder, in place of those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for language, locale in LANGUAGES.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                locale=locale,
                viewport=SIZE,  # type: ignore[arg-type]  # a mapping with its two keys
                color_scheme=scheme,
                reduced_motion="reduce",
            )
            tab = context.new_page()
            for page in _opened(tab, simulator, console_link):
                picture = packed(tab.screenshot(animations="disabled", caret="hide"))
                (folder / Picture(page, language, scheme).name).write_bytes(picture)
                total += len(picture)
            context.close()
    write_pages(folder.parent.parent)
    print(f"{folder}: {total:,} bytes")
    if total > MOST:
        raise SystemExit(f"the pictures have {total:,} bytes, and {MOST:,} are enough")


def _opened(tab: Page, simulator: str, console_link: str) -> Iterator[str]:
    """Open one page after the other; each has its name while it is shown."""
    tab.goto(simulator)
    tab.click("button[value=browser]")
    tab.wait_for_selector("#password")
    yield "sign-in"
    tab.goto(console_link)
    tab.click("button.large")
    origin = console_link.partition("/demo")[0]
    for name, path in PAGES.items():
        tab.goto(origin + path)
        if name == "person":
            tab.locator("tbody th a").first.click()
            tab.wait_for_selector(".gates")
        yield name


def packed(taken: bytes) -> bytes:
    """The same picture in far fewer bytes."""
    made = BytesIO()
    with Image.open(BytesIO(taken)) as image:
        image.convert("RGB").save(made, "WEBP", quality=QUALITY, method=6)
    return made.getvalue()


def pictures_page(language: str) -> str:
    """The page that shows the pictures of one language, in Markdown."""
    names, up = NAMES[language], "" if language == "en" else "../"
    others = " · ".join(
        f"[{LINKS[each]}]({up}{PLACES[each]})" for each in LANGUAGES if each != language
    )
    parts = [f"# {names['title']}", others, names["lead"]]
    for page in ("sign-in", *PAGES):
        parts.append(f"## {names[page]}")
        parts += [
            f"![{names[page]}, {names[scheme]}]"
            f"({up}images/console/{Picture(page, language, scheme).name})"
            for scheme in SCHEMES
        ]
    return "\n\n".join(parts) + "\n"


def write_pages(docs: Path) -> None:
    """Write the pages with the pictures."""
    for language, place in PLACES.items():
        (docs / place).write_text(pictures_page(language), "utf-8")
