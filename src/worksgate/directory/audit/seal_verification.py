"""Compares audit records with their seals, in order of their IDs and in constant memory (R-149).

The reader (``seals``) hands over each seal and the digests of the records in its range. What does
not fit becomes a ``Finding``. Only the first seal can be that of removed records, and then it is
taken as it is: it is the anchor of those that follow.

If a seal does not fit, the next one shows what was changed: its digest covers the one before, as
that was when it was made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from worksgate.credentials.master_key import Keyring
from worksgate.directory.audit.seal_form import Seal, content_digest

MOST_RECORDS: Final = 1_000
"""Records of a seal whose digests are kept at a time; more than any seal has."""


class Problem(StrEnum):
    """What is wrong."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    SEAL_CHANGED = "seal changed"
    SEAL_MISSING = "seal missing"
    NOT_AUTHENTIC = "not authentic"
    REMOVED = "removed"
    NOT_AS_EXPECTED = "not as expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not fit: the seal, the records concerned, and a sentence about it."""

    problem: Problem
    text: str
    seal: int | None = None
    first_id: int | None = None
    last_id: int | None = None


@dataclass(slots=True, kw_only=True)
class Verified:
    """What was compared. Times are in seconds since the epoch.

    ``first`` and ``last`` are the oldest and the newest seal, ``unsealed`` the number of records
    that have none yet and ``unsealed_since`` the time of the first of those. ``leftovers`` are
    records that were past their time and are still there. ``foreign_keys`` are the IDs of master
    keys that are not configured.
    """

    seals: int = 0
    records: int = 0
    findings: int = 0
    first: Seal | None = None
    last: Seal | None = None
    unsealed: int = 0
    unsealed_since: float | None = None
    leftovers: int = 0
    foreign_keys: set[str] = field(default_factory=set)


