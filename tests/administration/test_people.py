"""Adding, changing and removing people, and what each revokes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.administration.installation import PASSWORD, Office, office
from tests.databases import NOW, query, url_of

from worksgate.administration import NotFound, Refused, Unfinished
from worksgate.audit import Event
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.database import Conflict, DatabaseUnavailable
from worksgate.directory import Account
from worksgate.directory.database import Directory
from worksgate.oauth.model import AccessToken
from worksgate.sources import Person
from worksgate.store import StoreUnavailable


async def _hanako(at_work: Office, **changes: Any) -> Account:
    wanted = {
        "password": PASSWORD,
        "name": "Hanako",
        "external_key": "E1",
        "works_account": "hanako@example.com",
        **changes,
    }
    return (await at_work.administration.users.add("Hanako", **wanted)).account


@pytest.mark.hashing
async def test_a_new_person_is_kept_with_a_hash_of_their_password(
    at_work: Office, hashing: PasswordHashing
) -> None:
    made = await at_work.administration.users.add("Hanako", password=PASSWORD, external_key="E1")
    assert made.password is None
    account = await at_work.administration.users.get("hanako")
    assert account == made.account
    assert account.password_hash is not None
    assert account.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hashing.verify(PASSWORD, account.password_hash)


async def test_r84_a_password_is_generated_where_none_is_given(
    at_work: Office, hashing: PasswordHashing
) -> None:
    made = await at_work.administration.users.add("Hanako")
    assert made.password is not None
    assert await hashing.verify(made.password, made.account.password_hash)
    assert made.password not in repr(made)
    again = await at_work.administration.users.set_password("Hanako")
    assert again.password not in (None, made.password)


@pytest.mark.parametrize("password", ["", "too short", "x" * 1_025, "\0" * 20, "password" * 3])
async def test_r70_r72_r76_a_bad_password_is_refused(at_work: Office, password: str) -> None:
    with pytest.raises(Refused, match="the password"):
        await at_work.administration.users.add("Hanako", password=password)
    account = await _hanako(at_work)
    with pytest.raises(Refused, match="the password"):
        await at_work.administration.users.set_password("Hanako", password)
    assert await at_work.administration.users.get("Hanako") == account


@pytest.mark.parametrize(
    "password",
    [
        "onlylowercaseletters",
        "山は高く海は深くて空が青いです",
        "a long sentence, " + "and on it goes " * 66,
    ],
)
async def test_r70_r71_r73_any_long_password_does_and_all_of_it_counts(
    at_work: Office, hashing: PasswordHashing, password: str
) -> None:
    account = await _hanako(at_work, password=password)
    assert await hashing.verify(password, account.password_hash)
    assert not await hashing.verify(password[:-1], account.password_hash)
    assert not await hashing.verify(password + "x", account.password_hash)
    if password.isascii():
        assert not await hashing.verify(password.upper(), account.password_hash)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"external_key": "a/b"}, "must not contain"),
        ({"works_account": "Hanako@example.com"}, "lower case"),
        ({"name": "a\nb"}, "control"),
        ({"email": "a@b.example\nBcc: c@d.example"}, "looks like name@example.com"),
        ({"groups": ["a;b"]}, "must not contain ;"),
    ],
)
async def test_what_line_works_would_not_accept_is_refused(
    at_work: Office, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        await _hanako(at_work, **changes)
    account = await _hanako(at_work)
    with pytest.raises(Refused, match=reason):
        await at_work.administration.users.change("hanako", **changes)
    assert await at_work.administration.users.get("hanako") == account


@pytest.mark.parametrize("changes", [{"password_hash": "x"}, {"id": "x"}, {"enabled": False}])
async def test_what_has_its_own_call_cannot_be_set(
    at_work: Office, changes: dict[str, Any]
) -> None:
    account = await _hanako(at_work)
    with pytest.raises(Refused, match="no setting"):
        await at_work.administration.users.change("hanako", **changes)
    assert await at_work.administration.users.get("hanako") == account


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"username": "ＨＡＮＡＫＯ"}, "already a person called Hanako"),
        ({"external_key": "E1"}, "external key E1 belongs to Hanako"),
        ({"works_account": "hanako@example.com"}, "account hanako@example.com belongs to Hanako"),
    ],
)
async def test_names_and_keys_belong_to_one_person(
    at_work: Office, changes: dict[str, Any], reason: str
) -> None:
    await _hanako(at_work)
    with pytest.raises(Conflict, match=reason):
        await at_work.administration.users.add(**{"username": "jiro", **changes})
    await at_work.administration.users.add("jiro")
    with pytest.raises(Conflict, match=reason):
        await at_work.administration.users.change("jiro", **changes)


async def test_external_keys_are_kept_case_exact(at_work: Office) -> None:
    await _hanako(at_work, external_key="Key")
    assert (await at_work.administration.users.get("hanako")).external_key == "Key"
    changed = await at_work.administration.users.change("hanako", external_key="KEY")
    assert changed.external_key == "KEY"


async def test_of_two_who_take_the_same_key_at_once_one_wins(
    at_work: Office, database: Path, hashing: PasswordHashing
) -> None:
    """Two processes: each has connections of its own."""
    other = Directory.open(url_of(database))
    offices = (at_work, office(other, database, hashing))
    for round_ in range(4):
        outcomes = await asyncio.gather(
            *(
                each.administration.users.add(
                    f"person{round_}{number}", password=PASSWORD, external_key=f"E{round_}"
                )
                for number, each in enumerate(offices)
            ),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "NewUser"]
    assert query(database, "SELECT count(*) FROM accounts") == [(4,)]
    await other.close()


async def test_a_person_can_be_renamed_and_given_other_keys(at_work: Office) -> None:
    account = await _hanako(at_work)
    changed = await at_work.administration.users.change(
        "HANAKO", username="hanako.y", name="", external_key="E2", works_account=None
    )
    assert changed.id == account.id
    assert (changed.username, changed.name) == ("hanako.y", "")
    assert (changed.external_key, changed.works_account) == ("E2", None)
    assert await at_work.administration.users.get("hanako.y") == changed
    with pytest.raises(NotFound):
        await at_work.administration.users.get("hanako")


async def test_a_person_has_an_address_and_groups(at_work: Office) -> None:
    account = await _hanako(at_work, email="hanako@example.com", groups=["sales", "東京"])
    assert (account.email, account.groups) == ("hanako@example.com", ("sales", "東京"))
    assert await at_work.administration.users.get("hanako") == account
    changed = await at_work.administration.users.change("hanako", groups=["sales"], email="")
    assert (changed.email, changed.groups) == (None, ("sales",))
    assert await at_work.administration.users.get("hanako") == changed
    (_, event) = await at_work.administration.audit_log.search(event="user.changed")
    assert event.detail == "set email, groups"
    with pytest.raises(Refused, match="a list of names"):
        await at_work.administration.users.change("hanako", groups="sales")


async def test_r85_what_an_administrator_sets_can_be_temporary(at_work: Office) -> None:
    assert not (await _hanako(at_work)).must_change_password
    made = await at_work.administration.users.set_password("hanako", temporary=True)
    assert made.account.must_change_password
    assert (await at_work.administration.users.get("hanako")).person.must_change_password
    made = await at_work.administration.users.set_password("hanako")
    assert not made.account.must_change_password
    lent = await at_work.administration.users.add("jiro", temporary=True)
    assert lent.account.must_change_password
    events = await at_work.administration.audit_log.search(event="user.changed")
    assert [event.detail for event in events] == [
        "added",
        "set temporary password",
        "set password",
        "added",
    ]


async def test_an_administrator_is_one_by_a_flag(at_work: Office) -> None:
    assert (await _hanako(at_work, administrator=True)).administrator
    await at_work.administration.users.change("hanako", administrator=False)
    assert not (await at_work.administration.users.get("hanako")).administrator
    with pytest.raises(Refused, match="on or off"):
        await at_work.administration.users.change("hanako", administrator="yes")


async def test_r56_the_keys_of_a_removed_person_are_given_to_nobody(at_work: Office) -> None:
    await _hanako(at_work)
    await at_work.administration.users.remove("hanako")
    for key in ({"external_key": "E1"}, {"works_account": "hanako@example.com"}):
        with pytest.raises(Conflict, match="belonged to another person before"):
            await at_work.administration.users.add("jiro", **key)  # type: ignore[arg-type]  # texts
    await at_work.administration.users.add("jiro", external_key="E2")
    with pytest.raises(Conflict, match="belonged to another person before"):
        await at_work.administration.users.change("jiro", external_key="E1")


async def test_r56_a_key_that_was_given_up_stays_with_its_person(at_work: Office) -> None:
    await _hanako(at_work)
    await at_work.administration.users.change("hanako", external_key="E2")
    with pytest.raises(Conflict, match="belonged to another person before"):
        await at_work.administration.users.add("jiro", external_key="E1")
    back = await at_work.administration.users.change("hanako", external_key="E1")
    assert back.external_key == "E1"


async def test_r56_only_an_explicit_choice_gives_a_key_away(at_work: Office) -> None:
    await _hanako(at_work)
    await at_work.administration.users.remove("hanako")
    made = await at_work.administration.users.add(
        "jiro", external_key="E1", reuse_retired_keys=True
    )
    assert made.account.external_key == "E1"
    await at_work.administration.users.remove("jiro")
    with pytest.raises(Conflict, match="belonged to another person before"):
        await at_work.administration.users.add("saburo", external_key="E1")


async def test_r56_an_id_is_never_used_again(at_work: Office) -> None:
    ids = set()
    for number in range(3):
        account = await _hanako(at_work, external_key=f"E{number}", works_account=None)
        ids.add(account.id)
        await at_work.administration.removals.remove_for_good("hanako")
    assert len(ids) == 3


@pytest.mark.parametrize("way", ["disable", "remove", "sign out", "password", "key"])
async def test_r30_what_a_person_holds_ends_with_the_change(at_work: Office, way: str) -> None:
    administration, account = at_work.administration, await _hanako(at_work)
    jiro = (await administration.users.add("jiro")).account
    await at_work.sign_in(account)
    await at_work.sign_in(jiro)
    if way == "disable":
        assert not (await administration.users.disable("hanako")).enabled
    elif way == "remove":
        await administration.users.remove("hanako")
    elif way == "sign out":
        assert await administration.users.sign_out("hanako") == 2
    elif way == "password":
        await administration.users.set_password("hanako", "another horse battery")
    else:
        await administration.users.change("hanako", external_key="E9")
    assert await at_work.holds_nothing(account)
    assert not await at_work.holds_nothing(jiro)


async def test_a_change_of_name_ends_nothing(at_work: Office) -> None:
    account = await _hanako(at_work)
    await at_work.sign_in(account)
    await at_work.administration.users.change("hanako", name="H.", username="hanako.y")
    assert not await at_work.holds_nothing(account)


async def test_r30_if_the_store_is_away_the_change_stands_and_can_be_repeated(
    at_work: Office,
) -> None:
    account = await _hanako(at_work)
    await at_work.sign_in(account)
    at_work.store.away = True
    with pytest.raises(Unfinished, match="Hanako"):
        await at_work.administration.users.disable("hanako")
    assert not (await at_work.administration.users.get("hanako")).enabled
    at_work.store.away = False
    await at_work.administration.users.disable("hanako")
    assert await at_work.holds_nothing(account)


async def test_a_disabled_person_can_be_enabled_again(at_work: Office) -> None:
    account = await _hanako(at_work)
    await at_work.administration.users.disable("hanako")
    enabled = await at_work.administration.users.enable("hanako")
    assert enabled == replace(account, version=account.version + 2)


async def test_everybody_is_listed_by_name(at_work: Office) -> None:
    for username in ("jiro", "Hanako", "saburo"):
        await at_work.administration.users.add(username)
    listed = [account.username async for account in at_work.administration.users.all()]
    assert listed == ["Hanako", "jiro", "saburo"]


async def test_who_is_not_there_is_not_found(at_work: Office) -> None:
    administration = at_work.administration
    for call in (
        administration.users.get("hanako"),
        administration.users.change("hanako", name="x"),
        administration.users.set_password("hanako", PASSWORD),
        administration.users.disable("hanako"),
        administration.users.enable("hanako"),
        administration.users.remove("hanako"),
        administration.users.sign_out("hanako"),
    ):
        with pytest.raises(NotFound, match="there is no person 'hanako'"):
            await call


FAIL_AUDIT = """
CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END
"""


@pytest.mark.parametrize(
    "change",
    ["add", "change", "password", "disable", "remove", "import", "client", "rotate", "forget"],
)
async def test_i5_a_change_and_its_audit_record_come_together_or_not_at_all(
    at_work: Office, change: str
) -> None:
    administration = at_work.administration
    await _hanako(at_work)
    await administration.clients.add("Acme")
    before = _durable(at_work.file)
    query(at_work.file, FAIL_AUDIT)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "add": lambda: administration.users.add("jiro", external_key="E2"),
        "change": lambda: administration.users.change("hanako", external_key="E3"),
        "password": lambda: administration.users.set_password("hanako", "another horse battery"),
        "disable": lambda: administration.users.disable("hanako"),
        "remove": lambda: administration.users.remove("hanako"),
        "import": lambda: administration.people_import.run([{"username": "jiro"}], dry_run=False),
        "client": lambda: administration.clients.change("Acme", code_lifetime=9),
        "rotate": lambda: administration.clients.rotate_secret("Acme", overlap=9),
        "forget": lambda: administration.clients.remove("Acme"),
    }
    with pytest.raises(DatabaseUnavailable, match="disk full"):
        await calls[change]()
    assert _durable(at_work.file) == before
    query(at_work.file, "DROP TRIGGER no_audit")
    await calls[change]()
    assert _durable(at_work.file) != before


def _durable(file: Path) -> list[Any]:
    people = ("accounts", "removed_accounts", "key_owners", "retired_keys")
    tables = (*people, "clients", "client_secrets", "audit")
    return [query(file, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


async def test_r105_every_change_of_a_person_is_recorded_without_its_values(
    at_work: Office,
) -> None:
    account = await _hanako(at_work)
    administration = at_work.administration
    await administration.users.change("hanako", external_key="E2", name="H")
    await administration.users.change("hanako", name="H")
    await administration.users.set_password("hanako", "another horse battery")
    await administration.users.sign_out("hanako")
    await administration.users.disable("hanako")
    await administration.users.enable("hanako")
    await administration.users.remove("hanako")
    events = await administration.audit_log.search(event=Event.USER_CHANGED)
    assert [event.detail for event in events] == [
        "added",
        "set name, external_key",
        "set password",
        "signed out",
        "disabled",
        "enabled",
        "removed",
    ]
    assert {(event.subject_id, event.username, event.actor, event.at) for event in events} == {
        (f"directory:{account.id}", "Hanako", "tester", NOW)
    }


async def test_r115_whose_key_it_was_is_recorded_where_it_goes_to_somebody_else(
    at_work: Office,
) -> None:
    administration, hanako = at_work.administration, await _hanako(at_work)
    await administration.users.remove("hanako")
    await administration.users.add("jiro", external_key="E1", reuse_retired_keys=True)
    rows = [{"username": "saburo", "works_account": "hanako@example.com"}]
    await administration.people_import.run(rows, dry_run=False, reuse_retired_keys=True)
    *_, added, imported = await administration.audit_log.search(event=Event.USER_CHANGED)
    owner = hanako.person.subject_id
    assert added.detail == f"added; took over the external key E1 of {owner}"
    assert imported.detail == (
        f"imported; took over the LINE WORKS account hanako@example.com of {owner}"
    )
    with pytest.raises(Refused, match="jiro has it"):
        await administration.user_keys.release("E1")


@pytest.mark.parametrize("tokens", [0, 1])
async def test_the_record_says_in_words_how_much_has_ended(at_work: Office, tokens: int) -> None:
    account = await _hanako(at_work)
    await at_work.sign_in(account)
    if not tokens:
        await at_work.store.take(AccessToken, f"token of {account.id}")
    await at_work.administration.people.end_everything("hanako")
    *_, ended = await at_work.administration.audit_log.search(event=Event.LOGOUT)
    words = "2 things have" if tokens else "1 thing has"
    assert ended.detail == f"everywhere: {words} ended"


async def test_the_record_of_a_release_names_people_who_were_removed(at_work: Office) -> None:
    account = await _hanako(at_work)
    await at_work.administration.users.remove("hanako")
    (released,) = await at_work.administration.user_keys.release("E1")
    subject_id = account.person.subject_id
    *_, event = await at_work.administration.audit_log.search(event=Event.USER_CHANGED)
    assert event.detail == f"external key E1 released; Hanako ({subject_id}) had it"
    assert released.holder is None


@pytest.mark.parametrize("way", ["add", "change", "import", "release"])
async def test_r30_r115_what_was_issued_for_a_key_ends_when_somebody_else_may_have_it(
    at_work: Office, way: str
) -> None:
    """Its former owner, of another source, may still have a token from before they gave it up."""
    administration, people = at_work.administration, at_work.directory.people
    account = (await administration.users.add("goro", password=PASSWORD)).account
    emma = Person(subject_id="corp:u1", username="u1", name="Emma", external_key="E7")
    await people.remember("corp", emma, NOW)
    await at_work.sign_in(account, emma)
    await people.remember("corp", replace(emma, external_key="E8"), NOW)
    assert not await at_work.holds_nothing(account)
    match way:
        case "add":
            await administration.users.add(
                "jiro", password=PASSWORD, external_key="E7", reuse_retired_keys=True
            )
        case "change":
            await administration.users.change("goro", external_key="e7", reuse_retired_keys=True)
        case "import":
            row = {"username": "jiro", "external_key": "E7"}
            await administration.people_import.run([row], dry_run=False, reuse_retired_keys=True)
        case _:
            await administration.user_keys.release("E7")
    assert await at_work.holds_nothing(account)


async def test_r115_no_key_is_reused_while_what_was_issued_for_it_cannot_be_ended(
    at_work: Office,
) -> None:
    users, people = at_work.administration.users, at_work.directory.people
    emma = Person(subject_id="corp:u1", username="u1", name="Emma", external_key="E7")
    for key in ("E7", "E8"):
        await people.remember("corp", replace(emma, external_key=key), NOW)
    at_work.store.away = True
    with pytest.raises(StoreUnavailable):
        await users.add("jiro", password=PASSWORD, external_key="E7", reuse_retired_keys=True)
    with pytest.raises(NotFound):
        await users.get("jiro")


async def test_r30_r115_who_loses_a_key_by_its_release_is_signed_out(at_work: Office) -> None:
    person = Person(subject_id="corp:u1", username="u1", name="", external_key="E7")
    await at_work.directory.people.remember("corp", person, NOW)
    account = Account(id="u1", username="u1")
    await at_work.sign_in(account, person)
    (released,) = await at_work.administration.user_keys.release("E7")
    assert released.subject_id == "corp:u1"
    assert await at_work.holds_nothing(account)
    (event,) = await at_work.administration.audit_log.search()
    assert (event.subject_id, event.detail) == (
        "corp:u1",
        "external key E7 released; u1 of the source corp (corp:u1) has it",
    )


@pytest.mark.parametrize("how", ["username", "external_key", "works_account"])
async def test_r251_nobody_hides_a_person_behind_a_name(at_work: Office, how: str) -> None:
    people, hidden = at_work.directory.people, "corp:u1"
    names: dict[str, Any] = {"username": "u2", how: hidden}
    await people.remember("corp", Person(subject_id=hidden, username="u1", name=""), NOW)
    await people.remember("corp", Person(subject_id="corp:u2", name="", **names), NOW)
    disabled = await at_work.administration.people.set_enabled(hidden, "corp", enabled=False)
    assert disabled.username == "u1"
    (still_there,) = [each for each in await people.listed() if each.enabled]
    assert still_there.person.subject_id == "corp:u2"
