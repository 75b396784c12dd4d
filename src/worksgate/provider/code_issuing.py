"""The only place where codes are issued, for browsers and for mail clients.

A code is saved together with everything else that a sign-in writes, in one commit: the use of its
transaction, the session, the records. Then the person is looked up once more: somebody who was
disabled, or given another user key, a moment ago may have been searched for before this was saved,
and loses it again.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from worksgate.audit import AuditEvent
from worksgate.credentials.secrets import new_ordered_id, new_ordered_secret, storage_key
from worksgate.oauth.model import (
    Artifact,
    AuthorizationCode,
    Client,
    LoginKind,
    SpentTransaction,
)
from worksgate.oauth.user_key import user_key
from worksgate.provider.sessions import SessionUse
from worksgate.provider.throttle import Admission
from worksgate.sources import Person
from worksgate.store import ArtifactKey, Store

REVOKED = "the person was disabled, or has another user key, at this moment"
"""The audit log's reason for a code that was revoked as soon as it was saved."""


class NoLongerAdmitted(Exception):
    """The person was disabled, or given another user key, while the code was saved."""

    def __init__(self) -> None:
        super().__init__(REVOKED)


class AlreadyIssued(Exception):
    """The transaction has been used by another sign-in; this one has written nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInCommit:
    """What a sign-in writes, in one commit or not at all.

    ``spent`` uses its transaction up, if it has one; ``kept`` is saved, ``removed`` is what it
    replaces or ends, ``records`` are its audit records. ``admission`` is the attempt that the
    throttle forgives with it, ``use`` that of the session by which the person is known.
    """

    spent: SpentTransaction | None = None
    kept: Sequence[Artifact] = ()
    removed: Sequence[ArtifactKey] = ()
    records: Sequence[AuditEvent] = ()
    admission: Admission | None = None
    use: SessionUse | None = None

    def __post_init__(self) -> None:
        if (self.removed or self.admission or self.use) and self.spent is None:
            raise ValueError("only the use of a transaction decides who removes something")

    async def write(self, store: Store) -> None:
        """Raises AlreadyIssued for all but one with the same transaction, or StoreUnavailable."""
        if self.spent is None:
            await store.save(*self.kept, records=self.records)
            return
        admission, use = self.admission, self.use
        added = await store.add(
            self.spent,
            *self.kept,
            removed=self.removed,
            extended=() if use is None else use.extended,
            records=self.records,
            recount=None if admission is None else admission.forgiveness(),
        )
        if not added:
            raise AlreadyIssued
        if admission is not None:
            admission.forgiven()
        if use is not None:
            use.is_noted = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The person, and where they sign in; ``user_id`` is the key by which LINE WORKS knows them."""

    client: Client
    person: Person
    user_id: str
    login_id: str
    login_kind: LoginKind

    def code(self, secret: str, now: float) -> AuthorizationCode:
        """A code with the client's current lifetimes."""
        client, kind = self.client, self.login_kind
        return AuthorizationCode(
            key=storage_key(secret),
            grant_id=new_ordered_id(),
            subject_id=self.person.subject_id,
            client_id=client.client_id,
            expires_at=now + client.code_lifetime,
            user_id=self.user_id,
            login_id=self.login_id,
            login_kind=kind,
            lifetime=client.token_lifetime(kind),
            expires_in=client.expires_in(kind) if client.announce_expires_in else None,
        )


def user_key_of(client: Client, person: Person) -> str | None:
    """The person's key of the kind that the client is set to, or None."""
    return user_key(client, person.external_key, person.works_account)


async def issue(
    store: Store,
    admitted: Admitted,
    find: Callable[[], Awaitable[Person | None]],
    now: float,
    commit: SignInCommit,
    *,
    revoked: AuditEvent,
) -> str:
    """Save a code with everything else in its commit, and return its secret.

    ``find`` returns the person's current state, or None. If they may not sign in any more,
    everything they hold is revoked with the record ``revoked``, and this raises
    NoLongerAdmitted. Raises AlreadyIssued if another sign-in has used the transaction. May raise
    StoreUnavailable, or the outage of a source: then nobody received anything.
    """
    secret = new_ordered_secret()
    await replace(commit, kept=(admitted.code(secret, now), *commit.kept)).write(store)
    present = await find()
    if present is None or user_key_of(admitted.client, present) != admitted.user_id:
        await store.forget(admitted.person.subject_id, records=(revoked,))
        raise NoLongerAdmitted
    return secret
