"""Revocations that a change by an administrator requires, right after its commit (R-30)."""

from collections.abc import Awaitable, Callable, Iterable

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Unfinished
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.credential_changes import Change
from worksgate.directory.database import Directory
from worksgate.provider.factors import Holder
from worksgate.provider.revocation import Ended, Revocation
from worksgate.sources import Person
from worksgate.store import Store, StoreUnavailable


class Revoker:
    """Revokes what people hold, in the name of ``actor``.

    ``store`` opens the store on first use. Every call raises Unfinished if the store does not
    respond: the change itself has been made by then.
    """

    def __init__(
        self, directory: Directory, store: Callable[[], Awaitable[Store]], actor: Actor
    ) -> None:
        self._store = store
        self._actor = actor
        self._revocation = Revocation(directory.endings, directory, store)

    async def sign_out(self, person: Person) -> int:
        """End a person's sessions, codes and tokens; return how many."""
        return await self.sign_out_subject(person.subject_id, person.username)

    async def sign_out_subject(self, subject_id: str, name: str) -> int:
        """Like ``sign_out``, for a subject that ``Unfinished`` calls by ``name``."""
        try:
            return await (await self._store()).forget(subject_id)
        except StoreUnavailable as error:
            raise _unfinished(name, error) from error

    async def end_issued_to(self, former_owners: Iterable[str]) -> None:
        """End what these subjects hold, whose user keys others have now, or may get.

        Some of it may have been issued for such a key before they gave it up. In the built-in
        directory it ended with that.
        """
        for subject in former_owners:
            if not subject.startswith(SUBJECT_PREFIX):
                await self.sign_out_subject(subject, subject)

    async def end_everything(
        self, person: Person, change: Change, *, factors_since: float | None = None
    ) -> Ended:
        """Like ``sign_out``, and also app passwords and factors added at or after a given time."""
        holder = Holder(
            subject_id=person.subject_id, username=person.username, actor=self._actor.name
        )
        try:
            return await self._revocation.end_everything(
                holder, change, self._actor.now(), factors_since=factors_since
            )
        except StoreUnavailable as error:
            raise _unfinished(person.username, error) from error


def _unfinished(name: str, error: StoreUnavailable) -> Unfinished:
    return Unfinished(
        f"the change was made, but the sessions of {name} could not be ended; run the same "
        f"command again to end them: {error}"
    )
