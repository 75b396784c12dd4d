"""Imports people: many rows per transaction, each row with a result of its own."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from worksgate.administration.actor import Actor
from worksgate.administration.people_import.columns import (
    Entry,
    ImportOutcome,
    ImportRow,
    Unreadable,
)
from worksgate.audit import AuditEvent
from worksgate.credentials import imported_hashes
from worksgate.credentials.password_hashing import HashingBusy, PasswordHashing
from worksgate.credentials.secrets import new_id
from worksgate.database import Conflict
from worksgate.directory import Account
from worksgate.directory.account_rules import check_password, lacking
from worksgate.directory.database import Directory
from worksgate.directory.key_ownership import KeyOwner, keys_of
from worksgate.directory.taken_names import TakenNames
from worksgate.directory.transaction import Transaction

HASHES_AT_ONCE = 8
_TRIES = 3
_WATCHED = (
    *("username", "name", "reading", "external_key", "works_account", "email"),
    *("groups", "administrator"),
)

Describe = Callable[[Account, str], AuditEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """Options of an import.

    ``temporary`` passwords must be changed at the first sign-in; imported hashes never are.
    """

    dry_run: bool
    update: bool = False
    reuse_retired_keys: bool = False
    temporary: bool = False
    company: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of some rows: the report, the records, and who must sign in again.

    ``former_owners`` are the subjects whose user keys others have now.
    """

    rows: tuple[ImportRow, ...]
    events: tuple[AuditEvent, ...] = ()
    must_sign_in: tuple[Account, ...] = ()
    former_owners: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Password:
    """What is known of a row's password before the transaction: its hash, or an error."""

    hash: str | None = field(default=None, repr=False)
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """One row's result: an account from ``before`` (None: a new one) to ``after`` (None:
    unchanged).

    ``former_owners`` are those whose user keys it takes over.
    """

    row: ImportRow
    before: Account | None = None
    after: Account | None = None
    former_owners: tuple[KeyOwner, ...] = ()


class Importer:
    """Imports rows in batches, in the name of an actor."""

    def __init__(
        self,
        directory: Directory,
        hashing: PasswordHashing,
        options: ImportOptions,
        actor: Actor,
    ) -> None:
        self._directory = directory
        self._hashing = hashing
        self._options = options
        self._actor = actor
        self._clock = actor.clock
        self._turn = asyncio.Semaphore(HASHES_AT_ONCE)

    async def run(self, batch: Sequence[Entry | Unreadable]) -> Imported:
        """Import some rows in one transaction. Raises DatabaseUnavailable: nothing happened."""
        entries = [entry for entry in batch if isinstance(entry, Entry)]
        candidates = [self._candidate(entry) for entry in entries]
        taken = await self._directory.taken_names(candidates)
        passwords = await self._prepare(entries, taken)
        if self._options.dry_run:
            return _outcome(self._plan(batch, taken, passwords), self._actor.account_event)
        for _ in range(_TRIES - 1):
            try:
                return await self._commit(batch, candidates, passwords)
            except Conflict:
                continue  # another process was faster: check the holders again
        return await self._commit(batch, candidates, passwords)

    async def _commit(
        self,
        batch: Sequence[Entry | Unreadable],
        candidates: Sequence[Account],
        passwords: Mapping[int, _Password],
    ) -> Imported:
        author = self._actor.author()
        async with self._directory.changing(author) as transaction:
            taken = await transaction.taken_names(candidates)
            steps = self._plan(batch, taken, passwords)
            outcome = _outcome(steps, partial(self._actor.account_event, at=author.at))
            await self._apply(transaction, steps)
            await transaction.record(*outcome.events)
        return outcome

    async def _apply(self, transaction: Transaction, steps: Sequence[_Step]) -> None:
        """Changes first: only they free a name or key that a new account may need."""
        now = self._clock()
        for step in steps:
            if step.before is not None and step.after is not None:
                await transaction.change_account(step.before, step.after, now)
        await transaction.add_accounts(
            [step.after for step in steps if step.before is None and step.after is not None]
        )

    def _plan(
        self,
        batch: Sequence[Entry | Unreadable],
        taken: TakenNames,
        passwords: Mapping[int, _Password],
    ) -> list[_Step]:
        return [
            _refused(entry, entry.reason)
            if isinstance(entry, Unreadable)
            else self._plan_one(entry, taken, passwords.get(entry.line, _Password()))
            for entry in batch
        ]

    def _plan_one(self, entry: Entry, taken: TakenNames, password: _Password) -> _Step:
        before = taken.account(entry.username)
        if password.refusal is not None:
            return _refused(entry, password.refusal)
        if before is not None and not self._options.update:
            return _refused(
                entry, f"there is already a person called {before.username}; --update changes them"
            )
        after = self._with_password(entry.onto(before or self._candidate(entry)), entry, password)
        if after == before:
            return _Step(_row(entry, ImportOutcome.UNCHANGED, after))
        if before is not None and before.role is not None:
            return _refused(
                entry,
                f"{before.username} is an administrator of the console, whom an import does not "
                "change",
            )
        try:
            former = taken.check(after, reuse_retired_keys=self._options.reuse_retired_keys)
        except Conflict as conflict:
            return _refused(entry, str(conflict))
        if before is not None:
            taken.release(before)
        taken.take(after)
        outcome = ImportOutcome.ADDED if before is None else ImportOutcome.UPDATED
        return _Step(_row(entry, outcome, after), before, after, tuple(former))

    def _with_password(self, account: Account, entry: Entry, password: _Password) -> Account:
        """The account with the password of its row, or with its imported hash.

        A hash is for people without a password of this server: whoever has signed in, or was given
        a new one, keeps that, even if the same file is imported again.
        """
        new, temporary = password.hash, self._options.temporary
        if entry.password_hash is not None and _awaits_import(account):
            new, temporary = entry.password_hash, False
        if new is None or new == account.password_hash:
            return account
        return replace(
            account,
            password_hash=new,
            password_changed_at=self._clock(),
            must_change_password=temporary,
        )

    async def _prepare(self, entries: Sequence[Entry], taken: TakenNames) -> dict[int, _Password]:
        """Check and hash the passwords of a batch, before the transaction, several at once."""
        with_password = [entry for entry in entries if entry.password]
        passwords = await asyncio.gather(
            *(self._prepare_one(entry, taken.account(entry.username)) for entry in with_password)
        )
        return {
            entry.line: password for entry, password in zip(with_password, passwords, strict=True)
        }

    async def _prepare_one(self, entry: Entry, account: Account | None) -> _Password:
        password = entry.password or ""
        try:
            check_password(
                password, entry.onto(account or self._candidate(entry)), self._options.company
            )
        except ValueError as error:
            return _Password(refusal=str(error))
        if account is not None and not self._options.update:
            return _Password()  # the row will be refused: no work for it
        async with self._turn:
            if account is not None and await self._is_current(password, account):
                return _Password()
            return _Password(hash=await self._hash(password))

    async def _is_current(self, password: str, account: Account) -> bool:
        while account.password_hash is not None:
            try:
                return await self._hashing.verify(password, account.password_hash)
            except HashingBusy:
                await asyncio.sleep(0.05)  # sign-ins go first
        return False

    async def _hash(self, password: str) -> str:
        if self._options.dry_run:
            return "-"  # nothing will be stored of it
        while True:
            try:
                return await self._hashing.hash(password)
            except HashingBusy:
                await asyncio.sleep(0.05)

    def _candidate(self, entry: Entry) -> Account:
        return entry.onto(Account(id=new_id(), username=entry.username, created_at=self._clock()))


