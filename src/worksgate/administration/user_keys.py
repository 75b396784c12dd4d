"""User keys: their owners, and the key that LINE WORKS would receive for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Refused
from worksgate.administration.revoking import Revoker
from worksgate.administration.transactions import retried_on_conflict
from worksgate.audit import AuditEvent, Event
from worksgate.database import Conflict
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.database import Directory
from worksgate.directory.key_ownership import ADVICE, KEY_KINDS, KeyOwner, UserKey, keys_of
from worksgate.oauth.model import Client
from worksgate.oauth.model import UserKey as KeyKind
from worksgate.oauth.user_key import IN_WORDS, KeyProblem
from worksgate.sources import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class LineWorksKey:
    """The key of a person for some clients: a user key, or None and why."""

    clients: tuple[str, ...]
    """By name; all clients with the same kind of key."""
    kind: str
    value: str | None
    why_none: str | None = None

    def __str__(self) -> str:
        """For people: at most three clients are named."""
        names = ", ".join(self.clients[:3])
        more = f" and {left} more" if (left := len(self.clients) - 3) > 0 else ""
        what = self.value if self.value is not None else f"nothing ({self.why_none})"
        return f"{names}{more}: {what}"


class KeyAdministration:
    """The ownership of user keys."""

    def __init__(self, directory: Directory, revoker: Revoker, actor: Actor) -> None:
        self._directory = directory
        self._revoker = revoker
        self._actor = actor

    @retried_on_conflict
    async def release(self, value: str) -> list[KeyOwner]:
        """End the ownership of a user key, so that it can be assigned again; return its owner.

        The owner may be a removed person, or a person of any source who gave it up; people of other
        sources lose it, if they have it, and everything they hold. With the key goes their place in
        LINE WORKS. Raises Refused if an account of the built-in directory has it, or Unfinished.
        """
        now = self._actor.now()
        keys = [UserKey(kind, value) for kind in KEY_KINDS]
        owners = (await self._directory.key_owners(keys)).owners.values()
        names = await self._directory.last_usernames({each.subject_id for each in owners})
        async with self._directory.changing() as transaction:
            released = await transaction.release_key(value, now)
            for owner in released:
                if owner.holder is not None and owner.subject_id.startswith(SUBJECT_PREFIX):
                    raise Refused(
                        f"{owner.holder} has it; give it up there first, with worksgate user set"
                    )
            await transaction.record(*(self._release_event(each, names) for each in released))
        await self._revoker.end_issued_to({each.subject_id for each in released})
        return released

    async def conflicts(self, people: Sequence[Person]) -> list[tuple[KeyProblem, ...]]:
        """For each of these people, which of their user keys belong to somebody else."""
        keys = [key for person in people for key in keys_of(person)]
        ownership = await self._directory.key_owners(keys)
        found = []
        for person in people:
            refused = []
            for key in keys_of(person):
                try:
                    ownership.check(key, person.subject_id)
                except Conflict as conflict:
                    text = str(conflict).partition(ADVICE)[0]
                    refused.append(KeyProblem(KeyKind(key.kind), text))
            found.append(tuple(refused))
        return found

    def _release_event(self, owner: KeyOwner, names: Mapping[str, str]) -> AuditEvent:
        state = "had" if owner.holder is None else "has"
        known = replace(owner, holder=owner.holder or names.get(owner.subject_id))
        detail = f"{owner.key} released; {known} {state} it"
        return self._actor.event(Event.USER_CHANGED, detail, subject_id=owner.subject_id)


def line_works_keys(
    person: Person, clients: Sequence[Client], problems: Sequence[KeyProblem]
) -> tuple[LineWorksKey, ...]:
    """The key that LINE WORKS would receive, for each kind that a client uses.

    ``problems`` say what is wrong with the person's keys, as in ``conflicts`` and sources.
    """
    by_kind: dict[KeyKind, list[str]] = {}
    for client in clients:
        by_kind.setdefault(client.user_key, []).append(client.name)
    return tuple(
        _line_works_key(person, kind, names, problems) for kind, names in sorted(by_kind.items())
    )


def _line_works_key(
    person: Person, kind: KeyKind, names: Sequence[str], problems: Sequence[KeyProblem]
) -> LineWorksKey:
    wrong = [each.text for each in problems if each.kind is kind]
    value = None if wrong else getattr(person, kind.value)
    why = None if value is not None else "; ".join(wrong) or f"there is no {IN_WORDS[kind]}"
    return LineWorksKey(clients=tuple(names), kind=kind.value, value=value, why_none=why)
