"""A server process of the previous release, as the database sees it: it works endlessly.

Its statements are those of the revision that it is given: at ``0001`` codes, tokens and audit
records, from ``0002`` on all that the directory and the store had then. Each line of the ledger is
written after an acknowledgement, with one call. The first letter says what it is about:

    R code    redeemed          X text    refused, with what was said
"""

import asyncio
import os
import sys
import time

from sqlalchemy import text
from tests.store.artifacts import NOW, buys, code, key_of
from tests.upgrade import rows_before

from worksgate.audit import AuditEvent, Event
from worksgate.directory.database import Directory
from worksgate.oauth.model import AuthorizationCode
from worksgate.store import RedemptionOutcome, Store

assert rows_before, "imported before what it changes"

CALLERS = 4
DEADLINE = 3.0
"""Seconds within which LINE WORKS must have its answer."""


async def open_store(url: str) -> Store:
    if url.startswith("sqlite:"):
        from worksgate.store.sqlite.store import SqliteStore

        return await SqliteStore.open(url.removeprefix("sqlite:///"), spare=0)
    from worksgate.store.postgres.store import PostgresStore

    return await PostgresStore.open(url)


async def work(url: str, revision: str, ledger: int) -> None:
    store, directory = await open_store(url), Directory.open(url)
    callers = [_call(store, ledger, number) for number in range(CALLERS)]
    callers.append(_administer(directory, ledger, revision))
    await asyncio.gather(*callers)


async def _call(store: Store, ledger: int, caller: int) -> None:
    """Save codes of this process's own, and redeem each."""
    number = caller
    while True:
        name = f"code {os.getpid()} {number}"
        began = time.monotonic()
        try:
            await store.save(code(name))
            bought = buys(f"bought with {name}")
            told = await store.redeem(AuthorizationCode, key_of(name), "tenant", bought, NOW)
        except Exception as error:
            _write(ledger, "X", f"{type(error).__name__}: {error}")
            continue
        if time.monotonic() - began > DEADLINE:
            _write(ledger, "X", "too late")
        _write(ledger, "R" if told.outcome is RedemptionOutcome.REDEEMED else "X", name)
        number += CALLERS


async def _administer(directory: Directory, ledger: int, revision: str) -> None:
    number = 0
    while True:
        number += 1
        try:
            await directory.record([AuditEvent(event=Event.LOGOUT, at=NOW)])
            if revision > "0001":
                name = f"person {os.getpid()} {number}"
                await _sign_in(directory, name)
        except Exception as error:
            _write(ledger, "X", f"{type(error).__name__}: {error}")
        await asyncio.sleep(0.005)


async def _sign_in(directory: Directory, name: str) -> None:
    """A sign-in by another source, as revisions 0002 and 0003 keep it."""
    values = {"subject_id": name, "username": name, "now": NOW, "key": f"key of {name}"}
    async with directory.writing() as connection:
        await connection.execute(text(_SESSION), values)
        await connection.execute(text(_REMEMBER), values)
        await connection.execute(text("SELECT client_id, rules FROM clients"))


_SESSION = (
    "INSERT INTO sessions (key, grant_id, subject_id, client_id, expires_at, source, username,"
    " name, authenticated_at, email, person_groups, second_factor_at, revision)"
    " VALUES (:key, :username, :subject_id, '', :now, 'ldap', :username, '', :now, NULL, '', NULL,"
    " NULL)"
)


_REMEMBER = (
    "INSERT INTO people (subject_id, source, username, username_key, name, external_key, groups,"
    " enabled, first_login_at, last_login_at)"
    " VALUES (:subject_id, 'ldap', :username, :username, '', :key, '[]', true, :now, :now)"
)


def _write(ledger: int, letter: str, text: str) -> None:
    os.write(ledger, f"{letter}\t{' '.join(text.split())}\n".encode())


if __name__ == "__main__":
    file = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    asyncio.run(work(sys.argv[1], sys.argv[2], file))
