"""The pages of a sign-in: the form, a question, or a notice.

Values in, HTML out. Every page works without JavaScript, makes no request to other hosts, and
includes its style and script: one round trip. The two are allowed by their digests, which a
``Page`` carries for the Content-Security-Policy header of its response.
"""

import hashlib
import math
import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape

from worksgate.settings.options import Settings
from worksgate.web.pages.catalogues import (
    LANGUAGE_NAMES,
    LANGUAGES,
    Translations,
    choose_language,
    translations,
)
from worksgate.web.pages.commands import with_commands
from worksgate.web.pages.environments import environment_of
from worksgate.web.pages.forms import (
    AccountChoice,
    EnrolmentForm,
    NewPasswordForm,
    NoticePage,
    RecoveryCodesForm,
    SecondFactorForm,
    SignInForm,
    StepForm,
)
from worksgate.web.pages.looks import NO_BRAND, Brand, Look, brand_of_holes
from worksgate.web.pages.skeletons import NONE_ESCAPED, Skeletons, hole
from worksgate.web.pages.stylesheets import inline_style
from worksgate.web.pages.wording import (
    EMPTY_USERNAME,
    NOTICES,
    PROBLEMS,
    Notice,
    Problem,
    ProblemWording,
)

__all__ = [
    "LANGUAGES",
    "STRENGTH_PATH",
    "AccountChoice",
    "EnrolmentForm",
    "NewPasswordForm",
    "Notice",
    "NoticePage",
    "Page",
    "Pages",
    "Problem",
    "RecoveryCodesForm",
    "SecondFactorForm",
    "SignInForm",
    "StepForm",
    "choose_language",
    "inline_style",
]

STRENGTH_PATH: Final = "/strength"
"""Path of the meter for a new password, below the URL of its form."""

_HERE: Final = Path(__file__).parent
_LONGEST_WAIT_IN_SECONDS: Final = 90
_SHORT_COMPOUND: Final = re.compile(r"(?<![\w-])[a-zA-Z]{1,8}-[a-zA-Z]{1,8}(?![\w-])")
"""A word that fits on any line, also in large print on the narrowest phone."""
NO_BREAK_SPACE: Final = "\N{NO-BREAK SPACE}"  # a name reads badly when a line ends inside it


@dataclass(frozen=True, slots=True)
class Page:
    """A finished page, and the directives that allow its own style and script."""

    content: bytes
    """HTML in UTF-8."""
    style_and_script_csp: str
    language: str

    @property
    def html(self) -> str:
        return self.content.decode()


