"""The options of a source of type ``oidc``, and the page that explains them."""

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.sources.oidc_examples import settings_for

from worksgate.settings.sources import OidcSettings, common_problems
from worksgate.settings.sources.openid import is_protected
from worksgate.sources.openid.source import OidcSource

ISSUER = "https://login.company.example/realm"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "openid.md"
TABLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_good_settings_have_no_problems() -> None:
    assert settings_for(ISSUER).problems() == []


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "http://login.company.example"}, "issuer"),
        ({"issuer": "https://login.company.example?x=1"}, "issuer"),
        ({"issuer": "https://login.company.example#x"}, "issuer"),
        ({"issuer": "https://user:secret@login.company.example"}, "issuer"),
        ({"client_id": ""}, "client_id"),
        ({"client_authentication": "private_key_jwt"}, "client_authentication"),
        ({"scopes": ("profile",)}, "scopes"),
        ({"external_key_claim": ""}, "external_key_claim"),
        ({"allowed_domains": ("@company.example",)}, "allowed_domains"),
        ({"domains": ("",)}, "domains"),
        ({"name": "a:b"}, "name"),
        ({"allowed_groups": ("x",), "groups_claim": ""}, "groups_claim"),
        ({"allowed_domain_claim": "hd"}, "allowed_domains"),
        ({"extra_parameters": ("hd",)}, "extra_parameters"),
        ({"extra_parameters": ("state=x",)}, "extra_parameters"),
        ({"extra_parameters": ("redirect_uri=https://x.example",)}, "extra_parameters"),
        ({"connect_timeout": 0.0}, "connect_timeout"),
        ({"total_timeout": 60.0}, "total_timeout"),
        ({"clock_skew": 3_600.0}, "clock_skew"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_problem_is_reported_with_the_name_of_the_option(
    options: dict[str, Any], name: str
) -> None:
    settings = settings_for(**{"issuer": ISSUER, **options})
    (problem,) = [*common_problems(settings), *settings.problems()]
    assert name in problem.partition(": ")[0]
    with pytest.raises(ValueError, match=name):
        OidcSource("company", settings_for(**{"issuer": ISSUER, **options}))


@pytest.mark.parametrize("options", [{"ca_file": "/nowhere.pem"}, {"proxy": "ftp://x.example"}])
def test_file_or_proxy_that_cannot_be_used_is_reported(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        OidcSource("company", settings_for(ISSUER, **options))


@pytest.mark.parametrize(
    ("url", "protected"),
    [
        ("https://a.example/x", True),
        ("http://a.example/x", False),
        ("http://127.0.0.1:8/x", True),
        ("http://localhost/x", True),
        ("http://[::1]/x", True),
        ("http://127.0.0.1.attacker.example/", False),
        ("http://localhost@attacker.example/", False),
        ("https://attacker.example\\@a.example/", False),
        ("https://a.example/x y", False),
        ("https://", False),
        ("a.example", False),
        ("", False),
    ],
)
def test_r93_only_https_or_this_machine_is_protected(url: str, *, protected: bool) -> None:
    assert is_protected(url, loopback_too=True) is protected
    assert (
        is_protected(url, loopback_too=False) is url.startswith("https://a.example/x") & protected
    )


def test_every_option_has_a_sentence_and_a_plain_type() -> None:
    for option in dataclasses.fields(OidcSettings):
        assert option.metadata["doc"].endswith("."), option.name
        assert option.type in (str, int, float, bool, tuple[str, ...]), option.name


def test_secret_is_not_shown() -> None:
    assert "hidden-canary" not in repr(settings_for(ISSUER, client_secret="hidden-canary"))


@pytest.mark.programs
def test_who_has_no_such_source_does_not_carry_its_libraries() -> None:
    code = (
        "import sys, worksgate.sources.openid.source;"
        "print([m for m in ('authlib', 'joserfc', 'httpx2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("text", TABLES)
def test_page_shows_tables_that_work(text: str) -> None:
    for table in tomllib.loads(text)["source"]:
        assert table.pop("type") == "oidc"
        table.pop("client_secret_file")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in table.items()
        }
        settings = OidcSettings(**values)
        assert [*common_problems(settings), *settings.problems()] == []


def test_page_has_a_table_for_each_guide() -> None:
    assert len(TABLES) >= 3


def test_page_names_every_option() -> None:
    text = PAGE.read_text("utf-8")
    missing = [
        option.name for option in dataclasses.fields(OidcSettings) if f"`{option.name}`" not in text
    ]
    assert not missing
