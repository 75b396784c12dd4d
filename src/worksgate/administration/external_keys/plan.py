"""Which external keys to write at LINE WORKS; without any database or network.

A key opens one account, so the wrong one opens somebody else's. A member gets a key only if it is
certain whose it is: by LINE WORKS account, then by e-mail address, never by name or by a key that
is there already. Keys that are not ours are kept, unless the caller says otherwise; a key that a
member keeps is given to nobody else.

100,000 members and as many people are compared in little memory: of each only what is needed stays.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from worksgate.administration.external_keys.accounts import Accounts, account_of, local_part
from worksgate.administration.external_keys.findings import SyncFinding, SyncFound
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.credentials.usernames import username_key
from worksgate.oauth.user_info import check_external_key


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A member by ID, the key that they have, and the one that they get; None is no key."""

    id: str
    account: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a run may do beyond giving keys to members who have none.

    ``replaces`` puts ours in the place of another key, ``deletes_unknown`` takes the keys of
    members whom nobody here is. ``identity`` is the same for keys that could be taken for one.
    """

    replaces: bool = False
    deletes_unknown: bool = False
    identity: Callable[[str], str] = username_key


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """What is to be written; ``right`` of the ``members`` have their key already."""

    changes: Sequence[KeyChange]
    found: Sequence[SyncFound]
    members: int
    right: int

    @property
    def added(self) -> int:
        return sum(each.before is None for each in self.changes)

    @property
    def replaced(self) -> int:
        return sum(None not in (each.before, each.after) for each in self.changes)

    @property
    def deleted(self) -> int:
        return sum(each.after is None for each in self.changes)


@dataclass(frozen=True, slots=True)
class _Person:
    """What stays of a person."""

    username: str
    key: str | None
    enabled: bool
    problem: str | None


class _Member:
    """A member, and the people here who are that member: nobody, one, or ``others`` too.

    ``after`` is the key that they get; None is no key.
    """

    __slots__ = ("account", "after", "id", "key", "others", "person")

    def __init__(self, id_: str, account: str, key: str | None) -> None:
        self.id = id_
        self.account = account
        self.key = key
        self.after = key
        self.person: _Person | None = None
        self.others: tuple[_Person, ...] = ()

    @property
    def people(self) -> tuple[_Person, ...]:
        return () if self.person is None else (self.person, *self.others)

    @property
    def is_changed(self) -> bool:
        return self.after != self.key

    @property
    def change(self) -> KeyChange:
        return KeyChange(self.id, self.account, self.key, self.after)


class Planner:
    """Takes members first, then people, then makes the plan."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._members: dict[str, _Member] = {}
        self._accounts = Accounts(self._members)
        self._keys_here: Counter[str] = Counter()
        self._found: list[SyncFound] = []

    def add_member(self, id_: str, account: str, key: str | None) -> None:
        """Somebody at LINE WORKS; of two with one account the last counts."""
        self._members[account or id_] = _Member(id_, account, key)

    def add_person(self, person: KeyHolder) -> None:
        """Somebody here; a person who is no member is a finding at once."""
        if person.external_key is not None:
            self._keys_here[self._policy.identity(person.external_key)] += 1
        member = self._accounts.of_person(person)
        if member is None:
            if person.enabled:
                self._say(SyncFinding.NOBODY_THERE, None, _kept(person))
            return
        if member.person is None:
            member.person = _kept(person)
        else:
            member.others = (*member.others, _kept(person))

    def plan(self) -> KeyPlan:
        """What is to be written. Nothing can be added afterwards."""
        right = 0
        for member in self._members.values():
            own = [each for each in member.people if each.enabled] or member.people
            if len(own) != 1:
                self._unclear(member, own)
            elif not self._says_what_is_wrong(member, own[0]):
                if own[0].key == member.key:
                    right += 1
                elif member.key is not None and not self._policy.replaces:
                    self._say(SyncFinding.KEY_KEPT, member, own[0])
                else:
                    member.after = own[0].key
        return KeyPlan(
            changes=self._free_to_give(),
            found=self._found,
            members=len(self._members),
            right=right,
        )

    def _unclear(self, member: _Member, own: Sequence[_Person]) -> None:
        """A member who is nobody here, or several people."""
        for each in own:
            self._say(SyncFinding.SEVERAL_HERE, member, each)
        if own:
            return
        if member.key is not None and self._policy.deletes_unknown:
            member.after = None
        else:
            self._say(SyncFinding.NOBODY_HERE, member)

    def _says_what_is_wrong(self, member: _Member, person: _Person) -> bool:
        """Whether the key of a person here must not be given to LINE WORKS."""
        finding, detail = None, ""
        if not person.enabled:
            finding = SyncFinding.DISABLED_HERE
        elif person.key is None:
            finding = SyncFinding.KEY_UNUSABLE if person.problem else SyncFinding.NO_KEY_HERE
            detail = person.problem or ""
        elif self._keys_here[self._policy.identity(person.key)] > 1:
            finding = SyncFinding.SAME_KEY_HERE
        else:
            try:
                check_external_key(person.key)
            except ValueError as problem:
                finding, detail = SyncFinding.KEY_UNUSABLE, str(problem)
        if finding is not None:
            self._say(finding, member, person, detail)
        return finding is not None

    def _free_to_give(self) -> list[KeyChange]:
        """The changes, without keys that another member keeps."""
        members = self._members.values()
        changes = [each.change for each in members if each.is_changed]
        kept = ((each.account, each.key) for each in members if each.key and not each.is_changed)
        taken = dict(taken_by_others(changes, kept, self._policy.identity))
        for change, detail in taken.items():
            member = self._members[change.account or change.id]
            person = next((each for each in member.people if each.enabled), None)
            self._say(SyncFinding.TAKEN_THERE, member, person, detail)
        return [each for each in changes if each not in taken]

    def _say(
        self,
        finding: SyncFinding,
        member: _Member | None,
        person: _Person | None = None,
        detail: str = "",
    ) -> None:
        self._found.append(
            SyncFound(
                finding=finding,
                account=member.account if member else None,
                username=person.username if person else None,
                key_here=person.key if person else None,
                key_there=member.key if member else None,
                detail=detail,
            )
        )