def must_sign_in_again(before: Account, after: Account) -> bool:
    """Whether what a person holds was issued for an obsolete password or user key."""
    return (
        before.password_hash != after.password_hash
        or keys_of(before) != keys_of(after)
        or not after.enabled
    )


def changes_between(before: Account, after: Account) -> str:
    """The changes to an account, for the audit log: names of fields, never their values."""
    names = [name for name in _WATCHED if getattr(before, name) != getattr(after, name)]
    if before.password_hash != after.password_hash:
        names.append("temporary password" if after.must_change_password else "password")
    done = [f"set {', '.join(names)}"] if names else []
    if before.enabled != after.enabled:
        done.append("enabled" if after.enabled else "disabled")
    return "; ".join(done)


def with_former_owners(detail: str, owners: Iterable[KeyOwner]) -> str:
    """The text of an audit record, with keys that belonged to others, and their owners."""
    return "; ".join(
        (detail, *(f"took over the {each.key} of {each.subject_id}" for each in owners))
    )


def _awaits_import(account: Account) -> bool:
    encoded = account.password_hash
    if encoded is None:  # a voided one must not come back with the file it was from
        return account.password_changed_at is None
    return imported_hashes.is_imported(encoded)


def _outcome(steps: Sequence[_Step], describe: Describe) -> Imported:
    changed = [(step, step.after) for step in steps if step.after is not None]
    return Imported(
        rows=tuple(step.row for step in steps),
        events=tuple(
            describe(
                after,
                with_former_owners(
                    _import_of(after)
                    if step.before is None
                    else changes_between(step.before, after),
                    step.former_owners,
                ),
            )
            for step, after in changed
        ),
        must_sign_in=tuple(
            after
            for step, after in changed
            if step.before is not None and must_sign_in_again(step.before, after)
        ),
        former_owners=frozenset(
            owner.subject_id for step, _ in changed for owner in step.former_owners
        ),
    )


def _import_of(account: Account) -> str:
    return "imported" if account.enabled else "imported; disabled"


def _row(entry: Entry, outcome: ImportOutcome, account: Account) -> ImportRow:
    return ImportRow(entry.line, entry.username, outcome, lacks=lacking(account))


def _refused(entry: Entry | Unreadable, reason: str) -> _Step:
    return _Step(ImportRow(entry.line, entry.username, ImportOutcome.REFUSED, reason))
