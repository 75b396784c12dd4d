"""What the simulator is told: where it is, whom it calls, and whom one can sign in as."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from worksgate.conformance.exchange import TimeLimits
from worksgate.conformance.line_works import Credentials, Endpoints


@dataclass(frozen=True, slots=True)
class PresentCode:
    """What an authenticator app shows now, and for how many seconds more."""

    digits: str = field(repr=False)
    seconds_left: int


class Tries(StrEnum):
    """What somebody signs in with."""

    PASSWORD = "password"
    PASSWORD_AND_CODE = "password_and_code"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody to sign in as. The password is shown on the home page: only for demonstrations.

    `note` is a text, or a text per language (`{"en": …, "ja": …, "ko": …}`). `code` says what the
    person's authenticator app shows. Who has no password signs in at another provider.
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

    The server must accept `redirect_uri` and `signed_out_uri` as addresses to redirect to.
    `disabled_client` is a client that the server has disabled: with it, error 101 can be shown.
    `product` and `sso_name` are what the pages call the two sides. `account_url` is where people
    look after their own account, if that is to be shown.
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
        """Where the authorization code comes back to; the state is added in the query."""
        return f"{self.public_url.rstrip('/')}/oauth/callback"

    @property
    def signed_out_uri(self) -> str:
        """Where the browser comes back to after a sign-out."""
        return f"{self.public_url.rstrip('/')}/signed-out"

    @property
    def sso_logout_uri(self) -> str:
        """What the customer's side calls to end the session at LINE WORKS."""
        return f"{self.public_url.rstrip('/')}/view/oauth/sso/logout"

    @property
    def takes_mail_apps(self) -> bool:
        """Whether the server has an address for mail apps."""
        return self.endpoints.imap_login is not None

    @property
    def path(self) -> str:
        """The path of `public_url`, without a slash at its end."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def is_https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def sso_origins(self) -> tuple[str, ...]:
        """The origins that the browser is sent to, each once."""
        ends = self.endpoints
        urls = (ends.web_login, ends.app_login, ends.logout)
        return tuple(dict.fromkeys(origin_of(url) for url in urls))


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
