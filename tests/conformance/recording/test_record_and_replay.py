"""What a server answered is recorded without secrets, and sent again (decision 55)."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.conformance.recording.recorder import Recorded, recording
from tests.conformance.recording.scene import Scene, play, scene
from tests.conformance.recording.simulated import misbehave, sign_in
from tests.installation import EXTERNAL_KEY, PASSWORD, USERNAME, prepared
from tests.light_hashing import light_hashing
from tests.served import Served, listening, served, wait_until
from tests.unhurried import tries

from worksgate.administration import Administration, NewClient
from worksgate.bootstrap.administration import open_administration
from worksgate.conformance.recording.file import Limits, Recording
from worksgate.conformance.recording.observed import Kind
from worksgate.conformance.recording.plans import Reason
from worksgate.conformance.recording.replaying import Replay
from worksgate.conformance.recording.wire import NoAnswer
from worksgate.oauth.errors import InvalidAuthorization
from worksgate.settings.options import Settings
from worksgate.web.calls import recording as tap

MONDAY = Path(__file__).parent / "monday.recording"
"""A recording of ``scene.play``."""


@dataclass(frozen=True)
class Site:
    """A served installation, and what changes it."""

    served: Served
    client: NewClient

    @property
    def socket(self) -> Path:
        found = self.served.settings.recording_socket
        assert found is not None
        return found

    @property
    def database(self) -> Path:
        found = self.served.settings.database_file
        assert found is not None
        return found

    async def change_client(self, **changes: Any) -> None:
        async with open_administration(self.served.settings, actor="test") as administration:
            await _change(administration, self.client, changes)
        await asyncio.sleep(0.4)  # until every process knows


async def _change(
    administration: Administration, client: NewClient, changes: dict[str, Any]
) -> None:
    await administration.clients.change(client.client.name, **changes)


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    with light_hashing(), listening() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings, client = asyncio.run(prepared(folder, public_url=url))
        with served(listener, settings) as running:
            yield Site(running, client)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with _site(tmp_path_factory.mktemp("site")) as opened:
        yield opened


@pytest.fixture
async def stage(site: Site) -> AsyncIterator[Scene]:
    async with scene(
        site.served.url, site.client.client.client_id, site.client.client_secret
    ) as opened:
        yield opened


@dataclass(frozen=True)
class Day:
    """A recording of everything, and what was in it."""

    file: Path
    recorded: Recorded
    seen: frozenset[str]

    @property
    def text(self) -> str:
        return self.file.read_text("ascii")


@pytest.fixture(scope="module")
def day(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """One that all tests share: nobody changes it."""
    file = tmp_path_factory.mktemp("day") / "monday.recording"

    async def playing() -> frozenset[str]:
        async with AsyncExitStack() as stack:
            stage = await stack.enter_async_context(
                scene(
                    site.served.url,
                    site.client.client.client_id,
                    site.client.client_secret,
                )
            )
            await play(stage)
            return frozenset(stage.seen)

    with recording(site.socket, file) as recorded:
        seen = asyncio.run(playing())
    return Day(file, recorded, seen)


def test_r220_nothing_is_recorded_unless_somebody_records(site: Site, day: Day) -> None:
    assert not site.socket.exists()
    (ended,) = day.recorded.ended
    assert (ended.dropped, day.recorded.collector.processes) == (0, 1)
    assert Settings().recording_directory == ""


def test_a_recording_has_the_calls_of_line_works_and_the_sign_ins(day: Day) -> None:
    read = Recording.read(day.file)
    kinds = Counter(call.kind for call in read.calls)
    assert kinds[Kind.SIGN_IN] == 1
    assert kinds[Kind.LOGIN] == 7
    assert kinds[Kind.LOGOUT] == 3
    assert kinds[Kind.USER_INFO] == 5
    assert kinds[Kind.TOKEN] == 13
    assert read.ended is not None
    assert read.ended.calls == len(read.calls)


# nobody can sign in with it


def _written(value: str) -> set[str]:
    """The forms in which a text may be hidden in another."""
    data = value.encode()
    encoded = base64.b64encode(data).decode()
    return {
        value,
        quote(value, safe=""),
        json.dumps(value)[1:-1],
        encoded.rstrip("="),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        data.hex(),
    }


def _names(day: Day, site: Site) -> set[str]:
    known = {
        *day.seen,
        *(USERNAME, PASSWORD, EXTERNAL_KEY, "127.0.0.1", "someone@works.example"),
        *(site.client.client_secret, site.client.client.client_id, "state-of-line-works"),
    }
    return {each for each in known if each not in ("code", "LineWorks")}


def test_r221_no_secret_and_no_name_is_in_a_recording(site: Site, day: Day) -> None:
    for value in _names(day, site):
        for form in _written(value):
            assert form not in day.text, value


def test_r221_names_cannot_be_guessed_from_the_file_alone(site: Site, day: Day) -> None:
    words = set(re.findall(r"[\w-]+", day.text))
    hashes = {word for word in words if re.fullmatch(r"[A-Za-z0-9_-]{16}", word)}
    assert len(hashes) > 20
    keys = [b"", *(word.encode() for word in words)]
    for value in _names(day, site):
        for key in keys:
            for digest in _digests(key, value.encode()):
                found = base64.urlsafe_b64encode(digest).decode()
                assert found[:16] not in hashes
                assert digest.hex()[:16] not in hashes


def _digests(key: bytes, value: bytes) -> Iterator[bytes]:
    yield hashlib.sha256(key + value).digest()
    yield hmac.digest(key, value, "sha256")
    for purpose in (b"code\0", b"email\0", b"user_id\0", b"client_secret\0"):
        yield hmac.digest(key, purpose + value, "sha256")


async def test_r221_no_word_of_a_recording_is_accepted_for_anything(
    site: Site, day: Day, stage: Scene
) -> None:
    hashes = sorted(set(re.findall(r'"([A-Za-z0-9_-]{16})"', day.text)))
    for word in hashes[:60]:
        assert (await stage.line_works.exchange_code(word)).error == "302"
        assert (await stage.line_works.user_info(word)).error == "303"


def test_r221_two_recordings_have_no_hash_in_common(site: Site, day: Day, tmp_path: Path) -> None:
    async def playing() -> None:
        async with scene(
            site.served.url, site.client.client.client_id, site.client.client_secret
        ) as stage:
            await stage.user_id(await stage.token(await stage.code()))

    with recording(site.socket, tmp_path / "again"):
        asyncio.run(playing())
    pattern = r'"([A-Za-z0-9_-]{16})"'
    again = set(re.findall(pattern, (tmp_path / "again").read_text("ascii")))
    assert again
    assert again.isdisjoint(re.findall(pattern, day.text))


def test_r221_the_account_and_the_console_are_never_looked_at(site: Site) -> None:
    here = tap.Tap(site.served.settings, None)  # type: ignore[arg-type]  # nothing is handed over
    for path in ("/account", "/account/password", "/console/people", "/", "/metrics", "/loginx"):
        assert here.place_of(path, "POST") is None
    assert here.place_of("/login", "POST") == (Kind.SIGN_IN, "")
    assert here.place_of("/accessToken", "POST") == (Kind.TOKEN, "")


# it ends by itself, and harms nobody


async def test_r222_a_recording_ends_at_its_calls_and_sign_ins_go_on(
    site: Site, stage: Scene, tmp_path: Path
) -> None:
    limits = Limits(seconds=60, calls=3, size=1_000_000)
    with recording(site.socket, tmp_path / "short", limits) as recorded:
        for _ in range(3):
            await stage.user_id(await stage.token(await stage.code()))
        wait_until(lambda: recorded.ended)
        await stage.user_id(await stage.token(await stage.code()))
    assert recorded.ended[0].ending == "calls"
    assert len(Recording.read(tmp_path / "short").calls) == 3


async def test_r222_a_recording_ends_at_its_time(site: Site, tmp_path: Path) -> None:
    with recording(site.socket, tmp_path / "timed", Limits(1.0, 100, 100_000)) as recorded:
        await asyncio.to_thread(wait_until, lambda: recorded.ended)
    assert recorded.ended[0].ending == "time"
    assert not site.socket.exists()


async def test_r222_a_recording_ends_at_a_full_disk_and_sign_ins_go_on(
    site: Site, stage: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worksgate.conformance.recording.file import RecordingWriter

    def full(self: RecordingWriter, line: bytes) -> None:
        raise OSError(28, "No space left on device")

    with recording(site.socket, tmp_path / "full") as recorded:
        await stage.token(await stage.code())
        wait_until(lambda: recorded.collector.calls >= 2)
        monkeypatch.setattr(RecordingWriter, "_write_all", full)
        await stage.user_id(await stage.token(await stage.code()))
        wait_until(lambda: recorded.ended)
        await stage.user_id(await stage.token(await stage.code()))
    assert recorded.ended[0].ending == "disk"
    read = Recording.read(tmp_path / "full")
    assert read.ended is None
    assert len(read.calls) >= 2


# replayed


async def test_r223_the_same_version_answers_the_same(day: Day, stage: Scene) -> None:
    report = await stage.replayed(day.file)
    assert report.differences == Counter()
    assert report.failed_sign_ins == Counter()
    assert report.not_replayed == Counter()
    assert report.same == report.calls == 28
    assert report.sign_ins == 1
    assert report.is_same


async def test_r223_of_two_calls_with_one_code_side_by_side_the_same_one_gets_the_token(
    day: Day, stage: Scene
) -> None:
    recorded = Recording.read(day.file)
    won = {call.id_of("code"): call for call in recorded.calls if call.answer.is_success}
    used = next(
        each for each in recorded.calls if each.answer.error == "302" and each.id_of("code") in won
    )
    sooner = replace(used, at=won[used.id_of("code")].at - 0.0001, seconds=1.0)
    calls = [sooner if each is used else each for each in recorded.calls]
    raced = replace(recorded, calls=tuple(sorted(calls, key=lambda call: call.at)))
    report = await Replay(raced, stage.url, stage.stand_ins(), speed=None).run()
    assert (report.differences, report.same) == (Counter(), 28)


async def test_r223_a_planted_change_of_one_error_code_is_found(
    day: Day, stage: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InvalidAuthorization, "number", "312")
    report = await stage.replayed(day.file)
    found = {(each.kind, each.what, each.recorded, each.now) for each in report.differences}
    assert found == {(Kind.TOKEN, "value of error", "302", "other")}
    assert not report.is_same


async def test_r223_another_error_style_shows_exactly_these_differences(
    site: Site, day: Day, stage: Scene
) -> None:
    await site.change_client(error_style="text")
    try:
        report = await stage.replayed(day.file)
    finally:
        await site.change_client(error_style="code")
    found = {(each.what, each.recorded, each.now) for each in report.differences}
    assert found == {
        ("value of error", "201", "invalid_request"),
        ("value of error", "203", "unsupported_grant_type"),
        ("value of error", "301", "unauthorized_client"),
        ("value of error", "302", "invalid_authorization"),
        ("value of error", "303", "invalid_access"),
    }
    assert report.same + report.different == report.calls


@pytest.mark.slow
async def test_a_code_that_expired_is_presented_as_late_as_it_was(
    site: Site, stage: Scene, tmp_path: Path
) -> None:
    await site.change_client(code_lifetime=1)
    try:
        with recording(site.socket, tmp_path / "late"):
            code = await stage.code()
            await asyncio.sleep(1.2)
            assert (await stage.line_works.exchange_code(code)).error == "302"
        report = await stage.replayed(tmp_path / "late")
        assert (report.same, report.different) == (report.calls, 0)
        assert report.seconds > 1.1
    finally:
        await site.change_client(code_lifetime=60)


async def test_what_began_before_the_recording_is_earned_anew(
    site: Site, stage: Scene, tmp_path: Path
) -> None:
    code, token = await stage.code(), await stage.token(await stage.code())
    with recording(site.socket, tmp_path / "middle"):
        await stage.token(code)
        await stage.user_id(token)
    report = await stage.replayed(tmp_path / "middle")
    assert (report.same, report.calls) == (2, 2)


async def test_without_the_right_stand_ins_nothing_counts_as_the_same(
    day: Day, stage: Scene
) -> None:
    stage.client_secret = "not-the-secret-of-the-client"
    report = await stage.replayed(day.file)
    assert not report.is_same
    assert report.different


async def test_r223_the_simulators_misbehaviour_is_answered_the_same(
    site: Site, stage: Scene, tmp_path: Path
) -> None:
    with recording(site.socket, tmp_path / "wild"):
        await sign_in(stage)
        assert await misbehave(stage) > 5
    report = await stage.replayed(tmp_path / "wild")
    assert report.differences == Counter()
    assert report.same + report.not_replayed.total() == report.calls > 10
    assert set(report.not_replayed) <= {Reason.TOO_LARGE}


async def test_r223_a_mail_login_is_re_enacted_with_a_right_and_a_wrong_password(
    site: Site, stage: Scene, tmp_path: Path
) -> None:
    await site.change_client(imap_login=True, imap_passwords="all")
    with recording(site.socket, tmp_path / "mail"):
        right = await stage.line_works.imap_login(USERNAME, PASSWORD)
        await stage.user_id(await stage.token(right.value("code") or ""))
        wrong = await stage.line_works.imap_login(USERNAME, "a wrong password")
        assert wrong.error == "invalid_grant"
    text = (tmp_path / "mail").read_text("ascii")
    assert base64.b64encode(PASSWORD.encode()).decode()[:12] not in text
    report = await stage.replayed(tmp_path / "mail")
    assert report.differences == Counter()
    assert (report.same, report.calls) == (4, 4)


async def test_r223_refresh_tokens_are_rotated_and_end_with_their_grant(
    site: Site, stage: Scene, tmp_path: Path
) -> None:
    await site.change_client(refresh_tokens=True)
    try:
        with recording(site.socket, tmp_path / "refreshed"):
            first = await stage.line_works.exchange_code(await stage.code())
            old = first.value("refresh_token") or ""
            second = await stage.line_works.refresh(old)
            await stage.user_id(second.value("access_token") or "")
            assert (await stage.line_works.refresh(old)).error == "302"
            ended = await stage.line_works.user_info(second.value("access_token") or "")
            assert ended.error == "303"
            ended = await stage.line_works.refresh(second.value("refresh_token") or "")
            assert ended.error == "302"
        report = await stage.replayed(tmp_path / "refreshed")
    finally:
        await site.change_client(refresh_tokens=False)
    assert report.differences == Counter()
    assert report.not_replayed == Counter()
    assert report.same == report.calls == 7


async def test_the_pace_is_a_factor_of_the_recorded_one(
    site: Site, stage: Scene, tmp_path: Path
) -> None:
    with recording(site.socket, tmp_path / "slow"):
        await stage.authorize()
        await asyncio.sleep(0.8)
        await stage.authorize()
    for each in tries():
        with each:
            at_half = await stage.replayed(tmp_path / "slow", speed=2.0)
            assert at_half.is_same
            assert at_half.seconds >= 0.4
            fastest = await stage.replayed(tmp_path / "slow")
            assert fastest.seconds < at_half.seconds


async def test_a_recording_that_is_kept_with_the_tests_is_answered_the_same(stage: Scene) -> None:
    report = await stage.replayed(MONDAY)
    assert report.differences == Counter()
    assert report.same == report.calls == 28


async def test_a_target_that_does_not_answer_is_different_and_not_the_same(
    day: Day, stage: Scene
) -> None:
    with listening() as nobody:
        stage.url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    with pytest.raises(NoAnswer):
        await stage.replayed(day.file)
