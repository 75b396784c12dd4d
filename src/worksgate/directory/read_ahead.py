"""What each step of a sign-in reads ahead, and the statements that find it.

    session    for a browser with a session: its person, and their factors
    password   before a password is checked: whether the transaction was used, what the throttle has
               counted, and the account of the name
    person     after that, or of a session that is kept elsewhere: their factors
    factors    of whoever another source has authenticated
    progress   at the next step: whether the transaction was used, how far the sign-in has got, and
               the factors of its person
    totp       before a code is checked: what the throttle has counted, and the secret of the app

Whether the browser is trusted is found with the factors. Nothing is read ahead outside of a step,
nor where no round trip would be saved: then each read is made where it is needed.
"""

from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache

from sqlalchemy import (
    BindParameter,
    FromClause,
    String,
    TableClause,
    bindparam,
    column,
    func,
    select,
    table,
    text,
)

from worksgate.credentials.usernames import username_key
from worksgate.database import DatabaseUnavailable, schema
from worksgate.database.artifact_tables import COUNTERS, TABLES
from worksgate.database.direct_reads import JoinedQuery, JoinedReads, Part, Rows, one_row
from worksgate.database.read_ahead import Step, artifact_read, counters_read, current_step, read_of
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.factors import ENROLLED, TOTP_OF, enrolled_of, with_passkeys
from worksgate.directory.people import BY_SUBJECT
from worksgate.directory.queries import BY_ID, BY_USERNAME
from worksgate.oauth.model import Artifact, Interim, Session, SpentTransaction


class ReadAhead:
    """Reads ahead over ``reads``, if there are any; every method may raise DatabaseUnavailable."""

    def __init__(self) -> None:
        self.reads: JoinedReads | None = None
        self.has_others = True
        """Whether people of other sources than the built-in directory sign in here."""
        self.span: Callable[[str], AbstractContextManager[object]] = nullcontext

    async def session(self, key: str) -> None:
        step = self._step()
        if step is None:
            return
        query = _of_session(with_others=self.has_others)
        found = await self._find(query, session=key, trusted=step.trusted)
        sessions, trusted, enrolled, accounts, *people = found
        step.kept[artifact_read(Session, key)] = sessions
        for row in sessions:
            subject_id = row[_SUBJECT_AT]
            _keep_trusted(step, trusted)
            for person in [accounts] if _is_account(subject_id) else people:
                _keep_person(step, subject_id, enrolled, person)

    async def password(
        self, spent: str, counters: Collection[str], username: str, now: float
    ) -> None:
        step = self._step()
        if step is None:
            return
        key = username_key(username) if username.isprintable() else ""
        found = await self._find(
            _of_password(), spent=spent, counters=list(counters), now=now, key=key
        )
        used, counts, accounts = found
        step.kept[artifact_read(SpentTransaction, spent)] = used
        step.kept[counters_read(counters)] = counts
        step.kept[read_of(BY_USERNAME, {"key": key})] = accounts

    async def person(self, subject_id: str) -> None:
        """``subject_id`` is of any source."""
        step = self._step(with_store=False)
        if step is None or _read_of_person(subject_id) in step.kept:
            return
        query = _of_person(is_account=_is_account(subject_id), with_trusted=self._has_store)
        found = await self._find(
            query,
            subject_id=subject_id,
            id=subject_id.removeprefix(SUBJECT_PREFIX),
            trusted=step.trusted,
        )
        enrolled, person, *trusted = found
        _keep_person(step, subject_id, enrolled, person)
        for rows in trusted:
            _keep_trusted(step, rows)

    async def factors(self, subject_id: str) -> None:
        """Only for a browser that may be trusted: else they are one read by themselves."""
        step = self._step()
        if step is None or not step.trusted or _read_of_factors(subject_id) in step.kept:
            return
        found = await self._find(_of_factors(), subject_id=subject_id, trusted=step.trusted)
        step.kept[_read_of_factors(subject_id)], trusted = found
        _keep_trusted(step, trusted)

    async def progress(self, spent: str, interim: str) -> None:
        step = self._step()
        if step is None:
            return
        found = await self._find(_of_progress(), spent=spent, interim=interim, trusted=step.trusted)
        used, interims, trusted, enrolled = found
        step.kept[artifact_read(SpentTransaction, spent)] = used
        step.kept[artifact_read(Interim, interim)] = interims
        for row in interims:
            step.kept[_read_of_factors(row[_SUBJECT_AT])] = enrolled
            _keep_trusted(step, trusted)

    async def totp(self, counters: Collection[str], subject_id: str, now: float) -> None:
        step = self._step()
        if step is None:
            return
        found = await self._find(
            _of_totp(), counters=list(counters), subject_id=subject_id, now=now
        )
        counts, secrets = found
        step.kept[counters_read(counters)] = counts
        step.kept[read_of(TOTP_OF, {"subject_id": subject_id})] = secrets

    @property
    def _has_store(self) -> bool:
        return self.reads is not None and self.reads.has_store

    def _step(self, *, with_store: bool = True) -> Step | None:
        """The present step, if what it reads can be read together."""
        can_join = self._has_store if with_store else self.reads is not None
        return current_step() if can_join else None

    async def _find(self, query: JoinedQuery, **values: object) -> Sequence[Rows]:
        if self.reads is None:
            raise DatabaseUnavailable("the database is closed")
        with self.span("store.read_ahead"):
            return await self.reads.find_joined(query, values)


