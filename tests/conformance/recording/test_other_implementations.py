"""A recording of Worksgate, sent to implementations that share no code with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.implementation import (
    CLIENT,
    PASSWORD,
    REDIRECT_URI,
    USERNAME,
    WAYS,
    Implementations,
    serving,
    url_of,
)

from worksgate.conformance.recording.comparison import Difference, Report
from worksgate.conformance.recording.file import Recording
from worksgate.conformance.recording.observed import Kind
from worksgate.conformance.recording.replaying import Replay
from worksgate.conformance.recording.stand_ins import StandInClient, StandInPerson, StandIns

MONDAY = Path(__file__).parent / "monday.recording"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serving(Implementations()) as opened:
        yield opened


async def replayed(origin: str, name: str) -> Report:
    way = WAYS.get(name, WAYS["plain"])
    paths = {
        "token": f"/{way.access_token}",
        "user_info": f"/{way.user_info}",
        "login": f"/{way.login}",
        "logout": f"/{way.logout}",
        "imap": "/apiLogin",
    }
    stand_ins = StandIns(
        [StandInClient(CLIENT.client_id, CLIENT.client_secret, REDIRECT_URI)],
        [StandInPerson(USERNAME, PASSWORD)],
        paths,
    )
    replay = Replay(Recording.read(MONDAY), url_of(origin, name), stand_ins, speed=None)
    return await replay.run()


def of_calls(report: Report, *, of_status: bool = False) -> set[Difference]:
    """What differs in the answers to the servers of LINE WORKS: statuses, or all but these."""
    return {
        each
        for each in report.differences
        if each.kind in (Kind.TOKEN, Kind.USER_INFO) and (each.what == "status") is of_status
    }


@pytest.mark.parametrize("name", ["plain", "words", "other-paths", "two-pages", "consent"])
async def test_r223_any_sign_in_page_gives_the_codes_of_a_replay(origin: str, name: str) -> None:
    report = await replayed(origin, name)
    assert not report.failed_sign_ins
    assert not report.not_replayed
    lost = [each for each in of_calls(report, of_status=True) if each.recorded == "200"]
    assert not lost, "all that was answered is answered"


@pytest.mark.parametrize(
    ("fault", "kind", "what", "recorded", "now"),
    [
        ("token.one_time", Kind.TOKEN, "value of error", "302", "none"),
        ("token.replay_revokes", Kind.USER_INFO, "value of error", "303", "none"),
        ("token.expires_in", Kind.TOKEN, "type of expires_in", "integer", "string"),
        ("token.no_store", Kind.TOKEN, "no-store", "yes", "no"),
        ("token.wrong_secret", Kind.TOKEN, "value of error", "301", "302"),
    ],
)
async def test_r223_a_fault_of_another_implementation_is_found(
    origin: str, fault: str, kind: Kind, what: str, recorded: str, now: str
) -> None:
    usual = of_calls(await replayed(origin, "plain"))
    found = of_calls(await replayed(origin, fault)) - usual
    assert Difference(kind, what, recorded, now) in found
