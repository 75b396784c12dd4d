"""Who owns a user key: one person forever, unless an administrator releases it (R-115).

A user key identifies a person to LINE WORKS. Anyone who got a key of another person would get that
person's mail, so every key ever assigned keeps its owner, in whatever source they are, and even
after they have given it up. Rows of ``key_owners`` are never deleted: a release ends one. They are
written in the transaction that changes a key.

Keys that differ only in spelling (``K1``, ``k1``, full width; ``taro``, ``taro@example.jp``) count
as one (R-116), unless ``allow_similar_keys`` is set. On the wire a key stays as it was written.

A server of the previous release changes accounts and people without writing here. Therefore a claim
is also checked against those tables, and keys found there are recorded: when the person next signs
in or is changed, and by each purge (``unrecorded``).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from sqlalchemy import (
    ColumnElement,
    Exists,
    RowMapping,
    Table,
    and_,
    delete,
    exists,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from worksgate.credentials.secrets import new_ordered_id
from worksgate.credentials.usernames import username_key
from worksgate.database import Conflict, schema
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.people_index import renew

KEY_KINDS = {"external_key": "external key", "works_account": "LINE WORKS account"}
"""The fields of a person that are user keys, and their names for people."""

ADVICE = " and would "
"""The beginning of the advice to an administrator, after the reason of a refusal."""

_OWNERS, _ACCOUNTS, _PEOPLE = schema.key_owners, schema.accounts, schema.people
_HOLDERS: tuple[tuple[Table, ColumnElement[str]], ...] = (
    (_ACCOUNTS, SUBJECT_PREFIX + _ACCOUNTS.c.id),
    (_PEOPLE, _PEOPLE.c.subject_id),
)
_MAX_RETIRED_BY = 64


class HasKeys(Protocol):
    """An account or a person of any source."""

    @property
    def external_key(self) -> str | None: ...

    @property
    def works_account(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class UserKey:
    """A user key, case-exact: ``kind`` is one of ``KEY_KINDS``."""

    kind: str
    value: str

    @property
    def folded(self) -> str:
        """The canonical form shared by all spellings of this key."""
        key = username_key(self.value)
        return key.partition("@")[0] if self.kind == "works_account" else key

    def is_similar_to(self, other: "UserKey") -> bool:
        """Whether the two are one key in different spellings."""
        if (self.kind, self.folded) != (other.kind, other.folded):
            return False
        domains = {username_key(each.value).partition("@")[2] for each in (self, other)}
        return self.kind != "works_account" or "" in domains or len(domains) == 1

    def __str__(self) -> str:
        return f"{KEY_KINDS[self.kind]} {self.value}"


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The owner of a key. ``holder`` is the name of who has it now; None: its owner gave it up."""

    key: UserKey
    subject_id: str
    holder: str | None = None
    recorded: bool = True

    def __str__(self) -> str:
        return self.subject_id if self.holder is None else f"{self.holder} ({self.subject_id})"


def keys_of(person: HasKeys) -> list[UserKey]:
    """The user keys of a person."""
    values = ((kind, getattr(person, kind)) for kind in KEY_KINDS)
    return [UserKey(kind, value) for kind, value in values if value is not None]


