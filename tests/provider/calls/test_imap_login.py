"""Whether a mail client may sign in: which sources are queried, what is counted and recorded.

The store is a real one; sources and factors are small classes that note who asked them.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NoReturn
from urllib.parse import quote

import pytest
from tests.unhurried import AT_ONCE, tries

from worksgate.audit import AuditEvent, Event
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.password_hashing import BusyRefusal, HashingBusy
from worksgate.credentials.secrets import storage_key
from worksgate.database import DatabaseUnavailable
from worksgate.directory.remembered import RememberedPeople
from worksgate.oauth.errors import (
    InvalidLogin,
    InvalidRequest,
    OAuthError,
    TemporarilyUnavailable,
    TooManyLogins,
)
from worksgate.oauth.model import (
    Artifact,
    AuthorizationCode,
    Client,
    ImapPasswords,
    LoginKind,
    SecondFactor,
    UserKey,
)
from worksgate.oauth.user_key import KeyProblem
from worksgate.provider.calls.imap_login import PURPOSE, ImapLogin, imap_policy
from worksgate.provider.factors import AppPasswords, Factors
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import A_MINUTE, StrangerRecords
from worksgate.provider.throttle import Attempt, Throttle, ThrottlePolicy
from worksgate.sources import Identified, PasswordExpired, Person, PersonDisabled, SourceUnavailable
from worksgate.store import StoreUnavailable
from worksgate.store.memory import MemoryStore

NOW = 1_000_000.0
ADDRESS = "203.0.113.7"
EMAIL = "hana@acme.example"
PASSWORD = "correct horse battery"
WRONG = "a guess 8f3a"
APP_PASSWORD = "abcd efgh ijkl mnop"
CLIENT = Client(client_id="acme", name="Acme", imap_login=True, imap_passwords=ImapPasswords.ALL)
HANA = Person(
    subject_id="directory:1",
    username=EMAIL,
    name="Hana",
    external_key="hana",
    works_account=EMAIL,
    groups=("sales",),
)


class People:
    """A source that knows one password of one person."""

    def __init__(self, person: Person, password: str = PASSWORD, name: str = "directory") -> None:
        self.name = name
        self.person: Person | None = person
        self.password = password
        self.asked: list[str] = []
        self.fails: type[Exception] | None = None
        self.takes = 0.0

    async def authenticate(self, username: str, password: str) -> Person | None:
        self.asked.append(password)
        await asyncio.sleep(self.takes)
        if self.fails is not None:
            raise self.fails
        right = self.person is not None and username == self.person.username
        return self.person if right and password == self.password else None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        known = self.person is not None and self.person.subject_id == subject_id
        return self.person if known else None


class SlowToTell(People):
    """A source whose refusals come late, so that their time tells nothing."""

    seconds = 0.2

    async def refusal_time(self) -> float:
        return self.seconds


LAPSE = 30 * 86_400.0


class Redirect(RememberedPeople):
    """Another provider: it is never asked for a password, and knows who was there."""

    name = "entra"
    label = "Entra"

    def __init__(self, person: Person) -> None:
        self.person = person
        self.noted: list[str] = []

    def note_login(self, subject_id: str) -> None:
        self.noted.append(subject_id)

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return last_seen if subject_id == self.person.subject_id else None

    async def last_seen(self, subject_id: str, trusted_for: float | None = None) -> Person | None:
        assert trusted_for == LAPSE
        return self.person if subject_id == self.person.subject_id else None

    async def last_sign_in(self, subject_id: str) -> float | None:
        return NOW


@dataclass
class KnownAppPasswords(AppPasswords):
    """App passwords, by the username and the password, and whose they are."""

    known: dict[tuple[str, str], str] = field(default_factory=dict)
    fails: type[Exception] | None = None

    async def verify(self, username: str, password: str, now: float) -> str | None:
        assert now == NOW
        if self.fails is not None:
            raise self.fails
        return self.known.get((username, password))


@dataclass
class KnownFactors(Factors):
    """Who has a second factor."""

    bound: set[str] = field(default_factory=set)

    async def has_second_factor(self, subject_id: str) -> bool:
        return subject_id in self.bound


class Unreachable(KnownFactors):
    """Second factors cannot be asked about."""

    async def has_second_factor(self, subject_id: str) -> bool:
        raise DatabaseUnavailable


class Audit:
    is_away = False

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    async def room(self) -> None: ...

    async def flush(self) -> None: ...

    async def keep(self, events: Sequence[AuditEvent]) -> None:
        self.events += events

    def details(self) -> list[tuple[Event, str | None]]:
        return [(each.event, each.detail) for each in self.events]


@dataclass
class Office:
    """Everything around an ``ImapLogin``."""

    people: People
    clients: list[Client]
    sources: SourcesInUse
    deadline: float = 2.5
    refusal_time: float = 0.0
    store: MemoryStore = field(default_factory=MemoryStore)
    app_passwords: KnownAppPasswords = field(default_factory=KnownAppPasswords)
    factors: KnownFactors = field(default_factory=KnownFactors)
    audit: Audit = field(default_factory=Audit)
    policy: ThrottlePolicy = field(default_factory=ThrottlePolicy)
    login: ImapLogin = field(init=False)

    def __post_init__(self) -> None:
        self.store.keeper = self.audit
        self.login = ImapLogin(
            clients=ClientRegistry(self._load),
            store=self.store,
            sources=self.sources,
            app_passwords=self.app_passwords,
            second_factors=self.factors,
            throttle=Throttle(self.store, imap_policy(self.policy), PURPOSE),
            audit=self.audit,
            strangers=StrangerRecords(self.audit, self.store.bump),
            deadline=self.deadline,
            app_password_lapse=LAPSE,
            refusal_time=self.refusal_time,
            clock=lambda: NOW,
        )

    async def _load(self) -> Mapping[str, Client]:
        return {client.client_id: client for client in self.clients}

    async def log_in(
        self,
        password: str = PASSWORD,
        email: str = EMAIL,
        *,
        client_id: str | None = "acme",
        address: str = ADDRESS,
    ) -> AuthorizationCode:
        """The code that came of it, as it is kept."""
        answer = await self.login.log_in(client_id, query_of(email, password), address)
        code = await self.store.find(AuthorizationCode, storage_key(answer.code))
        assert code is not None
        return code

    async def refused(
        self, error: type[OAuthError] = InvalidLogin, password: str = PASSWORD, **how: object
    ) -> str:
        """What the administrator is told of a refusal; no code is left of it."""
        await self.store.forget(HANA.subject_id)
        with pytest.raises(OAuthError) as refusal:
            await self.log_in(password, **how)  # type: ignore[arg-type]  # passed on
        assert type(refusal.value) is error
        assert await self.store.forget(HANA.subject_id) == 0
        assert password not in refusal.value.detail
        return refusal.value.detail


def office(
    *sources: People, client: Client = CLIENT, deadline: float = 2.5, **others: object
) -> Office:
    people = sources or (People(HANA),)
    in_use = SourcesInUse({each.name: each for each in people}, **others)  # type: ignore[arg-type]  # fields of SourcesInUse
    return Office(people[0], [client], in_use, deadline)


def query_of(email: str, password: str) -> bytes:
    values: Mapping[str, str] = {"email": email, "password": password}
    pairs = ((name, b64encode(value.encode()).decode()) for name, value in values.items())
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs).encode()


# What a right one gets


async def test_a_password_buys_a_code_of_this_kind() -> None:
    here = office(client=replace(CLIENT, expires_in_imap=7_200, code_lifetime=30))
    code = await here.log_in()
    assert code.login_kind is LoginKind.IMAP
    assert (code.subject_id, code.client_id, code.user_id) == ("directory:1", "acme", "hana")
    assert (code.expires_at, code.lifetime, code.expires_in) == (NOW + 30, 7_200, 7_200)
    (done, issued) = here.audit.events
    assert (done.event, issued.event) == (Event.IMAP_SUCCEEDED, Event.CODE_ISSUED)
    assert done.login_id == issued.login_id == code.login_id
    assert (done.client_id, done.username, done.address) == ("acme", EMAIL, ADDRESS)
    assert done.subject_id == "directory:1"
    assert done.detail == "by password"


async def test_the_user_key_is_the_client_s_kind() -> None:
    here = office(client=replace(CLIENT, user_key=UserKey.WORKS_ACCOUNT))
    assert (await here.log_in()).user_id == EMAIL


async def test_an_app_password_is_tried_first_and_needs_no_source() -> None:
    here = office(client=replace(CLIENT, imap_passwords=ImapPasswords.APP_PASSWORDS))
    here.app_passwords.known[EMAIL, APP_PASSWORD] = "directory:1"
    assert (await here.log_in(APP_PASSWORD)).user_id == "hana"
    assert here.audit.events[0].detail == "by app password"
    assert here.people.asked == []


async def test_only_app_passwords_are_taken_unless_the_client_says_more() -> None:
    assert Client(client_id="x", name="X").imap_passwords is ImapPasswords.APP_PASSWORDS
    here = office(client=replace(CLIENT, imap_passwords=ImapPasswords.APP_PASSWORDS))
    await here.refused()
    assert here.people.asked == []


async def test_a_person_of_another_provider_comes_in_by_app_password_alone() -> None:
    redirect = Redirect(replace(HANA, subject_id="entra:9"))
    here = office(redirects={"entra": redirect}, people=redirect)
    here.app_passwords.known[EMAIL, APP_PASSWORD] = "entra:9"
    assert (await here.log_in(APP_PASSWORD)).subject_id == "entra:9"


async def test_without_an_id_it_is_the_only_client_that_lets_mail_clients_in() -> None:
    here = office()
    here.clients += [Client(client_id="b", name="B"), replace(CLIENT, client_id="c", enabled=False)]
    assert (await here.log_in(client_id=None)).client_id == "acme"
    here.clients.append(replace(CLIENT, client_id="second"))
    another = office()
    another.clients += here.clients[1:]
    await another.refused(client_id=None)


# Which client


@pytest.mark.parametrize(
    "client",
    [
        replace(CLIENT, imap_login=False),
        replace(CLIENT, enabled=False),
        replace(CLIENT, client_id="another"),
        replace(CLIENT, allowed_addresses=("192.0.2.0/24",)),
    ],
    ids=["off", "disabled", "unknown", "from elsewhere"],
)
async def test_r58_a_client_that_is_not_open_is_not_told_from_a_wrong_password(
    client: Client,
) -> None:
    here = office(client=client)
    here.app_passwords.known[EMAIL, APP_PASSWORD] = "directory:1"
    for password in (PASSWORD, APP_PASSWORD, WRONG):
        await here.refused(password=password)
    assert here.people.asked == []
    assert {each.event for each in here.audit.events} == {Event.IMAP_REFUSED}
    assert {each.username for each in here.audit.events} == {EMAIL}


async def test_r58_off_by_default() -> None:
    here = office(client=Client(client_id="acme", name="Acme"))
    assert "imap_login disabled" in await here.refused()


async def test_r58_source_addresses_can_be_limited() -> None:
    here = office(client=replace(CLIENT, allowed_addresses=("203.0.113.0/24",)))
    await here.log_in()
    assert "not on the client's allowlist" in await here.refused(address="198.51.100.1")


async def test_a_client_narrows_the_sources_down() -> None:
    ldap = People(replace(HANA, subject_id="ldap:1"), "another", "ldap")
    here = office(People(HANA), ldap, client=replace(CLIENT, sources=("ldap",)))
    assert (await here.log_in("another")).subject_id == "ldap:1"
    assert here.people.asked == []
    here.app_passwords.known[EMAIL, APP_PASSWORD] = "directory:1"
    assert "source" in await here.refused(password=APP_PASSWORD)


async def test_r60_a_malformed_request_reaches_nobody() -> None:
    here = office()
    for query in (b"", b"email=x", query_of(EMAIL, ""), query_of("", PASSWORD)):
        with pytest.raises(InvalidRequest):
            await here.login.log_in("acme", query, ADDRESS)
    assert here.people.asked == []
    assert [each.event for each in here.audit.events] == [Event.IMAP_REFUSED] * 4


async def test_r61_no_empty_password_and_none_with_nul_reaches_a_source() -> None:
    here = office()
    for password in ("", "\0", "\0x", "x\0"):
        with pytest.raises(InvalidRequest):
            await here.login.log_in("acme", query_of(EMAIL, password), ADDRESS)
    assert here.people.asked == []


#


async def test_r62_failures_are_counted_for_the_account_but_not_for_the_login_page() -> None:
    here = office()
    for _ in range(10):
        await here.refused(password=WRONG)
    await here.refused(TooManyLogins)
    assert len(here.people.asked) == 10
    browsers = Throttle(here.store, here.policy)
    for _ in range(9):
        async with browsers.attempt(Attempt(EMAIL, ADDRESS), NOW) as admission:
            admission.refused()
    assert here.audit.details()[-1] == (Event.IMAP_REFUSED, "too many failures before")


async def test_r62_failures_are_counted_for_the_address() -> None:
    here = office()
    here.policy = replace(here.policy, per_address=3)
    here.__post_init__()
    for number in range(30):
        await here.refused(password=WRONG, email=f"person{number}@acme.example")
    await here.refused(TooManyLogins)
    await here.log_in(address="198.51.100.1")


async def test_r62_success_sets_the_count_back() -> None:
    here = office()
    for _ in range(3):
        for _ in range(9):
            await here.refused(password=WRONG)
        await here.log_in()
        await here.store.forget(HANA.subject_id)


async def test_r62_hundred_at_once_are_at_most_ten_questions() -> None:
    here = office()
    guesses = (here.log_in(WRONG) for _ in range(100))
    refusals = await asyncio.gather(*guesses, return_exceptions=True)
    assert len(here.people.asked) == 10
    assert {type(refusal) for refusal in refusals} == {InvalidLogin, TooManyLogins}


async def test_r62_a_right_password_that_is_not_enough_counts_as_a_wrong_one() -> None:
    here = office()
    here.factors.bound.add(HANA.subject_id)
    for _ in range(10):
        await here.refused()
    await here.refused(TooManyLogins)


async def test_an_outage_costs_no_attempt_s_delay() -> None:
    here = office()
    here.people.fails = SourceUnavailable
    for _ in range(12):
        await here.refused(TemporarilyUnavailable)
    here.people.fails = None
    await here.log_in()


#


async def test_r63_who_has_a_second_factor_needs_an_app_password() -> None:
    here = office()
    here.factors.bound.add(HANA.subject_id)
    here.app_passwords.known[EMAIL, APP_PASSWORD] = HANA.subject_id
    assert "app password" in await here.refused()
    assert here.audit.events[-1].subject_id == HANA.subject_id
    await here.log_in(APP_PASSWORD)


@pytest.mark.parametrize("second_factor", SecondFactor)
async def test_r63_no_setting_of_the_client_s_waives_it(second_factor: SecondFactor) -> None:
    here = office(client=replace(CLIENT, second_factor=second_factor, rules=("allow",)))
    here.factors.bound.add(HANA.subject_id)
    await here.refused()


async def test_r63_where_a_second_factor_is_required_nobody_comes_in_without() -> None:
    here = office(client=replace(CLIENT, second_factor=SecondFactor.REQUIRED))
    here.app_passwords.known[EMAIL, APP_PASSWORD] = HANA.subject_id
    assert "required" in await here.refused()
    await here.log_in(APP_PASSWORD)


async def test_r63_a_rule_can_require_it_for_mail_clients() -> None:
    here = office(client=replace(CLIENT, rules=("second_factor kind=imap group=sales",)))
    here.app_passwords.known[EMAIL, APP_PASSWORD] = HANA.subject_id
    assert "required" in await here.refused()
    await here.log_in(APP_PASSWORD)


@pytest.mark.parametrize(
    "rules", [("deny kind=imap",), ("deny network=203.0.113.0/24",), ("no rule at all",)]
)
async def test_what_a_rule_denies_no_app_password_opens(rules: tuple[str, ...]) -> None:
    here = office(client=replace(CLIENT, rules=rules))
    here.app_passwords.known[EMAIL, APP_PASSWORD] = HANA.subject_id
    for password in (PASSWORD, APP_PASSWORD):
        assert "rule" in await here.refused(password=password)


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("rule", ["deny kind=imap", "deny hours=00:00-24:00", "no rule at all"])
async def test_r125_what_is_denied_to_everybody_is_refused_before_the_password_is_looked_at(
    rule: str,
    right: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    here = office(client=replace(CLIENT, rules=(rule,)))
    for _ in range(30):  # nothing is counted: nobody learns from the count that it was right
        await here.refused(InvalidLogin, PASSWORD if right else "wrong")
    assert not here.people.asked


async def test_what_depends_on_the_person_is_denied_after_the_password() -> None:
    here = office(client=replace(CLIENT, rules=("deny group=sales",)))
    assert await here.refused() == "a rule denies it"
    assert here.people.asked == [PASSWORD]


async def test_r63_a_passkey_that_a_rule_requires_is_met_by_an_app_password() -> None:
    here = office(client=replace(CLIENT, rules=("require passkey",)))
    here.app_passwords.known[EMAIL, APP_PASSWORD] = HANA.subject_id
    assert "required" in await here.refused()
    await here.log_in(APP_PASSWORD)


async def test_a_rule_for_browsers_says_nothing_of_mail_clients() -> None:
    here = office(client=replace(CLIENT, rules=("deny kind=web,app",)))
    await here.log_in()


#


@pytest.mark.parametrize("why", [PersonDisabled, PasswordExpired])
async def test_r65_who_is_disabled_or_expired_is_refused(why: type[Exception]) -> None:
    here = office()
    here.people.fails = why
    await here.refused()
    event = here.audit.events[-1]
    assert event.event is Event.IMAP_REFUSED
    assert event.username == EMAIL
    said = "the person is disabled" if why is PersonDisabled else "the password has expired"
    assert event.detail == said


async def test_r62_a_right_password_that_is_not_let_in_takes_as_long_as_a_wrong_one() -> None:
    people = SlowToTell(replace(HANA, must_change_password=True))
    here = office(people)
    for password in (PASSWORD, WRONG):
        began = time.monotonic()
        await here.refused(password=password)
        assert time.monotonic() - began >= people.seconds - 0.01


class InSteps(People):
    """A source that finds people first; it notes its steps, and whether a check was admitted."""

    def __init__(self, person: Person, password: str = PASSWORD, name: str = "directory") -> None:
        super().__init__(person, password, name)
        self.steps: list[str] = []
        self.admitted: list[bool] = []

    async def identify(self, username: str) -> Identified:
        self.steps.append("identify")
        return Identified(username, f"{self.name} {username}", is_found=True)

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        self.steps.append("verify")
        self.admitted.append(admitted)
        person = await self.authenticate(identified.username, password)
        return person if admitted else None


class Watched(MemoryStore):
    """It notes which counters are read and written, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def count_all(self, counters: Collection[str], now: float) -> Mapping[str, int]:
        self.calls.append(f"count {len(counters)}")
        return await super().count_all(counters, now)

    async def bump_all(self, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
        self.calls.append(f"bump {len(windows)}")
        return await super().bump_all(windows, now)

    async def bump(self, counter: str, window: float, now: float) -> int:
        self.calls.append("bump")
        return await super().bump(counter, window, now)


NOT_LET_IN = {
    "factor": {},
    "temporary": {"must_change_password": True},
    "no key": {"external_key": None},
    "disabled": {},
}


@pytest.mark.parametrize("why", NOT_LET_IN)
async def test_r284_a_right_password_that_is_not_let_in_does_what_a_wrong_one_does(
    why: str,
) -> None:
    done = []
    for password in (PASSWORD, WRONG):
        person = replace(HANA, **NOT_LET_IN[why])  # type: ignore[arg-type]  # fields of a person
        first, second = InSteps(person), InSteps(HANA, "another", "ldap")
        here = office(first, second)
        here.store = Watched()
        here.__post_init__()
        here.factors.bound = {HANA.subject_id} if why == "factor" else set()
        if why == "disabled" and password == PASSWORD:
            first.fails = PersonDisabled
        await here.refused(password=password)
        assert second.asked == [password]
        done.append((first.steps, second.steps, here.store.calls))
    assert done[0] == done[1]


@pytest.mark.parametrize("in_order", [True, False])
async def test_r284_an_outage_of_another_source_does_not_tell_a_right_password(
    in_order: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    people, ldap = InSteps(HANA), InSteps(replace(HANA, subject_id="ldap:1"), "another", "ldap")
    ldap.fails = SourceUnavailable
    here = office(people, ldap) if in_order else office(ldap, people)
    here.factors.bound = {HANA.subject_id}
    for password in (PASSWORD, WRONG):
        await here.refused(TemporarilyUnavailable, password)


async def test_r284_a_password_of_one_source_opens_nothing_in_another() -> None:
    first, second = InSteps(HANA), InSteps(replace(HANA, subject_id="ldap:1"), PASSWORD, "ldap")
    here = office(first, second)
    here.factors.bound = {HANA.subject_id}
    assert "second factor" in await here.refused()
    assert (second.steps, second.admitted) == (["identify", "verify"], [False])


@pytest.mark.parametrize("outage", [None, SourceUnavailable])
async def test_r284_refusals_of_own_passwords_come_at_one_time(
    outage: type[Exception] | None,
) -> None:
    ldap = InSteps(replace(HANA, subject_id="ldap:1"), "another", "ldap")
    ldap.fails = outage
    here = office(People(HANA), ldap)
    here.refusal_time = 0.2
    here.__post_init__()
    here.factors.bound = {HANA.subject_id}
    for password in (PASSWORD, WRONG):
        began = time.monotonic()
        await here.refused(TemporarilyUnavailable if outage else InvalidLogin, password)
        assert time.monotonic() - began >= 0.2 - 0.01


async def test_who_signs_in_by_their_own_password_is_noted_and_no_one_else() -> None:
    entra = Redirect(replace(HANA, subject_id="entra:9"))
    here = office(people=entra)
    await here.log_in()
    assert entra.noted == [HANA.subject_id]
    here.app_passwords.known[EMAIL, APP_PASSWORD] = HANA.subject_id
    await here.log_in(APP_PASSWORD)
    assert entra.noted == [HANA.subject_id]


async def test_r65_an_app_password_of_somebody_gone_is_refused() -> None:
    here = office()
    here.app_passwords.known[EMAIL, APP_PASSWORD] = HANA.subject_id
    here.people.person = None
    await here.refused(password=APP_PASSWORD)


async def test_r65_a_password_that_was_only_lent_is_refused() -> None:
    here = office(People(replace(HANA, must_change_password=True)))
    assert "must be changed" in await here.refused()


async def test_r65_who_has_no_user_key_is_refused() -> None:
    here = office(People(replace(HANA, external_key=None)))
    assert await here.refused() == "no user key: there is no external key"
    taken = KeyProblem(UserKey.EXTERNAL_KEY, "the external key E1 belongs to kim")
    here = office(People(replace(HANA, external_key=None, refused_keys=(taken,))))
    assert await here.refused() == f"no user key: {taken}"


class Hesitant(MemoryStore):
    """Somebody acts while the code is being saved."""

    def __init__(self, people: People, person: Person | None) -> None:
        super().__init__()
        self._people, self._person = people, person

    async def save(self, *artifacts: Artifact, records: Sequence[AuditEvent] = ()) -> None:
        await super().save(*artifacts, records=records)
        self._people.person = self._person


@pytest.mark.parametrize("meanwhile", [None, replace(HANA, external_key="somebody else")])
async def test_r65_who_is_disabled_or_changed_at_this_moment_gets_no_code(
    meanwhile: Person | None,
) -> None:
    here = office()
    here.store = Hesitant(here.people, meanwhile)
    here.__post_init__()
    await here.refused()
    assert await here.store.held(AuthorizationCode, HANA.subject_id) == ()
    assert [each.event for each in here.audit.events] == [
        Event.IMAP_SUCCEEDED,
        Event.CODE_ISSUED,
        Event.IMAP_REFUSED,  # the code was kept, and taken back
    ]


# F-18 and other outages


async def test_f18_a_source_that_hangs_affects_no_other() -> None:
    ldap = People(replace(HANA, subject_id="ldap:1"), "another", "ldap")
    ldap.takes = 60
    for each in tries():
        with each:
            here = office(ldap, People(HANA), deadline=0.4)
            began = time.monotonic()
            await here.log_in()
            assert time.monotonic() - began < 0.35
            await here.refused(TemporarilyUnavailable, password="another")
            assert time.monotonic() - began < 0.8


async def test_f18_a_source_that_is_out_affects_no_other() -> None:
    ldap = People(replace(HANA, subject_id="ldap:1"), "another", "ldap")
    ldap.fails = SourceUnavailable
    here = office(ldap, People(HANA))
    await here.log_in()
    assert len(ldap.asked) == 1


@pytest.mark.parametrize("in_order", [True, False])
async def test_r120_a_no_of_one_source_counts_although_another_is_down(
    in_order: bool,  # noqa: FBT001  # pytest calls it
) -> None:
    people, ldap = People(HANA), People(replace(HANA, subject_id="ldap:1"), "another", "ldap")
    ldap.fails = SourceUnavailable
    here = office(people, ldap) if in_order else office(ldap, people)
    for _ in range(10):
        await here.refused(TemporarilyUnavailable, WRONG)
    for _ in range(50):
        await here.refused(TooManyLogins, WRONG)
    assert len(people.asked) == 10


@pytest.mark.parametrize("outage", [SourceUnavailable, HashingBusy, DatabaseUnavailable])
async def test_an_outage_is_no_wrong_password(outage: type[Exception]) -> None:
    here = office()
    here.people.fails = outage
    await here.refused(TemporarilyUnavailable)
    assert here.audit.events == []


class Crowded(People):
    """A directory with imported hashes, for none of which there is a turn."""

    async def identify(self, username: str) -> Identified:
        return Identified(username, is_busy=True)

    async def verify(
        self, identified: Identified, password: str, *, admitted: bool
    ) -> Person | None:
        person = await self.authenticate(identified.username, password)
        if person is None:
            raise BusyRefusal
        return person


async def test_r145_without_turns_a_wrong_password_is_said_to_be_unchecked_and_counts() -> None:
    here = office(Crowded(HANA))
    for _ in range(10):
        await here.refused(TemporarilyUnavailable, WRONG)
    assert here.audit.details() == [(Event.IMAP_FAILED, str(BusyRefusal()))] * 10
    await here.refused(TooManyLogins, WRONG)


async def test_r145_without_turns_nobody_learns_that_a_refused_password_was_right() -> None:
    here = office(Crowded(replace(HANA, must_change_password=True)))
    for password in (PASSWORD, WRONG):
        await here.refused(TemporarilyUnavailable, password)
    assert here.audit.details() == [
        (Event.IMAP_REFUSED, "the password must be changed first"),
        (Event.IMAP_FAILED, str(BusyRefusal())),
    ]
    for _ in range(8):
        await here.refused(TemporarilyUnavailable)
    await here.refused(TooManyLogins)


async def test_r145_without_turns_a_right_password_gets_in() -> None:
    here = office(Crowded(HANA))
    await here.log_in()


async def test_an_outage_of_app_passwords_grants_no_access() -> None:
    here = office()
    here.app_passwords.fails = DatabaseUnavailable
    await here.refused(TemporarilyUnavailable)
    assert here.people.asked == []


async def test_while_no_record_can_be_written_no_password_is_looked_at() -> None:
    here = office()

    async def full() -> NoReturn:
        raise DatabaseUnavailable("no room for records")

    here.audit.room = full  # type: ignore[method-assign]  # it has none
    await here.refused(TemporarilyUnavailable)
    assert here.people.asked == []


class Stuck(MemoryStore):
    async def lower(self, *counters: str) -> None:
        await asyncio.sleep(60)

    async def save(self, *artifacts: Artifact, records: Sequence[AuditEvent] = ()) -> None:
        raise StoreUnavailable("stuck")


async def test_f18_a_deadline_is_kept_even_where_the_store_hangs_too() -> None:
    here = office()
    here.people.takes = 60
    here.store = Stuck()
    here.__post_init__()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await here.log_in()
    assert time.monotonic() - began < AT_ONCE


# What is recorded


async def test_r59_no_record_holds_the_password() -> None:
    here = office()
    for password in (PASSWORD, WRONG):
        with suppress(InvalidLogin):
            await here.log_in(password)
    told = repr(here.audit.events) + repr(here.login)
    assert PASSWORD not in told
    assert WRONG not in told
    assert b64encode(PASSWORD.encode()).decode() not in told


async def test_a_failure_is_recorded_with_the_name_but_no_subject() -> None:
    here = office()
    await here.refused(password=WRONG)
    (event,) = here.audit.events
    assert (event.event, event.username, event.subject_id) == (Event.IMAP_FAILED, EMAIL, None)


async def test_records_of_strangers_are_bounded() -> None:
    here = office()
    for _ in range(200):
        with pytest.raises(InvalidRequest):
            await here.login.log_in("acme", b"", ADDRESS)
        with pytest.raises(InvalidLogin):
            await here.login.log_in("nobody", query_of(EMAIL, PASSWORD), ADDRESS)
    assert len(here.audit.events) == 60
    here.policy = replace(here.policy, per_address=10_000)
    here.audit.events.clear()
    here.__post_init__()
    for number in range(A_MINUTE[Event.IMAP_FAILED] + 50):
        await here.refused(password=WRONG, email=f"person{number}@acme.example")
    assert len(here.audit.events) == A_MINUTE[Event.IMAP_FAILED]


# Whose own password it was, where only app passwords count


class Kept:
    """Where passwords are kept: it looks at one when it is let."""

    def __init__(self, *, right: bool = True, fails: type[Exception] | None = None) -> None:
        self.right = right
        self.fails = fails
        self.let = asyncio.Event()
        self.asked: list[str] = []

    async def is_password(self, username: str, password: str) -> bool:
        self.asked.append(username)
        await self.let.wait()
        if self.fails is not None:
            raise self.fails
        return self.right

    async def set_password(
        self, subject_id: str, new_password: str, *, revision: str | None = None
    ) -> Person | None:
        raise AssertionError


APP_PASSWORDS_ONLY = replace(CLIENT, imap_passwords=ImapPasswords.APP_PASSWORDS)


@pytest.mark.parametrize("right", [True, False])
async def test_r62_r77_the_answer_does_not_wait_until_their_own_password_was_looked_at(
    right: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    kept = Kept(right=right)
    here = office(client=APP_PASSWORDS_ONLY, changer=kept)
    assert await here.refused() == "wrong name or password"
    assert here.people.asked == []
    failed = (Event.IMAP_FAILED, "wrong name or password")
    assert here.audit.details() == [failed]
    kept.let.set()
    await here.login.close()
    assert kept.asked == [EMAIL]
    detail = "their own password is right, but only app passwords are allowed"
    assert here.audit.details() == [failed, *[(Event.IMAP_REFUSED, detail)] * right]


async def test_r79_no_other_source_is_asked_afterwards() -> None:
    kept = Kept()
    here = office(People(HANA, name="ldap"), client=APP_PASSWORDS_ONLY, changer=kept)
    await here.refused()
    await here.login.close()
    assert (kept.asked, here.people.asked) == ([], [])


async def test_an_outage_afterwards_is_nobody_s_trouble() -> None:
    kept = Kept(fails=HashingBusy)
    here = office(client=APP_PASSWORDS_ONLY, changer=kept)
    await here.refused()
    kept.let.set()
    await here.login.close()
    assert [event for event, _ in here.audit.details()] == [Event.IMAP_FAILED]


async def test_where_all_passwords_count_nothing_is_looked_at_again() -> None:
    kept = Kept()
    here = office(changer=kept)
    await here.refused(password=WRONG)
    await here.login.close()
    assert kept.asked == []


async def test_r120_an_outage_after_a_right_password_counts_for_nothing() -> None:
    other = People(replace(HANA, username="other@acme.example"), name="other")
    here = office(other, People(HANA), client=replace(CLIENT, second_factor=SecondFactor.ALLOWED))
    here.factors = Unreachable()
    here.__post_init__()
    for _ in range(3 * here.policy.free):
        await here.refused(TemporarilyUnavailable)
