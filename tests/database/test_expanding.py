"""Migrations only add, so that the previous release can run beside this one (F-27)."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from tests.databases import query, url_of

from worksgate.database.engines import open_engines
from worksgate.database.migrations import HEAD, SchemaTooNew, migrate, plan, upgrade
from worksgate.database.migrations.plan import Locks, Step, known_revisions

DIALECTS = ("sqlite", "postgresql")

_ADDITIONS = (
    r"CREATE TABLE (IF NOT EXISTS )?\w+ \(.*\)",
    r"CREATE UNIQUE INDEX (IF NOT EXISTS )?\w+ ON \w+ \([\w, ]+\)( WHERE \w+ IS NULL)?",
    r"CREATE INDEX (IF NOT EXISTS )?\w+ ON \w+ \([\w, ]+\)( WHERE .*)?",
    r"CREATE INDEX \w+ ON \w+ \(lower\(\w+\)\)",  # of any text there is one
    r"CREATE INDEX \w+ ON \w+ \(coalesce\(\w+, \w+\), \w+\)",
    r"INSERT INTO installation \(id\) VALUES \('[0-9a-f]{32}'\)",  # a table of the same revision
    r"ALTER TABLE \w+ ADD COLUMN \"?\w+\"? [A-Z]+( PRECISION|\(\d+\))?"
    r"( NOT NULL)?( DEFAULT [^ ,]+)?( NOT NULL)?",
)
"""Statements after which whatever the release before says still works."""

_COMPATIBILITY = (
    "DELETE FROM compatibility",
    r"INSERT INTO compatibility \(revision, oldest\) VALUES \('\d{4}', '\d{4}'\)",
    r"UPDATE compatibility SET revision = '\d{4}'",
)
"""What a revision says about itself; only the start of a program reads it."""


def is_addition(statement: str) -> bool:
    text = " ".join(statement.split())
    if text.startswith("ALTER TABLE") and ", ADD COLUMN " in text:
        table, first, *others = re.split(r",? (?=ADD COLUMN )", text)
        return all(is_addition(f"{table} {each}") for each in (first, *others))
    if "ADD COLUMN" in text and "NOT NULL" in text and "DEFAULT" not in text:
        return False
    return any(re.fullmatch(each, text) for each in (*_ADDITIONS, *_COMPATIBILITY))


def steps() -> Iterator[Any]:
    for dialect in DIALECTS:
        for step in plan._steps(None, dialect):
            yield pytest.param(step, id=f"{step.revision}-{dialect}")


@pytest.mark.parametrize("step", list(steps()))
def test_f27_a_revision_adds_and_says_so(step: Step) -> None:
    assert step.statements
    assert step.expands == all(map(is_addition, step.statements))
    assert step.expands, "what takes away comes one release later, and is said in upgrading.md"
    if step.locks is Locks.NONE:
        assert not [each for each in step.statements if each.startswith("ALTER")]
    assert re.fullmatch(r"[A-Z][^.\n]{20,100}\.", step.description)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE people",
        "ALTER TABLE people DROP COLUMN name",
        "ALTER TABLE people RENAME COLUMN name TO called",
        "ALTER TABLE people RENAME TO persons",
        "ALTER TABLE people ALTER COLUMN name TYPE VARCHAR(10)",
        "ALTER TABLE people ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE people ADD COLUMN age INTEGER NOT NULL",
        "ALTER TABLE people ADD COLUMN age INTEGER REFERENCES ages",
        "ALTER TABLE people ADD COLUMN note TEXT, ADD COLUMN age INTEGER NOT NULL",
        "ALTER TABLE people ADD COLUMN note TEXT, ADD COLUMN age INTEGER, DROP COLUMN name",
        "ALTER TABLE people ADD CONSTRAINT c CHECK (age > 0)",
        "UPDATE people SET name = ''",
        "CREATE TABLE a (b TEXT); DROP TABLE c",
        "DELETE FROM people",
    ],
)
def test_what_is_no_addition_would_be_found(statement: str) -> None:
    assert not is_addition(statement)


def test_the_newest_revision_is_the_last_one_known() -> None:
    assert known_revisions() == sorted(known_revisions())
    assert known_revisions()[-1] == HEAD


@pytest.mark.parametrize("present", [None, *known_revisions()])
async def test_the_statements_of_a_plan_are_the_ones_that_are_run(
    tmp_path: Any, present: str | None
) -> None:
    file = tmp_path / "worksgate.db"
    if present is not None:
        file.touch()
    url = url_of(file)
    engines = open_engines(url)
    run: list[str] = []
    try:
        if present is not None:
            async with engines.write.begin() as connection:
                assert await connection.run_sync(upgrade, present) == present
        found = await plan.plan(url)
        file.touch()
        assert (found.revision, found.newest) == (present, HEAD)
        assert found.is_up_to_date is (present == HEAD)

        @event.listens_for(engines.write.sync_engine, "before_cursor_execute")
        def note(*arguments: Any) -> None:
            run.append(" ".join(arguments[2].split()))

        async with engines.write.begin() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engines.close()
    rows = ("INSERT INTO compatibility", "INSERT INTO installation", "UPDATE compatibility")
    written = ("CREATE", "ALTER", "DROP", "DELETE", *rows)
    changes = [_without_id(each) for each in run if each.startswith(written)]
    statements = (each for step in found.steps for each in step.statements)
    planned = [_without_id(" ".join(each.split())) for each in statements]
    assert [each for each in changes if "alembic_version" not in each] == planned


def _without_id(statement: str) -> str:
    """The id of an installation is another one each time."""
    return re.sub(r"'[0-9a-f]{32}'", "'…'", statement)


async def test_a_plan_for_a_newer_database_is_refused(tmp_path: Any) -> None:
    url = url_of(tmp_path / "worksgate.db")
    await migrate(url)
    query(tmp_path / "worksgate.db", "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        await plan.plan(url)


def test_a_plan_that_takes_away_says_so() -> None:
    step = Step("0009", "Takes away.", False, Locks.BRIEF, ("DROP TABLE people",))
    assert not plan.Plan("0008", "0009", (step,)).expands


@pytest.mark.parametrize("revision", known_revisions())
def test_a_revision_says_which_program_can_use_what_it_leaves_behind(revision: str) -> None:
    """It expands, so the release before can; 0004 to 0006 are of one release."""
    (module,) = [each.module for each in plan._scripts() if each.revision == revision]
    if revision < "0003":
        assert not hasattr(module, "serves")
        return
    assert module.serves == "0003"
    last = list(plan._statements(module, "sqlite"))[-1]
    keeps = f"UPDATE compatibility SET revision = '{revision}'"
    assert f"VALUES ('{revision}', '{module.serves}')" in last or last == keeps


@pytest.mark.parametrize("oldest", ["0002", HEAD, "0007"])
async def test_f27_a_newer_database_is_used_if_it_says_that_it_can_be(
    tmp_path: Any, oldest: str
) -> None:
    file = tmp_path / "worksgate.db"
    url = url_of(file)
    await migrate(url)
    query(file, "UPDATE alembic_version SET version_num = '0007'")
    query(file, "UPDATE compatibility SET revision = '0007', oldest = ?", oldest)
    if oldest <= HEAD:
        assert await migrate(url) == "0007"
        assert (await plan.plan(url)).is_up_to_date
    else:
        with pytest.raises(SchemaTooNew, match="0007"):
            await migrate(url)
        with pytest.raises(SchemaTooNew, match="0007"):
            await plan.plan(url)
