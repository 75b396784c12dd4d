"""The audit log of LINE WORKS: saved to a file, and its sign-ins set beside ours.

Whoever was given a code here and is not in their log was let in here and stopped there. Columns of
the log are not documented: that of the account is found by its name, or named by the administrator.
"""

import asyncio
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from worksgate.administration.actor import Actor
from worksgate.administration.audit_log import AuditLogAdministration
from worksgate.administration.clients import ClientAdministration
from worksgate.administration.errors import Refused, refusals
from worksgate.administration.external_keys.accounts import Accounts, account_of
from worksgate.administration.external_keys.headers import ACCOUNT_HEADERS, column, listed
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.audit import Event
from worksgate.database.temporary_files import remove_abandoned, written_beside
from worksgate.directory.database import Directory
from worksgate.line_works_api.app import AUDIT
from worksgate.line_works_api.audit_logs import Span, read_log

GRACE: Final = 300.0
"""Seconds before the end of a span in which a code may be followed by a sign-in after it."""
USER_HEADERS: Final = ACCOUNT_HEADERS | {
    *("user", "userid", "useraccount", "useremail", "loginaccount"),
    *("ユーザー", "ユーザーid", "ユーザーアカウント", "사용자", "사용자id", "사용자계정"),
    *("用户", "用户id", "使用者", "使用者id"),
}
_ADDRESS: Final = re.compile(r"[^\s()<>\[\],;:\"']+@[^\s()<>\[\],;:\"']+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which log: of which client's tenant, which service, and when; times are since the epoch."""

    client: str | None
    service: str
    since: float
    until: float
    language: str
    domain: int | None = None

    @property
    def span(self) -> Span:
        """The same with a time zone, that of this machine. Raises ValueError."""
        times = (self.since, self.until)
        return Span(*(datetime.fromtimestamp(int(each), UTC).astimezone() for each in times))


@dataclass(frozen=True, slots=True)
class Saved:
    """Of which client's tenant a log was saved, and its bytes."""

    client_id: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSignIn:
    """Somebody who was given codes here and is not in their log.

    ``account`` is what was looked for there; None: nothing is known of it here.
    """

    username: str
    account: str | None
    codes: int
    last_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """``here`` is how many people were given codes, ``there`` how many accounts the log has.

    ``only_there`` accounts of it are nobody who was given a code here.
    """

    here: int
    there: int
    only_there: int
    missing: tuple[MissingSignIn, ...]


@dataclass(frozen=True, slots=True)
class _Codes:
    number: int
    last_at: float


class LineWorksLogs:
    """Every method may raise DatabaseUnavailable."""

    def __init__(
        self,
        directory: Directory,
        api: LineWorksApiAdministration,
        audit_log: AuditLogAdministration,
        clients: ClientAdministration,
        actor: Actor,
    ) -> None:
        self._directory = directory
        self._clients = clients
        self._api = api
        self._audit_log = audit_log
        self._actor = actor

    async def save(self, wanted: Wanted, file: Path, *, replace: bool = False) -> Saved:
        """Download a log into a file for its owner only, whole or not at all.

        Raises NotFound, Refused, ApiError or OSError.
        """
        with refusals():
            span = wanted.span
            now = datetime.fromtimestamp(self._actor.now(), UTC)
            span.check_kept(now, self._api.assumed.audit_log_days)
        access = await self._api.access(wanted.client)
        access.check_may(AUDIT)
        domain = _domain(wanted.domain, access.app.domains)
        if not replace:
            _check_free(file)
        begins, ends = (each.isoformat(timespec="seconds") for each in (span.start, span.end))
        detail = f"the log {wanted.service} of LINE WORKS is downloaded, {begins} to {ends}"
        client_id = access.client.client_id
        event = self._actor.event(Event.SYSTEM, detail, client_id=client_id)
        await self._directory.record([event])
        remove_abandoned(file.parent)
        with written_beside(file) as beside:
            with beside.open("r+b") as out:
                async with access.open() as api:
                    await api.audit_logs.download(
                        out, wanted.service, span, language=wanted.language, domain=domain
                    )
                size = out.seek(0, os.SEEK_END)
                os.fsync(out.fileno())
            beside.replace(file)
        return Saved(client_id, size)

    async def compare(
        self,
        wanted: Wanted,
        file: Path,
        *,
        account_column: str | None = None,
        encoding: str | None = None,
    ) -> Compared:
        """Set the sign-ins of a log of the service ``auth`` beside ours of the same time.

        Raises NotFound, Refused, ApiUnavailable for half a log, or OSError.
        """
        client = await self._clients.chosen(wanted.client)
        with refusals():
            found = await asyncio.to_thread(_accounts_in, file, account_column, encoding)
        theirs = Accounts(
            {each: each for each in found}, has_bare=any("@" not in each for each in found)
        )
        codes = await self._codes(client.client_id, wanted.since, wanted.until - GRACE)
        seen: set[str] = set()
        missing = []
        left = dict(codes)
        async for page in self._directory.people_list.everybody():
            for person in page:
                given = left.pop(person.subject_id, None)
                if given is None:
                    continue
                account = theirs.of_person(person)
                if account is not None:
                    seen.add(account)
                    continue
                known = person.works_account or person.email
                missing.append(_missing(person.username, known, given))
        missing += await self._gone(left)
        return Compared(
            here=len(codes),
            there=len(found),
            only_there=len(found) - len(seen),
            missing=tuple(sorted(missing, key=lambda each: -each.last_at)),
        )

    async def _codes(self, client_id: str, since: float, until: float) -> dict[str, _Codes]:
        """The codes that each subject was given by the sign-in page; not those of mail clients."""
        records = partial(self._audit_log.pages, client=client_id, since=since, until=until)
        by_mail: set[str | None] = set()
        async for page in records(event=Event.IMAP_SUCCEEDED):
            by_mail.update(each.login_id for each in page)
        codes: dict[str, _Codes] = {}
        async for page in records(event=Event.CODE_ISSUED):
            for each in page:
                if each.subject_id is None or each.login_id in by_mail:
                    continue
                before = codes.get(each.subject_id, _Codes(0, 0.0))
                codes[each.subject_id] = _Codes(before.number + 1, max(before.last_at, each.at))
        return codes

    async def _gone(self, codes: Mapping[str, _Codes]) -> list[MissingSignIn]:
        """Those who have been removed here since: their account is not known any more."""
        names = await self._audit_log.last_usernames(codes) if codes else {}
        return [
            _missing(names.get(subject_id, subject_id), None, given)
            for subject_id, given in codes.items()
        ]


def _check_free(file: Path) -> None:
    if file.exists():
        raise Refused(f"{file} exists; --force replaces it")


def _missing(username: str, account: str | None, codes: _Codes) -> MissingSignIn:
    return MissingSignIn(
        username=username, account=account, codes=codes.number, last_at=codes.last_at
    )


def _domain(wanted: int | None, domains: Collection[int]) -> int | None:
    """The domain that is asked for. Raises Refused if it is not clear which."""
    if wanted is not None or not domains:
        return wanted
    if len(domains) > 1:
        raise Refused(
            f"a log is of one domain: name one of {', '.join(map(str, domains))} with --domain-id"
        )
    return next(iter(domains))


def _accounts_in(file: Path, chosen: str | None, encoding: str | None) -> set[str]:
    """The accounts that a log names. Raises ValueError, ApiUnavailable or OSError."""
    with file.open("rb") as stream, read_log(stream, encoding) as log:
        at = column(log.header, USER_HEADERS, chosen)
        if at is None:
            raise ValueError(
                "which column has the account is not clear: name one of "
                f"{listed(log.header)} with --account-column"
            )
        return {_account(row[at]) for row in log.rows if len(row) > at and row[at].strip()}


def _account(cell: str) -> str:
    """The account of a cell, which may have a name around it."""
    found = _ADDRESS.search(cell)
    return account_of(found[0] if found else cell)
