"""Settings that are valid one by one but not together."""

from collections.abc import Iterator
from dataclasses import fields
from ipaddress import ip_address

from worksgate.settings.checks import LOOPBACK_HOSTS
from worksgate.settings.options import Settings

RESERVED_PATHS = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/logo")


def contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """Return what is wrong although each value is valid: the setting to blame, and why."""
    yield from _of_paths(settings)
    if settings.session_idle_limit > settings.session_absolute_limit:
        yield "session_idle_limit", "must not be more than session_absolute_limit"
    yield from _of_master_keys(settings)
    if settings.smtp_url and not settings.mail_from:
        yield "mail_from", "is required by smtp_url"
    yield from _of_alerts(settings)
    yield from _of_sources(settings)
    if settings.admin_port and settings.admin_port == settings.port:
        yield "admin_port", "must not be the same as port"
    if settings.console_port:
        yield from _of_the_console(settings)
    if not settings.is_https and not _is_this_machine(settings.host):
        yield (
            "host",
            (
                "must be 127.0.0.1 or ::1 while public_url is plain http, since passwords "
                "would cross the network unencrypted; give public_url its https:// address"
            ),
        )


def _of_paths(settings: Settings) -> Iterator[tuple[str, str]]:
    names = [each.name for each in fields(Settings) if each.name.endswith("_path")]
    taken = dict.fromkeys(RESERVED_PATHS, "a path that Worksgate reserves")
    for name in names:
        path = getattr(settings, name)
        if path in taken:
            yield name, f"is {taken[path]}"
        elif path.startswith(settings.imap_login_path + "/"):
            yield name, "is below imap_login_path, where the client's ID follows"
        elif path.startswith(settings.account_path + "/"):
            yield name, "is below account_path, which has pages there"
        taken[path] = f"the same as {name}"


def _of_master_keys(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.previous_master_key and not settings.master_key:
        yield "previous_master_key", "must not be set without master_key"
    if settings.previous_master_key and settings.previous_master_key == settings.master_key:
        yield "previous_master_key", "must not be the same as master_key"


def _of_alerts(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.alert_mail and not settings.smtp_url:
        yield "alert_mail", "requires smtp_url"
    is_signed = settings.alert_webhook_form == "worksgate"
    if settings.alert_webhook and is_signed and not settings.alert_webhook_secret:
        yield "alert_webhook", "requires alert_webhook_secret"
    has_recipients = bool(settings.alert_bot_users or settings.alert_bot_channel)
    if settings.alert_bot and not has_recipients:
        yield "alert_bot", "requires alert_bot_users or alert_bot_channel"
    if has_recipients and not settings.alert_bot:
        yield "alert_bot", "is required by alert_bot_users and alert_bot_channel"


def _of_sources(settings: Settings) -> Iterator[tuple[str, str]]:
    if not settings.all_sources:
        yield (
            "built_in_directory",
            "must not be false without a [[source]], since nobody could sign in",
        )
    if not settings.built_in_directory and "directory" in {each.name for each in settings.sources}:
        yield "built_in_directory", "must not be false with a [[source]] of type directory"


def _of_the_console(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.console_port in (settings.port, settings.admin_port):
        yield "console_port", "must not be the same as port or admin_port"
    if settings.console_url == settings.public_url.rstrip("/"):
        yield "console_url", "must not be the same as public_url, where people sign in"
    if settings.store_url == "memory:":
        yield (
            "console_port",
            "requires a store other than memory:, since the console is another process: what it "
            "ends would go on in the server",
        )
    if not settings.built_in_directory and not any(each.is_built_in for each in settings.sources):
        yield "console_port", "requires the built-in directory, which has the administrators"
    if not _is_this_machine(settings.console_host) and not settings.console_url:
        yield (
            "console_host",
            "must be 127.0.0.1 or ::1 unless console_url is https, since passwords would cross "
            "the network unencrypted",
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_HOSTS
