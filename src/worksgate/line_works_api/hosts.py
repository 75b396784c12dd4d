"""Where the API of a tenant is, and which addresses may be called.

https://developers.worksmobile.com/en/docs/api-call
https://developers.worksmobile.com/kr/docs/gov
"""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from worksgate.oauth.model import Profile
from worksgate.settings.options import Settings
from worksgate.settings.sources.openid import is_protected

_PORTS = {"http": 80, "https": 443}


class NoHosts(ValueError):
    """The settings have no address of the API for this profile; one sentence."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The base URLs of the API and of its authorization server, without a slash at the end.

    ``downloads`` is where files are fetched, and ``scim`` where people could be provisioned, which
    nothing here does; both are empty if they are unknown. Raises ValueError unless they are https,
    or on this machine.
    """

    api: str
    auth: str
    downloads: str = ""
    scim: str = ""

    def __post_init__(self) -> None:
        for url in (self.api, self.auth, *filter(None, (self.downloads, self.scim))):
            if not is_protected(url, loopback_too=True):
                raise ValueError("the addresses of the LINE WORKS API must begin with https://")

    @classmethod
    def of(cls, settings: Settings, profile: Profile) -> Self:
        """Those of a client with this profile. Raises NoHosts."""
        return cls(
            api=_address(settings.line_works_api_urls, "line_works_api_urls", profile),
            auth=_address(settings.line_works_auth_urls, "line_works_auth_urls", profile),
            downloads=_listed(settings.line_works_download_urls).get(profile.value, ""),
            scim=_listed(settings.line_works_scim_urls).get(profile.value, ""),
        )

    @property
    def token_url(self) -> str:
        return f"{self.auth}/token"

    def is_allowed(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether this is one of the two hosts."""
        return (scheme, host, port or _PORTS.get(scheme)) in {
            _origin(self.api),
            _origin(self.auth),
        }

    def is_api(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether this is the host of the API, which alone may get an access token."""
        return (scheme, host, port or _PORTS.get(scheme)) == _origin(self.api)

    def may_download(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether a file may be fetched there, with an access token."""
        return self.is_api(scheme, host, port) or (
            bool(self.downloads)
            and (scheme, host, port or _PORTS.get(scheme)) == _origin(self.downloads)
        )


def _address(listed: tuple[str, ...], setting: str, profile: Profile) -> str:
    addresses = _listed(listed)
    if profile.value not in addresses:
        raise NoHosts(
            f"the address of the LINE WORKS API is unknown for the profile {profile.value}: add "
            f"{profile.value}=https://… to {setting}"
        )
    return addresses[profile.value]


def _listed(entries: tuple[str, ...]) -> dict[str, str]:
    """URLs by profile."""
    pairs = (entry.split("=", 1) for entry in entries)
    return {profile: url.rstrip("/") for profile, url in pairs}


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