class Pages:
    """Renders the pages of one installation."""

    def __init__(self, settings: Settings) -> None:
        for language in LANGUAGES:
            translations(language)  # read now, so that the first person does not wait for it
        self._shown: Mapping[str, Any] = {
            "product": settings.product_name.replace(" ", NO_BREAK_SPACE),
            "company": settings.company_name.strip(),
            "support_url": _link(settings.support_url, "https://", "http://", "mailto:"),
            "language_names": LANGUAGE_NAMES,
            "brand": NO_BRAND,
        }
        self._skeletons = Skeletons()

    def login(
        self,
        form: SignInForm,
        language: str,
        languages: Sequence[tuple[str, str]] = (),
        look: Look | None = None,
    ) -> Page:
        """Return the sign-in form. ``languages`` are (code, URL) pairs for the switcher."""
        if form.problem is not None:  # its texts may contain numbers
            return self._login(form, language, languages, focus=_focus(form), look=look)
        values = {name: value for name, value in zip(_HOLES, _values(form), strict=True) if value}
        addresses = {f"language_{code}": address for code, address in languages}
        # A look is filled in as well: there are not more skeletons if there are more clients.
        brand = NONE_ESCAPED if look is None else look.escaped[language]
        content = self._skeletons.filled(
            (language, _looks(form), *values, *addresses, *brand),
            lambda: self._login_skeleton(form, values, language, languages, brand).html,
            values | addresses,
            brand,
        )
        policy = _policy(_login_scripts(form), "" if look is None else look.style)
        return Page(content, policy, language)

    def _login_skeleton(
        self,
        form: SignInForm,
        values: Iterable[str],
        language: str,
        languages: Sequence[tuple[str, str]],
        brand: Collection[str],
    ) -> Page:
        """The sign-in form with a hole for each of these values, and for each address."""
        holes: dict[str, Any] = {name: hole(name) for name in values}
        switcher = [(code, hole(f"language_{code}")) for code, _ in languages]
        return self._login(
            replace(form, **holes),
            language,
            switcher,
            focus=_focus(form),
            brand=brand_of_holes(brand),
        )

    def _login(
        self,
        form: SignInForm,
        language: str,
        languages: Sequence[tuple[str, str]],
        *,
        focus: str,
        look: Look | None = None,
        brand: Brand | None = None,
    ) -> Page:
        return self._page(
            "login.html",
            language,
            languages,
            scripts=_login_scripts(form),
            look=look,
            brand=brand,
            form=form,
            problem=_problem(form),
            to_do=_to_do(form, translations(language)),
            wrong_fields=_wrong_fields(form),
            focus=focus,
        )

    def step(
        self,
        form: StepForm,
        language: str,
        languages: Sequence[tuple[str, str]] = (),
        *,
        by_form: bool = False,
        look: Look | None = None,
    ) -> Page:
        """Return the page of a sign-in in progress.

        ``by_form`` makes the switcher post ``language`` with the form: no URL contains its secret.
        """
        catalogue = translations(language)
        template, scripts = _STEPS[type(form)]
        problem = PROBLEMS[form.problem] if form.problem else None
        advice = form.advice or (problem.to_do if problem else "")
        return self._page(
            template,
            language,
            languages,
            scripts=("comfort", *scripts),
            look=look,
            form=form,
            language_form="step" if by_form else "",
            problem=problem,
            happened=catalogue.gettext(problem.happened) if problem else "",
            to_do=catalogue.gettext(advice) if advice else "",
        )

    def leave(self, location: str, provider: str, language: str, look: Look | None = None) -> Page:
        """Return the page that leads on to another provider, by itself or with its button."""
        return self._page(
            "leave.html",
            language,
            (),
            scripts=(),
            look=look,
            location=location,
            provider=provider,
        )

    def choose_account(
        self,
        choice: AccountChoice,
        language: str,
        languages: Sequence[tuple[str, str]] = (),
        look: Look | None = None,
    ) -> Page:
        """Return the question which of two accounts to use."""
        return self._page("choose_account.html", language, languages, look=look, choice=choice)

    def notice(
        self,
        page: NoticePage,
        language: str,
        languages: Sequence[tuple[str, str]] = (),
        look: Look | None = None,
    ) -> Page:
        """Return a page that says what happened and what to do next."""
        return self._page(
            "notice.html",
            language,
            languages,
            scripts=(),
            look=look,
            notice=NOTICES[page.notice],
            continue_url=_link(page.continue_url, "https://", "http://", "/"),
            start_over_url=_link(page.start_over_url, "https://", "http://", "/"),
            reference=page.reference,
        )

    def _page(
        self,
        template: str,
        language: str,
        languages: Sequence[tuple[str, str]],
        *,
        scripts: Sequence[str] = ("comfort",),
        look: Look | None = None,
        brand: Brand | None = None,
        **shown: Any,
    ) -> Page:
        """A page in a client's look; ``brand`` stands for what of it is filled in later."""
        texts = tuple(map(inline_script, scripts))
        if brand is None:
            brand = NO_BRAND if look is None else look.brands[language]
        html = (
            template_environment(language)
            .get_template(template)
            .render(
                self._shown,
                language=language,
                languages=languages,
                scripts=texts,
                brand=brand,
                company=brand.name or self._shown["company"],
                support_url=brand.help_url or self._shown["support_url"],
                **shown,
            )
        )
        style = "" if look is None else look.style
        return Page(html.encode(), _policy(tuple(scripts), style), language)


_STEPS: Final[Mapping[type[StepForm], tuple[str, tuple[str, ...]]]] = {
    SecondFactorForm: ("second_factor.html", ("passkey",)),
    EnrolmentForm: ("enrol.html", ("passkey",)),
    RecoveryCodesForm: ("recovery_codes.html", ("copy",)),
    NewPasswordForm: ("new_password.html", ("meter",)),
}
"""The page of each step, and its scripts."""


_HOLES: Final = ("txn", "csrf", "username", "clear_url", "passkey_options", "reset_url")
"""What of a sign-in form is of one request, where it is not empty."""
_values: Final = attrgetter(*_HOLES)
_looks: Final = attrgetter(*(each.name for each in fields(SignInForm) if each.name not in _HOLES))
"""All that decides how a form looks, besides which holes it has."""


