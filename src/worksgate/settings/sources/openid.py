"""The settings of an OpenID provider as an identity source."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit

from worksgate.settings.field import option
from worksgate.settings.sources.common import SourceSettings

CLIENT_AUTHENTICATIONS = ("auto", "client_secret_basic", "client_secret_post")

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_PARAMETER = re.compile(r"[A-Za-z0-9_.-]+=.*")
_OURS = frozenset(
    {
        *("response_type", "response_mode", "client_id", "redirect_uri", "scope", "state"),
        *("nonce", "code_challenge", "code_challenge_method", "request", "request_uri"),
        *("login_hint", "prompt", "acr_values"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings(SourceSettings):
    """How one OpenID provider is used, and how its claims are mapped."""

    type: ClassVar[str] = "oidc"
    about: ClassVar[str] = (
        "People of an OpenID provider, such as Entra ID, Google Workspace, Okta or Keycloak. "
        "They get a button on the sign-in page. See [OpenID Connect](openid.md)."
    )
    example: ClassVar[Mapping[str, object]] = {
        "name": "company",
        "issuer": "https://login.example.com/realms/company",
        "client_id": "worksgate",
        "client_secret_file": "/etc/worksgate/oidc-secret",
        "external_key_claim": "employee_number",
    }

    issuer: str = option(
        "",
        "The provider's issuer, exactly as its discovery document spells it: an https: address.",
    )
    client_id: str = option(
        "", "The client ID that the provider has assigned to this installation."
    )
    client_secret: str = option("", "The client secret; empty for a public client.", secret=True)
    client_authentication: str = option(
        "auto",
        "How the client authenticates: client_secret_basic, client_secret_post, or auto for "
        "the first of the two that the provider lists.",
    )
    label: str = option(
        "", "The label of the source's button on the sign-in page; empty for its name."
    )
    scopes: tuple[str, ...] = option(
        ("openid", "profile", "email"), "The requested scopes; must include openid."
    )
    external_key_claim: str = option(
        "", "The claim that holds the External Key of LINE WORKS; empty for none."
    )
    works_account_claim: str = option(
        "",
        "The claim that holds the LINE WORKS account, converted to lower case; empty for none.",
    )
    username_claim: str = option(
        "preferred_username", "The claim with the name shown in lists and in the audit log."
    )
    name_claim: str = option("name", "The claim with the person's full name.")
    reading_claim: str = option(
        "", "The claim with the reading of the name (furigana); empty for none."
    )
    email_claim: str = option("email", "The claim with the e-mail address.")
    email_verified_claim: str = option(
        "email_verified",
        "The claim, in the same document, that says whether the e-mail address is verified; "
        "without it the address is ignored.",
    )
    trust_emails_that_the_provider_does_not_call_verified: bool = option(
        False,
        "Accept e-mail addresses without such a claim: only if nobody but an administrator "
        "can set addresses at the provider.",
    )
    groups_claim: str = option("groups", "The claim that lists the person's groups.")
    use_userinfo: bool = option(
        True,
        "Request claims that are missing in the ID token from the provider's userinfo endpoint.",
    )
    allowed_domains: tuple[str, ...] = option(
        (), "Only people with a verified e-mail address in one of these domains may sign in."
    )
    allowed_domain_claim: str = option(
        "",
        "The claim that must be one of allowed_domains, instead of the domain of the e-mail "
        "address: hd for Google Workspace.",
    )
    allowed_groups: tuple[str, ...] = option(
        (), "Only members of one of these groups may sign in, spelt as the provider spells them."
    )
    logout: bool = option(
        False, "Also sign people out at the provider when they sign out here, if it supports that."
    )
    prompt: str = option(
        "", "The prompt parameter, such as login or select_account; empty for none."
    )
    acr_values: tuple[str, ...] = option(
        (), "Requested authentication context classes; the ID token must name one of them."
    )
    require_auth_time: bool = option(
        False,
        "Where a new sign-in at the provider is required, for the account page and the console, "
        "refuse an ID token that does not say when it was (auth_time).",
    )
    extra_parameters: tuple[str, ...] = option(
        (), "Additional parameters of the authorization request, each as name=value."
    )
    ca_file: str = option(
        "",
        "A PEM file of the authorities for the provider's certificate, instead of the "
        "default ones.",
    )
    proxy: str = option(
        "", "The http: address of a proxy through which the provider is reached; empty for none."
    )
    connect_timeout: float = option(0.5, "Seconds that a connection to the provider may take.")
    total_timeout: float = option(
        2.0, "Seconds that all requests to the provider may take together, per sign-in."
    )
    clock_skew: float = option(60.0, "Seconds by which the provider's clock and ours may differ.")

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters in ``extra_parameters``."""
        pairs = (text.partition("=") for text in self.extra_parameters)
        return {name: value for name, _, value in pairs}

    def problems(self) -> list[str]:
        """Return what is wrong with the values: sentences that begin with the option's name."""
        return [*self._problems_with_the_client(), *self._problems_with_the_people()]

    def _problems_with_the_client(self) -> Iterator[str]:
        if issuer_problem := _issuer_problem(self.issuer):
            yield f"issuer: {issuer_problem}"
        if not self.client_id:
            yield "client_id: is missing"
        if self.client_authentication not in CLIENT_AUTHENTICATIONS:
            yield f"client_authentication: must be one of {', '.join(CLIENT_AUTHENTICATIONS)}"
        if "openid" not in self.scopes:
            yield "scopes: must include openid"
        for text in self.extra_parameters:
            name = text.partition("=")[0]
            if not _PARAMETER.fullmatch(text) or name in _OURS:
                yield f"extra_parameters: {name!r} is not a name=value that can be added"
        if not 0 < self.connect_timeout <= self.total_timeout <= 10:
            yield (
                "connect_timeout, total_timeout: must be more than 0 and at most 10, and "
                "connect_timeout not longer than total_timeout"
            )
        if not 0 <= self.clock_skew <= 300:
            yield "clock_skew: must be from 0 to 300"

    def _problems_with_the_people(self) -> Iterator[str]:
        if not (self.external_key_claim or self.works_account_claim):
            yield "external_key_claim, works_account_claim: LINE WORKS needs one of them"
        for domain in self.allowed_domains:
            if not _DOMAIN.fullmatch(domain.lower()):
                yield f"allowed_domains: {domain!r} is not a domain"
        if self.allowed_groups and not self.groups_claim:
            yield "groups_claim: is required for allowed_groups"
        if self.console_groups and not self.groups_claim:
            yield "groups_claim: is required for console_groups"
        if self.allowed_domain_claim and not self.allowed_domains:
            yield "allowed_domains: is required with allowed_domain_claim"


def is_protected(url: str, *, loopback_too: bool) -> bool:
    """Whether traffic to this address cannot be read or changed on the way.

    That is https, or this machine itself with ``loopback_too``.
    """
    parts = _split(url)
    if parts is None or not parts.hostname or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (
        loopback_too and parts.scheme == "http" and _is_loopback(parts.hostname)
    )


def is_on_this_machine(url: str) -> bool:
    """Whether an address is a loopback one."""
    parts = _split(url)
    return parts is not None and _is_loopback(parts.hostname or "")


def _issuer_problem(issuer: str) -> str | None:
    if not issuer:
        return "is missing"
    if not is_protected(issuer, loopback_too=True):
        return "must be an https: address (http: on this machine only), without user and fragment"
    if "?" in issuer:
        return "must not have a query"
    return None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        return None
    return parts if url.isascii() and url.isprintable() and " " not in url else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