def _kept(person: KeyHolder) -> _Person:
    return _Person(person.username, person.external_key, person.enabled, person.problem)


def still_due(
    changes: Iterable[KeyChange], held: dict[str, str | None]
) -> Iterator[KeyChange | SyncFound]:
    """What is left of changes, by what LINE WORKS holds now; ``held`` is by ID.

    What somebody else has changed since is a finding. Who has no key may get one in any case: the
    first round of an earlier run may have taken it.
    """
    for each in changes:
        now = held.get(each.id)
        if each.id not in held:
            yield _of_change(SyncFinding.NOT_HELD, each, None, "they are no member any more")
        elif now == each.after:
            continue
        elif now in (each.before, None):
            yield replace(each, before=now)
        else:
            yield _of_change(SyncFinding.CHANGED_SINCE, each, now)


def anothers_there(
    due: Iterable[KeyChange], kept: Iterable[tuple[str, str]], identity: Callable[[str], str]
) -> dict[KeyChange, SyncFound]:
    """The changes whose key another member keeps; ``kept`` is as for ``taken_by_others``."""
    return {
        change: _of_change(SyncFinding.TAKEN_THERE, change, change.before, detail)
        for change, detail in taken_by_others(due, kept, identity)
    }


def anothers_here(
    due: Iterable[KeyChange],
    undone: Iterable[KeyChange] | None,
    people: Iterable[KeyHolder],
    identity: Callable[[str], str],
) -> dict[KeyChange, SyncFound]:
    """The changes whose key is another person's here by now.

    ``undone`` are the reversed changes of a whole run, if an undo is what is due. What that run
    gave to whoever has it here goes back to the other member: that is what is undone.
    """
    given = {identity(each.before): each.account for each in undone or () if each.before}
    getters = {identity(each.after): each for each in due if each.after is not None}
    found = {}
    for person in people:
        key = identity(person.external_key or "")
        getter = getters.get(key)
        if getter is None or (key in given and _is(person, given[key], is_planned=True)):
            continue
        if not _is(person, getter.account, is_planned=undone is None):
            one = _of_change(SyncFinding.TAKEN_HERE, getter, getter.before)
            found[getter] = replace(one, username=person.username)
    return found


def _is(person: KeyHolder, account: str, *, is_planned: bool) -> bool:
    """Whether a person is the member with this account.

    One without its domain is enough only if that was planned: then no other member had the name.
    """
    names = [account_of(name) for name in (person.works_account, person.email) if name]
    return account in names or (
        is_planned and account_of(person.works_account or "") == local_part(account)
    )


def taken_by_others(
    changes: Iterable[KeyChange], kept: Iterable[tuple[str, str]], identity: Callable[[str], str]
) -> Iterator[tuple[KeyChange, str]]:
    """The changes whose key another member keeps, and in words, which.

    ``kept`` are accounts that are not changed, and their keys. A member who is not given a key
    keeps theirs, so that nobody is given that one either.
    """
    getters = {identity(each.after): each for each in changes if each.after is not None}
    refused: list[tuple[str, str]] = []
    for account, key in chain(kept, refused):  # which grows
        getter = getters.pop(identity(key), None)
        if getter is None:
            continue
        yield getter, f"{account} has {key}"
        if getter.before is not None:
            refused.append((getter.account, getter.before))


def reversed_changes(changes: Iterable[KeyChange]) -> list[KeyChange]:
    """The changes that take these back."""
    return [replace(each, before=each.after, after=each.before) for each in changes]


def rounds(changes: Sequence[KeyChange]) -> tuple[list[KeyChange], list[KeyChange]]:
    """First what takes keys away, then what gives them.

    A key that another member is to get is taken in the first round: LINE WORKS does not say whether
    it takes an exchange of keys in one call. ``before`` must be the key that they have now.
    """
    getters = {username_key(each.after): each.id for each in changes if each.after is not None}
    first = [
        replace(each, after=None)
        for each in changes
        if each.before is not None
        and (each.after is None or getters.get(username_key(each.before), each.id) != each.id)
    ]
    return first, [each for each in changes if each.after is not None]


def _of_change(
    finding: SyncFinding, change: KeyChange, now: str | None, detail: str = ""
) -> SyncFound:
    return SyncFound(
        finding=finding,
        account=change.account,
        key_here=change.after,
        key_there=now,
        detail=detail,
    )


def not_held(change: KeyChange, held: dict[str, str | None], why: str) -> SyncFound | None:
    """What LINE WORKS does not hold of a change, by what it holds now; None if it does."""
    if change.id not in held:
        # Whoever is gone holds no key, which is what taking one away was for.
        gone = "they are no member any more"
        return (
            None if change.after is None else _of_change(SyncFinding.NOT_HELD, change, None, gone)
        )
    now = held[change.id]
    if now == change.after:
        return None
    return _of_change(SyncFinding.NOT_HELD, change, now, why)
