"""The pictures of docs/console-pictures.md: each page of the console, and the sign-in page.

By day and by night, in English, Japanese and Korean, of a running demonstration. The people are
those of the demonstration; the link that opens it is void when it ends.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qs, quote, urlsplit

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize

LANGUAGES: Final[Mapping[str, str]] = {"en": "en-US", "ja": "ja-JP", "ko": "ko-KR"}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
SIZE: Final[ViewportSize] = {"width": 1200, "height": 800}
SHOWN: Final = (1000, 667)
QUALITY: Final = 36
"""Of WebP: letters stay clear, and a picture has some 20 kB."""
SATURDAY: Final = 5
GAP: Final = 20
"""Pixels between the two pages of the README's first picture."""
MOST: Final = 2_990_000
"""Bytes of all pictures together: a clone has them all."""

PAGES: Final[Mapping[str, str]] = {
    "today": "/",
    "people": "/people",
    "person": "/person?id={person}",
    "leaver": "/person/leave?id={person}",
    "import": "/people/import",
    "jobs": "/jobs",
    "trace": "/trace?q={workday}T09:03",
    "sign-ins": "/sign-ins?range=week",
    "clients": "/clients",
    "client": "/client?id={client}",
    "rules": "/client/rules?id={client}",
    "branding": "/client/branding?id={client}",
    "sources": "/sources",
    "wizard": "/wizard/where",
    "values": "/wizard/values",
    "go-live": "/go-live/rehearsal",
    "plan": "/go-live/plan",
    "live": "/go-live/live",
    "audit": "/audit",
    "changes": "/audit/changes",
    "health": "/health",
    "administrators": "/administrators",
    "me": "/me",
}
"""The pages; ``{person}`` and ``{client}`` are IDs that the lists lead to.

``{workday}`` is the last day before today on which people of the demonstration have worked.
"""
NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "title": "The console in pictures",
        "lead": "Of the demonstration (`make run`), by day and by night.",
        "light": "by day",
        "dark": "by night",
        "sign-in": "The sign-in page of people",
        "today": "Today",
        "people": "People",
        "person": "A person who cannot get in",
        "leaver": "Somebody leaves",
        "import": "Importing people",
        "jobs": "Changes of many people",
        "trace": "What went wrong at a time",
        "sign-ins": "Sign-ins, and why they were refused",
        "clients": "Clients",
        "client": "A client and what to enter at LINE WORKS",
        "rules": "Access rules in words",
        "branding": "The branding of a client",
        "sources": "Identity sources",
        "wizard": "The wizard",
        "values": "The wizard: the values",
        "go-live": "The rehearsal before going live",
        "plan": "The plan for APPLY",
        "live": "APPLY, live",
        "audit": "The audit log",
        "changes": "Who changed what, before and after",
        "health": "Health of the installation",
        "administrators": "Administrators and their roles",
        "me": "One’s own sessions",
    },
    "ja": {
        "title": "コンソールの画面",
        "lead": "デモ（`make run`）の画面です。ライトモードとダークモードがあります。",
        "light": "ライトモードの画面",
        "dark": "ダークモードの画面",
        "sign-in": "ユーザーのログインページ",
        "today": "今日",
        "people": "ユーザー一覧",
        "person": "ログインできないユーザー",
        "leaver": "退職の手続き",
        "import": "ユーザーの一括登録",
        "jobs": "一括変更の履歴",
        "trace": "時刻からたどるログイン",
        "sign-ins": "ログインの件数と拒否の理由",
        "clients": "クライアント一覧",
        "client": "クライアントとLINE WORKSに入力する値",
        "rules": "アクセスルールの説明",
        "branding": "クライアントのブランディング",
        "sources": "認証元の一覧",
        "wizard": "ウィザード",
        "values": "ウィザード：設定値",
        "go-live": "本番前のリハーサル",
        "plan": "APPLY当日の計画",
        "live": "APPLYのライブ表示",
        "audit": "監査ログ",
        "changes": "変更の前後と変更者",
        "health": "システムの状態",
        "administrators": "管理者とその役割",
        "me": "自分のセッション",
    },
    "ko": {
        "title": "콘솔 화면",
        "lead": "데모(`make run`)의 화면입니다. 밝은 모드와 어두운 모드가 있습니다.",
        "light": "밝은 모드의 화면",
        "dark": "어두운 모드의 화면",
        "sign-in": "사용자의 로그인 페이지",
        "today": "오늘",
        "people": "사용자 목록",
        "person": "들어오지 못하는 사용자",
        "leaver": "퇴사 처리",
        "import": "사용자 일괄 등록",
        "jobs": "일괄 변경 내역",
        "trace": "시각으로 찾는 로그인",
        "sign-ins": "로그인 수와 거부 이유",
        "clients": "클라이언트 목록",
        "client": "클라이언트와 LINE WORKS에 입력할 값",
        "rules": "접근 규칙 설명",
        "branding": "클라이언트 브랜딩",
        "sources": "인증 소스 목록",
        "wizard": "마법사",
        "values": "마법사: 설정값",
        "go-live": "운영 전환 전의 리허설",
        "plan": "APPLY 당일 계획",
        "live": "APPLY 실시간 화면",
        "audit": "감사 로그",
        "changes": "변경 전후와 변경한 사람",
        "health": "시스템 상태",
        "administrators": "관리자와 역할",
        "me": "내 세션",
    },
}
"""The texts of the pages with the pictures."""
ANY_MACHINE: Final = """
for (const each of document.querySelectorAll("dd")) {
  if (/^Linux /.test(each.textContent)) each.textContent = "Linux x86_64";
}
"""
"""The pictures say nothing of the machine on which they were taken."""
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
                viewport=SIZE,
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
    ids = {
        "person": _id_behind(tab, f"{origin}/people?q=yuki.nakagawa"),
        "client": _id_behind(tab, f"{origin}/clients"),
        "workday": _workday_before(date.today()).isoformat(),  # as the demo has it
    }
    for name, path in PAGES.items():
        tab.goto(origin + path.format(**ids))
        tab.evaluate(ANY_MACHINE)
        yield name


