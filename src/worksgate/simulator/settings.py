"""What the simulator is told: where it is, whom it calls, and whom one can sign in as."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from worksgate.conformance.exchange import TimeLimits
from worksgate.conformance.line_works import Credentials, Endpoints


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody to sign in as. The password is shown on the home page: only for demonstrations.

    `note` is a text, or a text per language (`{"en": …, "ja": …, "ko": …}`).
    """

    username: str
    password: str = field(repr=False)
    name: str = ""
    works_account: str | None = None
    note: str | Mapping[str, str] = ""

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
    `product` and `sso_name` are what the pages call the two sides.
    """

    public_url: str
    endpoints: Endpoints
    credentials: Credentials
    people: tuple[DemoPerson, ...] = ()
    product: str = "LINE WORKS"
    sso_name: str = "Worksgate"
    disabled_client: Credentials | None = None
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
