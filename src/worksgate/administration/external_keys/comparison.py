"""The keys of LINE WORKS' file and those of people here, compared; without any database.

A key opens one account, so the wrong one opens somebody else's. A member gets a key only if it is
certain whose it is: whatever is not is a finding, and the field stays as it was.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Final

from worksgate.administration.external_keys.accounts import Accounts, account_of
from worksgate.administration.external_keys.console_file import ConsoleFile, MemberRow
from worksgate.administration.external_keys.holders import KeyHolder
from worksgate.directory.key_ownership import UserKey
from worksgate.oauth.user_info import KeyFault, fault_of_external_key


class Finding(StrEnum):
    """What keeps a member from the right key, or could."""

    NOBODY_HERE = auto()
    NOBODY_THERE = auto()
    """Somebody here is no member."""
    SEVERAL_HERE = auto()
    """Several people here are one member."""
    MEMBER_TWICE = auto()
    """One account is in the file twice."""
    DISABLED_HERE = auto()
    NO_KEY_HERE = auto()
    KEY_UNUSABLE = auto()
    """Their source has a key for them that cannot be used."""
    SAME_KEY_HERE = auto()
    """Somebody else here has the same key."""
    CASE_TWINS = auto()
    """Somebody else has the key in another spelling."""
    TAKEN_THERE = auto()
    """Another row of the file has the key."""
    TOO_LONG = auto()
    FORBIDDEN_CHARACTER = auto()
    CONTROL_CHARACTER = auto()
    BLANK_AT_END = auto()
    NOT_IN_ENCODING = auto()
    """The file cannot hold the key."""
    KEY_KEPT = auto()
    """Another key was there, and stays."""
    KEY_DIFFERS = auto()
    NO_KEY_THERE = auto()


_OF_FAULTS: Final = {
    KeyFault.LENGTH: Finding.TOO_LONG,
    KeyFault.FORBIDDEN: Finding.FORBIDDEN_CHARACTER,
    KeyFault.BLANK: Finding.BLANK_AT_END,
    KeyFault.CONTROL: Finding.CONTROL_CHARACTER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding about a member, a person here, or both; ``row`` is a line of the file.

    ``detail`` is what only this one has, in words.
    """

    finding: Finding
    row: int | None = None
    member: str | None = None
    person: str | None = None
    key_here: str | None = None
    key_there: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """How keys are compared.

    ``replaces`` lets ours take the place of another one; ``allows_similar`` is the setting
    ``allow_similar_keys``. Nothing is done or said about ``excepted`` accounts and usernames.
    """

    replaces: bool = False
    allows_similar: bool = False
    excepted: Collection[str] = ()

    def identity(self, key: str) -> str:
        """The same for keys of which LINE WORKS might hold that they are one."""
        return key if self.allows_similar else UserKey("external_key", key).folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was found, and the keys that members should get, by the number of the row.

    ``right`` have theirs already; ``replaced`` are those with ``keys`` who have another.
    """

    members: int
    right: int
    replaced: int
    keys: Mapping[int, str]
    found: Sequence[Found]


def compare(file: ConsoleFile, people: Collection[KeyHolder], standard: Standard) -> Comparison:
    """Which members should get which key; findings are in the order of rows, then of people."""
    comparing = _Comparing(file, people, standard)
    comparing.compare()
    return comparing.result()


def verify(file: ConsoleFile, people: Collection[KeyHolder], standard: Standard) -> Comparison:
    """Whether all members have theirs: whoever should get one is a finding."""
    comparing = _Comparing(file, people, replace(standard, replaces=True))
    comparing.compare()
    comparing.say_what_is_missing()
    return comparing.result()


class _Comparing:
    """A comparison at work."""

    def __init__(
        self, file: ConsoleFile, people: Collection[KeyHolder], standard: Standard
    ) -> None:
        self._rows = file.rows
        self._can_write = file.text.can_write
        self._standard = standard
        self._excepted = {account_of(each) for each in standard.excepted}
        keys = [each.external_key for each in people if each.external_key]
        self._keys_twice = _twice(keys)
        self._spelled_twice = _twice(map(standard.identity, keys))
        self._accounts_twice = _twice(each.account for each in file.rows if each.account)
        self._people: dict[int, tuple[KeyHolder, ...]] = {}
        self._elsewhere: list[KeyHolder] = []
        self._match(people, has_bare=file.has_bare)
        self._keys: dict[int, str] = {}
        self._right = 0
        self._found: defaultdict[int, list[Found]] = defaultdict(list)

    def compare(self) -> None:
        for number, row in enumerate(self._rows):
            self._compare(number, row)
        self._withdraw_what_is_taken()

    def say_what_is_missing(self) -> None:
        for number in self._keys:
            has_another = bool(self._rows[number].key)
            finding = Finding.KEY_DIFFERS if has_another else Finding.NO_KEY_THERE
            self._say(number, finding, self._of_row(number)[0])

    def result(self) -> Comparison:
        found = [each for number in sorted(self._found) for each in self._found[number]]
        found += [
            Found(finding=Finding.NOBODY_THERE, person=each.username, key_here=each.external_key)
            for each in self._elsewhere
            if each.enabled and not self._is_excepted(each)
        ]
        return Comparison(
            members=len(self._rows),
            right=self._right,
            replaced=sum(bool(self._rows[each].key) for each in self._keys),
            keys=self._keys,
            found=found,
        )

    def _match(self, people: Collection[KeyHolder], *, has_bare: bool) -> None:
        """Find the row of each person: one at most, so that no key gets into two rows."""
        numbers = {each.account: number for number, each in enumerate(self._rows)}
        accounts = Accounts(numbers, has_bare=has_bare)
        for person in people:
            number = accounts.of_person(person)
            if number is None:
                self._elsewhere.append(person)
            else:
                self._people[number] = (*self._people.get(number, ()), person)

    def _of_row(self, number: int) -> Sequence[KeyHolder]:
        """The people here who are this member: those who are enabled, if there are any."""
        people = self._people.get(number, ())
        return [each for each in people if each.enabled] or people

    def _compare(self, number: int, row: MemberRow) -> None:
        people = self._of_row(number)
        if row.account in self._excepted or any(map(self._is_excepted, people)):
            return
        if row.account in self._accounts_twice:
            self._say(number, Finding.MEMBER_TWICE)
        elif len(people) > 1:
            for each in people:
                self._say(number, Finding.SEVERAL_HERE, each)
        elif people:
            self._compare_keys(number, row, people[0])
        elif not row.is_left_out:
            self._say(number, Finding.NOBODY_HERE)

    def _compare_keys(self, number: int, row: MemberRow, person: KeyHolder) -> None:
        if not person.enabled:
            self._say(number, Finding.DISABLED_HERE, person)
        finding = self._fault_of(person)
        if finding is not None:
            self._say(number, finding, person, person.problem or "")
        elif row.key == person.external_key:
            self._right += 1
        elif row.key and not self._standard.replaces:
            self._say(number, Finding.KEY_KEPT, person)
        elif person.external_key:
            self._keys[number] = person.external_key

    def _fault_of(self, person: KeyHolder) -> Finding | None:
        """Why the key of a person here must not be given to LINE WORKS."""
        key = person.external_key
        if not key:
            return Finding.KEY_UNUSABLE if person.problem else Finding.NO_KEY_HERE
        if (fault := fault_of_external_key(key)) is not None:
            return _OF_FAULTS[fault]
        if key in self._keys_twice:
            return Finding.SAME_KEY_HERE
        if self._standard.identity(key) in self._spelled_twice:
            return Finding.CASE_TWINS
        return None if self._can_write(key) else Finding.NOT_IN_ENCODING

    def _withdraw_what_is_taken(self) -> None:
        """Give no key that another row keeps; a row of which one is withdrawn keeps its own."""
        identity = self._standard.identity
        there = {identity(row.key) for row in self._rows if row.key and self._keys}
        given = ((identity(key), number) for number, key in self._keys.items())
        givers = {key: number for key, number in given if key in there}
        owners: dict[str, int] = {}
        kept = [at for at, row in enumerate(self._rows) if row.key and at not in self._keys]
        for number in kept:  # which grows
            key = self._rows[number].key
            owner = owners.setdefault(identity(key), number)
            if owner != number:
                self._say_taken(number, key, owner)
            giver = givers.pop(identity(key), None)
            if giver is not None:
                self._say_taken(giver, self._keys.pop(giver), number)
                kept += [giver] if self._rows[giver].key else []
            if (fault := fault_of_external_key(key)) is not None:
                self._say(number, _OF_FAULTS[fault])

    def _say_taken(self, number: int, key: str, owner: int) -> None:
        is_same = self._rows[owner].key == key
        finding = Finding.TAKEN_THERE if is_same else Finding.CASE_TWINS
        person = next(iter(self._of_row(number)), None)
        line = self._rows[owner].line
        self._say(number, finding, person, f"line {line} has {self._rows[owner].key}")

    def _say(
        self, number: int, finding: Finding, person: KeyHolder | None = None, detail: str = ""
    ) -> None:
        row = self._rows[number]
        if row.account in self._excepted:
            return
        self._found[number].append(
            Found(
                finding=finding,
                row=row.line,
                member=row.account,
                person=person.username if person else None,
                key_here=person.external_key if person else None,
                key_there=row.key or None,
                detail=detail,
            )
        )

    def _is_excepted(self, person: KeyHolder) -> bool:
        names = (person.username, person.works_account, person.email)
        return bool(self._excepted) and any(
            account_of(name) in self._excepted for name in names if name
        )


def _twice(values: Iterable[str]) -> set[str]:
    """Those that are there more than once."""
    seen: set[str] = set()
    twice: set[str] = set()
    for each in values:
        (twice if each in seen else seen).add(each)
    return twice