@dataclass(slots=True)
class KeyOwnership:
    """Owners of some keys, and of similar ones, as one transaction sees them.

    ``take`` and ``give_up`` keep it up to date while several changes are planned in that
    transaction.
    """

    owners: dict[UserKey, KeyOwner] = field(default_factory=dict)
    allow_similar: bool = False

    @classmethod
    async def of(
        cls, connection: AsyncConnection, keys: Iterable[UserKey], *, allow_similar: bool
    ) -> Self:
        """Read the owners of these keys: four queries, however many they are."""
        all_keys = set(keys)
        if not all_keys:
            return cls(allow_similar=allow_similar)
        history = [_recorded(row) for row in await _history(connection, all_keys)]
        all_keys |= {each.key for each in history}
        people = await _holders(connection, _PEOPLE, all_keys)
        accounts = await _holders(connection, _ACCOUNTS, all_keys)
        # Later sources override: an account is what its row says, whatever the history.
        owners = await _retired(connection, all_keys)
        owners |= people
        owners |= {each.key: _with_holder(each, people.get(each.key)) for each in history}
        for key, account in accounts.items():
            known = owners.get(key, account)
            recorded = known.recorded and known.subject_id == account.subject_id
            owners[key] = KeyOwner(key, account.subject_id, account.holder, recorded)
        return cls(owners, allow_similar)

    def owner(self, key: UserKey) -> KeyOwner | None:
        """The owner of exactly this key."""
        return self.owners.get(key)

    def check(self, key: UserKey, subject_id: str, *, reuse_retired: bool = False) -> None:
        """Return if a person may have a key. Raises Conflict.

        ``reuse_retired`` takes it from an owner who has given it up.
        """
        owner = self._in_the_way(key, subject_id)
        if owner is None:
            return
        spelling = "" if owner.key == key else f" is another spelling of {owner.key.value}, which"
        if owner.holder is not None:
            raise Conflict(f"the {key}{spelling} belongs to {owner.holder}")
        if not reuse_retired:
            raise Conflict(
                f"the {key}{spelling} belonged to another person before{ADVICE}give their LINE "
                "WORKS account away; --reuse-retired-keys allows it nevertheless"
            )

    def taken_from(self, keys: Iterable[UserKey], subject_id: str) -> list[KeyOwner]:
        """The former owners from whom a person takes keys, for the audit record."""
        return [
            owner
            for key in keys
            if not self._owns(key, subject_id)
            for owner in self._others(key, subject_id)
        ]

    def is_recorded(self, key: UserKey, subject_id: str) -> bool:
        """Whether this person is recorded as the owner already."""
        owner = self.owners.get(key)
        return owner is not None and owner.recorded and owner.subject_id == subject_id

    def take(self, keys: Iterable[UserKey], subject_id: str, holder: str) -> None:
        """Note that a person has these keys now."""
        self.owners |= {key: KeyOwner(key, subject_id, holder) for key in keys}

    def give_up(self, keys: Iterable[UserKey], subject_id: str) -> None:
        """Note that a person no longer has these keys, which stay theirs."""
        self.owners |= {key: KeyOwner(key, subject_id) for key in keys}

    def _in_the_way(self, key: UserKey, subject_id: str) -> KeyOwner | None:
        """The other person who prevents this one from having the key: rather who has it now."""
        owner, others = self.owners.get(key), self._others(key, subject_id)
        is_own = self._owns(key, subject_id)
        if is_own and owner is not None and owner.holder is not None:
            return None
        holder = next((each for each in others if each.holder is not None), None)
        if holder is not None or is_own:  # a former owner may take a key back that nobody has
            return holder
        return next(iter(others), None)

    def _owns(self, key: UserKey, subject_id: str) -> bool:
        owner = self.owners.get(key)
        return owner is not None and owner.subject_id == subject_id

    def _others(self, key: UserKey, subject_id: str) -> list[KeyOwner]:
        """The other people who own this key, or one that counts as the same; its owner first."""
        owner = self.owners.get(key)
        exactly = [] if owner is None or owner.subject_id == subject_id else [owner]
        if self.allow_similar:
            return exactly
        return exactly + [
            each
            for each in self.owners.values()
            if each.key != key and each.subject_id != subject_id and each.key.is_similar_to(key)
        ]


async def record_owners(
    connection: AsyncConnection,
    claims: Mapping[UserKey, str],
    now: float,
    *,
    held: Mapping[UserKey, str] | None = None,
    allow_similar: bool = True,
) -> None:
    """Record the owners of these keys, by subject, after ``KeyOwnership`` has permitted it.

    Ends the ownership of another person's key, and of those that count as the same unless
    ``allow_similar``: otherwise they could come back for it. ``held`` are keys that people had
    before: they are recorded if no owner is known.
    """
    before = dict(held or {})
    rows = await _history(connection, {*claims, *before}, exactly=allow_similar)
    known = {_recorded(row).key: row for row in rows}
    taken = {
        key: row["id"]
        for key, row in known.items()
        if _is_taken(key, row["subject_id"], claims, allow_similar=allow_similar)
    }
    await _end(connection, list(taken.values()), now)
    await reclaim(connection, taken.keys() - claims.keys())
    missing = {key: subject for key, subject in before.items() if key not in known}
    missing |= {
        key: subject
        for key, subject in claims.items()
        if key not in known or known[key]["subject_id"] != subject
    }
    await _insert(connection, missing, now)


