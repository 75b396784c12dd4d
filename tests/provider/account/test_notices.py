"""Who is notified of a changed credential, and how many notices are queued; with fakes."""

import asyncio
from dataclasses import replace

from worksgate.audit import AuditEvent, Event
from worksgate.directory.credential_changes import Change, CredentialChange, Origin
from worksgate.mail import Mailer, MailMessage
from worksgate.provider.account.notices import OF_ONE_PERSON, WAITING, Notices, Outcome
from worksgate.sources import Person

BUSY, AOI = "directory:busy", "directory:aoi"


class People:
    async def person(self, subject_id: str) -> Person | None:
        address = f"{subject_id.partition(':')[2]}@example.com"
        return Person(subject_id=subject_id, username="x", name="", email=address)


class Post(Mailer):
    """A mail server that takes nothing until it is let."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.sent: list[str] = []

    async def send(self, message: MailMessage) -> None:
        await self.is_open.wait()
        self.sent.append(message.to)


class Texts:
    def notice(
        self, person: Person, change: CredentialChange, link: str, company: str = ""
    ) -> MailMessage | None:
        return MailMessage(to=person.email or "", subject="s", text="t", html="")


class Languages:
    """One person has chosen a language."""

    async def language(self, subject_id: str) -> str:
        return "ko" if subject_id == AOI else ""


def change_of(subject_id: str) -> CredentialChange:
    event = AuditEvent(event=Event.FACTOR_ADDED, at=1.0, subject_id=subject_id)
    return CredentialChange(change=Change.APP_PASSWORD_ADDED, event=event)


async def test_r126_who_changes_things_in_a_loop_silences_nobody_else() -> None:
    post, outcomes = Post(), list[Outcome]()
    notices = Notices(People(), post, Texts(), None, outcomes.append)
    for _ in range(2 * WAITING):
        notices.notify(change_of(BUSY))
    notices.notify(change_of(AOI))
    post.is_open.set()
    await notices.close()
    assert post.sent.count("aoi@example.com") == 1
    assert post.sent.count("busy@example.com") == OF_ONE_PERSON
    assert outcomes.count(Outcome.NOT_SENT) == 2 * WAITING - OF_ONE_PERSON


async def test_r126_a_person_is_told_again_once_the_first_notices_are_sent() -> None:
    post, told = Post(), asyncio.Semaphore(0)
    post.is_open.set()
    notices = Notices(People(), post, Texts(), None, lambda _: told.release())
    for _ in range(OF_ONE_PERSON):
        notices.notify(change_of(BUSY))
    for _ in range(OF_ONE_PERSON):
        await told.acquire()
    notices.notify(change_of(BUSY))
    await notices.close()
    assert len(post.sent) == OF_ONE_PERSON + 1


async def test_r247_a_notice_is_in_the_language_that_its_person_has_chosen() -> None:
    class Written(Texts):
        languages: list[str]

        def notice(
            self, person: Person, change: CredentialChange, link: str, company: str = ""
        ) -> MailMessage | None:
            self.languages.append(change.origin.language)
            return super().notice(person, change, link, company)

    post, texts = Post(), Written()
    texts.languages = []
    post.is_open.set()
    notices = Notices(People(), post, texts, None, languages=Languages())
    for whose in (AOI, BUSY):
        change = change_of(whose)
        notices.notify(replace(change, origin=Origin(language="ja")))
    await notices.close()
    assert sorted(texts.languages) == ["ja", "ko"]
