"""Texts that a bot sends to a person or a channel.

https://developers.worksmobile.com/jp/docs/bot-user-message-send
https://developers.worksmobile.com/jp/docs/bot-channel-message-send
"""

from urllib.parse import quote

from worksgate.line_works_api.app import BOT_SCOPES, LONGEST_TEXT
from worksgate.line_works_api.calling import Caller, Operation, person_path
from worksgate.line_works_api.errors import AccessRefused

# Not repeated without an answer: the same text would come twice. Who sends may do so again.
_TO_PERSON = Operation(
    name="bots.users.messages",
    method="POST",
    does="send a message",
    scopes=BOT_SCOPES,
    is_repeatable=False,
)
_TO_CHANNEL = Operation(
    name="bots.channels.messages",
    method="POST",
    does="send a message",
    scopes=BOT_SCOPES,
    is_repeatable=False,
)


class BotRefused(AccessRefused):
    """The app or the bot may not send; the text says what an administrator does about it."""

    def __init__(self, refused: AccessRefused, advice: str) -> None:
        super().__init__(_TO_PERSON.does, refused.status, refused.code, refused.description)
        self.args = (f"{self}: {advice}",)


class BotMessages:
    """Messages of the bots of one tenant. Every method may raise ApiError.

    That LINE WORKS accepts one does not mean that it is read: people who are suspended or have
    never signed in get none, and a channel of more than 500 people gets no push notice.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def to_person(self, bot: str, to: str, text: str) -> None:
        """Send a text to a person, by ID or account. Raises BotRefused, or ValueError."""
        await self._send(_TO_PERSON, f"{_bot_path(bot)}{person_path(to)}", text)

    async def to_channel(self, bot: str, to: str, text: str) -> None:
        """Send a text to a channel that has the bot as a member. Raises as ``to_person``."""
        path = f"{_bot_path(bot)}/channels/{quote(to, safe='')}"
        await self._send(_TO_CHANNEL, path, text)

    async def _send(self, operation: Operation, path: str, text: str) -> None:
        if not 0 < len(text) <= LONGEST_TEXT:
            raise ValueError(f"a message has 1 to {LONGEST_TEXT} characters")
        body = {"content": {"type": "text", "text": text}}
        try:
            await self._caller.call(operation, f"{path}/messages", body=body)
        except AccessRefused as refused:
            if refused.status != 403:
                raise
            raise BotRefused(refused, self._advice()) from None

    def _advice(self) -> str:
        if self._caller.granted(_TO_PERSON).isdisjoint(BOT_SCOPES):
            return f"tick the scope {BOT_SCOPES[0]} of the app, then set the app with it again"
        return (
            "register the bot in the Developer Console, then add it and publish it in the "
            "administrator's pages of LINE WORKS"
        )


def _bot_path(bot: str) -> str:
    return f"/bots/{quote(bot, safe='')}"
