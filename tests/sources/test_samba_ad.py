"""People of a real Active Directory, Samba's, as docs/ldap.md tells administrators to set it up."""

import asyncio
import socket
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.databases import Clock
from tests.installation import Installation, assert_page, installed
from tests.machine import leave_out
from tests.samba import (
    BASE,
    DOMAIN,
    GROUPS,
    HOST,
    PASSWORD,
    PEOPLE,
    SERVICE,
    DomainController,
    missing,
    running_domain_controller,
)
from tests.slapd import Authority

from worksgate.audit import Event
from worksgate.sources import (
    PasswordExpired,
    Person,
    PersonDisabled,
    SourceFault,
    SourceUnavailable,
)
from worksgate.sources.ldap.source import LdapSource

pytestmark = pytest.mark.programs

WITH_SERVICE_ACCOUNT: dict[str, Any] = {}
WITHOUT: dict[str, Any] = {
    "direct_bind": f"{{username}}@{DOMAIN}",
    "bind_dn": "",
    "bind_password": "",
}
both_ways = pytest.mark.parametrize(
    "way", [WITH_SERVICE_ACCOUNT, WITHOUT], ids=["search", "direct"]
)
_numbers = count(1)


@pytest.fixture(scope="module", autouse=True)
def startable() -> None:
    """Samba is left out where it cannot be started; on CI that is a failure."""
    if lack := missing():
        leave_out(lack)


@pytest.fixture(scope="module")
def company(
    startable: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DomainController]:
    folder = tmp_path_factory.mktemp("samba")
    with running_domain_controller(folder / "dc", Authority(folder)) as controller:
        yield controller


@contextmanager
def source_of(
    company: DomainController, clock: Clock | None = None, /, **changes: Any
) -> Iterator[LdapSource]:
    source = LdapSource(company.settings(**changes), monotonic=clock or time.monotonic)
    try:
        yield source
    finally:
        source.close()


def newcomer(company: DomainController, **values: Any) -> tuple[str, str]:
    """Somebody new: their account name and DN."""
    name = f"user{next(_numbers)}"
    return name, company.add_person(name, **values)


async def found(source: LdapSource, username: str) -> Person:
    person = await source.authenticate(username, PASSWORD)
    assert person is not None
    return person


def filetime(seconds: float) -> str:
    """A time that is so many seconds from now, as Windows writes it."""
    return str(int((time.time() + seconds + 11_644_473_600) * 10_000_000))


# Who somebody is


@pytest.mark.parametrize("encrypted", ["ldaps", "start_tls"])
async def test_r87_r88_people_sign_in_by_account_and_principal_name(
    company: DomainController, encrypted: str
) -> None:
    name, dn = newcomer(
        company,
        cn=f"山田, 花子 (営業) +{next(_numbers)} #*\\",
        displayName="山田 花子",
        mail="Hanako.Yamada@example.jp",
        employeeID="E-0042",
    )
    start_tls = {"servers": (company.url,), "start_tls": True}
    with source_of(company, **(start_tls if encrypted == "start_tls" else {})) as source:
        person = await found(source, name)
        assert person == Person(
            subject_id=f"ad:{company.object_guid(dn)}",
            username=name,
            name="山田 花子",
            external_key="E-0042",
            email="Hanako.Yamada@example.jp",
            revision=(company.raw(dn, "pwdLastSet") or b"").decode(),
        )
        for spelling in (name.upper(), f"{name}@{DOMAIN}", f" {name}@{DOMAIN.upper()} "):
            assert await found(source, spelling) == person
        assert await source.authenticate(name, PASSWORD.upper()) is None
        assert await source.authenticate(f"{name}@elsewhere.test", PASSWORD) is None


@both_ways
async def test_r78_umlauts_are_one_letter_however_they_are_typed(
    company: DomainController, way: dict[str, Any]
) -> None:
    name = f"müller{next(_numbers)}"
    company.add_person(name, displayName="Jörg Müller")
    with source_of(company, **way) as source:
        for typed in (name, name.upper(), unicodedata.normalize("NFD", name), f"ｍ{name[1:]}"):
            person = await found(source, typed)
            assert (person.username, person.name) == (name, "Jörg Müller")
        assert await source.authenticate(name.replace("ü", "u"), PASSWORD) is None


@both_ways
async def test_r87_a_principal_name_may_be_another_than_the_account_s(
    company: DomainController, way: dict[str, Any]
) -> None:
    principal = f"taro.yamada{next(_numbers)}@{DOMAIN}"
    name, _ = newcomer(company, userPrincipalName=principal)
    with source_of(company, **way) as source:
        person = await found(source, name)
        assert await found(source, principal) == person
        # The directory itself takes the account with the domain too; only a direct bind asks it.
        assert company.bind(f"{name}@{DOMAIN}", PASSWORD)[0] == 0
        implied = await source.authenticate(f"{name}@{DOMAIN}", PASSWORD)
        assert implied == (person if way is WITHOUT else None)


