"""What would happen to each member at APPLY: members and people compared, without any database.

A member is found here by LINE WORKS account, then by e-mail address, then by key, then by a
username that is an address; never by name. By key alone would be what LINE WORKS does at a sign-in,
and is what must not be trusted: a key with the wrong person opens somebody else's account.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

from worksgate.administration.external_keys.accounts import Accounts, account_of, local_part
from worksgate.directory.going_live import Member, MemberState
from worksgate.directory.people_list import Listed
from worksgate.oauth.model import UserKey


class Finding(StrEnum):
    """What a rehearsal says of a member, or of a person here."""

    READY = auto()
    """Nothing that is known here would stop them."""
    NOBODY_HERE = auto()
    NO_KEY_HERE = auto()
    NO_KEY_THERE = auto()
    KEY_DIFFERS = auto()
    DUPLICATE = auto()
    """Two members have the same key, or two people here are the same member."""
    DISABLED = auto()
    NEVER_SIGNED_IN = auto()
    NO_SECOND_FACTOR = auto()
    NO_APP_PASSWORD = auto()
    """A mail program came for them, and they have no app password."""
    NOT_A_MEMBER = auto()
    """They are here, and LINE WORKS does not have them."""


STOPS: Final = (
    *(Finding.NOBODY_HERE, Finding.NO_KEY_HERE, Finding.NO_KEY_THERE),
    *(Finding.KEY_DIFFERS, Finding.DUPLICATE, Finding.DISABLED),
)
"""They would not get in. A member has at most one of these."""
HINTS: Final = (Finding.NEVER_SIGNED_IN, Finding.NO_SECOND_FACTOR, Finding.NO_APP_PASSWORD)
"""They would get in, perhaps later than others. A person can have several of these."""


def is_left_out(member: Member) -> bool:
    """Whether LINE WORKS itself keeps a member out, so that a rehearsal is not about them."""
    return member.state in (MemberState.SUSPENDED, MemberState.DELETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What the client wants of people, and what is known of their mail programs.

    ``mail_users`` are subjects and typed names; it is None if mail programs need no app password,
    or may not sign in at all.
    """

    user_key: UserKey
    sources: tuple[str, ...] = ()
    needs_factor: bool = False
    mail_users: Collection[str] | None = None
    app_password_holders: Collection[str] = frozenset()

    def takes(self, person: Listed) -> bool:
        """Whether the client takes people of this source."""
        return not self.sources or person.source in self.sources

    def key_of(self, person: Listed) -> str | None:
        """The key that LINE WORKS would receive."""
        is_external = self.user_key is UserKey.EXTERNAL_KEY
        return person.external_key if is_external else person.works_account

    def key_there(self, member: Member) -> str | None:
        """The key by which LINE WORKS knows a member."""
        return member.external_key if self.user_key is UserKey.EXTERNAL_KEY else member.account


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding about a member, a person, or both."""

    finding: Finding
    member: Member | None = None
    person: Listed | None = None


def examine(
    members: Sequence[Member] | None, people: Sequence[Listed], standard: Standard
) -> Iterator[Found]:
    """All findings, in the order of members and then of people.

    Without members it is about our people alone: what is only known at LINE WORKS is left out.
    """
    takes = [each for each in people if standard.takes(each)]
    if members is None:
        for person in takes:
            finding = _stop_here(person, standard) or Finding.READY
            yield Found(finding=finding, person=person)
            yield from _hints(person, None, standard)
        return
    counted = [each for each in members if not is_left_out(each)]
    index = _Index.of(members)
    matches: defaultdict[str, list[Listed]] = defaultdict(list)
    for person in takes:
        member = index.member_of(person)
        if member is not None:
            matches[member.account].append(person)
        elif person.enabled:
            yield Found(finding=Finding.NOT_A_MEMBER, person=person)
    for member in counted:
        yield from _of_member(member, matches.get(member.account, []), index, standard)


@dataclass(frozen=True, slots=True)
class _Index:
    """The members by account and by key."""

    accounts: Accounts[Member]
    by_key: Mapping[str, Member]
    shared_keys: frozenset[str]

    @classmethod
    def of(cls, members: Sequence[Member]) -> "_Index":
        keys = Counter(each.external_key for each in members if each.external_key)
        shared = frozenset(key for key, count in keys.items() if count > 1)
        return cls(
            Accounts({each.account: each for each in members}),
            {each.external_key: each for each in members if each.external_key},
            shared,
        )

    def member_of(self, person: Listed) -> Member | None:
        if found := self.accounts.of_person(person):
            return found
        key = person.external_key
        if key and key not in self.shared_keys and (found := self.by_key.get(key)):
            return found
        return self.accounts.by_account.get(account_of(person.username))


def _of_member(
    member: Member, people: Sequence[Listed], index: _Index, standard: Standard
) -> Iterator[Found]:
    enabled = [each for each in people if each.enabled]
    own = enabled or people
    if not own:
        yield Found(finding=Finding.NOBODY_HERE, member=member)
        return
    if len(own) > 1:
        for person in own:
            yield Found(finding=Finding.DUPLICATE, member=member, person=person)
        return
    (person,) = own
    stop = _stop_here(person, standard) or _stop_there(member, person, index, standard)
    yield Found(finding=stop or Finding.READY, member=member, person=person)
    yield from _hints(person, member, standard)


def _stop_here(person: Listed, standard: Standard) -> Finding | None:
    if not person.enabled:
        return Finding.DISABLED
    return None if standard.key_of(person) else Finding.NO_KEY_HERE


def _stop_there(
    member: Member, person: Listed, index: _Index, standard: Standard
) -> Finding | None:
    """Whether LINE WORKS would not know the key, or take it for somebody else's."""
    key = standard.key_of(person)
    if standard.user_key is not UserKey.EXTERNAL_KEY:
        is_same = key in (member.account, local_part(member.account))
        return None if is_same else Finding.KEY_DIFFERS
    if member.external_key is None:
        return Finding.NO_KEY_THERE
    if member.external_key in index.shared_keys:
        return Finding.DUPLICATE
    return None if key == member.external_key else Finding.KEY_DIFFERS


def _hints(person: Listed, member: Member | None, standard: Standard) -> Iterator[Found]:
    if not person.enabled:
        return
    applies = {
        Finding.NEVER_SIGNED_IN: person.last_login_at is None,
        Finding.NO_SECOND_FACTOR: standard.needs_factor and not person.has_factor,
        Finding.NO_APP_PASSWORD: _lacks_app_password(person, standard),
    }
    for finding, does in applies.items():
        if does:
            yield Found(finding=finding, member=member, person=person)


def _lacks_app_password(person: Listed, standard: Standard) -> bool:
    if standard.mail_users is None or person.subject_id in standard.app_password_holders:
        return False
    names = (person.subject_id, person.username, person.works_account, person.email)
    return any(name in standard.mail_users for name in names if name)


@dataclass(slots=True)
class FindingCounter:
    """Counts findings as they come, and numbers them within their kind, from 1."""

    counts: Counter[Finding] = field(default_factory=Counter)

    def number(self, found: Found) -> int:
        self.counts[found.finding] += 1
        return self.counts[found.finding]
