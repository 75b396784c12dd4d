"""What an administrator may do: by a role of their own, or by a group of their source (R-226)."""

import pytest

from worksgate.administration.console.rights import is_vouched_for, may_still_own, right_of
from worksgate.administration.roles import Role
from worksgate.directory.administrators import AdministratorAccount
from worksgate.directory.console_groups import ConsoleGroups, Grant
from worksgate.directory.invitations import Invitation, Invited
from worksgate.sources import Person

GROUPS = ConsoleGroups({"company": (Grant("owner", "Chiefs"), Grant("admin", "IT"))})


def account(
    role: str | None = None, *groups: str, source: str = "company", enabled: bool = True
) -> AdministratorAccount:
    person = Person(subject_id=f"{source}:1", username="aoi", name="Aoi", groups=groups)
    return AdministratorAccount(person=person, source=source, enabled=enabled, role=role)


OWNERS = [account("owner"), account(None, "Chiefs"), account("owner", source="directory")]
NO_OWNERS = [
    account("owner", enabled=False),
    account(None, "Chiefs", enabled=False),
    account("admin", "Chiefs"),  # a role that was assigned counts alone
    account(None, "IT"),
    account(),
    account(None, "Chiefs", source="directory"),
]


@pytest.mark.parametrize("owner", OWNERS)
def test_r226_whoever_is_an_owner_still_vouches(owner: AdministratorAccount) -> None:
    assert may_still_own(owner.subject_id, owner, GROUPS)


@pytest.mark.parametrize("nobody", [*NO_OWNERS, None])
def test_r234_whoever_is_no_owner_any_more_vouches_for_nothing(
    nobody: AdministratorAccount | None,
) -> None:
    assert not may_still_own("company:1", nobody, GROUPS)


@pytest.mark.parametrize(
    ("inviter", "present", "counts"),
    [(None, None, True), ("company:1", None, False), ("company:1", account("owner"), True)],
)
def test_r234_an_invitation_of_the_command_line_counts_always(
    inviter: str | None, present: AdministratorAccount | None, *, counts: bool
) -> None:
    invitation = Invitation(
        id="1",
        name="Ren",
        email=None,
        role="admin",
        created_at=0.0,
        expires_at=1.0,
        inviter=inviter,
        actor="somebody",
    )
    assert is_vouched_for(Invited(invitation, present), GROUPS) == counts


def test_r226_a_record_names_the_group_that_gives_a_role() -> None:
    by_group, assigned = account(None, "IT"), account("auditor", "IT")
    assert right_of(by_group, GROUPS).described(by_group) == "; admin by the group IT of company"
    assert right_of(assigned, GROUPS).role is Role.AUDITOR
    for each in (assigned, account()):
        assert right_of(each, GROUPS).described(each) == ""
