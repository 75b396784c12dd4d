"""The demonstrated company at LINE WORKS: its members, and what is wrong with their keys.

Most have the key that they have here. Some have none, one has somebody else's, one is suspended,
and one is nobody here: what ``keys sync`` and the rehearsal are for.
"""

from collections.abc import Iterator
from typing import Final

from worksgate.cli.demo.company import OWNER, OWNER_NAME
from worksgate.cli.demo.mistakes import JOINER
from worksgate.cli.demo.people import COLLEAGUES, GUESTS
from worksgate.cli.demo.staff import contractors, employees
from worksgate.conformance.directory_api import Member, Rank
from worksgate.conformance.directory_api.members import new_user_id

WITHOUT_KEY: Final = range(20, 25)
"""Numbers of employees who have no key at LINE WORKS."""
WITH_ANOTHERS: Final = 30
"""The number of the employee whose key is that of the next one, who has none."""
SUSPENDED: Final = 40
UNKNOWN: Final = "front.desk@example.com"
"""A member who is nobody here."""


def members() -> list[Member]:
    """Everybody, the owner first; the same at every start."""
    return [
        _member(OWNER, OWNER_NAME, "E-1000", rank=Rank.SUPER_ADMIN),
        *(_member(each.works_account, each.name, each.external_key) for each in GUESTS),
        *(_member(each.email, each.name, each.employee_number) for each in COLLEAGUES),
        *_staff(),
        *(_member(each.username, each.name, each.number) for each in contractors()),
        _member(JOINER.username, JOINER.name, None),
        _member(UNKNOWN, "Front Desk", "X-1"),
    ]


def _staff() -> Iterator[Member]:
    staff = employees()
    for number, each in enumerate(staff):
        key: str | None = each.number
        if number in WITHOUT_KEY or number == WITH_ANOTHERS + 1:
            key = None
        elif number == WITH_ANOTHERS:
            key = staff[number + 1].number
        yield _member(each.username, each.name, key, is_suspended=number == SUSPENDED)


def _member(
    email: str,
    name: str,
    key: str | None,
    *,
    rank: Rank = Rank.MEMBER,
    is_suspended: bool = False,
) -> Member:
    last, _, first = name.partition(" ")
    return Member(
        user_id=new_user_id(email),
        email=email,
        last_name=last,
        first_name=first,
        external_key=key,
        rank=rank,
        is_suspended=is_suspended,
        suspended_reason="MASTER" if is_suspended else None,
    )
