"""People who read one language: a page must show them texts in their language only.

The words are those of the catalogues. A text that a catalogue lacks would come back in English, so
each is looked at: Japanese has kana or Chinese characters, Korean has Hangul, Chinese has its own.
"""

import re
from dataclasses import dataclass
from typing import Final

from playwright.async_api import Page, expect

from worksgate.web.pages.catalogues import LANGUAGES, translations

_HAN: Final = "[一-鿿]"
SCRIPTS: Final = {
    "en": "[A-Za-z]",
    "ja": "[ぁ-んァ-ヶ一-龠]",
    "ko": "[가-힣]",
    "zh-CN": _HAN,
    "zh-TW": _HAN,
}
"""What at least one letter of a text is like."""


@dataclass(frozen=True)
class Reader:
    """Somebody who reads this language, with a browser that says so."""

    language: str
    sees_colors: bool = True
    """Whether those of a page are looked at: they are the same in all languages."""

    @property
    def locale(self) -> str:
        return {"en": "en-US", "ja": "ja-JP", "ko": "ko-KR"}.get(self.language, self.language)

    def words(self, english: str, **values: str) -> str:
        """The text of the catalogue, with its values; it must be one in this language."""
        found = translations(self.language).gettext(english)
        assert re.search(SCRIPTS[self.language], found), f"{english!r} is {found!r}"
        return found % values if values else found

    async def sees(self, tab: Page, title: str, **values: str) -> None:
        """Wait for the page with this title, in their language from the first word to the last."""
        await expect(tab.get_by_role("heading", level=1)).to_have_text(self.words(title, **values))
        await expect(tab.locator("html")).to_have_attribute("lang", self.language)
        assert self.foreign_words(await tab.locator("body").inner_text()) == []

    def foreign_words(self, page: str) -> list[str]:
        """The sentences of other languages that stand on a page."""
        others = [language for language in LANGUAGES if language != self.language]
        texts = [text for other in others for text in translations(other).single.values()]
        own = set(translations(self.language).single.values())
        # A single word, such as a name, may be the same in two languages, or a part of another.
        return [
            text
            for text in texts
            if (" " in text or len(text) > _LONGEST_WORD) and text not in own and text in page
        ]


_LONGEST_WORD: Final = 8
"""Characters; Japanese and Chinese have no blanks by which to tell a sentence from a word."""
