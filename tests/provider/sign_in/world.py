"""Sign-ins without a network, a database or a hash: the provider on the memory store.

Everything that decides is the real thing. What it asks is small and plain: people whose password is
known, another provider that says who it is, second factors that are words. A ``Visit`` is a browser
with a person before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from worksgate.audit import AuditEvent, Event
from worksgate.clients.registry import ClientRegistry
from worksgate.directory.audit.own_history import OwnHistory
from worksgate.directory.factors import TotpSecret
from worksgate.directory.remembered import RememberedPeople
from worksgate.oauth.model import Client, Session
from worksgate.provider.account.self_service import SelfService
from worksgate.provider.account.values import Visitor
from worksgate.provider.factors import (
    FACTOR_POLICY,
    AppPassword,
    AppPasswords,
    Enrolled,
    FactorRefused,
    Factors,
    Holder,
    NewTotp,
    Passkey,
)
from worksgate.provider.factors.pending_secrets import PendingSecrets
from worksgate.provider.revocation import Revocation
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.audit_trail import AuditTrail
from worksgate.provider.sign_in.browser_flow import IdentityProvider
from worksgate.provider.sign_in.outcomes import (
    NextStep,
    PasswordNeeded,
    RedirectedUpstream,
    SignedIn,
)
from worksgate.provider.sign_in.password import PasswordCheck
from worksgate.provider.sign_in.session_key import SessionKeys
from worksgate.provider.sign_in.transaction import SignInTransaction, TransactionSigner
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.stranger_records import StrangerRecords
from worksgate.provider.throttle import Throttle, ThrottlePolicy
from worksgate.settings.options import Settings
from worksgate.sources import AuthorizationRedirect, Person
from worksgate.store.memory import MemoryStore

NOW = 1_764_379_200.0
CALLBACK = "https://auth.worksmobile.com/cb"
PASSWORD = "correct horse battery"
NEW_PASSWORD = "seven green ladders sing"
ADDRESS = "203.0.113.7"
HANA = Person(
    subject_id="directory:1",
    username="hana",
    name="Hana",
    external_key="E-1",
    groups=("staff",),
)
TARO = replace(HANA, subject_id="directory:2", username="taro", name="Taro", external_key="E-2")
EMMA = Person(subject_id="partner:1", username="emma", name="Emma", external_key="P-1")
ACME = Client(client_id="acme", name="Acme", redirect_uris=(CALLBACK,))


@dataclass
class People:
    """The built-in directory: everybody has the same password until they change it."""

    name: str = "directory"
    here: dict[str, Person] = field(default_factory=lambda: {HANA.subject_id: HANA})
    passwords: dict[str, str] = field(default_factory=dict)
    meanwhile: dict[str, Person | None] = field(default_factory=dict)
    """As whom they are found at a second look: it has changed since they typed their password."""
    asked: int = 0
    app_passwords_ended: list[bool] = field(default_factory=list)
    """Whether all app passwords ended, of each new password."""

    async def authenticate(self, username: str, password: str) -> Person | None:
        self.asked += 1
        for person in self.here.values():
            if person.username == username:
                right = self.passwords.get(person.subject_id, PASSWORD)
                return person if password == right else None
        return None

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return self.meanwhile.get(subject_id, self.here.get(subject_id))

    async def is_password(self, username: str, password: str) -> bool:
        return await self.authenticate(username, password) is not None

    async def set_password(
        self,
        subject_id: str,
        new_password: str,
        *,
        revision: str | None = None,
        ends_app_passwords: bool = True,
    ) -> Person | None:
        if self.meanwhile.get(subject_id, HANA) is None:
            return None
        self.app_passwords_ended.append(ends_app_passwords)
        self.passwords[subject_id] = new_password
        self.here[subject_id] = replace(self.here[subject_id], must_change_password=False)
        return self.here[subject_id]

    def change(self, person: Person, **changes: Any) -> None:
        self.here[person.subject_id] = replace(self.here[person.subject_id], **changes)


@dataclass
class PeopleOfOthers(RememberedPeople):
    """What is remembered of people of other sources: who has signed in, and nothing more."""

    signed_in: list[str] = field(default_factory=list)

    async def last_seen(self, subject_id: str, trusted_for: float | None = None) -> Person | None:
        return None

    async def last_sign_in(self, subject_id: str) -> float | None:
        return None

    def note_login(self, subject_id: str) -> None:
        self.signed_in.append(subject_id)


@dataclass
class Partner:
    """Another provider, which has one person."""

    name: str = "partner"
    label: str = "Partner"
    person: Person | None = EMMA
    answers: list[Mapping[str, str]] = field(default_factory=list)
    return_urls: list[str] = field(default_factory=list)

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, reauthenticate: bool = False
    ) -> AuthorizationRedirect:
        self.return_urls.append(return_url)
        return AuthorizationRedirect(url="https://partner.example", state="state", kept="kept")

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        self.return_urls.append(return_url)
        self.answers.append(query)
        return EMMA

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        return self.person

    async def logout_url(self, return_url: str) -> str | None:
        return None


class PlainFactors(Factors):
    """Second factors that are words: ``totp``, ``recovery``, and for a passkey what it signs."""

    def __init__(self, *, usable: bool = True) -> None:
        self.pending_secrets = PendingSecrets.new()
        self.usable = usable
        self.enrolled: dict[str, Enrolled] = {}
        self.made_codes = 0
        """How often there were new recovery codes."""
        self.made_with_factor = False
        """Whether the newest came with a factor."""
        self.demanded: list[bool] = []
        """Whether a device had to make sure who uses it, in each question for a passkey."""
        self.verified: list[bool] = []
        self.holders: list[Holder] = []
        """As whose passkey each answer was checked."""
        self.unseen = 0
        """How many answers were refused without a look."""

    def refused_unseen(self, holder: Holder, now: float) -> None:
        self.unseen += 1

    @property
    def passkeys_usable(self) -> bool:
        return self.usable

    def give(self, person: Person, **factors: Any) -> None:
        """The person has these from now on."""
        self.enrolled[person.subject_id] = replace(
            self.enrolled.get(person.subject_id, Enrolled()), **factors
        )

    async def of(self, subject_id: str) -> Enrolled:
        return self.enrolled.get(subject_id, Enrolled())

    async def begin_totp(self, account_name: str, secret: str | None = None) -> NewTotp:
        return NewTotp(secret=secret or "secret", uri="otpauth://x", svg="<svg/>")

    async def confirm_totp(self, holder: Holder, secret: str, code: str, now: float) -> bool:
        if code == "totp":
            self._change(holder, totp=True)
        return code == "totp"

    def confirmed_totp(
        self, holder: Holder, secret: str, code: str, now: float
    ) -> TotpSecret | None:
        kept = TotpSecret(
            subject_id=holder.subject_id, secret=secret.encode(), last_step=1, created_at=now
        )
        return kept if code == "totp" else None

    async def keep_totp(self, holder: Holder, confirmed: TotpSecret, now: float) -> None:
        self._change(holder, totp=True)

    async def remove_totp(self, holder: Holder, now: float) -> bool:
        had = (await self.of(holder.subject_id)).totp
        self._change(holder, totp=False)
        return had

    async def check_totp(self, holder: Holder, code: str, now: float) -> bool:
        return code == "totp" and (await self.of(holder.subject_id)).totp

    async def renew_recovery_codes(
        self, holder: Holder, now: float, *, with_factor: bool = False
    ) -> tuple[str, ...]:
        self.made_codes += 1
        self.made_with_factor = with_factor
        self._change(holder, recovery_codes_left=10)
        return ("recovery",) * 10

    async def check_recovery_code(self, holder: Holder, code: str, now: float) -> bool:
        left = (await self.of(holder.subject_id)).recovery_codes_left
        if code == "recovery" and left:
            self._change(holder, recovery_codes_left=left - 1)
            return True
        return False

    async def passkey_registration_options(
        self, person: Person, challenge: bytes, **_: bool
    ) -> str:
        return challenge.decode()

    async def passkey_options(
        self, subject_id: str | None, challenge: bytes, *, require_user_verification: bool
    ) -> str:
        self.demanded.append(require_user_verification)
        return challenge.decode()

    async def add_passkey(
        self,
        holder: Holder,
        response_json: str,
        challenge: bytes,
        name: str,
        now: float,
        *,
        require_user_verification: bool = False,
    ) -> Passkey:
        if response_json != signed(holder.subject_id, challenge.decode()):
            raise FactorRefused("not signed for this")
        made, known = passkey_of(holder.subject_id), await self.of(holder.subject_id)
        self._change(holder, passkeys=(*known.passkeys, made))
        return made

    async def check_passkey(
        self,
        holder: Holder,
        response_json: str,
        challenge: bytes,
        now: float,
        *,
        require_user_verification: bool,
    ) -> str:
        self.verified.append(require_user_verification)
        self.holders.append(holder)
        for subject_id, enrolled in self.enrolled.items():
            is_theirs = holder.subject_id in ("", subject_id) and enrolled.passkeys
            if is_theirs and response_json == signed(subject_id, challenge.decode()):
                return subject_id
        raise FactorRefused("not signed for this")

    async def remove_passkey(self, holder: Holder, passkey_id: str, now: float) -> bool:
        self._change(holder, passkeys=())
        return True

    def _change(self, holder: Holder, **factors: Any) -> None:
        known = self.enrolled.setdefault(holder.subject_id, Enrolled())
        self.enrolled[holder.subject_id] = replace(known, **factors)


def signed(subject_id: str, options: str) -> str:
    """What a passkey of this person answers; the options are the challenge."""
    return f"{subject_id} signs {options}"


def passkey_of(subject_id: str) -> Passkey:
    return Passkey(
        id=f"passkey of {subject_id}",
        subject_id=subject_id,
        public_key=b"",
        sign_count=0,
        backed_up=False,
        aaguid="",
        transports=(),
        name="",
        created_at=NOW,
    )


class NoAppPasswords(AppPasswords):
    """Nobody has one."""

    def __init__(self) -> None: ...

    async def verify(self, username: str, password: str, now: float) -> str | None:
        return None

    async def of(self, subject_id: str) -> tuple[AppPassword, ...]:
        return ()


class NothingToEnd(Revocation):
    """Nobody holds anything beside what the store has."""

    def __init__(self) -> None: ...

    async def end_console_sessions(self, subject_id: str) -> None: ...


class Trail:
    """An audit log that keeps what it is told, also by the store."""

    is_away = False

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    async def keep(self, events: Sequence[AuditEvent]) -> None:
        self.events += events

    async def room(self) -> None: ...

    async def flush(self) -> None: ...

    def count(self, event: Event) -> int:
        return sum(each.event is event for each in self.events)


class Recorded(OwnHistory):
    """All that a trail has, whoever asks."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    async def of(
        self, subject_id: str, username: str, now: float, limit: int = 50
    ) -> list[AuditEvent]:
        return self._trail.events[-limit:]


