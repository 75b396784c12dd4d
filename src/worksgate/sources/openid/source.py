"""Another OpenID provider as an identity source: Entra ID, Google Workspace, Keycloak, any.

The browser is sent there with a state, a nonce and a code challenge, and comes back with a code;
the provider's claims are validated and become a ``Person``. A person is identified by issuer and
subject only, never by an e-mail address (R-92).
"""

import asyncio
import hashlib
import hmac
import json
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import structlog

from worksgate.catalogues import sentence_of
from worksgate.credentials.secrets import digest, new_secret
from worksgate.oauth.user_info import check_external_key, check_works_account
from worksgate.settings.sources.common import common_problems
from worksgate.settings.sources.openid import CLIENT_AUTHENTICATIONS, OidcSettings
from worksgate.sources import (
    AuthorizationRedirect,
    Person,
    PersonNotAllowed,
    RefusedUpstream,
    SourceFinding,
    SourceUnavailable,
)
from worksgate.sources.sentences import said

if TYPE_CHECKING:
    from worksgate.sources.circuit_breaker import Circuit
    from worksgate.sources.openid.provider import Claims, Metadata

_CODE = re.compile(r"[\x21-\x7e]{1,8192}")
_ERROR = re.compile(r"[a-z_]{1,60}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_MAX_HINT = 254
_MAX_TEXT = 256
_OUTAGES = ("temporarily_unavailable", "server_error")

_log = structlog.get_logger("worksgate.sources.openid")


class OidcSource:
    """One OpenID provider. ``name`` is the prefix of every subject ID and must not change.

    ``now`` gives seconds since the epoch, ``clock`` is monotonic. Raises ValueError if the settings
    have problems.
    """

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Installations without such a source need not load Authlib.
        from worksgate.sources.openid.provider import OpenIDProvider

        if problems := [*common_problems(settings), *settings.problems()]:
            raise ValueError("; ".join(problems))
        self.name = name
        self.settings = settings
        self._now = now
        self._provider = OpenIDProvider(name, settings, now=now, clock=clock)

    @property
    def label(self) -> str:
        """The label of its button on the sign-in page."""
        return self.settings.label or self.name

    @property
    def circuits(self) -> "Sequence[Circuit]":
        """Spares the provider while it is down."""
        return self._provider.circuits

    @property
    def domains(self) -> tuple[str, ...]:
        """E-mail domains that lead here from the sign-in page."""
        return self.settings.domains

    async def begin(
        self, return_url: str, login_hint: str | None = None, *, reauthenticate: bool = False
    ) -> AuthorizationRedirect:
        """Begin a sign-in that returns to ``return_url``. Raises SourceUnavailable.

        ``reauthenticate`` sends ``prompt=login`` and ``max_age=0``. Whoever has a browser can take
        both out of the address, so ``finish`` looks at what the provider says.
        """
        state = new_secret()
        kept = _Kept(
            source=self.name,
            issuer=self.settings.issuer,
            state=digest(state),
            nonce=new_secret(),
            code_verifier=new_secret(),
            anew_since=str(self._now()) if reauthenticate else "",
        )
        async with self._in_time():
            url = await self._provider.authorization_url(
                return_url,
                state=state,
                nonce=kept.nonce,
                code_verifier=kept.code_verifier,
                login_hint=_hint(login_hint),
                reauthenticate=reauthenticate,
            )
        return AuthorizationRedirect(url=url, state=state, kept=kept.as_text())

    async def finish(self, return_url: str, kept: str, query: Mapping[str, str]) -> Person:
        """Return the person of the response ``query``; ``return_url`` is as for ``begin``.

        Raises RefusedUpstream, PersonDisabled or SourceUnavailable.
        """
        ours = self._check_kept(kept, query)
        async with self._in_time():
            metadata = await self._provider.metadata()
            code = self._check_answer(query, metadata)
            claims = await self._provider.exchange(
                code,
                return_url,
                nonce=ours.nonce,
                code_verifier=ours.code_verifier,
                suffices=partial(_suffices, self.settings),
            )
        if ours.anew_since:
            self._check_anew(float(ours.anew_since), claims.id_token.get("auth_time"))
        return _Claims(self.name, self.settings, claims).person()

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """The person as of the sign-in: the provider cannot be asked without them."""
        return last_seen if subject_id.startswith(f"{self.name}:") else None

    async def logout_url(self, return_url: str) -> str | None:
        """Where to sign the person out upstream too, or None.

        Also None if the provider is unavailable: nobody is kept from signing out here.
        """
        if not self.settings.logout:
            return None
        try:
            async with self._in_time():
                return await self._provider.logout_url(return_url)
        except SourceUnavailable as error:
            _log.warning("source.unavailable", source=self.name, reason=str(error))
            return None

    async def test(self, return_url: str) -> list[SourceFinding]:
        """Whether the provider can be used: sentences for the administrator, in order.

        ``return_url`` is the address that must be registered there.
        """
        to_register = said(
            "register this redirect URI at the provider: %(address)s", address=return_url
        )
        findings = [SourceFinding(works=True, text=to_register)]
        try:
            async with self._in_time():
                metadata = await self._provider.metadata()
                findings += _findings(self.settings, metadata)
                keys = await self._provider.keys()
        except SourceUnavailable as error:
            down = said(
                "%(problem)s (%(address)s)",
                problem=sentence_of(error),
                address=self._provider.discovery_url,
            )
            return [*findings, SourceFinding(works=False, text=down)]
        there = said(
            "%(count)s signing keys at %(address)s",
            count=len(keys.keys),
            address=metadata.jwks_uri,
        )
        return [*findings, SourceFinding(works=True, text=there)]

    async def close(self) -> None:
        """Close all connections."""
        await self._provider.close()

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.settings.total_timeout):
                yield
        except TimeoutError:
            raise SourceUnavailable(
                said("%(source)s: it took too long to respond", source=self.name)
            ) from None

    def _check_kept(self, kept: str, query: Mapping[str, str]) -> "_Kept":
        """The stored state of the sign-in of this response. Raises RefusedUpstream."""
        try:
            ours = _Kept.parse(kept)
        except (ValueError, TypeError, RecursionError):
            raise RefusedUpstream(f"{self.name}: the stored state cannot be read") from None
        if (ours.source, ours.issuer) != (self.name, self.settings.issuer):
            raise RefusedUpstream(f"{self.name}: the sign-in began at another provider")
        if not hmac.compare_digest(ours.state, digest(query.get("state", ""))):
            raise RefusedUpstream(f"{self.name}: the state does not match")
        return ours

    def _check_anew(self, since: float, signed_in_at: object) -> None:
        """Raise RefusedUpstream if the provider says that nobody has signed in there since then.

        Or if it does not say when, where the settings require that (R-260).
        """
        if signed_in_at is None and not self.settings.require_auth_time:
            return
        at = signed_in_at if isinstance(signed_in_at, int | float) else -math.inf
        if not at >= since - self.settings.clock_skew:  # nor NaN
            raise RefusedUpstream(f"{self.name}: nobody has signed in there anew (auth_time)")

    def _check_answer(self, query: Mapping[str, str], metadata: "Metadata") -> str:
        """The code of an authorization response. Raises RefusedUpstream or SourceUnavailable."""
        issuer = query.get("iss")
        if issuer != self.settings.issuer and (issuer is not None or metadata.sends_issuer):
            raise RefusedUpstream(f"{self.name}: the response is from another issuer (RFC 9207)")
        error = query.get("error")
        if error is not None:
            text = error if _ERROR.fullmatch(error) else "an error"
            outcome = SourceUnavailable if error in _OUTAGES else RefusedUpstream
            raise outcome(f"{self.name}: the provider said {text}")
        code = query.get("code", "")
        if not _CODE.fullmatch(code):
            raise RefusedUpstream(f"{self.name}: there is no code")
        return code


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is stored here until the browser comes back. ``state`` is a digest.

    ``anew_since`` is the time from which on somebody must have signed in there, if they must.
    """

    source: str
    issuer: str
    state: str
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    anew_since: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError or TypeError."""
        values = json.loads(text)
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise TypeError("it is not an object of texts")
        return cls(**values)

    def as_text(self) -> str:
        values = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({name: value for name, value in values.items() if value})


