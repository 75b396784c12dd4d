"""Passkeys without hardware: Chromium's virtual authenticator."""

from dataclasses import dataclass

from playwright.async_api import CDPSession
from tests.browser.windows import Window


@dataclass(frozen=True)
class Authenticator:
    """Chromium's own, which knows its person by the fingerprint."""

    session: CDPSession
    id: str

    async def touched(self, *, yes: bool) -> None:
        """Whether a finger is on it: then it answers whoever asks, also without a press."""
        options = {"authenticatorId": self.id, "enabled": yes}
        await self.session.send("WebAuthn.setAutomaticPresenceSimulation", options)


async def virtual_authenticator(window: Window) -> Authenticator:
    """Give a window an authenticator, with a finger on it."""
    session = await window.context.new_cdp_session(window.tab)
    await session.send("WebAuthn.enable")
    added = await session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return Authenticator(session, added["authenticatorId"])
