"""Messages of a bot, as LINE WORKS takes and refuses them."""

import pytest
from tests.line_works_api.fake_api import Watch
from tests.line_works_api.simulated import opened, simulator

from worksgate.conformance.directory_api import Bot, Fault, Operation
from worksgate.line_works_api.app import LONGEST_TEXT
from worksgate.line_works_api.bot_messages import BotRefused
from worksgate.line_works_api.errors import ApiRefused, ApiUnavailable

BOTS = (Bot("7", channels=("c/1",)), Bot("8", is_published=False))


async def test_a_bot_writes_to_people_by_id_or_account_and_to_channels() -> None:
    watch = Watch()
    line_works = simulator(watch, bots=BOTS)
    async with opened(line_works, watch, "bot.message") as api:
        for whom in ("u-aoi", "aoi@example.com"):
            await api.bot_messages.to_person("7", whom, "é" * LONGEST_TEXT)
        await api.bot_messages.to_channel("7", "c/1", "障害です")
        for text in ("", "x" * (LONGEST_TEXT + 1)):
            with pytest.raises(ValueError, match="1 to 2000"):
                await api.bot_messages.to_person("7", "u-aoi", text)
    messages = line_works.state().messages
    assert [each.to for each in messages] == ["u-aoi", "u-aoi", "c/1"]
    assert messages[-1].text == "障害です"


@pytest.mark.parametrize(
    ("bot", "scope", "advice"),
    [("8", "bot.message", "add it and publish it"), ("7", "directory", "tick the scope bot.mess")],
)
async def test_a_403_says_what_an_administrator_does(bot: str, scope: str, advice: str) -> None:
    watch = Watch()
    line_works = simulator(watch, bots=BOTS)
    async with opened(line_works, watch, scope) as api:
        with pytest.raises(BotRefused, match=f"status 403, .*{advice}"):
            await api.bot_messages.to_person(bot, "u-aoi", "hello")
    assert not line_works.state().messages


async def test_who_and_what_is_unknown_is_told() -> None:
    watch = Watch()
    async with opened(simulator(watch, bots=BOTS), watch, "bot") as api:
        for sent in (
            api.bot_messages.to_person("7", "nobody", "x"),
            api.bot_messages.to_person("9", "u-aoi", "x"),
            api.bot_messages.to_channel("7", "c", "x"),
        ):
            with pytest.raises(ApiRefused, match="404"):
                await sent


async def test_no_message_comes_twice_since_its_answer_was_lost() -> None:
    watch = Watch()
    line_works = simulator(watch, bots=BOTS)
    line_works.faults.plan(Fault.CUT_BODY, Operation.MESSAGE_USER, seconds=0.01)
    line_works.faults.plan(Fault.UNAVAILABLE, Operation.MESSAGE_CHANNEL)
    async with opened(line_works, watch, "bot.message") as api:
        with pytest.raises(ApiUnavailable):
            await api.bot_messages.to_person("7", "u-aoi", "once")
        await api.bot_messages.to_channel("7", "c/1", "after 503")
    assert [each.text for each in line_works.state().messages] == ["once", "after 503"]