class _Claims:
    """Builds a person from the provider's claims; the ID token overrides the userinfo."""

    def __init__(self, source: str, settings: OidcSettings, claims: "Claims") -> None:
        self._source = source
        self._settings = settings
        self._documents = (claims.id_token, claims.userinfo)
        self._email = self._believed_email()

    def person(self) -> Person:
        """Raises PersonDisabled for people who are known but not allowed."""
        settings = self._settings
        groups = self._groups()
        self._check_domain()
        if settings.allowed_groups and not set(groups) & set(settings.allowed_groups):
            raise PersonNotAllowed(f"{self._source}: the person is in none of allowed_groups")
        subject = str(self._documents[0]["sub"])
        identity = subject_id(self._source, settings.issuer, subject)
        username = (
            self._text(settings.username_claim) or self._email or _as_text(subject) or identity
        )
        return Person(
            subject_id=identity,
            username=username,
            name=self._text(settings.name_claim) or username,
            reading=(self._text(settings.reading_claim) or "") if settings.reading_claim else "",
            external_key=self._key(settings.external_key_claim, check_external_key),
            works_account=self._key(
                settings.works_account_claim, lambda value: check_works_account(value.lower())
            ),
            email=self._email,
            groups=groups,
        )

    def _check_domain(self) -> None:
        allowed = {domain.lower() for domain in self._settings.allowed_domains}
        if not allowed:
            return
        claim = self._settings.allowed_domain_claim
        domain = self._text(claim) if claim else (self._email or "").rpartition("@")[2]
        if (domain or "").lower() not in allowed:
            raise PersonNotAllowed(f"{self._source}: the person is in none of allowed_domains")

    def _believed_email(self) -> str | None:
        """The e-mail address, if the document that has it calls it verified (R-92)."""
        settings = self._settings
        for document in self._documents:
            address = _as_text(_at(document, settings.email_claim))
            if address is None or not _EMAIL.fullmatch(address):
                continue
            verified = _at(document, settings.email_verified_claim)
            if verified in (True, "true", "1") or (
                verified is None and settings.trust_emails_that_the_provider_does_not_call_verified
            ):
                return address
        return None

    def _groups(self) -> tuple[str, ...]:
        value = self._value(self._settings.groups_claim)
        listed = value if isinstance(value, list) else [value]
        return tuple(dict.fromkeys(name for entry in listed if (name := _as_printable(entry))))

    def _key(self, claim: str, check: Callable[[str], str]) -> str | None:
        """A user key, or None: the claim may not be a valid key."""
        if not claim:
            return None
        value = self._text(claim)
        problem = "it is missing, not text, or an unverified e-mail address"
        if value is not None:
            try:
                return check(value)
            except ValueError as error:
                problem = str(error)
        _log.warning("source.key_unusable", source=self._source, claim=claim, reason=problem)
        return None

    def _text(self, claim: str) -> str | None:
        # An unverified address must not open an account, whatever the claim is used for.
        return self._email if claim == self._settings.email_claim else _as_text(self._value(claim))

    def _value(self, claim: str) -> Any:
        values = (_at(document, claim) for document in self._documents)
        return next((value for value in values if value is not None), None)


