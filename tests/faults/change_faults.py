"""Administration while people sign in: upgrades, backups, nodes with other clocks."""

import asyncio
import sqlite3
import subprocess
from contextlib import closing

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
from tests.faults.clock import faked, set_clock
from tests.faults.exchanges import Exchanges
from tests.faults.ledger import each, outcome, replayed, settle, user_of
from tests.faults.node import Node, command
from tests.faults.signing_in import add_people, sign_in_at_last
from tests.faults.trial import (
    HEALED_WITHIN,
    Finding,
    Installation,
    Scale,
    attempt,
    callers_of,
    unless,
)
from tests.faults.worlds import PostgresInstallation

from worksgate.database.migrations import HEAD

APART = 90
"""Seconds between the clocks of two nodes (F-17)."""
LIFETIME = 180
"""Seconds that a code is good there."""

_NEXT = f"{int(HEAD) + 1:04}"
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"
_EXPANSION = (
    "ALTER TABLE codes ADD COLUMN invented TEXT",
    "ALTER TABLE access_tokens ADD COLUMN invented TEXT DEFAULT 'x'",
    "CREATE TABLE inventions (name TEXT NOT NULL PRIMARY KEY)",
    f"UPDATE alembic_version SET version_num = '{_NEXT}'",
    "DELETE FROM compatibility",
    f"INSERT INTO compatibility (revision, oldest) VALUES ('{_NEXT}', '{HEAD}')",
)
"""What the release after this one would do, as ``worksgate migrate`` adds to tables."""
_LEAVE_BEHIND = f"UPDATE compatibility SET oldest = '{_NEXT}'"


async def schema_upgraded(installation: Installation, scale: Scale) -> Finding:
    """F-27: the schema of the release to come, and nodes that come and go on it, under load."""
    old = await installation.start_node()

    async def upgrade() -> None:
        await _change(installation, *_EXPANSION)
        new = await installation.start_node()
        await installation.stop_node(old)
        await asyncio.sleep(scale.seconds / 4)
        await installation.start_node()
        await installation.stop_node(new)

    trial = await attempt(installation, upgrade, seconds=scale.seconds + 3, rate=scale.rate)
    await _change(installation, _LEAVE_BEHIND)
    broken = list(trial.broken())
    if failed := trial.account.unanswered + trial.account.unavailable:
        broken.append(f"{failed} exchanges failed")
    if await asyncio.to_thread(_starts, installation):
        broken.append("a node that is too old for the schema has started")
    return Finding(
        "F-27",
        installation.name,
        "columns and a table are added; a second node starts on that, the first ends, and starts "
        "again in place of the second; then a schema that none of them knows",
        f"{trial.figures()}; on the last schema no node starts",
        tuple(broken),
    )


async def _change(installation: Installation, *statements: str) -> None:
    """In one transaction, as a migration does."""
    if isinstance(installation, PostgresInstallation):
        connection = await asyncpg.connect(installation.direct)
        try:
            async with connection.transaction():
                for statement in (_LOCK_TIMEOUT, *statements):
                    await connection.execute(statement)
        finally:
            await connection.close()
    else:
        await asyncio.to_thread(_change_file, installation, statements)


def _change_file(installation: Installation, statements: tuple[str, ...]) -> None:
    file = installation.folder / "worksgate.db"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as db:
        db.execute("BEGIN IMMEDIATE")
        for statement in statements:
            db.execute(statement)
        db.execute("COMMIT")


def _starts(installation: Installation) -> bool:
    """Whether one more node becomes ready."""
    node = Node(installation.folder, installation.settings)
    node.start(wait=False)
    assert node.process is not None
    try:
        return node.process.wait(20) == 0
    except subprocess.TimeoutExpired:
        return node.is_ready()
    finally:
        node.kill()


async def restored(installation: Installation, scale: Scale) -> Finding:
    """F-31: a backup is made under load, and restored when much has happened since."""
    node = await installation.start_node()
    file = str(installation.folder / "backup")
    number = int(scale.seconds * scale.rate / 3)
    used, unused = await installation.plant(number), await installation.plant(number)
    before = Exchanges()
    await before.post_each(installation.callers, used, scale.rate)

    async def back_up() -> None:
        await asyncio.to_thread(command, installation.settings, installation.folder, "backup", file)

    trial = await attempt(installation, back_up, seconds=scale.seconds, rate=scale.rate)
    broken = [*trial.broken(), *unless(before.count(200), "used before the backup")]
    if failed := trial.account.unanswered + trial.account.unavailable:
        broken.append(f"{failed} exchanges failed while the backup was made")

    await installation.stop_node(node)
    arguments = ("restore", file, "--force")
    await asyncio.to_thread(command, installation.settings, installation.folder, *arguments)
    await installation.start_node()
    async with callers_of(installation) as (caller,):
        bought = [code for code in used if outcome(before.answers[code]).status == 200]
        known = await each(bought, lambda code: user_of(caller, outcome(before.answers[code])))
        again = await each(
            [*used, *unused, *trial.exchanges.answers], lambda c: replayed(caller, c)
        )
        healed = await Exchanges().first_good(caller, await installation.plant(50), 10.0)
    alive = sum(user is not None for user in known.values())
    revived = sum(answer.status == 200 for answer in again.values())
    if alive:
        broken.append(f"I-4: {alive} tokens from before the restore were known")
    if revived:
        broken.append(f"I-4: {revived} codes from before the restore were good")
    if healed > HEALED_WITHIN:
        broken.append(f"I-8: no good answer for {healed:.1f} s")
    return Finding(
        "F-31",
        installation.name,
        "a backup is made under load, exchanges go on, the node ends, the backup is restored",
        f"while it was made: {trial.figures()}; after the restore {revived} of {len(again):,} "
        f"codes and {alive} of {len(bought):,} tokens from before were good, fresh codes after "
        f"{healed:.1f} s",
        tuple(broken),
    )


async def clocks_apart(installation: Installation, scale: Scale) -> Finding:
    """F-17: the clock of one of two nodes is ahead; each code is redeemed at the other node."""
    people = await add_people(installation, 2)
    client = ("client", "set", "acme", "--code-lifetime", str(LIFETIME))
    await asyncio.to_thread(command, installation.settings, installation.folder, *client)
    clock = installation.folder / "clock"
    set_clock(clock, APART)
    nodes = [await installation.start_node(), await installation.start_node(faked(clock))]
    exchanges = Exchanges()
    turns = int(scale.seconds)
    async with callers_of(installation) as callers:
        for _ in range(turns):
            for node, other in zip(nodes, reversed(callers), strict=True):
                signing_in = (
                    sign_in_at_last(node.port, installation.client.client_id, person)
                    for person in people
                )
                for done in await asyncio.gather(*signing_in):
                    if done.code:
                        await exchanges.post(other, done.code)
        account = await settle(exchanges, callers[0], list(exchanges.answers))
    expected = 2 * turns * len(people)
    broken = account.judge()
    if account.good != expected:
        broken.append(f"only {account.good} of {expected} sign-ins went through")
    return Finding(
        "F-17",
        installation.name,
        f"two nodes whose clocks differ by {APART} s; codes live for {LIFETIME} s, and each is "
        "posted to the node that did not issue it",
        f"{expected} sign-ins, {account.good} of their codes good at the other node, "
        f"{account.revived} good twice",
        tuple(broken),
    )
