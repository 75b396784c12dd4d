"""Every option of an installation, once: name, type, default and one sentence.

``loading`` reads them from ``worksgate.toml`` and the environment; the reference page in ``docs/``
is checked against this file. What belongs to one LINE WORKS tenant is a field of its client instead
(``oauth.model.Client``). Times are in seconds, sizes in bytes.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from worksgate.settings import checks
from worksgate.settings.field import option
from worksgate.settings.sources import DirectorySettings, SourceSettings

_DAY = 86_400.0

RECORDING_SOCKET = "recording.sock"
"""The name of the socket in its folder."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The settings file that was read, if there was one, and where each setting was given."""

    file: str = ""
    of: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one installation. Safe by default; a dangerous choice has a long name."""

    public_url: str = option(
        "http://127.0.0.1:8080",
        "The URL at which people and LINE WORKS reach this server; all links are built from it.",
        group="Addresses",
        check=checks.public_url,
    )
    host: str = option(
        "127.0.0.1",
        "The address to listen on.",
        group="Addresses",
        check=checks.host_name,
    )
    port: int = option(
        8080,
        "The port to listen on.",
        group="Addresses",
        check=checks.port_number,
    )
    trusted_proxies: tuple[str, ...] = option(
        (),
        "Networks (CIDR) of reverse proxies; X-Forwarded-For and X-Forwarded-Proto are "
        "trusted only from these.",
        group="Addresses",
        check=checks.proxy_networks,
    )
    database_url: str = option(
        "sqlite:///worksgate.db",
        "The database of clients, people and the audit log: sqlite:////absolute/path.db, "
        "sqlite:///relative.db (relative to the folder of the settings file, or to the "
        "working folder if the value comes from elsewhere) or "
        "postgresql://user:password@host/name.",
        secret=True,
        group="Data",
        check=checks.database_url,
    )
    database_connections: int = option(
        10,
        "PostgreSQL connections that each process keeps for the calls of LINE WORKS; it opens "
        "up to 5 more for everything else.",
        group="Data",
        check=checks.between(1, 1_000),
    )
    master_key_file: str = option(
        "",
        "The file of the master key, which encrypts the secrets in the database; worksgate "
        "init and worksgate key new create one. Keep a copy, separate from the backups. A "
        "relative path is relative to the folder of the settings file. If empty, the systemd "
        "credential master_key is used if there is one.",
        group="Data",
        check=checks.file_name,
    )
    previous_master_key_file: str = option(
        "",
        "The file of the previous master key, until worksgate key encrypt has been run; the "
        "systemd credential is previous_master_key.",
        group="Data",
        check=checks.file_name,
    )
    master_key: str = option(
        "",
        "The master key itself, if a file cannot be used; takes precedence over master_key_file.",
        secret=True,
        group="Data",
        check=checks.master_key,
    )
    previous_master_key: str = option(
        "",
        "The previous master key itself; takes precedence over previous_master_key_file.",
        secret=True,
        group="Data",
        check=checks.master_key,
    )
    store_url: str = option(
        "",
        "Where codes, tokens and sessions are kept: empty for the database, redis://host or "
        "rediss://host for Valkey or Redis, memory: for the memory of this process.",
        secret=True,
        group="Data",
        check=checks.store_url,
    )
    purge_interval: float = option(
        30.0,
        "Seconds between two removals of expired data; 0 leaves it to worksgate purge.",
        group="Data",
        check=checks.at_least(0),
    )
    audit_retention: float = option(
        400 * _DAY,
        "Seconds for which audit records are kept; 0 keeps them forever.",
        group="Data",
        check=checks.at_least(0),
    )
    product_name: str = option(
        "LINE WORKS",
        "The name of the service that people sign in to, as the sign-in page shows it.",
        group="The sign-in page",
        check=checks.product_name,
    )
    company_name: str = option(
        "",
        "The company's name on the sign-in page.",
        group="The sign-in page",
        check=checks.line_of_text,
    )
    support_url: str = option(
        "",
        "Where the sign-in page sends people who need help: an https: or mailto: URL.",
        group="The sign-in page",
        check=checks.support_url,
    )
    start_over_url: str = option(
        "https://auth.worksmobile.com/d/login/{domain}?accessUrl={service}",
        "The deep link with which people start again at LINE WORKS after a sign-in has timed out.",
        group="The sign-in page",
        check=checks.start_over_url,
    )
    service_url: str = option(
        "https://talk.worksmobile.com/",
        "The LINE WORKS page that the deep link opens.",
        group="The sign-in page",
        check=checks.fixed_url,
    )
    web_login_path: str = option(
        "/login",
        "Path of the Web Login URL and the Application Login URL.",
        group="The calls of LINE WORKS",
        check=checks.url_path,
    )
    access_token_path: str = option(
        "/accessToken",
        "Path of the Access Token Return API.",
        group="The calls of LINE WORKS",
        check=checks.url_path,
    )
    user_info_path: str = option(
        "/userInfo",
        "Path of the User info return API.",
        group="The calls of LINE WORKS",
        check=checks.url_path,
    )
    imap_login_path: str = option(
        "/apiLogin",
        "Path of the IMAP/CalDAV Login API; the client's ID follows. Disabled for new clients.",
        group="The calls of LINE WORKS",
        check=checks.url_path,
    )
    logout_path: str = option(
        "/logout",
        "Path of the Logout URL.",
        group="The calls of LINE WORKS",
        check=checks.url_path,
    )
    answer_deadline: float = option(
        2.5,
        "Seconds after which a call of LINE WORKS, or a page, is answered with 503; LINE "
        "WORKS waits 3.",
        group="The calls of LINE WORKS",
        check=checks.answer_deadline,
    )
    session_key_check_url: str = option(
        "https://auth.worksmobile.com/login/check/",
        "The URL at which an app's sessionKey is verified, for clients with session_key_check.",
        group="The calls of LINE WORKS",
        check=checks.url_to_append_to,
    )
    built_in_directory: bool = option(
        True,
        "Whether people of the built-in directory can sign in, in addition to those of [[source]].",
        group="Signing in",
    )
    allow_similar_keys: bool = option(
        False,
        "Whether two people can have user keys that differ only in spelling: E1 and e1, or "
        "the accounts taro and taro@example.com.",
        group="Signing in",
    )
    session_idle_limit: float = option(
        12 * 3_600.0,
        "Seconds without a sign-in after which a browser's session ends.",
        group="Signing in",
        check=checks.at_least(60),
    )
    session_absolute_limit: float = option(
        7 * _DAY,
        "Seconds after which a browser's session ends, no matter how much it is used.",
        group="Signing in",
        check=checks.at_least(60),
    )
    login_free_failures: int = option(  # never more than 100 in a row
        10,
        "Failed sign-ins of one account without a delay; each further one doubles the delay.",
        group="Signing in",
        check=checks.between(1, 100),
    )
    login_longest_delay: float = option(
        900.0,
        "The longest delay, in seconds, after failed sign-ins of one account.",
        group="Signing in",
        check=checks.at_least(60),
    )
    login_failures_per_address: int = option(
        200,
        "Failed sign-ins from one address in ten minutes before it has to wait.",
        group="Signing in",
        check=checks.at_least(1),
    )
    hashing_threads: int = option(
        0,
        "Threads that check passwords; 0 for one less than the number of CPU cores.",
        group="Signing in",
        check=checks.between(0, 256),
    )
    hashing_queue: int = option(
        64,
        "Sign-ins that may wait for a hashing thread; further ones are asked to try again.",
        group="Signing in",
        check=checks.at_least(1),
    )
    passkeys: bool = option(
        True,
        "Whether people can sign in with passkeys.",
        group="Signing in",
    )
    remember_device_lifetime: float = option(  # browsers limit the lifetime of cookies to this
        30 * _DAY,
        "Seconds for which a browser does not need the second factor again, if the person "
        "chooses so; 0 to require it every time.",
        group="Signing in",
        check=checks.between(0, 400 * 86_400),
    )
    account_path: str = option(
        "/account",
        "Path of the pages on which people manage their own account.",
        group="People's own accounts",
        check=checks.url_path,
    )
    fresh_login_lifetime: float = option(
        600.0,
        "Seconds after a sign-in during which a person may change their password or second "
        "factors; after that they have to sign in again.",
        group="People's own accounts",
        check=checks.between(60, 86_400),
    )
    temporary_password_lifetime: float = option(
        7 * _DAY,
        "Seconds for which a password set by an administrator can be used to choose a new one.",
        group="People's own accounts",
        check=checks.between(600, 90 * 86_400),
    )
    app_password_lapse: float = option(
        30 * _DAY,
        "Seconds after a person's last sign-in at their own source during which their app "
        "passwords work, if that source cannot look people up later (OpenID providers, "
        "functions without find); 0 for no limit, even after they have left the company.",
        group="People's own accounts",
        check=checks.at_least(0),
    )
    password_reset: bool = option(
        True,
        "Whether people can request a link by e-mail to choose a new password; requires smtp_url.",
        group="People's own accounts",
    )
    reset_link_lifetime: float = option(
        1_800.0,
        "Lifetime, in seconds, of such a link, also of one made by an administrator.",
        group="People's own accounts",
        check=checks.between(60, 86_400),
    )
    smtp_url: str = option(
        "",
        "The mail server: smtp://user:password@host:587 (always with STARTTLS, except on this "
        "machine) or smtps://user:password@host; empty to send no e-mail.",
        secret=True,
        group="Mail",
        check=checks.smtp_url,
    )
    mail_from: str = option(
        "",
        "The sender address of e-mails, such as sso@example.com.",
        group="Mail",
        check=checks.mail_from,
    )
    mail_language: str = option(
        "en",
        "The language of notices that do not result from a browser request, such as those "
        "after a command: en, ja, ko, zh-CN or zh-TW.",
        group="Mail",
        check=checks.one_of("en", "ja", "ko", "zh-CN", "zh-TW"),
    )
    alert_mail: tuple[str, ...] = option(
        (),
        "E-mail addresses that receive alerts: a code presented twice, guessing, a source that "
        "does not respond, a certificate that expires soon, slow responses, no requests after "
        "going live, a sign-in to the console from a new address; requires smtp_url.",
        group="Alerts",
        check=checks.mail_addresses,
    )
    alert_webhook: str = option(
        "",
        "An https:// URL that receives alerts as JSON, signed with alert_webhook_secret.",
        secret=True,
        group="Alerts",
        check=checks.webhook_url,
    )
    alert_webhook_form: str = option(
        "worksgate",
        "What the webhook receives: worksgate, or incoming_webhook if the URL is one of the "
        "Incoming Webhook app of LINE WORKS, which needs no signature.",
        group="Alerts",
        check=checks.one_of("worksgate", "incoming_webhook"),
    )
    alert_webhook_secret: str = option(
        "",
        "The secret of the webhook's signature (HMAC-SHA256), at least 32 characters.",
        secret=True,
        group="Alerts",
        check=checks.webhook_secret,
    )
    alert_bot: str = option(
        "",
        "The ID of a LINE WORKS bot that sends alerts, through the app of the LINE WORKS API.",
        group="Alerts",
        check=checks.line_works_id,
    )
    alert_bot_client: str = option(
        "",
        "The name or ID of the client whose app of the LINE WORKS API the bot uses; empty if only "
        "one client has an app.",
        group="Alerts",
        check=checks.line_of_text,
    )
    alert_bot_users: tuple[str, ...] = option(
        (),
        "LINE WORKS accounts of administrators to whom the bot sends alerts, 20 at most.",
        group="Alerts",
        check=checks.line_works_accounts,
    )
    alert_bot_channel: str = option(
        "",
        "The ID of a channel to which the bot sends alerts; the bot must be a member.",
        group="Alerts",
        check=checks.line_works_id,
    )
    line_works_api_urls: tuple[str, ...] = option(
        (
            "line_works=https://www.worksapis.com/v1.0",
            "naver_works=https://www.worksapis.com/v1.0",
            "naver_works_public=https://gov.worksapis.com/v1.0",
        ),
        "The base URL of the LINE WORKS API for each profile of clients, as profile=URL. That of "
        "workbox is unknown: ask its support.",
        group="The LINE WORKS API",
        check=checks.profile_urls,
    )
    line_works_auth_urls: tuple[str, ...] = option(
        (
            "line_works=https://auth.worksmobile.com/oauth2/v2.0",
            "naver_works=https://auth.worksmobile.com/oauth2/v2.0",
            "naver_works_public=https://auth.gov-naverworks.com/oauth2/v2.0",
        ),
        "The base URL of the API's authorization server for each profile, as profile=URL; /token "
        "is appended.",
        group="The LINE WORKS API",
        check=checks.profile_urls,
    )
    line_works_download_urls: tuple[str, ...] = option(
        (
            "line_works=https://apis-storage.worksmobile.com",
            "naver_works=https://apis-storage.worksmobile.com",
        ),
        "Where the API's downloads are for each profile, as profile=URL: the only other host to "
        "which a redirect is followed, with the access token.",
        group="The LINE WORKS API",
        check=checks.profile_urls,
    )
    line_works_scim_urls: tuple[str, ...] = option(
        (
            "line_works=https://www.worksapis.com/scim/v2",
            "naver_works=https://www.worksapis.com/scim/v2",
        ),
        "The base URL of LINE WORKS' SCIM server for each profile, as profile=URL. Worksgate only "
        "shows it: it provisions nobody.",
        group="The LINE WORKS API",
        check=checks.profile_urls,
    )
    line_works_assumptions: tuple[str, ...] = option(
        (),
        "Values that replace Worksgate's assumptions where the documentation of the LINE WORKS API "
        "leaves something open, as name=number; docs/protocol.md lists the names.",
        group="The LINE WORKS API",
        check=checks.line_works_assumptions,
    )
    outgoing_proxy: str = option(
        "",
        "The URL of a proxy (http://proxy.example.com:3128) through which other servers are "
        "called: the LINE WORKS API, webhooks, the check of a sessionKey. Sources have a setting "
        "of their own; this machine is reached directly; variables such as HTTPS_PROXY are "
        "ignored.",
        secret=True,
        group="Calls to other servers",
        check=checks.proxy_url,
    )
    outgoing_ca_file: str = option(
        "",
        "A PEM file of the certificate authorities that are trusted, instead of those of this "
        "machine, for these servers, and for the public address when the console tries a sign-in; "
        "for example that of a proxy that inspects TLS. A relative path is relative to the folder "
        "of the settings file.",
        group="Calls to other servers",
        check=checks.authorities,
    )
    worker_timeout: float = option(
        30.0,
        "Seconds after which a worker with an unresponsive event loop is killed and replaced "
        "(with several --workers); 0 disables this.",
        group="Operation",
        check=checks.worker_timeout,
    )
    max_requests_in_flight: int = option(
        1_000,
        "Requests that one process handles concurrently; pages beyond that are refused with "
        "503, calls of LINE WORKS beyond twice that number.",
        group="Operation",
        check=checks.at_least(1),
    )
    max_connections: int = option(
        10_000,
        "Connections that one process keeps open; further ones are closed immediately.",
        group="Operation",
        check=checks.at_least(1),
    )
    max_connections_per_address: int = option(
        1_000,
        "How many of these may come from one address (IPv6: /64); trusted_proxies are exempt; "
        "0 for no limit.",
        group="Operation",
        check=checks.at_least(0),
    )
    log_format: str = option(
        "auto",
        "The format of log lines: json, text, or auto (text on a terminal).",
        group="Operation",
        check=checks.one_of("auto", "json", "text"),
    )
    log_level: str = option(
        "info",
        "The lowest level that is logged: debug, info, warning or error.",
        group="Operation",
        check=checks.one_of("debug", "info", "warning", "error"),
    )
    admin_host: str = option(
        "127.0.0.1",
        "The address on which metrics and the details of /readyz are served.",
        group="Operation",
        check=checks.host_name,
    )
    admin_port: int = option(
        0,
        "The port on which they are served, such as 9090; 0 to disable it.",
        group="Operation",
        check=checks.between(0, 65_535),
    )
    metrics_public: bool = option(
        False,
        "Whether /metrics is also served on the public address, readable by everyone.",
        group="Operation",
    )
    recording_directory: str = option(
        "",
        "The folder of the socket through which worksgate record reaches the processes of the "
        "server; an absolute path. Defaults to the folder of the SQLite file; with PostgreSQL, "
        "calls can only be recorded if this is set.",
        group="Operation",
        check=checks.absolute_folder,
    )
    console_host: str = option(
        "127.0.0.1",
        "The address on which the administrators' console is served, by a process of its own; "
        "people never reach it there.",
        group="The console",
        check=checks.host_name,
    )
    console_port: int = option(
        0,
        "The port on which it is served, such as 9443; 0 to disable it.",
        group="The console",
        check=checks.between(0, 65_535),
    )
    console_url: str = option(
        "",
        "The URL at which administrators reach it, if not http://localhost with that port: "
        "https://… behind a proxy that only they can reach.",
        group="The console",
        check=checks.console_url,
    )
    console_allowed_addresses: tuple[str, ...] = option(
        (),
        "Networks from which it may be used; empty for all that reach it.",
        group="The console",
        check=checks.address_networks,
    )
    sources: tuple[SourceSettings, ...] = option(
        (), "The company's own identity sources, one per [[source]] table."
    )
    origins: Origins = field(default_factory=Origins, repr=False, compare=False)

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None for a database server."""
        scheme, _, path = self.database_url.partition(":///")
        return Path(path) if scheme == "sqlite" else None

    @property
    def recording_socket(self) -> Path | None:
        """Where a command that records calls listens; None if nothing can be recorded."""
        if self.recording_directory:
            return Path(self.recording_directory) / RECORDING_SOCKET
        database = self.database_file
        return None if database is None else database.absolute().parent / RECORDING_SOCKET

    @property
    def all_sources(self) -> tuple[SourceSettings, ...]:
        """The identity sources in the order in which they are asked.

        The built-in directory is first, unless a table gives it another position or it is disabled.
        """
        is_listed = any(each.is_built_in for each in self.sources)
        if is_listed or not self.built_in_directory:
            return self.sources
        return (DirectorySettings(), *self.sources)

    @property
    def can_reset_passwords(self) -> bool:
        """Whether people who have forgotten their password can reset it by e-mail."""
        return self.password_reset and bool(self.smtp_url)

    @property
    def account_url(self) -> str:
        """The address of the page on which people manage their own account."""
        return self.public_url.rstrip("/") + self.account_path

    @property
    def has_alerts(self) -> bool:
        """Whether alerts are sent to anybody."""
        return bool(self.alert_mail or self.alert_webhook or self.alert_bot)

    @property
    def console_address(self) -> str:
        """The address at which administrators reach the console."""
        return self.console_url or f"http://localhost:{self.console_port}"

    def start_over_at(self, domain: str) -> str:
        """The deep link of LINE WORKS that begins a sign-in of a tenant, by its domain."""
        from urllib.parse import quote

        service = quote(self.service_url, safe="")
        return self.start_over_url.format(domain=quote(domain, safe=""), service=service)

    @property
    def is_loopback(self) -> bool:
        """Whether the public address can be reached from this machine only."""
        from urllib.parse import urlsplit

        return urlsplit(self.public_url).hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


FIELDS: Mapping[str, Field[Any]] = {
    each.name: each for each in fields(Settings) if each.name not in ("sources", "origins")
}
