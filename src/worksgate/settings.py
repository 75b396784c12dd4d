"""Every option of an installation, once: name, type, default and one sentence.

``config`` reads them from ``worksgate.toml`` and the environment; the reference page in ``docs/``
is checked against this file. What belongs to one LINE WORKS tenant is not here but on its client
(``oauth.model.Client``). Times are seconds, sizes are bytes.
"""

from dataclasses import dataclass, field
from typing import Any


def option(default: Any, sentence: str) -> Any:
    """A field of ``Settings``, with the sentence that documents it."""
    return field(default=default, metadata={"doc": sentence})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one installation runs. Safe by default; a dangerous choice has a long name."""

    public_url: str = option(
        "http://127.0.0.1:8080",
        "The address under which people and LINE WORKS reach this server; links are built from it.",
    )
    database_url: str = option(
        "sqlite:///worksgate.db",
        "Where clients, people and the audit log are kept: sqlite:///relative.db or "
        "sqlite:////absolute/path.db.",
    )
    store_url: str = option(
        "",
        "Where codes, tokens and sessions are kept: empty for the database, "
        "memory: for this process alone.",
    )
    host: str = option("127.0.0.1", "The address to listen on.")
    port: int = option(8080, "The port to listen on.")
    trusted_proxies: tuple[str, ...] = option(
        (),
        "Networks (CIDR) of reverse proxies; only their X-Forwarded-For and -Proto are believed.",
    )
    product_name: str = option(
        "LINE WORKS", "What the sign-in page calls the service that people sign in to."
    )
    company_name: str = option("", "The company's name on the sign-in page.")
    support_url: str = option(
        "", "Where the sign-in page sends people who need help: an https: or mailto: address."
    )
    web_login_path: str = option(
        "/login", "Path of the Web Login URL and the Application Login URL."
    )
    access_token_path: str = option("/accessToken", "Path of the Access Token Return API.")
    user_info_path: str = option("/userInfo", "Path of the User Info Return API.")
    imap_login_path: str = option(
        "/apiLogin", "Path of the IMAP/CalDAV Login API, which this version does not serve yet."
    )
    logout_path: str = option("/logout", "Path of the Logout URL.")
    answer_deadline: float = option(
        2.5,
        "After so many seconds a call of LINE WORKS, or a page, is answered 503; it waits 3.",
    )
    session_idle_limit: float = option(
        12 * 3600.0, "Seconds without a sign-in after which a browser's session ends."
    )
    session_absolute_limit: float = option(
        7 * 86400.0, "Seconds after which a browser's session ends however much it is used."
    )
    login_free_failures: int = option(
        10, "Failed sign-ins of one account that cost nothing; each further one doubles the delay."
    )
    login_longest_delay: float = option(
        900.0, "The longest delay, in seconds, that failed sign-ins of one account can build up."
    )
    login_failures_per_address: int = option(
        200, "Failed sign-ins from one address in ten minutes, before it has to wait."
    )
    hashing_threads: int = option(
        0, "Threads that check passwords; 0 for one fewer than the cores of this machine."
    )
    hashing_queue: int = option(
        64,
        "Sign-ins that may wait for a hashing thread; beyond that people are asked to try again.",
    )
    session_key_check_url: str = option(
        "https://auth.worksmobile.com/login/check/",
        "Where a client with session_key_check asks whether an app's sessionKey is real.",
    )
    start_over_url: str = option(
        "https://auth.worksmobile.com/d/login/{domain}?accessUrl={service}",
        "The deep link by which people start again at LINE WORKS when a sign-in took too long.",
    )
    service_url: str = option(
        "https://talk.worksmobile.com/", "The LINE WORKS page that the deep link leads to."
    )
    audit_retention: float = option(
        400 * 86400.0, "Seconds that audit records are kept; 0 keeps them for ever."
    )
    purge_interval: float = option(
        30.0,
        "Seconds between two rounds of removing what has expired; 0 leaves it to worksgate purge.",
    )
    log_format: str = option(
        "auto", "How log lines look: json, text, or auto (text on a terminal)."
    )
    log_level: str = option(
        "info", "The least serious level that is logged: debug, info, warning or error."
    )

    @property
    def is_loopback(self) -> bool:
        """Whether the public address can be reached from this machine alone."""
        from urllib.parse import urlsplit

        return urlsplit(self.public_url).hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")