@dataclass
class World:
    """An installation with a client; ``client`` and ``people`` can be changed at any time."""

    client: Client = ACME
    others: Sequence[Client] = ()
    passkeys: bool = True
    passkeys_usable: bool = True
    throttle: ThrottlePolicy = field(default_factory=ThrottlePolicy)
    now: float = NOW
    people: People = field(default_factory=People)
    partner: Partner = field(default_factory=Partner)
    notes: PeopleOfOthers | None = None
    store: MemoryStore = field(default_factory=MemoryStore)
    audit: Trail = field(default_factory=Trail)
    factors: PlainFactors = field(init=False)
    provider: IdentityProvider = field(init=False)
    self_service: SelfService = field(init=False)
    strangers: StrangerRecords = field(init=False)

    def __post_init__(self) -> None:
        self.store.keeper = self.audit
        settings = Settings(
            public_url="https://sso.example.com", database_url="", passkeys=self.passkeys
        )
        self.factors = PlainFactors(usable=self.passkeys_usable)
        clients = ClientRegistry(self._load, max_age=0.0)
        sources = SourcesInUse(
            passwords={"directory": self.people},
            redirects={"partner": self.partner},
            changer=self.people,
            people=self.notes,
        )
        signer = TransactionSigner(b"0" * 32)
        throttle = Throttle(self.store, self.throttle)
        factor_throttle = Throttle(self.store, FACTOR_POLICY, "factor")
        app_passwords = NoAppPasswords()
        self.strangers = strangers = StrangerRecords(self.audit, self.store.bump)
        self.provider = IdentityProvider(
            settings,
            clients=clients,
            store=self.store,
            sources=sources,
            throttle=throttle,
            factors=self.factors,
            factor_throttle=factor_throttle,
            audit=self.audit,
            strangers=strangers,
            signer=signer,
            session_keys=SessionKeys("", self.store),
            clock=self.clock,
        )
        self.self_service = SelfService(
            settings,
            store=self.store,
            sources=sources,
            passwords=PasswordCheck(
                sources, self.factors, throttle, signer, AuditTrail(self.audit)
            ),
            factors=self.factors,
            app_passwords=app_passwords,
            clients=clients,
            history=Recorded(self.audit),
            audit=self.audit,
            revocation=NothingToEnd(),
            factor_throttle=factor_throttle,
            clock=self.clock,
        )

    def clock(self) -> float:
        return self.now

    async def _load(self) -> Mapping[str, Client]:
        return {each.client_id: each for each in (self.client, *self.others)}

    def change_client(self, **changes: Any) -> None:
        self.client = replace(self.client, **changes)

    def visit(self, person: Person = HANA, **browser: Any) -> "Visit":
        """A browser of its own, and somebody before it."""
        made = Browser(**{"address": ADDRESS, "secret": "browser", **browser})
        return Visit(self, person, made)


