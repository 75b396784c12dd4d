"""What an invitation gives, to whoever opens its link."""

from tests.administration.installation import Office
from tests.databases import query

from worksgate.administration import Actor
from worksgate.administration.first_owner import FirstOwner
from worksgate.administration.roles import Role
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.settings.options import Settings


async def test_a_role_of_a_later_version_is_not_given(
    at_work: Office, hashing: PasswordHashing
) -> None:
    made = await at_work.administration.invitations.invite("Minjun Kim", Role.AUDITOR)
    settings = Settings(public_url="https://sso.example.com")
    links = FirstOwner(settings, at_work.directory, hashing, Actor("link", at_work.clock))
    secret = made.link.rpartition("=")[2]
    offer = await links.offer(secret)
    assert offer is not None
    assert (offer.role, offer.name) == (Role.AUDITOR, "Minjun Kim")
    query(at_work.file, "UPDATE console_invitations SET role = 'abbot'")
    assert await links.offer(secret) is None
