"""What all parts of the administration stand on: the databases, who acts, and their records."""

import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from worksgate.administration.errors import Unfinished
from worksgate.audit import AuditEvent, Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.database import ConcurrentChange
from worksgate.database.verbs import retried
from worksgate.directory import Account
from worksgate.directory.credential_changes import Change
from worksgate.directory.database import Directory
from worksgate.provider.factors import Holder
from worksgate.provider.revocation import Ended, Revocation
from worksgate.settings.options import Settings
from worksgate.sources import Person
from worksgate.store import Store, StoreUnavailable

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")
Call = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def begun_again(call: Call[S, P, T]) -> Call[S, P, T]:
    """A call that is one transaction, made again where others overtake it (PostgreSQL).

    Raises ConcurrentChange where they do so each time.
    """

    @wraps(call)
    async def insist(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await retried(partial(call, self, *args, **kwargs), ConcurrentChange, pause=0.01)

    return insist


class AdministrationBase:
    """Audit records in the name of ``actor``, and what a change ends right after it.

    ``store`` opens the store when it is first needed; it may raise StoreUnavailable then.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        hashing: PasswordHashing,
        *,
        actor: str = "cli",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._store = store
        self._revocation = Revocation(directory, store)
        self._hashing = hashing
        self._actor = actor
        self._clock = clock

    async def _forget(self, person: Person) -> int:
        """End all that a person holds; how many they were. Raises Unfinished."""
        return await self._forget_subject(person.subject_id, person.username)

    async def _forget_subject(self, subject_id: str, name: str) -> int:
        try:
            return await (await self._store()).forget(subject_id)
        except StoreUnavailable as error:
            raise _unfinished(name, error) from error

    async def _end_everything(
        self, person: Person, change: Change, *, factors_since: float | None = None
    ) -> Ended:
        """End all that a person holds, their app passwords and newer factors. Raises Unfinished."""
        holder = Holder(subject_id=person.subject_id, username=person.username, actor=self._actor)
        try:
            return await self._revocation.end_everything(
                holder, change, self._clock(), factors_since=factors_since
            )
        except StoreUnavailable as error:
            raise _unfinished(person.username, error) from error

    def _person_event(self, person: Person, event: Event, detail: str) -> AuditEvent:
        return self._event(event, detail, subject_id=person.subject_id, username=person.username)

    def _user_event(self, account: Account, detail: str) -> AuditEvent:
        return self._person_event(account.person, Event.USER_CHANGED, detail)

    def _event(self, event: Event, detail: str, **about: str) -> AuditEvent:
        return AuditEvent(event=event, at=self._clock(), actor=self._actor, detail=detail, **about)


def _unfinished(name: str, error: StoreUnavailable) -> Unfinished:
    return Unfinished(
        f"the change is kept, but the sessions of {name} could not be ended; "
        f"run the same command again to end them: {error}"
    )
