"""Active Directory specifics: account states, codes in a refusal, rules for groups.

The attributes are kept by a real OpenLDAP; the codes come from a listener that speaks LDAP, for
OpenLDAP has none.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.databases import Clock
from tests.fake_ldap import Listener, Scripted, Search, listening
from tests.slapd import PASSWORD, Authority, Slapd, running_slapd

from worksgate.sources import (
    PasswordExpired,
    Person,
    PersonDisabled,
    SourceFault,
    SourceUnavailable,
)
from worksgate.sources.ldap.source import LdapSource

NOW = 1_800_000_000.0
_SINCE_1601 = 11_644_473_600
_NEVER = 0x7FFFFFFFFFFFFFFF
_REFUSAL = "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {}, v4563"
_numbers = count(1)


def filetime(seconds: float) -> int:
    return int((seconds + _SINCE_1601) * 10_000_000)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    folder = tmp_path_factory.mktemp("slapd")
    with running_slapd(folder / "company", Authority(folder)) as server:
        yield server


@contextmanager
def source_of(company: Slapd, clock: Clock | None = None) -> Iterator[LdapSource]:
    settings = company.settings(
        active_directory=True, user_filter="(sAMAccountName={username})", name_attribute="cn"
    )
    source = LdapSource(settings, clock=lambda: NOW, monotonic=clock or Clock())
    try:
        yield source
    finally:
        source.close()


def newcomer(company: Slapd, **values: Any) -> tuple[str, str]:
    """Somebody new whose account has these values: their sAMAccountName and DN."""
    name = f"user{next(_numbers)}"
    account = {
        "userAccountControl": "512",
        "accountExpires": str(_NEVER),
        "pwdLastSet": str(filetime(NOW - 86_400)),
        "objectGUID": uuid.uuid4().bytes_le,
        "sAMAccountName": name,
    }
    return name, company.add_person(name, **account | values)


# States


@pytest.mark.programs
@pytest.mark.parametrize(
    "values",
    [
        {"userAccountControl": "514"},
        {"accountExpires": str(filetime(NOW - 1))},
        {"lockoutTime": str(filetime(NOW - 60))},
        {"msDS-User-Account-Control-Computed": "16"},
    ],
)
async def test_r87_disabled_expired_and_locked_accounts_are_refused(
    company: Slapd, values: dict[str, str]
) -> None:
    name, _ = newcomer(company, **values)
    with source_of(company) as source:
        with pytest.raises(PersonDisabled) as refused:
            await source.authenticate(name, PASSWORD)
        assert not isinstance(refused.value, PasswordExpired)
        assert await source.authenticate(name, "wrong") is None


@pytest.mark.programs
@pytest.mark.parametrize(
    "values", [{"pwdLastSet": "0"}, {"msDS-User-Account-Control-Computed": str(0x800000)}]
)
async def test_r87_a_password_that_must_be_changed_is_refused(
    company: Slapd, values: dict[str, str]
) -> None:
    name, _ = newcomer(company, **values)
    with source_of(company) as source:
        with pytest.raises(PasswordExpired):
            await source.authenticate(name, PASSWORD)
        assert await source.authenticate(name, "wrong") is None


@pytest.mark.programs
@pytest.mark.parametrize(
    "values",
    [
        {"accountExpires": "0"},
        {"accountExpires": str(filetime(NOW + 1))},
        {"lockoutTime": "0"},
        {"userAccountControl": str(512 | 0x10000), "pwdLastSet": "0"},
        # The time of a lock stays when the lock is over; only the computed flags know.
        {"lockoutTime": str(filetime(NOW - 60)), "msDS-User-Account-Control-Computed": "0"},
    ],
)
async def test_other_accounts_sign_in(company: Slapd, values: dict[str, str]) -> None:
    name, _ = newcomer(company, **values)
    with source_of(company) as source:
        assert await source.authenticate(name, PASSWORD) is not None


@pytest.mark.programs
async def test_r92_a_person_is_known_by_object_guid(company: Slapd) -> None:
    guid = uuid.uuid4()
    name, dn = newcomer(company, objectGUID=guid.bytes_le, employeeNumber="E1")
    clock = Clock()
    with source_of(company, clock) as source:
        person = await source.authenticate(name, PASSWORD)
        assert person is not None
        assert (person.subject_id, person.username) == (f"company:{guid}", name)
        company.change(dn, employeeNumber="E2")
        clock.now += 61
        again = await source.find(person.subject_id, person)
        assert again is not None
        assert again.external_key == "E2"
        assert await source.find("company:no-guid", person) is None


@pytest.mark.programs
async def test_r79_a_lock_ends_no_session_but_the_rest_does(company: Slapd) -> None:
    clock = Clock()
    with source_of(company, clock) as source:
        for values, stays in (
            ({"lockoutTime": str(filetime(NOW))}, True),
            ({"userAccountControl": "514"}, False),
            ({"accountExpires": str(filetime(NOW))}, False),
            ({"pwdLastSet": "0"}, False),
            ({"pwdLastSet": str(filetime(NOW))}, False),  # another password
        ):
            name, dn = newcomer(company)
            person = await source.authenticate(name, PASSWORD)
            assert person is not None
            company.change(dn, **values)
            clock.now += 61
            now = await source.find(person.subject_id, person)
            assert (now is not None) is stays, values


@pytest.mark.programs
async def test_an_entry_without_an_id_is_refused(company: Slapd) -> None:
    name, _ = newcomer(company, objectGUID=b"too short")
    with source_of(company) as source, capture_logs() as logs, pytest.raises(PersonDisabled):
        await source.authenticate(name, PASSWORD)
    assert [each["event"] for each in logs] == ["ldap.no_id"]


# Codes


HANAKO = "CN=山田花子,OU=営業,DC=example,DC=jp"
SERVICE = ("cn=worksgate,dc=example,dc=jp", b"service password 1")


def entry_of_hanako(**values: Sequence[bytes]) -> tuple[str, Mapping[str, Sequence[bytes]]]:
    attributes: dict[str, Sequence[bytes]] = {
        "sAMAccountName": [b"hanako"],
        "userPrincipalName": [b"hanako@example.jp"],
        "objectGUID": [bytes(range(16))],
        "displayName": ["山田花子".encode()],
        "userAccountControl": [b"512"],
        "memberOf": ["CN=営業,OU=groups,DC=example,DC=jp".encode()],
    }
    return HANAKO, attributes | values


def hanako_is_found(search: Search) -> Sequence[tuple[str, Mapping[str, Sequence[bytes]]]]:
    return [entry_of_hanako()] if "hanako" in search.filter else []


@contextmanager
def asked(listener: Listener, **changes: Any) -> Iterator[LdapSource]:
    source = LdapSource(listener.settings(active_directory=True, **changes))
    try:
        yield source
    finally:
        source.close()


def refusing(sub_code: str) -> Scripted:
    """A directory that refuses every person with this code."""

    def bind(name: str, password: bytes) -> tuple[int, str]:
        return (0, "") if (name, password) == SERVICE else (49, _REFUSAL.format(sub_code))

    return Scripted(bind, hanako_is_found)


@pytest.mark.parametrize("way", [{}, {"direct_bind": "{username}@example.jp"}])
@pytest.mark.parametrize(
    ("sub_code", "refusal"),
    [
        ("530", PersonDisabled),
        ("531", PersonDisabled),
        ("532", PasswordExpired),
        ("533", PersonDisabled),
        ("701", PersonDisabled),
        ("773", PasswordExpired),
        ("525", None),
        ("52e", None),
        ("775", None),
        ("533a1", None),
        ("57", None),
    ],
)
async def test_r87_the_code_of_a_refusal_says_why(
    sub_code: str, refusal: type[Exception] | None, way: dict[str, str]
) -> None:
    with listening(refusing(sub_code)) as listener, asked(listener, **way) as source:
        if refusal is None:
            assert await source.authenticate("hanako", PASSWORD) is None
            return
        with pytest.raises(refusal) as refused:
            await source.authenticate("hanako", PASSWORD)
        assert type(refused.value) is refusal


async def test_the_codes_mean_nothing_elsewhere() -> None:
    with listening(refusing("533")) as listener:
        source = LdapSource(listener.settings(user_filter="(sAMAccountName={username})"))
        assert await source.authenticate("hanako", PASSWORD) is None
        source.close()


# Binds and searches


def admitting(**values: Sequence[bytes]) -> Scripted:
    """A directory where hanako has her password, and the filter finds her."""

    def bind(name: str, password: bytes) -> tuple[int, str]:
        right = name in (HANAKO, "hanako@example.jp") and password == PASSWORD.encode()
        return (0, "") if right or (name, password) == SERVICE else (49, _REFUSAL.format("52e"))

    def find(search: Search) -> Sequence[tuple[str, Mapping[str, Sequence[bytes]]]]:
        return [entry_of_hanako(**values)] if "sAMAccountName=hanako" in search.filter else []

    return Scripted(bind, find)


async def test_r87_a_direct_bind_ends_in_a_bind_as_the_entry() -> None:
    directory = admitting()
    way = {"direct_bind": "{username}@example.jp", "bind_dn": "", "bind_password": ""}
    with listening(directory) as listener, asked(listener, **way) as source:
        person = await source.authenticate("hanako", PASSWORD)
    assert person == Person(
        subject_id="company:03020100-0504-0706-0809-0a0b0c0d0e0f",
        username="hanako",
        name="山田花子",
        groups=("CN=営業,OU=groups,DC=example,DC=jp",),
    )
    password = PASSWORD.encode()
    assert directory.binds == [("hanako@example.jp", password), (HANAKO, password)]


async def test_r272_an_id_of_several_values_is_no_id() -> None:
    directory = admitting(uid=[b"u-1", b"u-2"])
    with listening(directory) as listener, asked(listener, id_attribute="uid") as source:
        with pytest.raises(PersonDisabled):
            await source.authenticate("hanako", PASSWORD)
        findings = await source.test("hanako")
    faults = {each.text: each.fault for each in findings if not each.works}
    assert faults["uid has 2 values: the ID must be a single one"] is SourceFault.ATTRIBUTE_UNUSABLE


async def test_r272_a_guid_of_several_values_is_no_id() -> None:
    directory = admitting(objectGUID=[bytes(range(16)), bytes(range(1, 17))])
    with (
        listening(directory) as listener,
        asked(listener) as source,
        pytest.raises(PersonDisabled),
    ):
        await source.authenticate("hanako", PASSWORD)


async def test_a_key_of_several_values_is_pointed_out() -> None:
    directory = admitting(employeeID=[b"E-7", b"E-8"], mail=[b"hanako@example.jp"])
    mapped = {"external_key_attribute": "employeeID", "works_account_attribute": "mail"}
    with listening(directory) as listener, asked(listener, **mapped) as source:
        texts = [each.text for each in await source.test("hanako")]
    assert (
        "external key (employeeID): E-7, the first of 2 values, "
        "which a directory may reorder at any time"
    ) in texts
    assert "LINE WORKS account (mail): hanako@example.jp" in texts


async def test_r77_an_unknown_name_costs_what_a_wrong_password_costs() -> None:
    asked_for = []
    for name in ("hanako", "nobody"):
        directory = admitting()
        with listening(directory) as listener, asked(listener) as source:
            assert await source.authenticate(name, "wrong password") is None
        asked_for.append((len(directory.searches), [each[1] for each in directory.binds]))
    assert asked_for[0] == asked_for[1] == (1, [SERVICE[1], b"wrong password"])


async def test_r87_the_decoy_signs_nobody_in() -> None:
    directory = Scripted(lambda *_: (0, ""))  # a server that says yes to everything
    with listening(directory) as listener, asked(listener) as source:
        assert await source.authenticate("nobody", PASSWORD) is None


async def test_r86_an_entry_without_a_dn_is_none() -> None:
    """A bind under no name is anonymous, and succeeds."""
    _, values = entry_of_hanako()
    directory = Scripted(lambda *_: (0, ""), lambda _: [("", values)])
    with listening(directory) as listener, asked(listener) as source:
        assert await source.authenticate("hanako", PASSWORD) is None


async def test_r86_more_entries_than_were_asked_for_are_nobody() -> None:
    directory = Scripted(lambda *_: (0, ""), lambda _: [entry_of_hanako()] * 40)
    with listening(directory) as listener, asked(listener) as source:
        assert await source.authenticate("hanako", PASSWORD) is None


async def test_r88_referrals_are_not_followed() -> None:
    with listening(admitting()) as elsewhere:
        directory = admitting()
        directory.references = [f"{elsewhere.url}/DC=example,DC=jp"]
        with listening(directory) as listener, asked(listener) as source:
            assert await source.authenticate("hanako", PASSWORD) is not None
            assert await source.authenticate("nobody", PASSWORD) is None
        directory = admitting()
        directory.redirect = f"{elsewhere.url}/DC=example,DC=jp"
        with (
            listening(directory) as listener,
            asked(listener) as source,
            pytest.raises(SourceUnavailable),
        ):
            await source.authenticate("hanako", PASSWORD)
        assert elsewhere.connections == 0


async def test_r88_a_referral_in_answer_to_a_bind_is_an_outage() -> None:
    directory = Scripted(lambda *_: (10, "ldap://elsewhere.example.jp"))
    with (
        listening(directory) as listener,
        asked(listener) as source,
        pytest.raises(SourceUnavailable),
    ):
        await source.authenticate("hanako", PASSWORD)


@pytest.mark.parametrize("inside", [True, False])
async def test_groups_within_groups_are_the_directory_s_work(inside: bool) -> None:  # noqa: FBT001  # a parameter of the test
    directory = admitting()
    find = directory.find

    def with_groups(search: Search) -> Sequence[tuple[str, Mapping[str, Sequence[bytes]]]]:
        if search.scope == 0:
            return [(HANAKO, {})] if inside else []
        return find(search)

    directory.find = with_groups
    group = "CN=LINE WORKS (all),OU=groups,DC=example,DC=jp"
    with listening(directory) as listener, asked(listener, required_groups=(group,)) as source:
        if inside:
            assert await source.authenticate("hanako", PASSWORD) is not None
        else:
            with pytest.raises(PersonDisabled):
                await source.authenticate("hanako", PASSWORD)
    (condition,) = [each for each in directory.searches if each.scope == 0]
    assert condition.base == HANAKO
    assert "1.2.840.113556.1.4.1941" in condition.filter
    assert "CN=LINE WORKS (all),OU=groups,DC=example,DC=jp" in condition.filter
