"""People of every source: sign-ins, what they hold, and its revocation.

Those of the built-in directory are accounts (``users``); those of other sources are remembered
from their last sign-in.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from worksgate.administration.actor import Actor
from worksgate.administration.errors import NotFound, Outdated, Refused, found
from worksgate.administration.revoking import Revoker
from worksgate.administration.users import UserAdministration
from worksgate.audit import Event
from worksgate.credentials.secrets import digest
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.change_log import RecordedChange
from worksgate.directory.credential_changes import Change
from worksgate.directory.database import Directory
from worksgate.directory.factors import Enrolled
from worksgate.directory.people import RememberedPerson
from worksgate.oauth.model import Session
from worksgate.provider.revocation import Ended
from worksgate.settings.options import Settings
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import Person
from worksgate.store import Store, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Holdings:
    """A person's credentials besides a password; ``sessions`` is None if the store is down."""

    factors: Enrolled
    app_passwords: int
    sessions: int | None
    console_passkeys: int = 0

    @property
    def shown_factors(self) -> str:
        """A digest of the second factors that a page shows."""
        return shown_factors(self.factors, self.console_passkeys)

    @property
    def any_factor(self) -> bool:
        """Whether there is a second factor, for the sign-in or for the console."""
        return self.factors.any or self.console_passkeys > 0


def shown_factors(factors: Enrolled, console_passkeys: int) -> str:
    """A digest of second factors, to compare them with those that somebody has seen."""
    ids = [each.id for each in factors.passkeys]
    return digest(repr((factors.totp, ids, console_passkeys)))[:16]