@dataclass
class Visit:
    """A browser and the person before it, who has what ``PlainFactors`` says that they have."""

    world: World
    person: Person
    browser: Browser

    @property
    def provider(self) -> IdentityProvider:
        return self.world.provider

    async def arrive(self, **parameters: str) -> NextStep:
        """Come from LINE WORKS."""
        asked = {
            "response_type": "code",
            "client_id": self.world.client.client_id,
            "redirect_uri": f"{CALLBACK}?state=s",
            **parameters,
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
        return self.kept(await self.provider.authorize(query, self.browser))

    async def login_form(self) -> SignInTransaction:
        """Come from LINE WORKS without a session; the transaction of the form."""
        step = await self.arrive()
        assert isinstance(step, PasswordNeeded)
        return step.transaction

    async def log_in(self, transaction: SignInTransaction, password: str | None = None) -> NextStep:
        known = self.world.people.passwords.get(self.person.subject_id, PASSWORD)
        return self.kept(
            await self.provider.log_in(
                transaction, self.person.username, password or known, self.browser
            )
        )

    async def come_from_partner(self, transaction: SignInTransaction, **changes: Any) -> NextStep:
        """Leave for the other provider, and come back; ``changes`` are of the browser that does."""
        await self.leave_for_partner(transaction)
        return await self.back_from_partner(**changes)

    async def leave_for_partner(self, transaction: SignInTransaction) -> None:
        self.kept(await self.provider.begin_upstream_login(transaction, "partner", self.browser))

    async def back_from_partner(self, **changes: Any) -> NextStep:
        browser = replace(self.browser, **changes)
        return self.kept(
            await self.provider.finish_upstream_login("partner", {"state": "state"}, browser)
        )

    def kept(self, step: NextStep) -> NextStep:
        """The step; the browser has kept the cookies that come with it."""
        if isinstance(step, RedirectedUpstream):
            self.browser = replace(self.browser, upstream=(step.along,))
        if isinstance(step, SignedIn):
            self.browser = replace(self.browser, session=step.session)
            if step.trusted is not None:
                self.browser = replace(self.browser, trusted=(step.trusted,))
            if step.device is not None:
                self.browser = replace(self.browser, devices=(step.device,))
        return step

    async def session(self) -> Session:
        """The live session of the browser. Raises NotSignedIn."""
        return (await self.visitor()).session

    async def visitor(self) -> Visitor:
        return await self.world.self_service.visitor(self.browser, "en")


def code_of(location: str) -> str:
    """The code in an address that the browser is sent to."""
    return parse_qs(urlsplit(location).query)["code"][0]