def _login_scripts(form: SignInForm) -> tuple[str, ...]:
    return ("comfort", "passkey") if form.passkey_options else ("comfort",)


@lru_cache(maxsize=2_048)
def _policy(scripts: tuple[str, ...], style: str = "") -> str:
    """The directives of a page with these scripts, and perhaps the style of a client."""
    styles = (inline_style(), style) if style else (inline_style(),)
    return inline_policy(styles, tuple(map(inline_script, scripts)))


def _problem(form: SignInForm) -> ProblemWording | None:
    if form.problem is Problem.EMPTY and not form.username:
        return EMPTY_USERNAME
    return PROBLEMS[form.problem] if form.problem else None


def _to_do(form: SignInForm, catalogue: Translations) -> str:
    """Return what to do about the problem of a form, in the language of the page."""
    if form.problem is not Problem.THROTTLED:
        wording = _problem(form)
        return catalogue.gettext(wording.to_do) if wording else ""
    return wait_advice(form.retry_after or 1, catalogue)


def wait_advice(seconds: int, catalogue: Translations) -> str:
    """Say how long to wait: short times in seconds, others in whole minutes, rounded up."""
    if seconds <= _LONGEST_WAIT_IN_SECONDS:
        wait = catalogue.ngettext(
            "Please wait %(n)d second, then try again.",
            "Please wait %(n)d seconds, then try again.",
            seconds,
        )
        return wait % {"n": seconds}
    minutes = math.ceil(seconds / 60)
    wait = catalogue.ngettext(
        "Please wait %(n)d minute, then try again.",
        "Please wait %(n)d minutes, then try again.",
        minutes,
    )
    return wait % {"n": minutes}


def _wrong_fields(form: SignInForm) -> tuple[str, ...]:
    if form.problem is Problem.WRONG_PASSWORD:
        return ("username", "password")
    if form.problem is Problem.EMPTY:
        return ("password",) if form.username else ("username", "password")
    return ()


def _focus(form: SignInForm) -> str:
    """Return where the person continues: the problem if reading is all they can do now."""
    if form.problem in _TO_BE_READ:
        return "problem"
    return "password" if form.username else "username"


_TO_BE_READ: Final = frozenset(
    {
        *(
            Problem.DISABLED,
            Problem.NOT_ALLOWED,
            Problem.THROTTLED,
            Problem.BUSY,
            Problem.UNAVAILABLE,
        ),
        *(Problem.PASSWORD_EXPIRED, Problem.REFUSED_UPSTREAM),
    }
)
"""Problems that the person cannot solve in the form."""


def _link(address: str | None, *beginnings: str) -> str | None:
    """Return the URL if its scheme is safe to click on, else None."""
    if address and address.lower().startswith(beginnings) and not address.startswith("//"):
        return address
    return None


@cache
def template_environment(language: str) -> jinja2.Environment:
    """One per language, since Jinja binds the translation when it compiles a template."""
    environment = environment_of(_HERE / "templates", translations(language))
    environment.globals.update(page_style=inline_style())
    environment.filters["unbroken"] = unbroken
    environment.filters["commands"] = _with_commands
    return environment


def _with_commands(sentence: str) -> Markup:
    """A sentence whose commands stay on one line."""
    return Markup(with_commands(str(escape(sentence))))  # noqa: S704  # it is escaped


def unbroken(title: str) -> Markup:
    """A title in HTML, where no line ends inside a short word such as “two-step”."""
    html = _SHORT_COMPOUND.sub(r'<span class="unbroken">\g<0></span>', str(escape(title)))
    return Markup(html)  # noqa: S704  # it is escaped, and the rest is ours


@cache
def inline_script(name: str) -> str:
    js = (_HERE / "static" / f"{name}.js").read_text("utf-8")
    return re.sub(r"^\s*(//.*\n)?", "", js, flags=re.MULTILINE).strip()


@lru_cache(maxsize=2_048)
def inline_policy(styles: tuple[str, ...], scripts: tuple[str, ...]) -> str:
    """The directives that allow these in a page, and nothing else; only the meter fetches."""
    run = " ".join(map(_digest, scripts)) or "'none'"
    asks = "; connect-src 'self'" if inline_script("meter") in scripts else ""
    return f"style-src {' '.join(map(_digest, styles))}; script-src {run}{asks}"


def _digest(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
