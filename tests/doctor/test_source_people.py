"""The people of a source, with the key that LINE WORKS would get, before any sign-in."""

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal
from tests.databases import query
from tests.doctor.test_ldap_advice import advice, authority, write
from tests.slapd import Authority, Slapd, running_slapd

from worksgate.administration.set_up import KeyCount
from worksgate.doctor.source_people import SourcePerson, _with_twins, count_keys
from worksgate.oauth.model import UserKey
from worksgate.sources import Person
from worksgate.sources.ldap.source import LdapSource

__all__ = ["authority"]

MANY = 230
"""More than two pages."""


@pytest.fixture(scope="module")
def slapd(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running_slapd(tmp_path_factory.mktemp("slapd"), authority) as server:
        server.add_person("hanako", employeeNumber="10001", mail="Hanako@example.jp")
        server.add_person("jiro", employeeNumber="10/002")
        server.add_person("saburo", employeeNumber="E5")
        server.add_person("shiro", employeeNumber="e5", userAccountControl="2")
        server.add_person("goro")
        yield server


@pytest.fixture
def company(terminal: Terminal, slapd: Slapd, authority: Authority) -> Terminal:
    write(terminal, slapd, authority, external_key_attribute="employeeNumber")
    terminal.ok("migrate")
    return terminal


def test_r117_people_of_a_directory_are_listed_with_what_is_wrong(company: Terminal) -> None:
    company.ok("user", "add", "aoi", "--external-key", "10001")
    listed = {
        each["username"]: each for each in company.ok("source", "people", "company", "--json").json
    }
    assert {name: each["external_key"] for name, each in listed.items()} == {
        "hanako": "10001",
        "jiro": None,
        "saburo": "E5",
        "shiro": "e5",
        "goro": None,
    }
    assert {name: each["problems"] for name, each in listed.items()} == {
        "hanako": ["the external key 10001 belongs to aoi"],
        "jiro": [
            "the external key 10/002 cannot be used: an external key must not contain % \\ # / or ?"
        ],
        "saburo": ["the external key E5 also belongs to shiro"],
        "shiro": ["the external key e5 also belongs to saburo"],
        "goro": ["there is no external key"],
    }


def test_r117_people_of_a_source_are_written_as_csv(company: Terminal, tmp_path: Path) -> None:
    result = company.run("source", "people", "company", "--csv", "-")
    assert result.code == 0
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert len(rows) == 5
    assert rows[0].keys() == {
        *("username", "name", "external_key", "works_account"),
        *("line_works", "problems"),
    }
    assert "5 people; 4 with problems" in result.err
    file = tmp_path / "people.csv"
    assert company.run("source", "people", "company", "--csv", str(file)).code == 0
    assert file.read_text() == result.out
    assert file.stat().st_mode & 0o077 == 0
    assert "--force replaces it" in company.refused(
        "source", "people", "company", "--csv", str(file)
    )


def test_r117_people_of_the_built_in_directory_are_listed(company: Terminal) -> None:
    company.ok("user", "add", "aoi", "--external-key", "E-1")
    (aoi,) = company.ok("source", "people", "directory", "--json").json
    assert (aoi["username"], aoi["external_key"], aoi["problems"]) == ("aoi", "E-1", [])


async def test_r117_a_directory_is_read_page_by_page(authority: Authority, tmp_path: Path) -> None:
    with running_slapd(tmp_path / "slapd", authority) as server:
        for number in range(MANY):
            server.add_person(f"p{number}", employeeNumber=str(number))
        source = LdapSource(server.settings(answer_limit=100_000))
        pages = [page async for page in source.people()]
        source.close()
    assert [len(page) for page in pages] == [100, 100, 30]
    assert {each.person.external_key for page in pages for each in page} == {
        str(number) for number in range(MANY)
    }


def test_a_bad_value_that_is_there_is_to_be_corrected(company: Terminal) -> None:
    (told,) = advice(company, "jiro")
    assert told.startswith("correct the value in the directory")
    text = company.run("source", "test", "company", "jiro", "--json").json["findings"]
    (bad,) = [each["text"] for each in text if each["severity"] == "fail"]
    assert "10/002 cannot be used: an external key must not contain" in bad


def test_somebody_who_has_never_signed_in_is_shown_as_the_source_has_them(
    company: Terminal,
) -> None:
    shown = company.ok("user", "show", "jiro", "--source", "company", "--json").json
    assert (shown["username"], shown["external_key"], shown["source"]) == ("jiro", None, "company")
    assert shown["problems"][0].startswith("the external key 10/002 cannot be used")
    shown_in_words = company.ok("user", "show", "hanako", "--source", "company").out
    assert "they have not signed in yet" in shown_in_words
    assert "Groups" not in shown_in_words, "they were not asked for"
    assert company.refused("user", "show", "nobody", "--source", "company") == (
        "nobody called nobody is in company"
    )
    nobody = "there is no person 'jiro'"
    led_there = f"{nobody}; who has never signed in is found with --source company"
    assert company.refused("user", "show", "jiro") == led_there
    assert company.refused("user", "show", "jiro", "--source", "directory") == nobody


def test_somebody_of_another_source_is_found_without_naming_it(
    company: Terminal, tmp_path: Path
) -> None:
    query(
        tmp_path / "worksgate.db",
        "INSERT INTO people (subject_id, source, username, username_key, name, external_key,"
        " groups, enabled, first_login_at, last_login_at, vouched_at)"
        " VALUES ('company:1', 'company', 'taro', 'taro', 'Taro', 'E-9', '[]', 1, 5, 0, 6)",
    )
    for source in ((), ("--source", "company")):
        shown = company.ok("user", "show", "taro", *source).out
        assert shown.startswith("taro, of the source company")
        assert "E-9" in shown
    for command in (("reset-link", "taro"), ("set", "taro", "--name", "x"), ("sign-out", "taro")):
        assert "somebody of this name has come by the source company" in company.refused(
            "user", *command
        )


COMPANY = """
class Company:
    def authenticate(self, username, password):
        return None

    async def people(self):
        yield {"id": "1", "username": "aoi", "external_key": "E-1"}
        yield {"id": "2", "username": "ben", "works_account": "ben@example.com"}
        yield {"id": "3", "username": "eri", "external_key": "E/3"}
"""


@pytest.fixture
def own_class(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal whose people are those of a class of the company's own."""
    (tmp_path / "company_people.py").write_text(COMPANY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "company_people", raising=False)
    source = '[[source]]\nname = "own"\ntype = "python"\nfunction = "company_people:Company"\n'
    (tmp_path / "worksgate.toml").write_text(source)
    return terminal


def test_r117_people_of_a_companys_own_class_are_listed(own_class: Terminal) -> None:
    own_class.ok("client", "add", "acme")
    own_class.ok("user", "add", "kim", "--external-key", "E-1")
    listed = {
        each["username"]: each for each in own_class.run("source", "people", "own", "--json").json
    }
    assert listed["aoi"]["subject_id"] == "own:1"
    assert listed["aoi"]["problems"] == ["the external key E-1 belongs to kim"]
    assert listed["ben"]["problems"] == ["there is no external key"]
    assert listed["eri"]["problems"][0].startswith("the external key E/3 cannot be used: ")
    shown = own_class.ok("user", "show", "BEN", "--source", "own").out
    assert "they have not signed in yet" in shown
    assert "nobody called zoe is in own" in own_class.refused(
        "user", "show", "zoe", "--source", "own"
    )


def test_which_key_each_client_would_get_is_shown_in_one_line(own_class: Terminal) -> None:
    own_class.ok("client", "add", "acme")
    for name in ("beta", "gamma", "delta", "epsilon"):
        own_class.ok("client", "add", name, "--user-key", "works_account")
    own_class.ok("client", "add", "elsewhere", "--source", "directory")
    own_class.ok("user", "add", "kim", "--external-key", "E-1")
    line = "LINE WORKS key"
    told = {
        name: next(
            row.partition(line)[2].strip()
            for row in own_class.ok("user", "show", name, "--source", source).out.splitlines()
            if line in row
        )
        for name, source in (("aoi", "own"), ("ben", "own"), ("kim", "directory"))
    }
    all_others = "beta, delta, epsilon and 1 more"
    assert told == {
        "aoi": f"acme: nothing (the external key E-1 belongs to kim); "
        f"{all_others}: nothing (there is no LINE WORKS account)",
        "ben": f"acme: nothing (there is no external key); {all_others}: ben@example.com",
        "kim": f"acme, elsewhere: E-1; {all_others}: nothing (there is no LINE WORKS account)",
    }
    (acme, others) = own_class.json("user", "show", "ben", "--source", "own")["line_works"]
    assert (acme["clients"], acme["value"], acme["why_none"]) == (
        ["acme"],
        None,
        "there is no external key",
    )
    assert (len(others["clients"]), others["value"]) == (4, "ben@example.com")
    assert all_others in own_class.run("source", "people", "own").out


def test_keys_are_counted_by_what_is_wrong_with_them() -> None:
    people = _with_twins(
        [
            _seen("one", "E5"),
            _seen("two", "e5", works_account="two@example.com"),
            _seen("three", None, UserKey.EXTERNAL_KEY),
            _seen("four", "E6", UserKey.EXTERNAL_KEY),
            _seen("five", None),
            _seen("six", "E7"),
        ]
    )
    assert count_keys(people, UserKey.EXTERNAL_KEY) == KeyCount(
        people=6, ready=1, none=1, twins=2, refused=2
    )
    assert count_keys(people, UserKey.WORKS_ACCOUNT) == KeyCount(people=6, ready=1, none=5)
    out = [replace(each, is_out=True) for each in people[1:]]
    assert count_keys([people[0], *out], UserKey.EXTERNAL_KEY) == KeyCount(people=1, twins=1)


def test_a_rehearsal_knows_people_of_a_directory_before_they_sign_in(
    company: Terminal, tmp_path: Path
) -> None:
    company.ok("client", "add", "acme")
    company.ok("user", "add", "aoi", "--external-key", "10009", "--works-account", "aoi@example.jp")
    file = tmp_path / "members.csv"
    rows = ("hanako@example.jp,10001", "goro@example.jp,10003", "aoi@example.jp,10009")
    file.write_text("\n".join(("ID,External Key", *rows)))
    result = company.run("rehearse", str(file), "--json")
    found = {
        each["account"]: (each["finding"], each["subject_id"].partition(":")[0])
        for each in result.json["rows"]
        if each["account"] and each["finding"] not in ("never_signed_in", "nobody_here")
    }
    assert found == {
        "hanako@example.jp": ("ready", "company"),
        "aoi@example.jp": ("ready", "directory"),
    }
    assert result.json["unasked"] == []


def _seen(
    username: str, external_key: str | None, *refused: UserKey, works_account: str | None = None
) -> SourcePerson:
    person = Person(
        subject_id=username,
        username=username,
        name=username,
        external_key=external_key,
        works_account=works_account,
    )
    return SourcePerson(person=person, refused=frozenset(refused))


def test_r208_people_of_a_directory_have_their_keys_before_any_sign_in(company: Terminal) -> None:
    settings = company.folder / "worksgate.toml"
    settings.write_text(
        f'{settings.read_text()}active_directory = true\nworks_account_attribute = "uid"\n'
        'id_attribute = "entryUUID"\nuser_filter = "(uid={username})"\n'
    )
    company.ok("client", "add", "acme")
    file = company.folder / "members.csv"
    members = ("hanako", "jiro", "saburo", "shiro", "goro")
    file.write_text("ID,External Key\n" + "".join(f"{each}@acme,\n" for each in members))
    done = company.run("keys", "fill", str(file), "--json")
    assert {each["member"]: each["finding"] for each in done.json["findings"]} == {
        "jiro@acme": "key_unusable",
        "saburo@acme": "case_twins",
        "shiro@acme": "case_twins",
        "goro@acme": "no_key_here",
    }
    assert {each["person"] for each in done.json["findings"] if each["finding"] == "disabled_here"}
    assert file.with_name("members.filled.csv").read_text().splitlines()[1] == "hanako@acme,10001"