def subject_id(source: str, issuer: str, subject: str) -> str:
    """The subject: the same for an issuer and a subject, another one for any other pair."""
    pair = json.dumps([issuer, subject])
    return f"{source}:{hashlib.sha256(pair.encode()).hexdigest()}"


def _at(document: Mapping[str, Any], claim: str) -> Any:
    """The value of a claim; ``a.b`` is also the ``b`` in ``a`` (Keycloak: realm_access.roles)."""
    if claim in document:
        return document[claim]
    value: Any = document
    for name in claim.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _as_text(value: Any) -> str | None:
    """``_as_printable`` without blanks around it, and not empty."""
    return (_as_printable(value) or "").strip() or None


def _as_printable(value: Any) -> str | None:
    """A short printable text; numbers are converted, and so is a list with a single item."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.isprintable() or len(value) > _MAX_TEXT:
        return None
    return value


def _suffices(settings: OidcSettings, claims: Mapping[str, Any]) -> bool:
    """Whether this document has all claims that are used."""
    read = (
        *(settings.external_key_claim, settings.works_account_claim, settings.username_claim),
        *(settings.name_claim, settings.groups_claim, settings.allowed_domain_claim),
        *((settings.email_claim, settings.email_verified_claim) if settings.email_claim else ()),
    )
    return all(_at(claims, claim) is not None for claim in read if claim)


def _hint(login_hint: str | None) -> str | None:
    if login_hint and login_hint.isprintable() and len(login_hint) <= _MAX_HINT:
        return login_hint
    return None


def _findings(settings: OidcSettings, metadata: "Metadata") -> list[SourceFinding]:
    """How the discovery document relates to this client's settings."""
    from worksgate.sources.openid.id_token import ALGORITHMS

    methods, algorithms = metadata.challenge_methods, metadata.algorithms
    listed = metadata.client_authentications
    chosen = settings.client_authentication
    usable = set(CLIENT_AUTHENTICATIONS) if chosen == "auto" else {chosen}
    found = (
        (True, said("the discovery document of %(issuer)s exists", issuer=settings.issuer)),
        (
            True,
            said("people are sent to %(address)s", address=metadata.authorization_endpoint),
        ),
        (
            methods is None or "S256" in methods,
            said("PKCE with S256: not stated")
            if methods is None
            else said("PKCE with S256: %(methods)s", methods=", ".join(methods)),
        ),
        (
            algorithms is None or bool(ALGORITHMS & set(algorithms)),
            said(
                "ID tokens are signed with %(algorithms)s",
                algorithms=", ".join(algorithms or ("RS256",)),
            ),
        ),
        (
            not settings.client_secret or not usable.isdisjoint(listed),
            said("clients may authenticate by %(methods)s", methods=", ".join(listed)),
        ),
        (
            not settings.logout or metadata.end_session_endpoint is not None,
            said("sign-out at the provider: it has none")
            if metadata.end_session_endpoint is None
            else said(
                "sign-out at the provider: %(address)s", address=metadata.end_session_endpoint
            ),
        ),
    )
    demanded = (
        (False, said("the provider requires %(what)s, which is not supported", what=what))
        for what in metadata.demands
    )
    return [SourceFinding(works=works, text=text) for works, text in (*found, *demanded)]