def _is_taken(
    key: UserKey, owner: str, claims: Mapping[UserKey, str], *, allow_similar: bool
) -> bool:
    """Whether another person than the owner claims a key, or one that counts as the same."""
    if key in claims:
        return claims[key] != owner
    return not allow_similar and any(
        subject != owner and each.is_similar_to(key) for each, subject in claims.items()
    )


async def retire(
    connection: AsyncConnection, keys: Collection[UserKey], subject_id: str, now: float
) -> None:
    """Tell servers of the previous release that these given-up keys are not free."""
    await reclaim(connection, keys)
    if keys:
        owner = subject_id.removeprefix(SUBJECT_PREFIX)[:_MAX_RETIRED_BY]
        values = [
            {"kind": key.kind, "value": key.value, "account_id": owner, "retired_at": now}
            for key in sorted(keys, key=str)
        ]
        await connection.execute(insert(schema.retired_keys), values)


async def reclaim(connection: AsyncConnection, keys: Collection[UserKey]) -> None:
    """Tell them that these keys are in use again."""
    table = schema.retired_keys
    if keys:
        places = [(key.kind, key.value) for key in keys]
        await connection.execute(
            delete(table).where(tuple_(table.c.kind, table.c.value).in_(places))
        )


async def release(
    connection: AsyncConnection, value: str, now: float, *, allow_similar: bool
) -> list[KeyOwner]:
    """End the ownership of a key of any kind, and return its owner.

    If nobody has exactly this key, keys that differ only in spelling are released, unless they are
    others (``allow_similar``). People of other sources who have it lose it; accounts of the
    built-in directory are not changed.
    """
    probes = [UserKey(kind, value) for kind in KEY_KINDS]
    ownership = await KeyOwnership.of(connection, probes, allow_similar=allow_similar)
    owners = [owner for key in probes if (owner := ownership.owner(key))]
    if not owners and not allow_similar:
        owners = [
            owner
            for owner in ownership.owners.values()
            if any(owner.key.is_similar_to(key) for key in probes)
        ]
    rows = await _history(connection, {owner.key for owner in owners}, exactly=True)
    await _end(connection, [row["id"] for row in rows], now)
    await reclaim(connection, [owner.key for owner in owners])
    for owner in owners:
        column = _PEOPLE.c[owner.key.kind]
        held = column == owner.key.value
        whose = (await connection.scalars(select(_PEOPLE.c.subject_id).where(held))).all()
        await connection.execute(update(_PEOPLE).where(held).values({owner.key.kind: None}))
        await renew(connection, _PEOPLE, whose)
    return owners


def is_anothers(kind: str) -> ColumnElement[bool]:
    """Whether a row of ``people`` holds a key of this kind that belongs to somebody else."""
    value = _PEOPLE.c[kind]
    return or_(
        _owner_of(kind, value, _OWNERS.c.subject_id != _PEOPLE.c.subject_id),
        exists().where(_ACCOUNTS.c[kind] == value).correlate(_PEOPLE),
    )


async def unrecorded(connection: AsyncConnection, limit: int) -> dict[UserKey, str]:
    """People with keys without a recorded owner, by subject: at most ``limit`` of each kind.

    A server of the previous release assigned them. If several people have one, the first owns it.
    """
    found: dict[UserKey, str] = {}
    for table, subject in _HOLDERS:
        for kind in KEY_KINDS:
            value = table.c[kind]
            query = select(value, subject).where(value.is_not(None), ~_owner_of(kind, value))
            for key, owner in await connection.execute(query.order_by(subject).limit(limit)):
                found.setdefault(UserKey(kind, key), owner)
    return found


async def disputed(connection: AsyncConnection, limit: int = 100) -> list[tuple[UserKey, str, str]]:
    """Keys held by somebody although another person owns them: key, holder, owner."""
    found: list[tuple[UserKey, str, str]] = []
    for table, subject in _HOLDERS:
        for kind in KEY_KINDS:
            value = table.c[kind]
            query = select(value, subject, _OWNERS.c.subject_id).where(
                _is_owner_row(kind, value), _OWNERS.c.subject_id != subject
            )
            rows = await connection.execute(query.order_by(subject).limit(limit))
            found += [(UserKey(kind, key), holder, owner) for key, holder, owner in rows]
    return found