def _workday_before(day: date) -> date:
    before = day - timedelta(days=1)
    return before if before.weekday() < SATURDAY else _workday_before(before)


def first_screen(browser: Browser, simulator: str, console_link: str, place: Path) -> None:
    """The README's first picture: the sign-in page, and beside it why somebody cannot get in."""
    shots = []
    for page, width in (("sign-in", 460), ("person", 1200)):
        context = browser.new_context(
            locale="en-US",
            viewport={"width": width, "height": 800},
            color_scheme="light",
            reduced_motion="reduce",
        )
        tab = context.new_page()
        for shown in _opened(tab, simulator, console_link):
            if shown == page:
                break
        shots.append(Image.open(BytesIO(tab.screenshot(animations="disabled", caret="hide"))))
        context.close()
    width = sum(shot.width for shot in shots) + GAP
    beside = Image.new("RGB", (width, shots[0].height), "#ffffff")
    at = 0
    for shot in shots:
        beside.paste(shot.convert("RGB"), (at, 0))
        at += shot.width + GAP
    beside.save(place, "WEBP", quality=80, method=4)
    print(f"{place}: {place.stat().st_size:,} bytes")


def _id_behind(tab: Page, address: str) -> str:
    """The ID in the first link of a list."""
    tab.goto(address)
    link = tab.locator("tbody th a").first.get_attribute("href") or ""
    return quote(parse_qs(urlsplit(link).query)["id"][0])


def packed(taken: bytes) -> bytes:
    """The same picture in far fewer bytes."""
    made = BytesIO()
    with Image.open(BytesIO(taken)) as image:
        smaller = image.convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
        smaller.save(made, "WEBP", quality=QUALITY, method=4)
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
            f"![{names[page]}{'、' if language == 'ja' else ', '}{names[scheme]}]"
            f"({up}images/console/{Picture(page, language, scheme).name})"
            for scheme in SCHEMES
        ]
    return "\n\n".join(parts) + "\n"


def write_pages(docs: Path) -> None:
    """Write the pages with the pictures."""
    for language, place in PLACES.items():
        (docs / place).write_text(pictures_page(language), "utf-8")
