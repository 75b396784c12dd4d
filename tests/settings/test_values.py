"""Valid values of each setting, and combinations that are refused."""

from pathlib import Path

import pytest

from worksgate.settings.loading import ConfigurationError, load
from worksgate.settings.options import FIELDS, Settings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


GOOD = [
    ("public_url", "https://sso.example.com"),
    ("public_url", "https://sso.example.com:8443"),
    ("public_url", "https://sso.example.com/worksgate"),
    ("public_url", "https://xn--eckwd4c7c.example"),
    ("public_url", "http://localhost:8080"),
    ("public_url", "http://[::1]:8080"),
    ("store_url", "memory:"),
    ("store_url", "rediss://:pass@cache.example.com:6379?prefix=worksgate"),
    ("store_url", "valkey://localhost/1"),
    ("store_url", "unix:///run/valkey.sock"),
    ("host", "localhost"),
    ("host", "127.9.9.9"),
    ("host", "::1"),
    ("port", 1),
    ("port", 65_535),
    ("support_url", "https://help.example.com/?topic=sso"),
    ("support_url", "mailto:help@example.com"),
    ("support_url", ""),
    ("login_free_failures", 100),
    ("web_login_path", "/sso/v1.0/login"),
    ("answer_deadline", 2.9),
    ("audit_retention", 0.0),
    ("purge_interval", 0.0),
    ("hashing_threads", 0),
    ("session_key_check_url", "http://127.0.0.1:8090/login/check/"),
    ("start_over_url", "https://auth.worksmobile.com/d/login/{domain}"),
    ("trusted_proxies", ("10.0.0.0/8", "2001:db8::/32")),
    ("account_path", "/sso/account"),
    ("remember_device_lifetime", 0.0),
    ("passkeys", False),
    ("password_reset", False),
    ("mail_from", "sso@example.com"),
    ("mail_from", "root@localhost"),
    ("smtp_url", ""),
    ("recording_directory", "/run/worksgate"),
]