def _is_owner_row(kind: str, value: ColumnElement[Any]) -> ColumnElement[bool]:
    columns = _OWNERS.c
    return and_(columns.kind == kind, columns.value == value, columns.released_at.is_(None))


def _owner_of(kind: str, value: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Exists:
    return exists().where(_is_owner_row(kind, value), *conditions).correlate(_ACCOUNTS, _PEOPLE)


async def _history(
    connection: AsyncConnection, keys: Collection[UserKey], *, exactly: bool = False
) -> Sequence[RowMapping]:
    """The current ownerships of these keys, and of possibly similar ones."""
    if not keys:
        return []
    columns = _OWNERS.c
    column = columns.value if exactly else columns.folded
    places = sorted({(key.kind, key.value if exactly else key.folded) for key in keys})
    query = select(_OWNERS).where(
        tuple_(columns.kind, column).in_(places), columns.released_at.is_(None)
    )
    return (await connection.execute(query.order_by(columns.id))).mappings().all()


async def _holders(
    connection: AsyncConnection, table: Table, keys: Collection[UserKey]
) -> dict[UserKey, KeyOwner]:
    """The current holders of exactly these keys; of several people of other sources the first."""
    conditions = [
        table.c[kind].in_(sorted({key.value for key in keys if key.kind == kind}))
        for kind in KEY_KINDS
        if any(key.kind == kind for key in keys)
    ]
    found: dict[UserKey, KeyOwner] = {}
    rows = await connection.execute(select(table).where(or_(*conditions)))
    for row in sorted(rows.mappings(), key=_seniority):
        subject = row["subject_id"] if table is _PEOPLE else SUBJECT_PREFIX + row["id"]
        for kind in KEY_KINDS:
            key = UserKey(kind, row[kind] or "")
            if key in keys:
                owner = KeyOwner(key, subject, _name_of(row), recorded=False)
                found.setdefault(key, owner)
    return found


def _seniority(row: RowMapping) -> tuple[float, str]:
    if "subject_id" in row:
        return row["first_login_at"], row["subject_id"]
    return row["created_at"], row["id"]


def _name_of(row: RowMapping) -> str:
    name: str = row["username"]
    return f"{name} of the source {row['source']}" if "source" in row else name


async def _retired(
    connection: AsyncConnection, keys: Collection[UserKey]
) -> dict[UserKey, KeyOwner]:
    table = schema.retired_keys
    places = sorted((key.kind, key.value) for key in keys)
    query = select(table).where(tuple_(table.c.kind, table.c.value).in_(places))
    found: dict[UserKey, KeyOwner] = {}
    for row in (await connection.execute(query)).mappings():
        key = UserKey(row["kind"], row["value"])
        found[key] = KeyOwner(key, SUBJECT_PREFIX + row["account_id"], recorded=False)
    return found


def _recorded(row: RowMapping) -> KeyOwner:
    return KeyOwner(UserKey(row["kind"], row["value"]), row["subject_id"])


def _with_holder(owner: KeyOwner, holder: KeyOwner | None) -> KeyOwner:
    if holder is None or holder.subject_id != owner.subject_id:
        return owner
    return KeyOwner(owner.key, owner.subject_id, holder.holder)


async def _end(connection: AsyncConnection, row_ids: Sequence[str], now: float) -> None:
    if row_ids:
        statement = update(_OWNERS).where(_OWNERS.c.id.in_(row_ids))
        await connection.execute(statement.values(released_at=now))


async def _insert(connection: AsyncConnection, owners: Mapping[UserKey, str], now: float) -> None:
    if owners:
        values = [
            {
                "id": new_ordered_id(),
                "kind": key.kind,
                "value": key.value,
                "folded": key.folded,
                "subject_id": subject_id,
                "since": now,
            }
            for key, subject_id in owners.items()
        ]
        await connection.execute(insert(_OWNERS), values)
