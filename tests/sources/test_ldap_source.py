"""People of a real OpenLDAP server as an identity source."""

import asyncio
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.databases import Clock
from tests.ports import free_port
from tests.slapd import (
    BASE,
    GROUPS,
    PASSWORD,
    PEOPLE,
    SERVICE,
    SERVICE_PASSWORD,
    Authority,
    Slapd,
    running_slapd,
)

from worksgate.oauth.model import Client
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.throttle import Attempt, Throttle, ThrottlePolicy, TooManyAttempts
from worksgate.sources import (
    NoAnswer,
    PasswordExpired,
    Person,
    PersonDisabled,
    PersonNotAllowed,
    SourceFault,
    SourceUnavailable,
)
from worksgate.sources.ldap.source import LdapSource
from worksgate.store.memory import MemoryStore

pytestmark = pytest.mark.programs

_numbers = count(1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def company(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running_slapd(tmp_path_factory.mktemp("slapd") / "company", authority) as server:
        server.add_person(
            "hanako",
            displayName="山田 花子",
            description="やまだ はなこ",
            mail="Hanako.Yamada@example.jp",
            employeeNumber="E-0042",
        )
        yield server


@contextmanager
def source_of(
    company: Slapd, clock: Clock | None = None, /, **changes: Any
) -> Iterator[LdapSource]:
    source = LdapSource(company.settings(**changes), monotonic=clock or time.monotonic)
    try:
        yield source
    finally:
        source.close()


def newcomer(company: Slapd, **values: Any) -> tuple[str, str]:
    """Somebody new: their uid and DN."""
    uid = f"person{next(_numbers)}"
    return uid, company.add_person(uid, **values)


async def found(source: LdapSource, uid: str, password: str = PASSWORD) -> Person:
    person = await source.authenticate(uid, password)
    assert person is not None
    return person


# Who somebody is


async def test_the_right_password_says_who_somebody_is(company: Slapd) -> None:
    with source_of(company, reading_attribute="description") as source:
        person = await found(source, "hanako")
    uuid = company.entry_uuid(f"uid=hanako,{PEOPLE}")
    assert person == Person(
        subject_id=f"company:{uuid}",
        username="hanako",
        name="山田 花子",
        reading="やまだ はなこ",
        external_key="E-0042",
        works_account="hanako.yamada@example.jp",
        email="Hanako.Yamada@example.jp",
    )
    assert source.name == "company"


async def test_r92_a_person_stays_the_same_under_another_name_and_address(company: Slapd) -> None:
    uid, dn = newcomer(company, mail="before@example.jp")
    with source_of(company, user_filter="(mail={username})") as source:
        before = await found(source, "before@example.jp")
        company.change(dn, mail="after@example.jp", cn="another name")
        after = await found(source, "after@example.jp")
    assert after.subject_id == before.subject_id
    assert uid not in before.subject_id
    assert "@" not in before.subject_id


async def test_r266_a_value_in_another_language_replaces_none(company: Slapd) -> None:
    tagged = {"mail;lang-ja": "victim@example.jp", "displayName;lang-ja": "鈴木"}
    uid, _ = newcomer(company, mail="own@example.jp", displayName="Suzuki", **tagged)
    with source_of(company) as source:
        person = await found(source, uid)
    assert (person.works_account, person.email) == ("own@example.jp", "own@example.jp")
    assert person.name == "Suzuki"
    with source_of(company, name_attribute="displayName;lang-ja") as source:
        assert (await found(source, uid)).name == "鈴木"


async def test_r266_nobody_is_another_person_by_a_name_in_another_language(company: Slapd) -> None:
    uid, _ = newcomer(company, **{"uid;lang-ja": "somebody-else"})
    with source_of(company, id_attribute="uid") as source:
        assert await source.authenticate("somebody-else", PASSWORD) is None
        assert (await found(source, uid)).subject_id == f"company:{uid}"


async def test_r281_people_whose_ids_are_blank_are_not_one_person(company: Slapd) -> None:
    uid, dn = newcomer(company, employeeType=" ")
    with source_of(company, id_attribute="employeeType") as source:
        with pytest.raises(PersonDisabled):
            await source.authenticate(uid, PASSWORD)
        company.change(dn, employeeType="7")
        assert (await found(source, uid)).subject_id == "company:7"


async def test_a_value_that_no_database_keeps_is_left_out(company: Slapd) -> None:
    uid, _ = newcomer(company, mail="own@example.jp\0", displayName="with\0NUL")
    with source_of(company) as source:
        person = await found(source, uid)
    assert (person.email, person.name) == (None, uid)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("hanako", "wrong"),
        ("hanako", PASSWORD.upper()),
        ("hanako", PASSWORD[:-1]),
        ("hanako", PASSWORD + " "),
        ("hanako", "x" * 5_000),
        ("hanako", "\ud800"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("\0", PASSWORD),
        ("\ud800", PASSWORD),
        ("h" * 300, PASSWORD),
        ("E-0042", PASSWORD),
        ("worksgate", SERVICE_PASSWORD),
        (f"uid=hanako,{PEOPLE}", PASSWORD),
    ],
)
async def test_r73_anything_else_says_nothing(company: Slapd, username: str, password: str) -> None:
    with source_of(company) as source:
        assert await source.authenticate(username, password) is None


@pytest.mark.parametrize("spelling", ["HANAKO", " hanako ", "ｈａｎａｋｏ", "　hanako"])
async def test_other_spellings_of_a_username_mean_the_same_person(
    company: Slapd, spelling: str
) -> None:
    with source_of(company) as source:
        assert (await found(source, spelling)).username == "hanako"


@pytest.mark.parametrize("password", ["", "\0", f"\0{PASSWORD}", f"{PASSWORD}\0"])
@pytest.mark.parametrize("way", [{}, {"direct_bind": f"uid={{username}},{PEOPLE}"}])
async def test_r61_an_empty_password_or_a_nul_never_reaches_the_directory(
    company: Slapd, password: str, way: dict[str, str]
) -> None:
    # Asking a server that is not there would be an outage.
    gone = f"ldaps://127.0.0.1:{free_port()}"
    with source_of(company, servers=(gone,), **way) as source:
        assert await source.authenticate("hanako", password) is None
        with pytest.raises(SourceUnavailable):
            await source.authenticate("hanako", "any other")


async def test_r73_a_password_is_sent_as_it_was_typed(company: Slapd) -> None:
    odd = "ｆｕｌｌ\u00adwidth cafe\u0301"  # SASLprep would alter all three
    uid, _ = newcomer(company, userPassword=odd)
    with source_of(company) as source:
        assert (await found(source, uid, odd)).username == uid
        assert await source.authenticate(uid, "full\u00adwidth café") is None


#


@pytest.mark.parametrize(
    "username",
    [
        "*",
        "hana*",
        "hanako)(uid=*",
        "*)(|(uid=*",
        "hanako)(&)",
        "\\2a",
        "hanako\\",
        "hanako,ou=people",
        "(hanako)",
        "{bind_name}",
        "{username}",
    ],
)
@pytest.mark.parametrize("way", [{}, {"direct_bind": f"uid={{username}},{PEOPLE}"}])
async def test_r86_a_username_cannot_alter_the_filter_or_the_dn(
    company: Slapd, username: str, way: dict[str, str]
) -> None:
    with source_of(company, **way) as source:
        assert await source.authenticate(username, PASSWORD) is None
        assert await source.authenticate("hanako", PASSWORD) is not None


@pytest.mark.parametrize("odd", ["o*(dd)\\name", "comma, plus+ and=", '#"hash" <x>;', "日本 太郎"])
@pytest.mark.parametrize("way", [{}, {"direct_bind": f"cn={{username}},{PEOPLE}"}])
async def test_r86_odd_characters_of_a_username_are_escaped(
    company: Slapd, odd: str, way: dict[str, str]
) -> None:
    from ldap3.utils.dn import escape_rdn  # type: ignore[import-untyped]  # ldap3 has no types

    dn = f"cn={escape_rdn(odd)},{PEOPLE}"
    classes = ("inetOrgPerson",)
    company.add(dn, classes, cn=odd, uid=odd, sn="x", userPassword=PASSWORD)
    try:
        with source_of(company, **way) as source:
            assert (await found(source, odd)).username == odd
    finally:
        company.remove(dn)


async def test_r86_two_entries_of_one_name_are_nobody(company: Slapd) -> None:
    first, _ = newcomer(company, mail="twin@example.jp")
    newcomer(company, mail="twin@example.jp")
    with source_of(company, user_filter="(mail={username})") as source, capture_logs() as logs:
        for _ in range(20):  # anybody can type it again and again
            assert await source.authenticate("twin@example.jp", PASSWORD) is None
    told = [each for each in logs if each["event"] == "ldap.ambiguous"]
    assert logs == told
    assert 1 <= len(told) < 5, "once a second"
    assert told[0]["detail"] == "source company"
    with source_of(company) as source:
        assert (await found(source, first)).username == first


async def test_r78_what_the_directory_finds_by_another_spelling_is_not_believed(
    company: Slapd,
) -> None:
    # OpenLDAP ignores how many blanks there are; the throttle counts these as two names.
    newcomer(company, employeeType="two  blanks")
    with source_of(company, user_filter="(employeeType={username})") as source:
        assert await source.authenticate("two   blanks", PASSWORD) is None
        assert await source.authenticate("two  blanks", PASSWORD) is not None


#


async def guesses_checked(source: LdapSource, names: Sequence[str]) -> int:
    """How many wrong passwords reach the directory, of thirty for each of these names."""
    sources, checked = SourcesInUse({source.name: source}), 0
    throttle, client = Throttle(MemoryStore(), ThrottlePolicy()), Client(client_id="c", name="c")
    for name in [*names] * 30:
        with suppress(TooManyAttempts):
            async with throttle.attempt(Attempt(name, "203.0.113.7"), 1_000.0) as admission:
                assert await sources.check_password(client, name, "wrong", admission) is None
                checked += not admission.is_exhausted
    return checked


async def test_r119_an_entry_of_three_addresses_has_one_guessing_budget(company: Slapd) -> None:
    mails = [f"address{next(_numbers)}@example.jp" for _ in range(3)]
    newcomer(company, mail=mails)
    with source_of(company, user_filter="(mail={username})") as source:
        assert await guesses_checked(source, mails) == 10


async def test_r119_text_beside_the_name_in_the_filter_is_no_way_around(company: Slapd) -> None:
    number = next(_numbers)
    newcomer(company, mail=f"two blanks{number}@example.jp")
    with source_of(company, user_filter="(mail={username}@example.jp)") as source:
        assert await source.authenticate(f"two   blanks{number}", PASSWORD) is None
        assert await source.authenticate(f"Two blanks{number}", PASSWORD) is not None


def stop(process: subprocess.Popen[bytes]) -> None:
    """All of its threads, which a busy machine lets run for a while after the signal."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)


async def test_r282_a_directory_that_is_silent_after_it_got_a_password_has_not_answered(
    company: Slapd,
) -> None:
    uid, _ = newcomer(company)
    (process,) = company.running
    servers = (company.tls_url, f"ldaps://127.0.0.1:{free_port()}")  # nobody listens at the second
    with source_of(company, servers=servers) as source:
        identified = await source.identify(uid)
        stop(process)
        try:
            with pytest.raises(NoAnswer):
                await source.verify(identified, "wrong", admitted=True)
        finally:
            process.send_signal(signal.SIGCONT)


async def test_r280_blanks_are_no_way_around_the_guessing_budget_of_a_direct_bind(
    company: Slapd,
) -> None:
    """A right password that has expired is reported, whatever the entry is called."""
    uid = f"taro yamada{next(_numbers)}"
    policy = company.add(
        f"cn=policy {uid},{BASE}",
        ("applicationProcess", "pwdPolicy"),
        pwdAttribute="userPassword",
        pwdMustChange="TRUE",
    )
    company.add_person(uid, pwdPolicySubentry=policy, pwdReset="TRUE")
    way = {"bind_dn": "", "bind_password": "", "direct_bind": f"uid={{username}},{PEOPLE}"}
    names = [uid.replace(" ", " " * blanks) for blanks in (1, 2, 3)]
    with source_of(company, **way) as source:
        for name in names:
            with pytest.raises(PasswordExpired):
                await source.authenticate(name, PASSWORD)
        assert await guesses_checked(source, names) == 10


@pytest.mark.parametrize(
    ("typed", "same"),
    [("renée", "renee"), ("かとう", "カトウ"), ("カドウ", "かとう"), ("a  b", "A b")],
)
async def test_r280_what_active_directory_takes_for_one_name_is_counted_as_one(
    company: Slapd, typed: str, same: str
) -> None:
    from worksgate.sources.ldap.people import guess_key

    ours = company.settings(active_directory=True, direct_bind="{username}@example.jp")
    assert guess_key(ours, typed) == guess_key(ours, f"{same}@EXAMPLE.jp")
    assert guess_key(ours, typed) != guess_key(ours, f"{same}x")


def test_r280_other_kinds_of_names_of_active_directory_share_one_budget(company: Slapd) -> None:
    from worksgate.sources.ldap.people import guess_key

    ours = company.settings(active_directory=True, direct_bind="{username}")
    names = ("AD\\hana", "ad.test/People/hana", "CN=hana,OU=People", "2.5.4.3=hana, OU=People")
    assert len({guess_key(ours, name) for name in names}) == 1
    assert guess_key(ours, "hana@ad.test") != guess_key(ours, "taro@ad.test")
    by_dn = company.settings(active_directory=True, direct_bind=f"cn={{username}},{PEOPLE}")
    assert guess_key(by_dn, "hana/2") != guess_key(by_dn, "hana/3")


async def test_r77_r119_a_person_without_guesses_left_costs_a_bind(company: Slapd) -> None:
    uid, _ = newcomer(company)
    way = {"bind_dn": "", "bind_password": "", "direct_bind": f"uid={{username}},{PEOPLE}"}
    with source_of(company) as source, source_of(company, **way) as direct:
        for each in (source, direct):
            identified = await each.identify(uid)
            assert await each.verify(identified, PASSWORD, admitted=False) is None
            assert await each.verify(identified, PASSWORD, admitted=True) is not None


#


async def test_r77_the_password_of_the_decoy_signs_nobody_in(company: Slapd) -> None:
    """A decoy can be an entry, so that its hash costs what those of people cost."""
    secret = "what nobody knows"
    classes = ("organizationalRole", "simpleSecurityObject")
    dn = company.add(f"cn=decoy,{BASE}", classes, cn="decoy", userPassword=secret)
    with source_of(company, decoy_dn=dn) as source:
        assert await source.authenticate("nobody", secret) is None
    company.remove(dn)


# Ways to bind


async def test_r87_a_direct_bind_needs_no_service_account(company: Slapd) -> None:
    way = {"direct_bind": f"uid={{username}},{PEOPLE}", "bind_dn": "", "bind_password": ""}
    with source_of(company, **way) as source:
        assert (await found(source, "hanako")).external_key == "E-0042"
        assert await source.authenticate("hanako", "wrong") is None
        assert await source.authenticate("nobody", PASSWORD) is None


async def test_r87_a_direct_bind_is_only_who_the_entry_says(company: Slapd) -> None:
    """A name to bind with and a name to search for can be two people's."""
    uid, _ = newcomer(company, userPassword="the attacker's own")
    newcomer(company, employeeType=uid, userPassword="the victim's")
    way = {
        "direct_bind": f"uid={{username}},{PEOPLE}",
        "user_filter": "(employeeType={username})",
    }
    with source_of(company, **way) as source:
        assert await source.authenticate(uid, "the attacker's own") is None


async def test_a_domain_typed_after_the_username_is_taken_once(company: Slapd) -> None:
    from worksgate.sources.ldap.filters import filter_for_name
    from worksgate.sources.ldap.people import bind_name

    settings = company.settings(active_directory=True, direct_bind="{username}@example.jp")
    for typed in ("hanako", "hanako@example.jp", "hanako@EXAMPLE.JP"):
        assert bind_name(settings, typed) == "hanako@example.jp"
    assert bind_name(settings, "hanako@other.jp") == "hanako@other.jp@example.jp"
    assert filter_for_name(settings, "hanako", "hanako@example.jp") == (
        "(&(objectCategory=person)(objectClass=user)"
        "(|(sAMAccountName=hanako)(userPrincipalName=hanako@example.jp)))"
    )


# Mapping


@pytest.mark.parametrize("value", ["E/1", "E#1", "x" * 101])
async def test_an_unusable_external_key_is_left_out_and_logged(company: Slapd, value: str) -> None:
    uid, _ = newcomer(company, employeeNumber=value, mail="a@example.jp")
    with source_of(company) as source, capture_logs() as logs:
        person = await found(source, uid)
    assert (person.external_key, person.works_account) == (None, None)
    warned = [each for each in logs if each["event"] == "ldap.unusable_key"]
    assert [each["attribute"] for each in warned] == ["employeeNumber", "mail"]
    assert value not in str(logs)


async def test_what_the_directory_does_not_say_is_left_out(company: Slapd) -> None:
    uid, _ = newcomer(company)
    with source_of(company, email_attribute="") as source:
        person = await found(source, uid)
    assert (
        person.name,
        person.external_key,
        person.works_account,
        person.email,
        person.groups,
    ) == (
        uid,
        None,
        None,
        None,
        (),
    )


# Groups


async def test_groups_within_groups_count(company: Slapd) -> None:
    uid, dn = newcomer(company)
    team = company.add_group("営業一課", dn)
    department = company.add_group("sales\\, Tokyo", team)
    company.add_group("strangers", f"uid=hanako,{PEOPLE}")
    with source_of(company) as source:
        assert (await found(source, uid)).groups == (team, department.replace("\\,", "\\2C"))
    with source_of(company, group_names="cn", groups_attribute="") as source:
        assert (await found(source, uid)).groups == ("営業一課", "sales, Tokyo")
    with source_of(company, nested_groups=False) as source:
        assert (await found(source, uid)).groups == (team,)
    for group in (department, team, f"cn=strangers,{GROUPS}"):
        company.remove(group)


async def test_groups_that_hold_each_other_end_somewhere(company: Slapd) -> None:
    uid, dn = newcomer(company)
    first = company.add_group("first", dn)
    second = company.add_group("second", first)
    company.change(first, member=second)
    company.change(second, member=first)
    third = company.add_group("third", dn, second)
    with source_of(company) as source:
        assert set((await found(source, uid)).groups) == {third}
        company.change(first, member=third)
        assert set((await found(source, uid)).groups) == {first, second, third}
    for group in (first, second, third):
        company.remove(group)


async def test_only_members_of_a_required_group_may_sign_in(company: Slapd) -> None:
    (member, member_dn), (other, _) = newcomer(company), newcomer(company)
    team = company.add_group("team", member_dn)
    allowed = company.add_group("LINE WORKS 利用者", team)
    spelled_differently = allowed.replace("cn=", "CN=").replace(",ou=", ", OU=")
    with source_of(company, required_groups=(spelled_differently,)) as source:
        assert (await found(source, member)).username == member
        assert await source.authenticate(other, "wrong") is None
        with pytest.raises(PersonNotAllowed, match="in none of required_groups"):
            await source.authenticate(other, PASSWORD)
    direct_only = {"required_groups": (allowed,), "nested_groups": False}
    with source_of(company, **direct_only) as source, pytest.raises(PersonDisabled):
        await source.authenticate(member, PASSWORD)
    for group in (allowed, team):
        company.remove(group)


async def test_whoever_is_in_too_many_groups_is_refused(company: Slapd) -> None:
    uid, dn = newcomer(company)
    groups = [company.add_group(f"many{number}", dn) for number in range(6)]
    with source_of(company, group_limit=6) as source:
        assert len((await found(source, uid)).groups) == 6
    for limit in ({"group_limit": 5}, {"group_limit": 5, "groups_attribute": ""}):
        with (
            source_of(company, **limit) as source,
            capture_logs() as logs,
            pytest.raises(PersonDisabled),
        ):
            await source.authenticate(uid, PASSWORD)
        assert [each["event"] for each in logs] == ["ldap.too_many_groups"]
    for group in groups:
        company.remove(group)


async def test_groups_that_are_too_deep_are_refused(company: Slapd) -> None:
    uid, dn = newcomer(company)
    chain = [dn]
    for number in range(4):
        chain.append(company.add_group(f"deep{number}", chain[-1]))
    with source_of(company, group_depth=4) as source:
        assert len((await found(source, uid)).groups) == 4
    with source_of(company, group_depth=3) as source, pytest.raises(PersonDisabled):
        await source.authenticate(uid, PASSWORD)
    for group in chain[1:]:
        company.remove(group)


# Accounts of OpenLDAP that may not be used


def under_policy(company: Slapd, dn: str, **policy: str) -> None:
    """Put somebody under a password policy, and give them their password again."""
    entry = company.add(
        f"cn=policy{next(_numbers)},{BASE}",
        ("pwdPolicy", "organizationalRole"),
        pwdAttribute="userPassword",
        **policy,
    )
    company.change(dn, pwdPolicySubentry=entry)
    company.change(dn, userPassword=PASSWORD)


async def test_r87_a_password_that_must_be_changed_is_refused(company: Slapd) -> None:
    uid, dn = newcomer(company)
    under_policy(company, dn, pwdMustChange="TRUE")
    company.change(dn, pwdReset="TRUE")
    for way in ({}, {"direct_bind": f"uid={{username}},{PEOPLE}"}):
        with source_of(company, **way) as source:
            with pytest.raises(PasswordExpired):
                await source.authenticate(uid, PASSWORD)
            assert await source.authenticate(uid, "wrong") is None


async def test_r87_an_expired_password_is_reported_only_after_it_was_right(company: Slapd) -> None:
    uid, dn = newcomer(company)
    under_policy(company, dn, pwdMaxAge="1")
    await asyncio.sleep(2)
    with source_of(company) as source:
        with pytest.raises(PasswordExpired):
            await source.authenticate(uid, PASSWORD)
        assert await source.authenticate(uid, "wrong") is None


async def test_r87_whoever_is_locked_or_disabled_is_refused(company: Slapd) -> None:
    (locked, locked_dn), (disabled, disabled_dn) = newcomer(company), newcomer(company)
    company.change(locked_dn, pwdAccountLockedTime="000001010000Z")
    company.change(disabled_dn, nsAccountLock="TRUE")
    with source_of(company) as source:
        for uid in (locked, disabled):
            with pytest.raises(PersonDisabled):
                await source.authenticate(uid, PASSWORD)
            assert await source.authenticate(uid, "wrong") is None


# Looking people up again


async def test_a_person_is_looked_up_again_when_the_last_answer_is_old(company: Slapd) -> None:
    uid, dn = newcomer(company, employeeNumber="E1")
    clock = Clock(1_000.0)
    with source_of(company, clock) as source:
        person = await found(source, uid)
        company.change(dn, employeeNumber="E2")
        assert await source.find(person.subject_id, person) == person
        clock.now += 61
        again = await source.find(person.subject_id, person)
        assert again == replace(person, external_key="E2")
        company.remove(dn)
        assert await source.find(person.subject_id, person) == again
        clock.now += 61
        assert await source.find(person.subject_id, person) is None


async def test_whoever_is_disabled_or_leaves_the_filter_is_gone(company: Slapd) -> None:
    (first, first_dn), (second, second_dn) = (
        newcomer(company, employeeType="staff"),
        newcomer(company, employeeType="staff"),
    )
    clock = Clock(1_000.0)
    condition = "(&(uid={username})(employeeType=staff))"
    with source_of(company, clock, user_filter=condition) as source:
        people = [await found(source, uid) for uid in (first, second)]
        company.change(first_dn, nsAccountLock="TRUE")
        company.change(second_dn, employeeType="left")
        clock.now += 61
        for person in people:
            assert await source.find(person.subject_id, person) is None


async def test_r31_whose_password_has_changed_since_is_not_found(company: Slapd) -> None:
    uid, dn = newcomer(company)
    under_policy(company, dn)
    clock = Clock(1_000.0)
    with source_of(company, clock) as source:
        person = await found(source, uid)
        assert person.revision is not None
        assert await source.find(person.subject_id, person) == person
        await asyncio.sleep(1.1)  # the time is kept in seconds
        company.change(dn, userPassword="another")
        clock.now += 61
        assert await source.find(person.subject_id, person) is None
        unknown = replace(person, revision=None)
        assert await source.find(person.subject_id, unknown) is not None


async def test_r86_an_id_cannot_alter_the_filter(company: Slapd) -> None:
    with source_of(company) as source:
        person = await found(source, "hanako")
        for odd in ("company:*", "company:)(uid=hanako", "company:", "directory:x", "other:x"):
            assert await source.find(odd, replace(person, subject_id=odd)) is None


async def test_without_a_service_account_a_person_is_who_they_were(company: Slapd) -> None:
    way = {"direct_bind": f"uid={{username}},{PEOPLE}", "bind_dn": "", "bind_password": ""}
    with source_of(company, **way) as source:
        person = await found(source, "hanako")
        assert await source.find(person.subject_id, person) == person
        assert await source.find("directory:1", person) is None


#


async def test_r88_start_tls_is_verified_too(company: Slapd, tmp_path: Path) -> None:
    with source_of(company, servers=(company.url,), start_tls=True) as source:
        assert (await found(source, "hanako")).username == "hanako"
    trust = {"ca_file": str(Authority(tmp_path).file)}
    for way in ({}, {"servers": (company.url,), "start_tls": True}):
        with source_of(company, **trust, **way) as source, pytest.raises(SourceUnavailable):
            await source.authenticate("hanako", PASSWORD)


async def test_r88_the_system_s_authorities_are_the_default(company: Slapd) -> None:
    with source_of(company, ca_file="") as source:
        with pytest.raises(SourceUnavailable):
            await source.authenticate("hanako", PASSWORD)
        (finding,) = await source.test()
    assert not finding.works
    assert "certificate verify failed" in finding.text


async def test_r88_a_certificate_for_another_name_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    certificate = authority.issue("ldap.example.jp")
    with running_slapd(tmp_path / "other", authority, certificate) as server:
        server.add_person("hanako")
        for way in ({}, {"servers": (server.url,), "start_tls": True}):
            with source_of(server, **way) as source, pytest.raises(SourceUnavailable):
                await source.authenticate("hanako", PASSWORD)
        plain = {"servers": (server.url,), "allow_unencrypted_ldap_on_this_network": True}
        with source_of(server, **plain) as source:
            assert await source.authenticate("hanako", PASSWORD) is not None


def test_r88_passwords_do_not_travel_as_plain_text_unless_somebody_says_so(
    company: Slapd,
) -> None:
    with pytest.raises(ValueError, match="must be ldaps://, or ldap:// together") as refused:
        LdapSource(company.settings(servers=(company.url,)))
    assert "only allow_unencrypted_ldap_on_this_network = true permits" in str(refused.value)


def test_r88_old_versions_of_tls_are_not_spoken(company: Slapd) -> None:
    from worksgate.sources.ldap.source import _tls

    context = _tls(company.settings())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


# Several servers


async def test_the_next_server_is_asked_when_one_is_down(company: Slapd) -> None:
    gone = f"ldaps://127.0.0.1:{free_port()}"
    with source_of(company, servers=(gone, company.tls_url)) as source, capture_logs() as logs:
        for _ in range(3):
            assert (await found(source, "hanako")).username == "hanako"
    # The one that is down is asked once, and last from then on.
    down = [each["server"] for each in logs if each["event"] == "ldap.server_down"]
    assert down == [gone]


async def test_a_kept_connection_that_has_ended_does_not_matter(
    authority: Authority, tmp_path: Path
) -> None:
    with running_slapd(tmp_path / "restarted", authority) as server:
        server.add_person("hanako")
        with source_of(server) as source:
            assert await source.authenticate("hanako", PASSWORD) is not None
            server.restart()
            with capture_logs() as logs:
                assert await source.authenticate("hanako", PASSWORD) is not None
    assert logs == []


async def test_a_wrong_password_of_the_service_account_is_an_outage(company: Slapd) -> None:
    servers = (company.tls_url, company.tls_url.replace("127.0.0.1", "localhost"))
    with source_of(company, bind_password="wrong", servers=servers) as source:
        with capture_logs() as logs, pytest.raises(SourceUnavailable, match="is refused"):
            await source.authenticate("hanako", PASSWORD)
        findings = await source.test()
    # The other server is not asked: a second failure would bring the account nearer to its lock.
    assert len([each for each in logs if each["event"] == "ldap.server_down"]) == 1
    assert [each.works for each in findings] == [True, False, True, False]
    assert [each.fault for each in findings[1::2]] == [SourceFault.SERVICE_REFUSED] * 2


# For administrators


async def test_a_test_says_what_works(company: Slapd) -> None:
    with source_of(company, required_groups=(f"cn=staff,{GROUPS}",)) as source:
        findings = await source.test("hanako")
        assert await source.test() == findings[:3]
        (nobody,) = (await source.test("nobody"))[3:]
    uuid = company.entry_uuid(f"uid=hanako,{PEOPLE}")
    assert nobody.text == "no entry matches (uid=nobody)"
    assert nobody.fault is SourceFault.PERSON_NOT_FOUND
    assert findings[4].fault is SourceFault.PERSON_NOT_IN_GROUP
    assert [(each.works, each.text) for each in findings] == [
        (True, f"{company.tls_url} responds, encrypted, with a valid certificate"),
        (True, f"the service account binds as {SERVICE}"),
        (True, f"{BASE} exists"),
        (True, f"found uid=hanako,{PEOPLE}"),
        (False, "in none of required_groups"),
        (True, f"id (entryUUID): {uuid}"),
        (True, "username: hanako, name: 山田 花子"),
        (True, "external key (employeeNumber): E-0042"),
        (True, "LINE WORKS account (mail): hanako.yamada@example.jp"),
        (True, "e-mail address: Hanako.Yamada@example.jp"),
        (True, "groups: none"),
    ]


async def test_a_test_says_what_does_not_work(company: Slapd) -> None:
    gone = f"ldaps://127.0.0.1:{free_port()}"
    with source_of(company, servers=(gone, company.tls_url), base_dn="dc=nowhere") as source:
        findings = await source.test("hanako")
    assert [each.works for each in findings] == [False, True, True, False, False]
    assert gone in findings[0].text
    assert "refused" in findings[0].text
    assert findings[3].text == "dc=nowhere: the search failed: noSuchObject"
    assert findings[3].fault is SourceFault.BASE_NOT_FOUND


async def test_no_secret_is_shown(company: Slapd) -> None:
    settings = company.settings()
    assert SERVICE_PASSWORD not in repr(settings)
    with source_of(company, bind_password="another secret 9") as source:
        with capture_logs() as logs, suppress(SourceUnavailable):
            await source.authenticate("hanako", "canary password 5")
        findings = await source.test("hanako")
    for secret in ("another secret 9", "canary password 5"):
        assert secret not in f"{logs}{findings}{source!r}"
