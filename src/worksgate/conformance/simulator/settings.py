"""The simulator's settings: its URL, the server to call, and the people to sign in as."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from worksgate.conformance.exchange import TimeLimits
from worksgate.conformance.line_works import Credentials, Endpoints


@dataclass(frozen=True, slots=True)
class PresentCode:
    """An authenticator app's current code, and for how many more seconds it is valid."""

    digits: str = field(repr=False)
    seconds_left: int


class Tries(StrEnum):
    """Credentials to sign in with."""

    PASSWORD = "password"
    PASSWORD_AND_CODE = "password_and_code"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A person to sign in as. The password is shown on the home page: only for demonstrations.

    `note` is a text, or a text per language (`{"en": …, "ja": …, "ko": …}`). `code` returns the
    current code of the person's authenticator app. People without a password sign in at another
    provider.
    """

    username: str
    password: str = field(default="", repr=False)
    name: str = ""
    works_account: str | None = None
    note: str | Mapping[str, str] = ""
    code: Callable[[], PresentCode] | None = field(default=None, repr=False)

    @property
    def tries(self) -> Tries:
        if not self.password:
            return Tries.ELSEWHERE
        return Tries.PASSWORD if self.code is None else Tries.PASSWORD_AND_CODE

    def note_in(self, language: str) -> str:
        """Return the note in that language, else in English, else nothing."""
        if isinstance(self.note, str):
            return self.note
        return self.note.get(language) or self.note.get("en", "")


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Everything that `create_simulator` needs.

    The server must accept `redirect_uri` and `signed_out_uri` as redirect targets.
    `disabled_client` is a client that the server has disabled, to demonstrate error 101. `product`
    and `sso_name` are the pages' names of the two sides. `account_url` is the page on which people
    manage their own account, if it should be linked.
    """

    public_url: str
    endpoints: Endpoints
    credentials: Credentials
    people: tuple[DemoPerson, ...] = ()
    product: str = "LINE WORKS"
    sso_name: str = "Worksgate"
    disabled_client: Credentials | None = None
    account_url: str = ""
    limits: TimeLimits = field(default_factory=TimeLimits)
    verify: ssl.SSLContext | bool = True

    @property
    def redirect_uri(self) -> str:
        """The URL for the authorization code; the state is added to the query."""
        return f"{self.public_url.rstrip('/')}/oauth/callback"

    @property
    def signed_out_uri(self) -> str:
        """The URL to which the browser returns after signing out."""
        return f"{self.public_url.rstrip('/')}/signed-out"

    @property
    def sso_logout_uri(self) -> str:
        """The URL that the customer's side calls to end the session at LINE WORKS."""
        return f"{self.public_url.rstrip('/')}/view/oauth/sso/logout"

    @property
    def takes_mail_apps(self) -> bool:
        """Whether the server has an endpoint for mail apps."""
        return self.endpoints.imap_login is not None

    @property
    def path(self) -> str:
        """The path of `public_url`, without a trailing slash."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def is_https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def sso_origins(self) -> tuple[str, ...]:
        """The origins that the browser is sent to, without duplicates."""
        ends = self.endpoints
        urls = (ends.web_login, ends.app_login, ends.logout)
        return tuple(dict.fromkeys(origin_of(url) for url in urls))


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
