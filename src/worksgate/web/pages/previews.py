"""The sign-in page of a client as a picture of itself: for administrators, before it is published.

It is the real page, rendered from the same templates and styles, without its scripts and with the
answer to one question given: whether the reader wants light or dark pages.
"""

import re
from typing import Final

from worksgate.clients.branding import Branding
from worksgate.settings.options import Settings
from worksgate.web.pages.forms import SignInForm
from worksgate.web.pages.looks import Look
from worksgate.web.pages.rendering import LANGUAGES, Page, Pages, inline_policy
from worksgate.web.pages.stylesheets import in_scheme, inline_style

SCHEMES: Final = ("light", "dark")
_SCRIPT: Final = re.compile(r"<script>.*?</script>\s*", re.DOTALL)
_NOWHERE: Final = "#"


class Previews:
    """Renders previews of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._pages = Pages(settings)
        self._can_reset = settings.can_reset_passwords

    def page(self, branding: Branding, logo_url: str, language: str, scheme: str) -> Page:
        """The sign-in form in this branding, for one language and one of ``SCHEMES``."""
        look = None if branding.is_empty else Look.of(branding, logo_url)
        form = SignInForm(
            action=_NOWHERE, txn="", csrf="", reset_url=_NOWHERE if self._can_reset else None
        )
        languages = [(each, _NOWHERE) for each in LANGUAGES]
        html = _SCRIPT.sub("", self._pages.login(form, language, languages, look).html)
        html = html.replace('content="light dark"', f'content="{scheme}"')
        html = html.replace(" autofocus", "")
        styles = []
        for style in (inline_style(), "" if look is None else look.style):
            if style:
                answered = in_scheme(style, scheme)
                html = html.replace(style, answered)
                styles.append(answered)
        return Page(html.encode(), inline_policy(tuple(styles), ()), language)