async def test_r92_a_person_stays_the_same_under_another_name(company: DomainController) -> None:
    name, dn = newcomer(company)
    with source_of(company) as source:
        person = await found(source, name)
        company.change(dn, sAMAccountName=f"{name}-new", userPrincipalName=f"{name}-new@{DOMAIN}")
        assert (await found(source, f"{name}-new")).subject_id == person.subject_id
        assert await source.authenticate(name, PASSWORD) is None
        company.add_person(name, cn=f"{name} the second")
        assert (await found(source, name)).subject_id != person.subject_id


@both_ways
async def test_computers_are_not_people(company: DomainController, way: dict[str, Any]) -> None:
    name = f"pc{next(_numbers)}"
    company.add_computer(name)
    assert company.bind(f"{name}$@{DOMAIN}", PASSWORD)[0] == 0
    with source_of(company, **way) as source:
        assert await source.authenticate(f"{name}$", PASSWORD) is None


async def test_r88_referrals_of_a_search_are_not_followed(company: DomainController) -> None:
    """A search from the top of a domain always has some: here to a name that does not exist."""
    name, _ = newcomer(company)
    assert company.referrals(name) == [f"ldaps://{DOMAIN}/CN=Configuration,{BASE}"]
    with source_of(company) as source, capture_logs() as logs:
        assert (await found(source, name)).username == name
    assert logs == []


# Accounts that may not be used


@both_ways
@pytest.mark.parametrize(
    ("code", "values", "refusal"),
    [
        ("530", {"logonHours": bytes(21)}, PersonDisabled),
        ("531", {"userWorkstations": "ANOTHER-PC"}, PersonDisabled),
        ("533", {"userAccountControl": "514"}, PersonDisabled),
        ("701", {"accountExpires": filetime(-60)}, PersonDisabled),
        ("773", {"pwdLastSet": "0"}, PasswordExpired),
    ],
)
async def test_r87_an_account_that_may_not_be_used_is_refused_after_a_right_password(
    company: DomainController,
    way: dict[str, Any],
    code: str,
    values: dict[str, Any],
    refusal: type[Exception],
) -> None:
    name, dn = newcomer(company, **values)
    assert f"data {code}," in company.bind(dn, PASSWORD)[1]
    with source_of(company, **way) as source:
        with pytest.raises(refusal) as refused:
            await source.authenticate(name, PASSWORD)
        assert type(refused.value) is refusal
        assert await source.authenticate(name, "wrong") is None
        for change in ({"logonHours": None}, {"userWorkstations": None}, {"pwdLastSet": "-1"}):
            company.change(dn, **change)
        company.change(dn, userAccountControl="512", accountExpires="0")
        assert (await found(source, name)).username == name


@both_ways
async def test_r87_an_expired_password_is_refused(
    company: DomainController, way: dict[str, Any]
) -> None:
    name, dn = newcomer(company)
    company.put_under_policy(dn, password_lasts=1)
    await asyncio.sleep(1.2)
    assert "data 532," in company.bind(dn, PASSWORD)[1]
    with source_of(company, **way) as source:
        with pytest.raises(PasswordExpired):
            await source.authenticate(name, PASSWORD)
        assert await source.authenticate(name, "wrong") is None


@both_ways
async def test_r79_r87_a_locked_account_is_refused_like_a_wrong_password(
    company: DomainController, way: dict[str, Any]
) -> None:
    """Active Directory says "locked" to the right and to the wrong password, so no more is told."""
    name, dn = newcomer(company)
    company.put_under_policy(dn, lock_after=3)
    with source_of(company, **way) as source:
        for attempt in range(3):
            assert await source.authenticate(name, f"wrong {attempt}") is None
            # Each attempt costs one, although a direct bind may take two binds.
            assert company.raw(dn, "badPwdCount") == str(attempt + 1).encode()
        assert "data 775," in company.bind(dn, PASSWORD)[1]
        assert await source.authenticate(name, PASSWORD) is None
    with source_of(company) as source:
        told = {each.fault: each.text for each in await source.test(name)}
    assert told[SourceFault.ACCOUNT_UNUSABLE] == "the account is locked after wrong passwords"
    company.change(dn, lockoutTime="0")
    with source_of(company, **way) as source:
        assert (await found(source, name)).username == name


