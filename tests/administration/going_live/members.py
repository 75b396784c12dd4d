"""Members of LINE WORKS, people here, and the client's standard, for tests of going live."""

from typing import Any

from worksgate.administration.going_live.examination import Finding, Found, Standard, examine
from worksgate.directory.going_live import Member
from worksgate.directory.people_list import Listed
from worksgate.oauth.model import UserKey

STANDARD = Standard(user_key=UserKey.EXTERNAL_KEY)


def member(account: str, key: str | None = None, **values: Any) -> Member:
    return Member(account=account, external_key=key, **values)


def person(username: str, key: str | None = None, **values: Any) -> Listed:
    """Somebody here who has signed in once, with a second factor."""
    known: dict[str, Any] = {
        "sort_key": username,
        "subject_id": f"directory:{username}",
        "source": "directory",
        "username": username,
        "name": username.title(),
        "external_key": key,
        "works_account": None,
        "email": None,
        "enabled": True,
        "has_factor": True,
        "role": None,
        "last_login_at": 1.0,
    }
    return Listed(**{**known, **values})


def found(
    members: list[Member] | None, people: list[Listed], standard: Standard = STANDARD
) -> list[tuple[Finding, str | None, str | None]]:
    """Each finding, with the account there and the user name here."""
    return [_told(each) for each in examine(members, people, standard)]


def _told(each: Found) -> tuple[Finding, str | None, str | None]:
    return (
        each.finding,
        each.member.account if each.member else None,
        each.person.username if each.person else None,
    )
