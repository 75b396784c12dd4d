"""What takes too long: every question of the console has an end, and the page says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.web.console.console import CannedExaminer, console_of

from worksgate.administration.roles import Role
from worksgate.administration.set_up import KeyCount
from worksgate.doctor import Finding, ok
from worksgate.oauth.model import UserKey
from worksgate.sources import SourceUnavailable
from worksgate.web.console import examination, sources, wizard, wizard_people
from worksgate.web.console.examination import Examination


async def endless() -> AsyncIterator[Finding]:
    """One finding, and never a second one."""
    yield ok("first", "this was found in time")
    await asyncio.Event().wait()


@dataclass
class EndlessExaminer(CannedExaminer):
    """Every question is begun, and never answered."""

    def public_address(self) -> AsyncIterator[Finding]:
        return endless()

    def source(
        self, name: str, username: str | None = None, password: str | None = None
    ) -> AsyncIterator[Finding]:
        return endless()

    async def keys(self, name: str, kind: UserKey) -> KeyCount:
        await asyncio.Event().wait()
        raise AssertionError


@dataclass
class OutageExaminer(CannedExaminer):
    """No source can be counted."""

    async def keys(self, name: str, kind: UserKey) -> KeyCount:
        raise SourceUnavailable("secret-of-an-address")


async def test_a_question_without_an_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wizard, "LONGEST_CHECK", 0.05)
    monkeypatch.setattr(wizard_people, "LONGEST_COUNT", 0.05)
    monkeypatch.setattr(sources, "LONGEST_TEST", 0.05)
    async with console_of(tmp_path, examiner=EndlessExaminer) as console:
        await console.make("owner", Role.OWNER)
        owner = await console.signed_in("owner")
        await owner.get("/wizard/address")
        await owner.post("/wizard/address/inside")
        page = (await owner.get("/wizard/address")).text
        assert "this was found in time" in page
        assert "the check took too long" in page
        await owner.post("/wizard/keys/count")
        assert owner.page.status_code == 503
        assert "Counting takes too long here" in owner.page.text
        await owner.post("/source/test", name="directory", form="one")
        assert "this was found in time" in owner.page.text
        assert "The source took too long." in owner.page.text


async def test_a_source_that_cannot_be_counted_is_named(tmp_path: Path) -> None:
    async with console_of(tmp_path, examiner=OutageExaminer) as console:
        await console.make("owner", Role.OWNER)
        owner = await console.signed_in("owner")
        await owner.get("/wizard/keys")
        await owner.post("/wizard/keys/count")
        page = (await owner.get("/wizard/keys")).text
        assert "directory could not be counted" in page
        assert "secret-of-an-address" not in page


async def test_an_examination_without_an_end_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "PATIENCE", 0.05)
    endless_one = Examination(endless, lambda: 1_000.0)
    endless_one.begin()
    await endless_one.finished(5)
    assert (endless_one.is_running, endless_one.latest) == (False, None)
