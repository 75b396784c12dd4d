"""Short-lived artifacts: codes, tokens, sessions, and the counters of the throttle.

This package owns decisions that must be made exactly once: of many callers with the same code one
wins, and the token exists if and only if the code is used. It does not know what an artifact means
and does not check who may use it, except for the two facts that the decision itself needs (the
client and the time); ``oauth`` does the rest. Persistent rows are the directory's.

``Store`` is the contract. One suite (``tests/store``) runs against every implementation:

    memory      the reference: a dictionary, for tests and to read first
    sqlite      the embedded default: many requests per durable commit
    postgres    for any number of machines: one statement redeems
    valkey      in memory, in addition to PostgreSQL: one script redeems

``artifact_rows`` is shared by the SQL stores, ``traced`` adds spans to a store's methods.

Every method may raise ``StoreUnavailable``; then nothing has happened, or the outcome is unknown,
as ``StoreUnavailable.outcome_unknown`` says. A caller that is cancelled before the commit has left
nothing behind.

Audit records of a change are passed to the method that makes it, as ``records``, and are in its
commit: there is no code, token or sign-in without its audit record, and no record of something that
did not happen. Stores outside the database cannot do that; they write the records there before they
return (``RecordKeeper``), so nobody receives anything that is not recorded.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeVar

import msgspec

from worksgate.audit import AuditEvent, Event
from worksgate.limits.outages import Unavailable
from worksgate.oauth.model import AccessToken, Artifact, Redeemable, RefreshToken
from worksgate.observability.instruments import StoreFigures

A = TypeVar("A", bound=Artifact)
R = TypeVar("R", bound=Redeemable)


CLOCK_SET_BACK = 3_600.0
"""Seconds. A counter that ends later than its window and this from now was begun while a clock was
wrong: it begins again, or a day's budget would be used up for as long as the clock was ahead."""