class PeopleAdministration:
    """The people of an installation. Calls that end sessions may raise Unfinished.

    ``users`` finds those of the built-in directory; ``store`` opens the store on first use.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        users: UserAdministration,
        revoker: Revoker,
        actor: Actor,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._store = store
        self._users = users
        self._revoker = revoker
        self._actor = actor

    async def remembered(self, source: str | None = None) -> list[RememberedPerson]:
        """People who have signed in with another source, or with this one; at most ten thousand."""
        remembered = await self._directory.people.listed()
        return [each for each in remembered if source in (None, each.source)]

    async def find(self, name: str, source: str | None = None) -> RememberedPerson | None:
        """A person of another source, of this one if it is named, or None.

        ``name`` is as for ``set_enabled``. Raises Refused if several have it.
        """
        named = await self._directory.people.named(name)
        matching = [each for each in named if source in (None, each.source)]
        if len(matching) > 1:
            subjects = ", ".join(each.person.subject_id for each in matching)
            raise Refused(f"several people have this name; give one of {subjects}")
        return matching[0] if matching else None

    async def by_subject(self, subject_id: str) -> RememberedPerson:
        """The person of another source with this subject. Raises NotFound."""
        person = await self._directory.people.find(subject_id)
        return found(person, "person", subject_id)

    async def with_source(self, subject_id: str) -> tuple[str, Person]:
        """The name of the source of a person, and the person. Raises NotFound."""
        if subject_id.startswith(SUBJECT_PREFIX):
            account = await self._users.by_id(subject_id.removeprefix(SUBJECT_PREFIX))
            return BUILT_IN, account.person
        remembered = await self.by_subject(subject_id)
        return remembered.source, remembered.person

    async def set_enabled(self, name: str, source: str, *, enabled: bool) -> Person:
        """Disable or enable a person of another source, whatever the source says.

        ``name`` is their username, works account, external key or subject. Raises NotFound, or
        Refused if several have it.
        """
        person = await self.named(name, source)
        await self._record_enabled(person, enabled=enabled)
        return person

    async def set_enabled_by_subject(
        self, subject_id: str, *, enabled: bool, expected_version: int | None = None
    ) -> int:
        """Disable or enable a person of another source; the version that they have then.

        Raises NotFound, Forbidden, or Outdated if they have another version than expected.
        """
        person = (await self.by_subject(subject_id)).person
        version = await self._record_enabled(
            person, enabled=enabled, expected_version=expected_version
        )
        return found(version, "person", subject_id)

    async def has_left_since(self, subject_id: str, since: float) -> bool:
        """Whether a person of any source has left then or later."""
        return await self._directory.departures.has_left_since(subject_id, since)

    async def disable(self, person: Person, *, also_last_owner: bool = False) -> None:
        """Disable a person of any source, and revoke everything they hold.

        Raises NotFound if they were of the built-in directory and have been removed, or Refused as
        ``users.disable``.
        """
        if person.subject_id.startswith(SUBJECT_PREFIX):
            await self._users.disable(person.username, also_last_owner=also_last_owner)
        else:
            await self._record_enabled(person, enabled=False)

    async def sign_out(self, name: str, source: str) -> int:
        """Revoke everything that a person of another source holds; return how many.

        They can sign in again. Raises like ``set_enabled``.
        """
        person = await self.named(name, source)
        await self._directory.record(
            [self._actor.person_event(person, Event.USER_CHANGED, "signed out")]
        )
        return await self._revoker.sign_out(person)

    async def end_everything(
        self, name: str, source: str | None = None, *, factors_since: float | None = None
    ) -> tuple[Person, Ended]:
        """Like ``sign_out``, and also app passwords and factors added at or after a given time.

        Raises NotFound, or Refused if several people have this name.
        """
        person = await self.named(name, source)
        ended = await self._revoker.end_everything(
            person, Change.ALL_ENDED, factors_since=factors_since
        )
        return person, ended

    async def reset_factors(
        self,
        username: str,
        source: str | None = None,
        *,
        expected_version: int | None = None,
        expected_factors: str | None = None,
    ) -> bool:
        """Remove all second factors of a person, and revoke what they hold; False without any.

        ``expected_factors`` are the ``shown_factors`` that the caller has seen. Raises NotFound,
        Refused if several people have this name, Conflict for the last owner if they have no
        password, or Outdated if the person or their factors have changed since.
        """
        person = await self.named(username, source)
        event = self._actor.person_event(person, Event.FACTOR_REMOVED, "all second factors")

        def check_held(version: int | None, factors: Enrolled, console_passkeys: int) -> None:
            now = shown_factors(factors, console_passkeys)
            if expected_version not in (None, version) or expected_factors not in (None, now):
                raise Outdated(f"{person.username} has been changed by somebody else meanwhile")

        removed = await self._directory.factors.remove_all(
            person.subject_id, event, check_held=check_held
        )
        await self._revoker.sign_out(person)
        return removed

    async def subjects_with_a_factor(self) -> frozenset[str]:
        """The subjects of everybody with a second factor, of any source."""
        return await self._directory.factors.holders()

    async def holdings(self, person: Person) -> Holdings:
        """A person's credentials besides a password, and the number of open sessions."""
        return Holdings(
            await self._directory.factors.enrolled(person.subject_id),
            len(await self._directory.app_passwords.of(person.subject_id)),
            await self._open_sessions(person),
            await self._directory.factors.console_passkeys(person.subject_id),
        )

    async def _open_sessions(self, person: Person) -> int | None:
        try:
            held = await (await self._store()).held(Session, person.subject_id)
        except StoreUnavailable:
            return None
        now = self._actor.now()
        return sum(each.is_live(now) for each in held)

    async def undo(self, change: RecordedChange) -> Person:
        """Enable or disable a person of another source again, as they were before a change.

        Raises NotFound, or Outdated if they have changed since.
        """
        person = (await self.by_subject(change.subject)).person
        enabled = bool(change.restored.get("enabled"))
        await self._record_enabled(person, enabled=enabled, undoes=change)
        return person

    async def _record_enabled(
        self,
        person: Person,
        *,
        enabled: bool,
        undoes: RecordedChange | None = None,
        expected_version: int | None = None,
    ) -> int | None:
        """The version of the person afterwards; None if there is nobody."""
        what = "enabled" if enabled else "disabled"
        if undoes is not None:
            expected_version = undoes.version
        author = self._actor.author(undoes=None if undoes is None else undoes.number)
        event = self._actor.person_event(
            person, Event.USER_CHANGED, author.detail(what), at=author.at
        )
        version = await self._directory.people.set_enabled(
            person.subject_id,
            enabled,
            event,
            author,
            expected_version=expected_version,
            check_role=partial(self._actor.check_may_act_on, person.username),
        )
        if version is None and expected_version is not None:
            raise Outdated(f"{person.username} has been changed by somebody else meanwhile")
        if not enabled:
            await self._revoker.end_everything(person, Change.ACCOUNT_CLOSED)
        return version

    async def named(self, name: str, source: str | None) -> Person:
        """A person to act on, of the built-in directory or of the named source.

        Raises NotFound, Refused if several people have this name, or Forbidden.
        """
        if source in (None, BUILT_IN):
            return (await self._users.get_to_change(name)).person
        remembered = await self.find(name, source)
        if remembered is None:
            problem = f"nobody called {name} has signed in with {source}"
            known = [each.name for each in self._settings.all_sources]
            if source not in known:
                problem += f"; there is no source {source!r}; the sources are: {', '.join(known)}"
            raise NotFound(problem)
        self._actor.check_may_act_on(remembered.person.username, remembered.effective_role)
        return remembered.person
