"""SQLAlchemy without its ORM, in processes that are ours alone."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.programs

_BEGIN = """
import sys
from worksgate.database.core_only import leave_out_orm
leave_out_orm()
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
database = create_async_engine("sqlite+aiosqlite://")
assert "sqlalchemy.orm" not in sys.modules
"""


@pytest.mark.parametrize(
    "use",
    [
        "from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker as maker",
        "import sqlalchemy.ext.asyncio as whole; maker = whole.async_sessionmaker",
        "from sqlalchemy.ext.asyncio import *; maker = async_sessionmaker",
        "from sqlalchemy.ext.asyncio.session import async_sessionmaker as maker",
        "from concurrent.futures import ThreadPoolExecutor as Pool; "
        "import sqlalchemy.ext.asyncio as whole; "
        "maker, *_ = Pool(4).map(lambda _: whole.async_sessionmaker, range(4))",
        "from sqlalchemy.orm import Session; "
        "from sqlalchemy.ext.asyncio import async_sessionmaker as maker",
    ],
)
def test_who_asks_for_sessions_gets_them_over_the_same_engines(use: str) -> None:
    """A company's own function may look people up with the ORM."""
    program = f"""{_BEGIN}
{use}
import asyncio, sqlalchemy
async def ask():
    async with maker(database)() as session:
        return await session.scalar(sqlalchemy.text("SELECT 42"))
print(asyncio.run(ask()), sqlalchemy.ext.asyncio.AsyncEngine is AsyncEngine)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("42 True\n", "")


def test_what_is_not_there_is_missed_as_ever() -> None:
    program = f"{_BEGIN}\nfrom sqlalchemy.ext.asyncio import nothing_of_the_kind"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "cannot import name 'nothing_of_the_kind' from 'sqlalchemy.ext.asyncio'" in done.stderr
