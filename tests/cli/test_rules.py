"""``worksgate rules explain``, and the rules that ``worksgate client`` accepts."""

from pathlib import Path

import pytest
from tests.cli.terminal import Terminal

RULES = (
    "deny kind=app group=contractors",
    "allow network=192.0.2.0/24 days=mon-fri",
    "second_factor source!=directory",
)
FRIDAY, SATURDAY = "2026-01-30T09:00Z", "2026-01-31T09:00Z"


@pytest.fixture
def acme(terminal: Terminal) -> Terminal:
    options = [word for rule in RULES for word in ("--rule", rule)]
    terminal.ok("client", "add", "acme", *options)
    return terminal


@pytest.fixture
def staff(acme: Terminal) -> Terminal:
    acme.ok("user", "add", "aoi@x.example", "--group", "staff", "--json")
    return acme


@pytest.fixture
def company(staff: Terminal, tmp_path: Path) -> Terminal:
    """Another source, of which nobody is known: it is not asked here."""
    source = '[[source]]\ntype = "python"\nname = "company"\nfunction = "company:ask"\n'
    (tmp_path / "worksgate.toml").write_text(source)
    return staff


def explained(terminal: Terminal, *arguments: str) -> str:
    command = ("rules", "explain", "aoi@x.example", "--client", "acme", *arguments)
    return terminal.ok(*command).out


def test_rules_are_explained_one_to_a_line_and_then_what_comes_of_them(staff: Terminal) -> None:
    assert explained(staff, "--from", "192.0.2.7", "--at", FRIDAY) == (
        " 1  no match  deny kind=app group=contractors\n"
        "    the kind (web) is not app; the person (groups: staff) is not in contractors\n"
        " 2  match     allow network=192.0.2.0/24 days=mon-fri timezone=UTC\n"
        "    the address (192.0.2.7) is in 192.0.2.0/24; the day (fri, UTC) is in mon-fri\n"
        " 3  no match  require factor source!=directory\n"
        "    the source (directory) is directory\n"
        "acme: aoi@x.example signs in without a second factor (by the rule allow "
        "network=192.0.2.0/24 days=mon-fri timezone=UTC)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        (("--from", "192.0.2.7", "--at", SATURDAY), "signs in, with a second factor if they"),
        (("--from", "198.51.100.1", "--at", FRIDAY), "signs in, with a second factor if they"),
        (
            ("--from", "", "--at", FRIDAY),
            "(no rule matches, and the client's second_factor is allow",
        ),
        (
            ("--from", "198.51.100.1", "--source", "company", "--group", "sales"),
            "signs in with a second factor; without one they set one up first",
        ),
        (
            ("--from", "192.0.2.7", "--kind", "app", "--group", "x", "--group", "Contractors"),
            "is refused (by the rule deny kind=app group=contractors)",
        ),
    ],
)
def test_outcome_follows_address_kind_groups_source_and_time(
    company: Terminal, arguments: tuple[str, ...], outcome: str
) -> None:
    assert outcome in explained(company, *arguments).splitlines()[-1]


def test_explanation_is_reported_as_json(staff: Terminal) -> None:
    told = staff.json(
        *("rules", "explain", "AOI@x.example", "--client", "acme"),
        *("--from", "192.0.2.7", "--at", FRIDAY),
    )
    assert (told["action"], told["rule"]) == (
        "allow",
        "allow network=192.0.2.0/24 days=mon-fri timezone=UTC",
    )
    assert told["situation"] == {
        "kind": "web",
        "address": "192.0.2.7",
        "groups": ["staff"],
        "source": "directory",
        "at": "2026-01-30T09:00:00Z",
    }
    assert [each["fits"] for each in told["rules"]] == [False, True, False]


def test_person_or_client_that_nobody_knows_is_refused(staff: Terminal) -> None:
    command = ("rules", "explain", "nobody", "--client", "acme", "--from", "192.0.2.7")
    assert "no person 'nobody'" in staff.refused(*command)
    sources = "there is no source 'compnay'; the sources are: directory"
    assert staff.refused(*command, "--source", "compnay") == sources
    command = ("rules", "explain", "aoi@x.example", "--client", "beta", "--from", "192.0.2.7")
    assert "no client 'beta'" in staff.refused(*command)


def test_of_a_person_who_has_never_signed_in_no_groups_are_known_and_it_says_so(
    company: Terminal,
) -> None:
    command = ("rules", "explain", "hanako", "--client", "acme", "--from", "", "--source")
    result = company.run(*command, "company")
    assert "the person (groups: none)" in result.out
    assert result.err.startswith("Nobody called hanako has signed in with company, so no groups")
    assert company.ok(*command, "company", "--group", "sales").out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("--rule", "allow", "--rule", "dney"),
            "rules: rule 2: 'dney' is not an action: begin with",
        ),
        (("--rule", "deny networc=10.0.0.0/8"), "did you mean network?"),
        (("--rule", "deny days=mon timezone=Mars"), "there is no time zone of that name"),
        (("--source", "a:b"), "sources: 'a:b' cannot be the name of an identity source"),
    ],
)
def test_rule_that_cannot_be_read_is_refused_when_it_is_set(
    acme: Terminal, arguments: tuple[str, ...], problem: str
) -> None:
    assert problem in acme.refused("client", "set", "acme", *arguments)
    assert acme.json("client", "show", "acme")["rules"] == list(RULES)


def test_client_has_at_most_fifty_rules(acme: Terminal) -> None:
    words = [word for number in range(51) for word in ("--rule", f"deny group=g{number}")]
    assert "at most 50" in acme.refused("client", "set", "acme", *words)
    acme.ok("client", "set", "acme", *words[:100])
    acme.ok("client", "set", "acme", "--rule", "")
    assert acme.json("client", "show", "acme")["rules"] == []