BAD = [
    ("recording_directory", "run/worksgate"),
    ("public_url", ""),
    ("public_url", "sso.example.com"),
    ("public_url", "/sso"),
    ("public_url", "ftp://sso.example.com"),
    ("public_url", "http://sso.example.com"),
    ("public_url", "http://127.0.0.1.example.com"),
    ("public_url", "https://sso.example.com?"),
    ("public_url", "https://sso.example.com/#a"),
    ("public_url", "https://user:pw@sso.example.com"),
    ("public_url", "https://sso.example.com:0"),
    ("public_url", "https://sso.example.com:99999"),
    ("public_url", "https://sso example.com"),
    ("public_url", "https://日本.example"),
    ("public_url", "https://sso.example.com/a//b"),
    ("public_url", "https://sso.example.com/../a"),
    ("public_url", "https://[::1"),
    ("database_url", ""),
    ("database_url", "sqlite://"),
    ("database_url", "sqlite:///"),
    ("database_url", "sqlite:///:memory:"),
    ("database_url", "sqlite:///a.db?mode=ro"),
    ("database_url", "sqlite:////nowhere/at/all/a.db"),
    ("database_url", "mysql://a/b"),
    ("store_url", "memory"),
    ("store_url", "redis://"),
    ("store_url", "redis://h?prefix={a}"),
    ("store_url", "rediss://h?ssl_cert_reqs=none"),
    ("host", ""),
    ("host", "a b"),
    ("host", "127.0.0.1:8080"),
    ("host", "http://127.0.0.1"),
    ("port", 0),
    ("port", 65_536),
    ("port", -1),
    ("trusted_proxies", ("*",)),
    ("trusted_proxies", ("10.0.0.1/8",)),
    ("trusted_proxies", ("proxy.example.com",)),
    ("trusted_proxies", ("0.0.0.0/0",)),
    ("trusted_proxies", ("::/0",)),
    ("product_name", ""),
    ("product_name", "a\nb"),
    ("company_name", "x" * 101),
    ("support_url", "http://help.example.com"),
    ("support_url", "javascript:alert(1)"),
    ("support_url", "mailto:"),
    ("support_url", "mailto:a@b?subject=x y"),
    ("web_login_path", "login"),
    ("web_login_path", "/"),
    ("web_login_path", "/login/"),
    ("web_login_path", "/a/../b"),
    ("web_login_path", "/log in"),
    ("web_login_path", "/login?x"),
    ("web_login_path", "/{client_id}"),
    ("web_login_path", "/healthz"),
    ("web_login_path", "/openapi.json"),
    ("web_login_path", "/accessToken"),
    ("web_login_path", "/apiLogin/x"),
    ("imap_login_path", "/logout"),
    ("answer_deadline", 0.0),
    ("answer_deadline", 3.0),
    ("answer_deadline", -1.0),
    ("session_idle_limit", 0.0),
    ("session_absolute_limit", 60.0),
    ("login_free_failures", 0),
    ("login_free_failures", 101),
    ("login_longest_delay", 0.0),
    ("login_longest_delay", 59.0),
    ("login_failures_per_address", 0),
    ("hashing_threads", -1),
    ("hashing_queue", 0),
    ("session_key_check_url", "https://auth.worksmobile.com/login/check"),
    ("session_key_check_url", "http://auth.worksmobile.com/login/check/"),
    ("session_key_check_url", "https://auth.worksmobile.com/?a=/"),
    ("start_over_url", "https://a.example/{password}"),
    ("start_over_url", "https://a.example/{"),
    ("start_over_url", "https://a.example/{domain.x}"),
    ("service_url", "talk.worksmobile.com"),
    ("audit_retention", -1.0),
    ("purge_interval", -0.1),
    ("account_path", "/"),
    ("account_path", "/login"),
    ("logout_path", "/account/logout"),
    ("fresh_login_lifetime", 59.0),
    ("remember_device_lifetime", -1.0),
    ("temporary_password_lifetime", 0.0),
    ("reset_link_lifetime", 0.0),
    ("reset_link_lifetime", 86_401.0),
    ("smtp_url", "mail.example.com"),
    ("smtp_url", "smtp://"),
    ("smtp_url", "https://mail.example.com"),
    ("smtp_url", "smtp://mail.example.com:0"),
    ("smtp_url", "smtp://mail.example.com:x"),
    ("smtp_url", "smtp://mail.example.com/x"),
    ("smtp_url", "smtp://mail.example.com?x"),
    ("smtp_url", "smtp://user@mail.example.com"),
    ("mail_from", "Worksgate <sso@example.com>"),
    ("mail_from", "sso@example.com\nBcc: a@b"),
    ("mail_from", "sso"),
    ("built_in_directory", False),
    ("log_format", "xml"),
    ("log_level", "INFO"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_value_is_accepted_as_it_is(name: str, value: object) -> None:
    assert getattr(load(None, {}, {name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), BAD)
def test_value_is_refused_with_one_sentence(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, {name: value})
    (problem,) = caught.value.problems
    assert (
        "_path" in problem
        or problem.startswith(f"--{name.replace('_', '-')}: ")
        or (name == "session_absolute_limit" and "session_absolute_limit" in problem)
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://SSO.Example.com/", "https://sso.example.com"),
        ("https://sso.example.com:443", "https://sso.example.com"),
        ("http://localhost:80/sso/", "http://localhost/sso"),
    ],
)
def test_r97_public_url_is_kept_as_a_browser_spells_it(given: str, kept: str) -> None:
    assert load(None, {}, {"public_url": given}).public_url == kept


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "sso.example.com"])
def test_r94_plain_http_is_not_offered_to_the_network(host: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, {"host": host})
    (problem,) = caught.value.problems
    assert problem.startswith("--host: must be 127.0.0.1 or ::1 while public_url is plain http")
    behind_a_proxy = {"host": host, "public_url": "https://sso.example.com"}
    assert load(None, {}, behind_a_proxy).host == host


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"console_port": 8080}, "--console-port: must not be the same as port"),
        ({"store_url": "memory:"}, "--console-port: requires a store other than memory:"),
        ({"console_url": "https://sso.example.com"}, "--console-url: must not be the same as"),
        ({"console_url": "https://sso.example.com/console"}, "--console-url: must have no path"),
        ({"console_host": "0.0.0.0"}, "--console-host: must be 127.0.0.1"),
    ],
)
def test_r154_the_console_stands_apart(changes: dict[str, object], problem: str) -> None:
    values = {"public_url": "https://sso.example.com", "console_port": 9443, **changes}
    with pytest.raises(ConfigurationError, match=problem):
        load(None, {}, values)


def test_paths_must_differ_and_the_later_one_is_blamed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {"WORKSGATE_USER_INFO_PATH": "/x", "WORKSGATE_LOGOUT_PATH": "/x"}, {})
    assert caught.value.problems == ("WORKSGATE_LOGOUT_PATH: is the same as user_info_path",)


@pytest.mark.parametrize(
    "url", ["smtps://mail.example.com", "smtp://sso:p%40ss@mail.example.com:587", "smtp://[::1]:25"]
)
def test_mail_server_needs_an_address_that_mails_come_from(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^mail_from: is required by smtp_url$"):
        load(None, {}, {"smtp_url": url})
    settings = load(None, {}, {"smtp_url": url, "mail_from": "sso@example.com"})
    assert settings.smtp_url == url
    assert settings.can_reset_passwords
    assert not Settings().can_reset_passwords


def test_r103_no_setting_is_left_unchecked() -> None:
    unchecked = {name for name, each in FIELDS.items() if each.metadata["check"] is None}
    assert unchecked == {name for name, each in FIELDS.items() if each.type is bool}