async def test_r31_r79_who_loses_a_session(company: DomainController) -> None:
    clock = Clock()
    with source_of(company, clock) as source:
        for values, stays in (
            ({"employeeID": "E-2"}, True),
            ({"userAccountControl": "514"}, False),
            ({"accountExpires": filetime(-1)}, False),
            ({"pwdLastSet": "0"}, False),
            ({"unicodePwd": '"another password 2"'.encode("utf-16-le")}, False),
        ):
            name, dn = newcomer(company, employeeID="E-1")
            person = await found(source, name)
            company.change(dn, **values)
            assert await source.find(person.subject_id, person) == person
            clock.now += 61
            now = await source.find(person.subject_id, person)
            assert (now is not None) is stays, values
            if now is not None:
                assert now.external_key == "E-2"


async def test_r79_a_lock_ends_no_session(company: DomainController) -> None:
    name, dn = newcomer(company)
    company.put_under_policy(dn, lock_after=1)
    clock = Clock()
    with source_of(company, clock) as source:
        person = await found(source, name)
        assert await source.authenticate(name, "wrong") is None
        assert company.raw(dn, "msDS-User-Account-Control-Computed") == b"16"
        clock.now += 61
        assert await source.find(person.subject_id, person) == person


# What people and administrators are told


@pytest.fixture
async def worksgate(company: DomainController, tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(tmp_path, sources=(company.settings(),)) as installation:
        yield installation


async def test_line_works_is_told_the_external_key(
    company: DomainController, worksgate: Installation
) -> None:
    name, _ = newcomer(company, employeeID="E-7")
    code = await worksgate.browser().code(name, PASSWORD)
    told = await worksgate.user_info(await worksgate.access_token(code))
    assert told.status_code == 200
    assert "E-7" in told.text


@pytest.mark.parametrize(
    ("values", "told", "recorded"),
    [
        ({"userAccountControl": "514"}, "has been disabled", "the person is disabled"),
        ({"pwdLastSet": "0"}, "has expired or must be changed", "the password has expired"),
        (None, "the password is not correct", "wrong name or password"),
    ],
    ids=["disabled", "must-change", "locked"],
)
async def test_r87_what_a_person_and_the_audit_log_are_told(
    company: DomainController,
    worksgate: Installation,
    values: dict[str, str] | None,
    told: str,
    recorded: str,
) -> None:
    name, dn = newcomer(company, **values or {})
    if values is None:
        company.put_under_policy(dn, lock_after=1)
        assert company.bind(dn, "wrong")[0] != 0
    page = await worksgate.browser().sign_in(name, PASSWORD)
    assert_page(page, 403)
    assert told in page.text
    failed = await worksgate.audit(event=Event.LOGIN_FAILED)
    assert [each.detail for each in failed] == [recorded]


async def test_the_directory_says_why_the_service_account_is_refused(
    company: DomainController,
) -> None:
    name, dn = newcomer(company)
    company.put_under_policy(dn, lock_after=3)
    account = {"bind_dn": f"{name}@{DOMAIN}", "bind_password": PASSWORD}

    async def told(**changes: str) -> str:
        with source_of(company, **account | changes) as source:
            with pytest.raises(SourceUnavailable):
                await source.authenticate("hanako", PASSWORD)
            (_, finding) = await source.test()
            assert finding.fault is SourceFault.SERVICE_REFUSED
            return finding.text.partition(": ")[2]

    refused = "the service account is refused ({})"
    assert await told(bind_password="no") == refused.format("wrong name or password")
    company.bind(dn, "no, again")  # the third
    assert await told() == refused.format("the account is locked")
    company.change(dn, lockoutTime="0")
    company.change(dn, pwdLastSet="0")
    assert await told() == refused.format("the password must be changed")
    company.change(dn, userAccountControl="514")
    assert await told() == refused.format("the account is disabled")


async def test_a_test_shows_what_somebody_looks_like(company: DomainController) -> None:
    name, dn = newcomer(company, displayName="山田 花子", employeeID="E-0042")
    group = company.add_group(f"営業 {next(_numbers)}", dn)
    with source_of(company) as source:
        assert [(each.works, each.text) for each in await source.test(name)] == [
            (True, f"{company.tls_url}:636 responds, encrypted, with a valid certificate"),
            (True, f"the service account binds as {SERVICE}"),
            (True, f"{BASE} exists"),
            (True, f"found CN={name},{PEOPLE}"),
            (True, f"id (objectGUID): {company.object_guid(dn)}"),
            (True, f"username: {name}, name: 山田 花子"),
            (True, "external key (employeeID): E-0042"),
            (True, "e-mail address: none"),
            (True, f"groups: {group}"),
        ]


# Groups


@both_ways
async def test_groups_within_groups_let_people_in(
    company: DomainController, way: dict[str, Any]
) -> None:
    (member, dn), (other, _) = newcomer(company), newcomer(company)
    number = next(_numbers)
    team = company.add_group(f"東京 {number}", dn)
    department = company.add_group(f"Sales {number}", team)
    company.add_member(team, department)  # they hold each other
    allowed = company.add_group(f"LINE WORKS (利用者), 全員 {number}", department)
    for required in (allowed, allowed.replace("CN=", "cn=").replace(",OU=", ", ou=")):
        with source_of(company, required_groups=(required,), **way) as source:
            assert {*(await found(source, member)).groups} == {team, department, allowed}
            with pytest.raises(PersonDisabled):
                await source.authenticate(other, PASSWORD)
            assert await source.authenticate(other, "wrong") is None
    direct_only = {"required_groups": (allowed,), "nested_groups": False}
    with source_of(company, **direct_only, **way) as source, pytest.raises(PersonDisabled):
        await source.authenticate(member, PASSWORD)


@pytest.mark.parametrize(
    "group", [f"CN=Domain Users,CN=Users,{BASE}", f"CN=nobody,{GROUPS}", "CN=nobody,DC=elsewhere"]
)
async def test_primary_groups_and_groups_that_are_not_there_grant_no_access(
    company: DomainController, group: str
) -> None:
    name, _ = newcomer(company)
    with source_of(company, required_groups=(group,)) as source, pytest.raises(PersonDisabled):
        await source.authenticate(name, PASSWORD)


# Passwords and encryption


@both_ways
async def test_r61_an_empty_password_never_reaches_the_directory(
    company: DomainController, way: dict[str, Any]
) -> None:
    name, dn = newcomer(company)
    company.put_under_policy(dn, lock_after=9)
    # Samba counts one that does; Windows would take it for an anonymous bind, and say yes.
    assert company.bind_without_password(dn) == 49
    assert company.raw(dn, "badPwdCount") == b"1"
    with source_of(company, **way) as source:
        for nothing in ("", "\0", f"\0{PASSWORD}"):
            assert await source.authenticate(name, nothing) is None
    assert company.raw(dn, "badPwdCount") == b"1"


@both_ways
async def test_r88_a_password_that_is_not_encrypted_is_refused_by_the_directory_itself(
    company: DomainController, way: dict[str, Any]
) -> None:
    name, dn = newcomer(company)
    assert company.bind(dn, PASSWORD, tls=False)[0] == 8
    plain = {"servers": (company.url,), "allow_unencrypted_ldap_on_this_network": True}
    with source_of(company, **plain, **way) as source:
        with capture_logs() as logs, pytest.raises(SourceUnavailable):
            await source.authenticate(name, PASSWORD)
        assert [each["detail"] for each in logs] == [
            "the server accepts passwords only over encrypted connections: "
            "use ldaps:// or start_tls"
        ]


@pytest.fixture(scope="module")
def with_own_certificate(
    startable: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DomainController]:
    """A controller as Samba begins it, with a certificate that it has made for ``HOST``."""
    folder = tmp_path_factory.mktemp("own")
    with running_domain_controller(folder / "dc") as controller:
        yield controller


async def test_r88_samba_s_own_certificate_is_verified(
    with_own_certificate: DomainController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = with_own_certificate
    name, _ = newcomer(company)
    resolve = socket.getaddrinfo

    def resolve_host(host: str, *arguments: Any, **options: Any) -> Any:
        """What the name server of the domain would answer."""
        known = (HOST, f"dc2.{DOMAIN}")
        return resolve(company.address if host in known else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_host)
    ldaps, start_tls = {"servers": (f"ldaps://{HOST}",)}, {"servers": (f"ldap://{HOST}",)}
    for way in (ldaps, start_tls | {"start_tls": True}):
        with source_of(company, **way) as source:
            assert (await found(source, name)).username == name
    wrong: tuple[dict[str, Any], ...] = (
        {},  # an address is not in the certificate
        {"servers": (f"ldaps://dc2.{DOMAIN}",)},
        {"servers": (f"ldap://dc2.{DOMAIN}",), "start_tls": True},
        ldaps | {"ca_file": ""},
        ldaps | {"ca_file": str(Authority(tmp_path).file)},
    )
    for way in wrong:
        with source_of(company, **way) as source, capture_logs() as logs:
            with pytest.raises(SourceUnavailable):
                await source.authenticate(name, PASSWORD)
            assert "certificate verify failed" in logs[0]["detail"]
