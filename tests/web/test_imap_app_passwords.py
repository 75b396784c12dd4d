"""Mail clients of people with a second factor sign in with an app password (R-63)."""

from collections.abc import AsyncIterator

import pyotp
import pytest
from tests.installation import EXTERNAL_KEY, PASSWORD, USERNAME, Installation, assert_refused
from tests.web.test_imap_login import ask

from worksgate.directory.database import Directory
from worksgate.oauth.errors import InvalidLogin
from worksgate.provider.factors import AppPasswords, Factors, Holder, RelyingParty


@pytest.fixture
async def directory(installation: Installation) -> AsyncIterator[Directory]:
    directory = Directory.open(installation.settings.database_url)
    yield directory
    await directory.close()


async def holder_of(installation: Installation) -> Holder:
    account = await installation.administration.users.get(USERNAME)
    return Holder(subject_id=account.person.subject_id, username=USERNAME)


async def app_password_for(installation: Installation, directory: Directory) -> str:
    """A new app password of the person, as it is shown to them."""
    passwords = AppPasswords(directory.app_passwords)
    made = await passwords.add(await holder_of(installation), "Phone", installation.clock())
    return made.password


async def enrol_totp(installation: Installation, directory: Directory) -> None:
    """Let the person have an authenticator app."""
    party = RelyingParty.of(installation.settings.public_url, "Acme")
    factors = Factors(directory.factors, installation.provider.audit, party)
    try:
        secret, now = pyotp.random_base32(), installation.clock()
        holder = await holder_of(installation)
        assert await factors.confirm_totp(holder, secret, pyotp.TOTP(secret).at(now), now)
    finally:
        factors.close()


async def test_r63_an_app_password_lets_in_and_says_who_it_is(
    installation: Installation, directory: Directory
) -> None:
    await installation.change_client(imap_login=True)
    password = await app_password_for(installation, directory)
    response = await ask(installation, password=password)
    assert response.status_code == 200, response.text
    token = await installation.access_token(response.json()["code"])
    assert (await installation.user_info(token)).json() == {"user_id": EXTERNAL_KEY}
    (event,) = await installation.audit(event="imap.succeeded")
    assert event.detail == "by app password"
    assert event.username == USERNAME


async def test_r63_it_belongs_to_one_person(
    installation: Installation, directory: Directory
) -> None:
    await installation.change_client(imap_login=True, imap_passwords="all")
    await installation.administration.users.add(
        "user2@example.com", password="another horse battery", external_key="user2"
    )
    password = await app_password_for(installation, directory)
    assert_refused(await ask(installation, "user2@example.com", password), InvalidLogin)
    assert_refused(await ask(installation, "nobody@example.com", password), InvalidLogin)


async def test_r63_with_a_second_factor_only_an_app_password_lets_in(
    installation: Installation, directory: Directory
) -> None:
    await installation.change_client(imap_login=True, imap_passwords="all")
    assert (await ask(installation)).status_code == 200
    await enrol_totp(installation, directory)
    assert_refused(await ask(installation), InvalidLogin)
    password = await app_password_for(installation, directory)
    assert (await ask(installation, password=password)).status_code == 200
    assert_refused(await ask(installation), InvalidLogin)


async def test_r63_where_a_second_factor_is_required_an_app_password_stands_for_it(
    installation: Installation, directory: Directory
) -> None:
    await installation.change_client(
        imap_login=True, imap_passwords="all", second_factor="required"
    )
    assert_refused(await ask(installation), InvalidLogin)
    password = await app_password_for(installation, directory)
    assert (await ask(installation, password=password)).status_code == 200


async def test_r63_an_app_password_opens_nothing_else(
    installation: Installation, directory: Directory
) -> None:
    password = await app_password_for(installation, directory)
    response = await installation.browser().sign_in(password=password)
    assert response.status_code == 403
    assert await installation.browser().code(password=PASSWORD)


async def test_r65_an_app_password_of_a_disabled_person_grants_no_access(
    installation: Installation, directory: Directory
) -> None:
    await installation.change_client(imap_login=True)
    password = await app_password_for(installation, directory)
    assert (await ask(installation, password=password)).status_code == 200
    installation.rows("UPDATE accounts SET enabled = 0")  # the command would end it, too
    assert_refused(await ask(installation, password=password), InvalidLogin)
    installation.rows("UPDATE accounts SET enabled = 1")
    assert (await ask(installation, password=password)).status_code == 200


async def test_a_removed_app_password_grants_no_access(
    installation: Installation, directory: Directory
) -> None:
    await installation.change_client(imap_login=True)
    password = await app_password_for(installation, directory)
    passwords, holder = AppPasswords(directory.app_passwords), await holder_of(installation)
    (kept,) = await passwords.of(holder.subject_id)
    assert await passwords.remove(holder, kept.id, installation.clock())
    assert_refused(await ask(installation, password=password), InvalidLogin)