class StoreUnavailable(Unavailable):
    """The store cannot respond: it is overloaded, locked, full or gone."""

    def __init__(self, detail: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(detail)
        self.outcome_unknown = outcome_unknown


class RedemptionOutcome(StrEnum):
    """The result of an attempt to redeem."""

    REDEEMED = "redeemed"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"
    EXPIRED = "expired"
    REPLAYED = "replayed"


class Redemption(msgspec.Struct, frozen=True):
    """The outcome, and the artifact that was presented (None if unknown).

    On REDEEMED the successors exist. On REPLAYED everything from the first use is revoked.
    """

    outcome: RedemptionOutcome
    artifact: Redeemable | None = None


class RedemptionRecord(msgspec.Struct, frozen=True, gc=False):
    """The record of a redemption in the commit that uses the artifact, or revokes its grant.

    ``event`` is that of a success; ``address`` is the caller's.
    """

    event: Event
    address: str

    def redeemed(self, artifact: Redeemable, now: float) -> AuditEvent:
        return self._of(self.event, artifact, now)

    def replayed(self, artifact: Redeemable, now: float) -> AuditEvent:
        return self._of(Event.CODE_REPLAYED, artifact, now)

    def of(self, redemption: Redemption, now: float) -> tuple[AuditEvent, ...]:
        """The records of an outcome: none if nothing has changed."""
        artifact = redemption.artifact
        if artifact is None:
            return ()
        if redemption.outcome is RedemptionOutcome.REDEEMED:
            return (self.redeemed(artifact, now),)
        if redemption.outcome is RedemptionOutcome.REPLAYED:
            return (self.replayed(artifact, now),)
        return ()

    def _of(self, event: Event, artifact: Redeemable, now: float) -> AuditEvent:
        return AuditEvent(
            event=event,
            at=now,
            login_id=artifact.login_id,
            client_id=artifact.client_id,
            subject_id=artifact.subject_id,
            address=self.address,
        )


Recorded = Callable[[Sequence[AuditEvent]], None]
"""Receives records that have just become durable; returns at once and never raises."""


def ignore_records(_events: Sequence[AuditEvent]) -> None:
    """Ignore records that have become durable."""


class RecordKeeper(Protocol):
    """Writes the records of a store that is not in the database with the records."""

    @property
    def is_away(self) -> bool:
        """Whether records could not be written a moment ago: then nothing may be changed."""
        ...

    async def keep(self, events: Sequence[AuditEvent]) -> None:
        """Return when they are durable. Raises StoreUnavailable."""
        ...


class ArtifactKey(msgspec.Struct, frozen=True, gc=False):
    """Which artifact: its kind, and the key in it."""

    kind: type[Artifact]
    key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"ArtifactKey({self.kind.__name__})"


NONE_BEGUN: Mapping[str, float] = MappingProxyType({})


class Recount(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Some counters set back, one taken back from others, and others begun; see ``recount``."""

    reset: Sequence[str]
    now: float
    lowered: Sequence[str] = ()
    begun: Mapping[str, float] = NONE_BEGUN


class NewExpiry(msgspec.Struct, frozen=True, gc=False):
    """Which artifact, and when it expires from now on."""

    kind: type[Artifact]
    key: str
    expires_at: float

    def __repr__(self) -> str:
        """Without the key."""
        return f"NewExpiry({self.kind.__name__}, {self.expires_at})"


class Successors(msgspec.Struct, frozen=True, gc=False):
    """The successors of a redeemed artifact: the keys of the new artifacts.

    The access token's lifetime is the ``lifetime`` of the redeemed artifact; that of the refresh
    token, if there is one, is ``refresh_token_lifetime`` in seconds.
    """

    access_token_key: str
    refresh_token_key: str | None = None
    refresh_token_lifetime: int = 0

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Successors(refresh_token_lifetime={self.refresh_token_lifetime})"

    def access_token(self, bought_with: Redeemable, now: float) -> AccessToken:
        """The access token, which inherits the grant of the redeemed artifact."""
        return AccessToken(
            key=self.access_token_key,
            grant_id=bought_with.grant_id,
            subject_id=bought_with.subject_id,
            client_id=bought_with.client_id,
            expires_at=now + bought_with.lifetime,
            user_id=bought_with.user_id,
            login_id=bought_with.login_id,
            login_kind=bought_with.login_kind,
        )

    def refresh_token(self, bought_with: Redeemable, now: float) -> RefreshToken | None:
        """The next refresh token, or None."""
        if self.refresh_token_key is None:
            return None
        return RefreshToken(
            key=self.refresh_token_key,
            grant_id=bought_with.grant_id,
            subject_id=bought_with.subject_id,
            client_id=bought_with.client_id,
            expires_at=now + self.refresh_token_lifetime,
            user_id=bought_with.user_id,
            login_id=bought_with.login_id,
            login_kind=bought_with.login_kind,
            lifetime=bought_with.lifetime,
            expires_in=bought_with.expires_in,
        )


class Store(StoreFigures, Protocol):
    """The contract of every store. Times are seconds since the epoch, windows are seconds.

    ``records`` are audit records of the method's changes, in the same commit.
    """

    async def save(self, *artifacts: Artifact, records: Sequence[AuditEvent] = ()) -> None:
        """Save artifacts, all or none; one with the same kind and key is replaced."""
        ...

    async def add(
        self,
        artifact: Artifact,
        *others: Artifact,
        removed: Sequence[ArtifactKey] = (),
        extended: Sequence[NewExpiry] = (),
        records: Sequence[AuditEvent] = (),
        recount: Recount | None = None,
    ) -> bool:
        """Keep an artifact unless one with its kind and key is there; True for the one who did.

        All that depends on it goes into the same commit: ``others`` are kept as by ``save``, what
        ``removed`` names is removed if it is there, what ``extended`` names expires later as by
        ``extend``, ``records`` are recorded, and counters are changed as by ``recount``. Of several
        callers with the same artifact exactly one does this; the others change nothing. All
        artifacts that are named in one call are different ones.
        """
        ...

    async def find(self, kind: type[A], key: str) -> A | None:
        """Return an artifact, expired or not, or None."""
        ...

    async def held(self, kind: type[A], subject_id: str) -> tuple[A, ...]:
        """Return all artifacts of one kind that a person holds, even expired or used, unordered."""
        ...

    async def take(
        self, kind: type[A], key: str, *, records: Sequence[AuditEvent] = ()
    ) -> A | None:
        """Remove an artifact and return it, or return None, and then nothing is recorded.

        Of several callers with the same key exactly one receives it.
        """
        ...

    async def extend(self, kind: type[A], key: str, expires_at: float) -> bool:
        """Change an artifact's expiry; False if there is none (any more): it is not revived."""
        ...

    async def redeem(
        self,
        kind: type[R],
        key: str,
        client_id: str,
        successors: Successors,
        now: float,
        record: RedemptionRecord | None = None,
    ) -> Redemption:
        """Use an artifact and create its successors, in one atomic and durable step.

        Of several callers with the same key exactly one gets REDEEMED, across all processes and
        forever; another client's artifact is not changed (R-35 to R-39). A used artifact that is
        presented again revokes its grant: everything of the grant is removed, except for used
        artifacts, which stay remembered until they expire. ``record`` defines the audit records.
        """
        ...

    async def forget(self, subject_id: str, *, records: Sequence[AuditEvent] = ()) -> int:
        """Remove all that a person holds: sessions, codes, tokens (R-30); return the number."""
        ...

    async def record(self, events: Sequence[AuditEvent]) -> None:
        """Write audit records of events that change nothing here, all or none.

        The caller knows them: they are not passed to ``Recorded``.
        """
        ...

    async def bump(self, counter: str, window: float, now: float) -> int:
        """Increment a counter and return it; it restarts ``window`` after its first increment.

        It also restarts if the clock was set back by more than ``CLOCK_SET_BACK`` since then.
        """
        ...

    async def bump_all(self, windows: Mapping[str, float], now: float) -> tuple[int, ...]:
        """As ``bump`` for several counters with their windows, in one commit."""
        ...

    async def count(self, counter: str, now: float) -> int:
        """The current count, without counting."""
        ...

    async def count_all(self, counters: Collection[str], now: float) -> Mapping[str, int]:
        """The present count of each, all read together."""
        ...

    async def lower(self, *counters: str) -> None:
        """Decrement each of these counters; none goes below zero."""
        ...

    async def reset(self, *counters: str) -> None:
        """Reset counters to zero."""
        ...

    async def recount(
        self,
        *,
        reset: Collection[str],
        now: float,
        lowered: Collection[str] = (),
        begun: Mapping[str, float] = NONE_BEGUN,
    ) -> None:
        """Set some counters back, take one back from others, and begin others, in one commit.

        What is ``begun`` counts one from now on, for its window, whatever it counted before. No
        counter is among two of them.
        """
        ...

    async def purge(self, now: float, limit: int = 500) -> int:
        """Remove at most ``limit`` expired artifacts and counters; return the number removed.

        A used code is kept ``REPLAY_MEMORY`` seconds longer than it could have been redeemed.
        """
        ...

    async def ping(self) -> None:
        """Return if the store responds, also to a write."""
        ...

    async def close(self) -> None:
        """Finish accepted work and release every resource."""
        ...


REPLAY_MEMORY = 600.0
"""Seconds that a used artifact is remembered beyond its expiry: clock skew and more (R-37)."""


def all_of(artifacts: Sequence[A | None]) -> tuple[A, ...]:
    """All kinds of artifacts."""
    return tuple(artifact for artifact in artifacts if artifact is not None)