def _is_account(subject_id: str) -> bool:
    return subject_id.startswith(SUBJECT_PREFIX)


# What is kept


def _keep_person(step: Step, subject_id: str, enrolled: Rows, person: Rows) -> None:
    step.kept[_read_of_factors(subject_id)] = enrolled
    step.kept[_read_of_person(subject_id)] = person


def _keep_trusted(step: Step, found: Rows) -> None:
    for key in step.trusted:
        step.kept[artifact_read(Interim, key)] = [row for row in found if row[0] == key]


def _read_of_person(subject_id: str) -> Hashable:
    if _is_account(subject_id):
        return read_of(BY_ID, {"key": subject_id.removeprefix(SUBJECT_PREFIX)})
    return read_of(BY_SUBJECT, {"subject_id": subject_id})


def _read_of_factors(subject_id: str) -> Hashable:
    return read_of(ENROLLED, {"subject_id": subject_id})


# The statements


def _of(kind: type[Artifact]) -> TableClause:
    return table(TABLES[kind.kind], *map(column, kind.__struct_fields__))


def _given(name: str) -> BindParameter[str]:
    return bindparam(name, type_=String)


def _account() -> Part:
    return Part.one(*BY_ID.select.selected_columns)


def _person() -> Part:
    return Part.one(*BY_SUBJECT.select.selected_columns)


def _trusted() -> Part:
    """What may say that the browser is trusted: by whom is for the reader to decide."""
    return Part.listed(select(_of(Interim)).where(text("key = ANY(CAST(:trusted AS text[]))")))


@cache
def _of_session(*, with_others: bool) -> JoinedQuery:
    accounts, people = schema.accounts, schema.people
    session = select(_of(Session)).where(column("key") == _given("session")).subquery("session")
    subject_id = session.c.subject_id
    account_id = func.substr(subject_id, len(SUBJECT_PREFIX) + 1)
    joined: FromClause = session.outerjoin(accounts, accounts.c.id == account_id)
    if with_others:
        joined = joined.outerjoin(people, people.c.subject_id == subject_id)
    return JoinedQuery(
        with_passkeys(joined, subject_id),
        Part.one(*session.c),
        _trusted(),
        Part.every(*enrolled_of(subject_id)),
        _account(),
        *((_person(),) if with_others else ()),
    )


def _counted() -> Part:
    counted = select(table(COUNTERS, column("name"), column("value")))
    condition = text("name = ANY(CAST(:counters AS text[])) AND expires_at > :now")
    return Part.listed(counted.where(condition))


@cache
def _of_password() -> JoinedQuery:
    spent, accounts = _of(SpentTransaction), schema.accounts
    joined = (
        one_row()
        .outerjoin(spent, spent.c.key == _given("spent"))
        .outerjoin(accounts, accounts.c.username_key == _given("key"))
    )
    return JoinedQuery(joined, Part.one(*spent.c), _counted(), _account())


@cache
def _of_person(*, is_account: bool, with_trusted: bool) -> JoinedQuery:
    accounts, people, subject_id = schema.accounts, schema.people, _given("subject_id")
    joined = (
        one_row().outerjoin(accounts, accounts.c.id == _given("id"))
        if is_account
        else one_row().outerjoin(people, people.c.subject_id == subject_id)
    )
    return JoinedQuery(
        with_passkeys(joined, subject_id),
        Part.every(*enrolled_of(subject_id)),
        _account() if is_account else _person(),
        *((_trusted(),) if with_trusted else ()),
    )


@cache
def _of_factors() -> JoinedQuery:
    subject_id = _given("subject_id")
    factors = Part.every(*enrolled_of(subject_id))
    return JoinedQuery(with_passkeys(one_row(), subject_id), factors, _trusted())


@cache
def _of_progress() -> JoinedQuery:
    spent, interim = _of(SpentTransaction), _of(Interim)
    joined = (
        one_row()
        .outerjoin(spent, spent.c.key == _given("spent"))
        .outerjoin(interim, interim.c.key == _given("interim"))
    )
    subject_id = interim.c.subject_id
    return JoinedQuery(
        with_passkeys(joined, subject_id),
        Part.one(*spent.c),
        Part.one(*interim.c),
        _trusted(),
        Part.every(*enrolled_of(subject_id)),
    )


@cache
def _of_totp() -> JoinedQuery:
    secrets = schema.totp_secrets
    joined = one_row().outerjoin(secrets, secrets.c.subject_id == _given("subject_id"))
    return JoinedQuery(joined, _counted(), Part.one(*secrets.c))


_SUBJECT_AT = Artifact.__struct_fields__.index("subject_id")
