"""Alerts by a bot of LINE WORKS, through the app of its API.

Whoever is suspended there, or has never signed in, gets nothing, and nobody does while LINE WORKS
is down: mail or a webhook belongs beside it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from worksgate.administration.line_works_api import LineWorksApiAdministration, Step, Tested
from worksgate.line_works_api.errors import ApiError, ApiUnavailable
from worksgate.settings.options import Settings

if TYPE_CHECKING:
    from worksgate.line_works_api.bot_messages import BotMessages
    from worksgate.line_works_api.directory_api import DirectoryApi

PATIENCE: Final = 5.0
"""Seconds for one message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBot:
    """A bot, and those to whom it sends; ``client`` is whose app it uses, or empty."""

    bot: str
    client: str
    users: tuple[str, ...]
    channel: str

    @classmethod
    def of(cls, settings: Settings) -> "AlertBot | None":
        """That of the settings, if they have one."""
        if not settings.alert_bot:
            return None
        return cls(
            bot=settings.alert_bot,
            client=settings.alert_bot_client,
            users=settings.alert_bot_users,
            channel=settings.alert_bot_channel,
        )

    async def send(self, messages: "BotMessages", text: str) -> "Sent":
        """Send a text to everybody; after an outage it asks no further."""
        to = [(messages.to_person, user) for user in self.users]
        to += [(messages.to_channel, self.channel)] if self.channel else []
        taken = 0
        problems: list[ApiError] = []
        for send, whom in to:
            try:
                async with asyncio.timeout(PATIENCE):
                    await send(self.bot, whom, text)
                taken += 1
            except ApiUnavailable as error:
                problems.append(error)
                break
            except ApiError as error:
                problems.append(error)
            except TimeoutError:
                problems.append(ApiUnavailable(f"there is no answer within {PATIENCE:.0f} s"))
                break
        return Sent(taken, tuple(problems))


@dataclass(frozen=True, slots=True)
class Sent:
    """How many messages LINE WORKS took, and why it did not take the others."""

    taken: int
    problems: tuple[ApiError, ...]


def test_of(bot: AlertBot, text: str) -> Callable[["DirectoryApi"], Awaitable[Tested]]:
    """The last step of a test of the API: the bot sends this text."""

    async def send(api: "DirectoryApi") -> Tested:
        sent = await bot.send(api.bot_messages, text)
        number = sent.taken + len(sent.problems)
        said = "; ".join(dict.fromkeys(map(str, sent.problems)))
        text_ = f"LINE WORKS took {sent.taken} of {number} messages" + (f": {said}" if said else "")
        return Tested(Step.MESSAGE, works=not sent.problems, text=text_)

    return send


class BotSender:
    """Sends texts by the bot of the settings."""

    def __init__(self, bot: AlertBot, api: LineWorksApiAdministration) -> None:
        self._bot = bot
        self._api = api

    async def send(self, text: str) -> Sent:
        """Raises NotFound, Refused, MasterKeyMissing or DatabaseUnavailable: nothing was sent."""
        access = await self._api.access(self._bot.client or None)
        async with access.open() as api:
            return await self._bot.send(api.bot_messages, text)
