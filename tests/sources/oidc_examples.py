"""A source that asks the fake provider, and a whole sign-in with it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.openid_provider.fake import CLIENT_ID, CLIENT_SECRET, RETURN_URL, FakeProvider

from worksgate.settings.sources import OidcSettings
from worksgate.sources import Person
from worksgate.sources.openid.source import OidcSource


@dataclass
class Watch:
    """Seconds that only grow when a test says so."""

    seconds: float = field(default=1_000.0)

    def __call__(self) -> float:
        return self.seconds


def settings_for(issuer: str, **options: Any) -> OidcSettings:
    values = {
        "name": "company",
        "issuer": issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "external_key_claim": "employee",
        **options,
    }
    return OidcSettings(**values)


PATIENT: Mapping[str, Any] = {"total_timeout": 10.0, "connect_timeout": 10.0}
"""For a test that is not about the time: a busy machine must not end it."""
AS_THEY_ARE: Mapping[str, Any] = {
    name: OidcSettings.__dataclass_fields__[name].default for name in PATIENT
}


@asynccontextmanager
async def source_at(
    provider: FakeProvider, watch: Watch | None = None, **options: Any
) -> AsyncIterator[OidcSource]:
    settings = settings_for(provider.issuer, **{**PATIENT, **options})
    source = OidcSource("company", settings, clock=watch or Watch())
    try:
        yield source
    finally:
        await source.close()


async def sign_in(provider: FakeProvider, source: OidcSource, **query: str) -> Person:
    """From the button to the person."""
    redirect = await source.begin(RETURN_URL)
    answer = provider.come_back(redirect, **query)
    return await source.finish(RETURN_URL, redirect.kept, answer)
