"""A sign-in in progress: the browser, the progress, and the proofs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum, auto
from time import perf_counter
from typing import Self

from worksgate.credentials.secrets import new_secret
from worksgate.credentials.usernames import username_key
from worksgate.oauth.model import Client, Session
from worksgate.provider.assurance import Assurance, Factor, kept_in
from worksgate.provider.sessions import SessionUse
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.provider.throttle import Admission
from worksgate.sources import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """A browser: its address as far as we trust it, and the secrets in its cookies.

    ``may_receive_code`` is False for anything but a top-level navigation (R-17). ``devices`` are
    pairs of ID and signature from earlier sign-ins; ``trusted`` are secrets of people who do not
    need a second factor here, ``upstream`` pairs of name and text of sign-ins at another provider.
    ``name`` is for people, such as "Chrome on Windows". ``arrived`` is when its request did, by
    ``time.perf_counter``.
    """

    address: str
    secret: str = field(repr=False)
    session: str | None = field(default=None, repr=False)
    devices: Sequence[tuple[str, str]] = field(default=(), repr=False)
    trusted: Sequence[str] = field(default=(), repr=False)
    upstream: Sequence[tuple[str, str]] = field(default=(), repr=False)
    name: str = ""
    may_receive_code: bool = True
    arrived: float = field(default_factory=perf_counter, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInProgress:
    """The progress of a sign-in; ``challenge`` is its own for passkeys (base64url).

    ``assurance`` is what the person has proved, ``known`` that of the session by which they were
    known, if ``from_session``; ``authenticated_at`` is its time: a later second factor does not
    make it younger (R-29). ``sealed_totp`` is set while the person sets up an authenticator app,
    ``sealed_codes`` from then on: the recovery codes, until the person confirms that they have
    stored them. ``typed`` is the name that a password was typed for: its browser becomes known at
    the end (R-79). Times are in seconds since the epoch.
    """

    source: str
    person: Person
    typed: str | None = None
    assurance: Assurance = field(default_factory=Assurance)
    password_changed: bool = False
    from_session: bool = False
    known: Assurance = field(default_factory=Assurance)
    authenticated_at: float | None = None
    challenge: str = field(default_factory=new_secret, repr=False)
    sealed_totp: str | None = field(default=None, repr=False)
    sealed_codes: str | None = field(default=None, repr=False)

    @classmethod
    def of_session(cls, session: Session, person: Person) -> Self:
        """The progress of a person who is signed in already; ``person`` is their current state."""
        assurance = kept_in(session)
        return cls(
            source=session.source,
            person=person,
            assurance=assurance,
            known=assurance,
            from_session=True,
            authenticated_at=session.authenticated_at,
        )

    def with_factor(self, factor: Factor, at: float) -> Self:
        """The progress with one more factor; a signed challenge is not accepted twice (R-82)."""
        return replace(
            self, assurance=self.assurance.with_factor(factor, at), challenge=new_secret()
        )

    @property
    def adds_to_session(self) -> bool:
        """Whether it needs a new session: there is none, or it has ended or has less assurance."""
        is_enough = self.from_session and not self.password_changed
        return not is_enough or self.assurance != self.known

    @property
    def challenge_bytes(self) -> bytes:
        return self.challenge.encode()

    @property
    def needs_new_password(self) -> bool:
        """Whether the password is temporary and has not been replaced yet."""
        return self.person.must_change_password and not self.password_changed


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A sign-in as one request finds it; ``now`` is in seconds since the epoch.

    ``client`` was looked up when the request began; ``completion`` looks once more. ``admission``
    is that of the password in this request, ``use`` that of a session, if there was one.
    """

    client: Client
    transaction: SignInTransaction
    progress: SignInProgress
    browser: Browser
    now: float
    admission: Admission | None = None
    use: SessionUse | None = None

    @property
    def person(self) -> Person:
        return self.progress.person

    def advanced_to(self, progress: SignInProgress) -> Self:
        """The same attempt with more progress."""
        return replace(self, progress=progress)


class ProofKind(StrEnum):
    """What a person presents as a second factor."""

    CODE = auto()
    RECOVERY_CODE = auto()
    PASSKEY = auto()


_FACTORS: Mapping[ProofKind, Factor] = {
    ProofKind.CODE: Factor.TOTP,
    ProofKind.RECOVERY_CODE: Factor.RECOVERY_CODE,
    ProofKind.PASSKEY: Factor.PASSKEY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The second factor that a person presents: one of the three."""

    code: str = field(default="", repr=False)
    recovery_code: str = field(default="", repr=False)
    passkey: str = field(default="", repr=False)

    @property
    def factor(self) -> Factor:
        """Its kind, if it is right."""
        return _FACTORS[self.kind]

    @property
    def kind(self) -> ProofKind:
        if self.passkey:
            return ProofKind.PASSKEY
        return ProofKind.RECOVERY_CODE if self.recovery_code else ProofKind.CODE


def is_meant(works_id: str | None, person: Person) -> bool:
    """Whether LINE WORKS' hint can mean this person; no hint means anybody.

    A hint is a whole LINE WORKS account or its local part, and so is a stored works account. A
    username counts only for a person whose works account is unknown.
    """
    if works_id is None:
        return True
    hint, name = username_key(works_id), username_key(person.works_account or person.username)
    if "@" in hint and "@" in name:
        return hint == name
    return hint.partition("@")[0] == name.partition("@")[0]