class Verification:
    """One comparison of the whole log; ``expected`` are digests by number of the seal."""

    def __init__(self, keyring: Keyring, expected: Mapping[int, str]) -> None:
        self.result = Verified()
        self._keyring = keyring
        self._expected = dict(expected)
        self._range = _Range()
        self._unclear: _Unclear | None = None
        self._is_after_gap = False

    def begin(self, seal: Seal, *, is_purge_recorded: bool = True) -> Iterator[Finding]:
        """The next seal, before its records; ``is_purge_recorded`` if these are past their time."""
        self._range = _Range()
        yield from self._counted(self._follows(seal))
        yield from self._counted(self._is_expected(seal))
        if seal.purged and not is_purge_recorded:
            why = "no record says that they were past their time"
            yield from self._counted(_removed(seal, why))
        yield from self._counted(self._removal_before(seal))
        if seal.mac is not None and (is_ours := seal.is_authentic(self._keyring)) is not True:
            if is_ours is None:
                self.result.foreign_keys.add(seal.key_id or "")
            else:
                yield from self._counted(_forged(seal))

    def add(self, id: int, digest: bytes) -> None:  # noqa: A002  # the name of the column
        """A record in the range of this seal."""
        self._range.add(id, digest)

    def end(self, seal: Seal) -> Iterator[Finding]:
        """All records in the range of this seal have been added."""
        result = self.result
        if seal.purged:
            result.leftovers += self._range.count
        else:
            result.records += self._range.count
            yield from self._counted(self._compared(seal))
        result.seals += 1
        result.first = result.first or seal
        result.last = seal

    def before_all(self, first_id: int, last_id: int, count: int) -> Iterator[Finding]:
        """Records that are older than the first seal."""
        text = f"{_records(first_id, last_id)}: {count} in front of the first seal, added later"
        yield from self._counted(
            Finding(problem=Problem.ADDED, text=text, first_id=first_id, last_id=last_id)
        )

    def finish(self) -> Iterator[Finding]:
        """After the last seal."""
        yield from self._counted(self._cleared_up())
        for number in sorted(self._expected):
            yield from self._counted(self._not_there(number))
        current, last = self._keyring.current, self.result.last
        if current is not None and last is not None and not last.is_authentic(self._keyring):
            text = (
                f"seal {last.number}, the newest, has no code of master key {current.id}: it was "
                "not made by a server with that key"
            )
            yield from self._counted(
                Finding(problem=Problem.NOT_AUTHENTIC, text=text, seal=last.number)
            )

    def _counted(self, found: "Iterator[Finding] | Finding | None") -> Iterator[Finding]:
        if found is None:
            return
        for finding in (found,) if isinstance(found, Finding) else found:
            self.result.findings += 1
            yield finding

    def _follows(self, seal: Seal) -> Iterator[Finding]:
        """Whether a seal continues where the one before ended."""
        last = self.result.last
        number, first_id = (1, 1) if last is None else (last.number + 1, last.last_id + 1)
        self._is_after_gap = seal.number != number and not (last is None and seal.purged)
        if self._is_after_gap:
            yield from self._cleared_up()
            yield _gap(number, seal.number - 1, first_id, seal.first_id - 1)
        elif last is not None and seal.first_id != last.last_id + 1:
            text = f"{_seal(seal)} was changed: it does not begin where seal {last.number} ends"
            yield Finding(problem=Problem.SEAL_CHANGED, text=text, seal=seal.number)
        if last is not None and seal.purged:
            text = (
                f"{_seal(seal)} was changed: its records count as past their time, and those of "
                "the seal before do not"
            )
            yield Finding(problem=Problem.SEAL_CHANGED, text=text, seal=seal.number)

    def _removal_before(self, seal: Seal) -> Finding | None:
        """A removal of the records before this seal by somebody without the master key.

        The key was in use by then: this seal has its code, and is older than the removal.
        """
        last = self.result.last
        if last is None or last.purged <= seal.last_id or last.is_authentic(self._keyring):
            return None
        if seal.is_authentic(self._keyring) is not True:
            return None
        return _removed(last, f"not by anyone with master key {seal.key_id}")

    def _is_expected(self, seal: Seal) -> Iterator[Finding]:
        digest = self._expected.pop(seal.number, None)
        if digest is not None and digest.lower() != seal.digest:
            text = f"{_seal(seal)} has another digest than expected: the log was written again"
            yield Finding(problem=Problem.NOT_AS_EXPECTED, text=text, seal=seal.number)

    def _not_there(self, number: int) -> Finding:
        first = self.result.first
        if first is not None and number < first.number:
            text = (
                f"seal {number} cannot be compared: it and its records were removed when they "
                f"were past their time, as all before seal {first.number}"
            )
        else:
            text = (
                f"seal {number}, which is expected, does not exist: the log was cut off before it"
            )
        return Finding(problem=Problem.NOT_AS_EXPECTED, text=text, seal=number)

    def _compared(self, seal: Seal) -> Iterator[Finding]:
        """Whether the records of a seal, and itself, are as they were."""
        if self._is_after_gap:
            return  # its digest covers that of a seal which is not there
        last, records = self.result.last, self._range
        previous = "" if last is None else last.digest
        if records.is_sealed_by(seal, previous):
            yield from self._cleared_up()
            return
        unclear = self._unclear
        if unclear is not None and records.is_sealed_by(seal, unclear.right_digest):
            self._unclear = None
            text = f"{_seal(unclear.seal)} was changed; its records are as they were sealed"
            yield Finding(problem=Problem.SEAL_CHANGED, text=text, seal=unclear.seal.number)
            return
        yield from self._cleared_up()
        if (named := records.difference(seal, previous)) is not None:
            yield named
        else:
            self._unclear = _Unclear(seal, seal.digest_after(previous, records.content))

    def _cleared_up(self) -> Iterator[Finding]:
        """What was wrong with the seal before, which the one after it did not tell."""
        unclear, self._unclear = self._unclear, None
        if unclear is None:
            return
        seal = unclear.seal
        concerned = _records(seal.first_id, seal.last_id)
        yield Finding(
            problem=Problem.CHANGED,
            text=f"{concerned} are not as they were sealed ({_seal(seal)}): at least one of them, "
            "or the seal, was changed",
            seal=seal.number,
            first_id=seal.first_id,
            last_id=seal.last_id,
        )


