"""All sources of an installation together: how long each is trusted, and which people it has."""

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.unhurried import tries

from worksgate.credentials.password_hashing import BusyRefusal
from worksgate.directory.remembered import RememberedPeople
from worksgate.oauth.model import Client
from worksgate.provider import sources as module
from worksgate.provider.sources import SourcesInUse, UnknownSource
from worksgate.provider.throttle import Admission, Attempt, ThrottlePolicy
from worksgate.provider.throttle.counters import Counters
from worksgate.sources import Person
from worksgate.store.memory import MemoryStore

ACME = Client(client_id="acme", name="Acme")
HANA = Person(subject_id="directory:1", username="hana", name="Hana")
EMMA = Person(subject_id="entra:9", username="emma", name="Emma")
DAY = 86_400.0
SEEN = 1_000_000.0


@dataclass
class Entra:
    """Another provider, which can be asked about people only where ``knows`` says so."""

    name: str = "entra"
    label: str = "Entra"
    knows: Person | None = None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return self.knows or last_seen


@dataclass
class Notes(RememberedPeople):
    """What is remembered of people: everybody was last here at ``SEEN``."""

    seen: float | None = SEEN
    noted: list[str] = field(default_factory=list)

    async def last_seen(self, subject_id: str, trusted_for: float | None = None) -> Person | None:
        return None

    async def last_sign_in(self, subject_id: str) -> float | None:
        return self.seen

    def note_login(self, subject_id: str) -> None:
        self.noted.append(subject_id)


@dataclass
class Directory:
    """The built-in directory, where one password is somebody's."""

    name: str = "directory"

    async def is_password(self, username: str, password: str) -> bool:
        return (username, password) == ("hana", "right")


def sources(entra: Entra | None = None, notes: Notes | None = None) -> SourcesInUse:
    directory = Directory()
    return SourcesInUse(
        passwords={"directory": directory},  # type: ignore[dict-item]  # nobody signs in here
        redirects={"entra": entra or Entra()},  # type: ignore[dict-item]  # nor here
        changer=directory,  # type: ignore[arg-type]  # no password is changed
        people=notes,
    )


@pytest.mark.parametrize(
    ("subject_id", "entra", "notes", "lapse", "until"),
    [
        ("entra:9", Entra(), Notes(), 30 * DAY, SEEN + 30 * DAY),
        ("entra:9", Entra(), Notes(seen=None), 30 * DAY, None),
        ("entra:9", Entra(), Notes(), math.inf, None),
        ("entra:9", Entra(), None, 30 * DAY, None),
        ("entra:9", Entra(knows=EMMA), Notes(), 30 * DAY, None),
        ("directory:1", Entra(), Notes(), 30 * DAY, None),
    ],
    ids=["not asked", "never seen", "no lapse", "no notes", "can be asked", "built in"],
)
async def test_r129_a_source_that_cannot_be_asked_is_trusted_for_a_while(
    subject_id: str, entra: Entra, notes: Notes | None, lapse: float, until: float | None
) -> None:
    assert await sources(entra, notes).trusted_until(subject_id, lapse) == until


def test_who_was_let_in_is_noted_where_there_are_notes() -> None:
    notes = Notes()
    sources(notes=notes).note_login(EMMA.subject_id)
    assert notes.noted == [EMMA.subject_id]
    sources().note_login(EMMA.subject_id)


async def test_a_password_is_looked_for_only_where_it_is_kept_and_the_client_allows() -> None:
    here, nowhere = sources(), SourcesInUse(passwords=sources().passwords)
    only_entra = Client(client_id="acme", name="Acme", sources=("entra",))
    assert await here.is_password_kept_here(ACME, "hana", "right") is True
    assert await here.is_password_kept_here(ACME, "hana", "wrong") is False
    assert await here.is_password_kept_here(only_entra, "hana", "right") is False
    assert await nowhere.is_password_kept_here(ACME, "hana", "right") is False


async def test_a_password_is_changed_only_where_it_is_kept() -> None:
    with pytest.raises(UnknownSource):
        await sources().change_password("entra", EMMA, "a new password")
    with pytest.raises(UnknownSource):
        await SourcesInUse(passwords=sources().passwords).change_password(
            "directory", HANA, "a new password"
        )


@pytest.mark.parametrize(
    ("username", "asked"),
    [
        ("emma@acme.example", ["ldap"]),
        ("emma@ACME.example", ["ldap"]),
        ("emma@other.example", ["directory"]),
        ("emma", ["directory"]),
        ("acme.example", ["directory"]),
        ("emma@", ["directory"]),
    ],
)
def test_a_domain_is_its_source_s_alone(username: str, asked: list[str]) -> None:
    here = SourcesInUse(
        passwords={each: Directory(each) for each in ("directory", "ldap")},  # type: ignore[misc]  # nobody signs in
        domains={"ldap": ("acme.example",)},
    )
    assert [each.name for each in here.for_password(ACME, username)] == asked


def test_a_name_of_another_provider_s_domain_has_no_password_here() -> None:
    here = SourcesInUse(
        passwords={"directory": Directory()},  # type: ignore[dict-item]  # nobody signs in
        redirects={"entra": Entra()},  # type: ignore[dict-item]  # nor here
        domains={"entra": ("acme.example",)},
    )
    assert here.for_password(ACME, "emma@acme.example") == ()
    assert here.takes_passwords(ACME)
    assert not here.takes_passwords(Client(client_id="acme", name="Acme", sources=("entra",)))


def admission(*, is_busy: bool = False) -> Admission:
    """Of an attempt whose right password a source has just accepted."""
    counters = Counters(MemoryStore(), "", b"k" * 32)
    admitted = Admission(counters, ThrottlePolicy(), Attempt("hana", "192.0.2.1"), 0.0)
    admitted.asked, admitted.must_answer_busy = "directory", is_busy
    return admitted


async def test_where_no_time_tells_anything_a_refusal_waits_for_nothing() -> None:
    for each in tries():
        with each:
            began = time.monotonic()
            await sources().refuse(ACME, "hana", "right", admission(), began=began)
            assert time.monotonic() - began < 0.5
    with pytest.raises(BusyRefusal):
        await sources().refuse(ACME, "hana", "right", admission(is_busy=True), began=began)


async def test_sources_that_are_asked_in_vain_share_the_time_as_at_a_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[float | None] = []

    @asynccontextmanager
    async def patience(_source: object, seconds: float | None) -> AsyncIterator[None]:
        given.append(seconds)
        yield

    monkeypatch.setattr(module, "_patience", patience)
    here = SourcesInUse(
        passwords={each: Directory(each) for each in ("directory", "ldap")},  # type: ignore[misc]  # nobody signs in
    )
    await here.refuse(ACME, "hana", "right", admission(), began=time.monotonic(), within=2.0)
    assert given == [1.0]


def test_only_another_provider_has_a_label() -> None:
    assert sources().label_of("entra") == "Entra"
    assert sources().label_of("directory") is None
