"""``worksgate source test`` on a real directory: each fault gets the matching advice."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal
from tests.ports import free_port
from tests.slapd import BASE, SERVICE, SERVICE_PASSWORD, Authority, Slapd, running_slapd

from worksgate.doctor.ldap_advice import _BY_FAULT, advice_on
from worksgate.sources import SourceFault, SourceFinding
from worksgate.sources.ldap.faults import fault_of, sentence_of_fault


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def slapd(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with running_slapd(tmp_path_factory.mktemp("slapd"), authority) as server:
        server.add_person("hanako")
        yield server


@pytest.fixture
def company(terminal: Terminal, slapd: Slapd, authority: Authority) -> Terminal:
    write(terminal, slapd, authority)
    terminal.ok("migrate")
    return terminal


def write(terminal: Terminal, slapd: Slapd, authority: Authority, **changes: str) -> None:
    values = {
        "servers": slapd.tls_url,
        "ca_file": str(authority.file),
        "base_dn": BASE,
        "bind_dn": SERVICE,
        "bind_password": SERVICE_PASSWORD,
        **changes,
    }
    lines = [f'{name} = "{value}"' for name, value in values.items() if name != "servers"]
    lines.append(f'servers = ["{values["servers"]}"]')
    table = "\n".join(('[[source]]\ntype = "ldap"\nname = "company"', *lines))
    (terminal.folder / "worksgate.toml").write_text(table + "\n")


def failure(text: str, fault: SourceFault | None = None) -> SourceFinding:
    return SourceFinding(works=False, text=text, fault=fault)


def advice(terminal: Terminal, *who: str) -> list[str]:
    """What is to be done about what does not work."""
    result = terminal.run("source", "test", "company", *who, "--json")
    failed = [each for each in result.json["findings"] if each["severity"] == "fail"]
    assert (result.code, result.err) == (1, ""), result
    return [each["advice"] for each in failed]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"ca_file": ""}, "name it in ca_file"),
        ({"bind_password": "wrong"}, "check bind_dn and bind_password"),
        ({"bind_dn": "worksgate"}, "write the whole DN into bind_dn"),
        ({"base_dn": "ou=nowhere,dc=example,dc=jp"}, "check base_dn: the directory has no such"),
        ({"servers": "ldaps://nowhere.invalid"}, "cannot resolve that host"),
    ],
)
def test_a_wrong_setting_is_named(
    company: Terminal,
    slapd: Slapd,
    authority: Authority,
    changes: Mapping[str, str],
    wanted: str,
) -> None:
    write(company, slapd, authority, **changes)
    (told,) = advice(company)
    assert wanted in told


def test_a_port_on_which_nothing_listens_is_reported(
    company: Terminal, slapd: Slapd, authority: Authority
) -> None:
    write(company, slapd, authority, servers=f"ldaps://127.0.0.1:{free_port()}")
    (told,) = advice(company)
    assert told.startswith("nothing listens there")


def test_a_port_that_speaks_without_tls_is_reported(
    company: Terminal, slapd: Slapd, authority: Authority
) -> None:
    write(company, slapd, authority, servers=slapd.url.replace("ldap:", "ldaps:"))
    (told,) = advice(company)
    assert "ldaps:// belongs to 636" in told


def test_a_certificate_for_another_name_is_reported(
    company: Terminal, authority: Authority, tmp_path: Path
) -> None:
    certificate = authority.issue("ldap.example.jp")
    with running_slapd(tmp_path / "other", authority, certificate) as server:
        write(company, server, authority)
        (told,) = advice(company)
    assert told.startswith("name the server in servers as its certificate does")


@pytest.mark.parametrize(
    "fault",
    [
        "socket ssl wrapping error: _ssl.c:989: The handshake operation timed out",
        "error receiving data: timed out",
    ],
)
def test_a_server_that_says_nothing_may_be_behind_a_firewall(fault: str) -> None:
    words = f"ldaps://ldap.example.com:636: {fault}"
    told = advice_on(failure(sentence_of_fault(words, fault_of(words)), fault_of(words)))
    assert told is not None
    assert told.startswith("a firewall may drop the packets")


@pytest.mark.parametrize("fault", SourceFault)
def test_what_the_source_finds_itself_is_known_whatever_its_words(fault: SourceFault) -> None:
    assert advice_on(failure("Connection refused, in other words", fault)) in _BY_FAULT.values()


def test_a_fault_that_nobody_knows_has_no_advice_of_its_own() -> None:
    assert advice_on(failure("too many calls are waiting")) is None


def test_a_person_who_is_not_there_and_one_without_a_key_are_told(
    company: Terminal, slapd: Slapd, authority: Authority
) -> None:
    write(company, slapd, authority, external_key_attribute="employeeNumber")
    (told,) = advice(company, "nobody")
    assert told.startswith("check user_filter and base_dn")
    (told,) = advice(company, "hanako")
    assert told.startswith("give the person that attribute")