@dataclass(frozen=True, slots=True)
class _Unclear:
    """A seal that does not fit; the next one shows whether it or its records were changed."""

    seal: Seal
    right_digest: str


@dataclass(slots=True)
class _Range:
    """The records in the range of a seal."""

    count: int = 0
    ids: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)

    def add(self, id: int, digest: bytes) -> None:  # noqa: A002  # the name of the column
        self.count += 1
        if len(self.ids) < MOST_RECORDS:
            self.ids.append(id)
            self.digests.append(digest)

    @property
    def content(self) -> bytes:
        return content_digest(self.digests)

    def is_sealed_by(self, seal: Seal, previous: str) -> bool:
        return (
            self.count == seal.records and seal.digest_after(previous, self.content) == seal.digest
        )

    def difference(self, seal: Seal, previous: str) -> Finding | None:
        """A difference in the number of records; None if that is right."""
        of_seal = f"{_records(seal.first_id, seal.last_id)} ({_seal(seal)})"
        if self.count == seal.records:
            return None
        counted = replace(seal, records=self.count)
        if counted.digest_after(previous, self.content) == seal.digest:
            text = f"{_seal(seal)} was changed; its records are as they were sealed"
            return Finding(problem=Problem.SEAL_CHANGED, text=text, seal=seal.number)
        place = {"seal": seal.number, "first_id": seal.first_id, "last_id": seal.last_id}
        if self.count < seal.records:
            text = f"{seal.records - self.count} of {of_seal} are missing"
            return Finding(problem=Problem.MISSING, text=text, **place)
        if (added := self._added(seal, previous)) is not None:
            text = f"record {added} was added to {of_seal} after these were sealed, or came late"
            return Finding(
                problem=Problem.ADDED, text=text, seal=seal.number, first_id=added, last_id=added
            )
        text = f"{self.count - seal.records} more than were sealed are among {of_seal}"
        return Finding(problem=Problem.ADDED, text=text, **place)

    def _added(self, seal: Seal, previous: str) -> int | None:
        """The ID of the only record without which everything fits."""
        if self.count != seal.records + 1 or len(self.ids) != self.count:
            return None
        for at, id in enumerate(self.ids):  # noqa: A001  # the name of the column
            others = content_digest([*self.digests[:at], *self.digests[at + 1 :]])
            if seal.digest_after(previous, others) == seal.digest:
                return id
        return None


def _gap(first: int, last: int, first_id: int, last_id: int) -> Finding:
    which = f"seal {first} is" if first == last else f"seals {first} to {last} are"
    return Finding(
        problem=Problem.SEAL_MISSING,
        text=f"{which} missing, for {_records(first_id, last_id)}; without it, seal {last + 1} "
        "cannot be compared",
        seal=first,
        first_id=first_id,
        last_id=last_id,
    )


def _removed(seal: Seal, why: str) -> Finding:
    return Finding(
        problem=Problem.REMOVED,
        text=f"all records up to {seal.last_id} were removed, and {why}",
        seal=seal.number,
        last_id=seal.last_id,
    )


def _forged(seal: Seal) -> Finding:
    text = f"{_seal(seal)} was changed: its code is not that of master key {seal.key_id}"
    return Finding(problem=Problem.NOT_AUTHENTIC, text=text, seal=seal.number)


def _seal(seal: Seal) -> str:
    if not 0.0 <= seal.at < 253402300800.0:
        return f"seal {seal.number}"
    return f"seal {seal.number} of {datetime.fromtimestamp(seal.at, UTC):%Y-%m-%d %H:%M:%S}Z"


def _records(first_id: int, last_id: int) -> str:
    return f"record {first_id}" if first_id == last_id else f"records {first_id} to {last_id}"
