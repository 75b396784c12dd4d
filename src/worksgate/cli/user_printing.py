"""Output of ``worksgate user`` about people, as text and as JSON."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from worksgate.cli.printing import (
    as_document,
    counted,
    iso,
    local_time,
    note,
    print_facts,
    print_json,
    print_json_list,
    print_line,
    print_table,
)
from worksgate.directory import Account

if TYPE_CHECKING:
    from worksgate.administration import Holdings, LineWorksKey, NewUser
    from worksgate.directory.people import RememberedPerson
    from worksgate.doctor.source_people import SourcePerson
    from worksgate.sources import Person

NOT_SHOWN = ("revision", "must_change_password", "refused_keys")
"""Details that matter for their sign-in only."""

PEOPLE_COLUMNS = (
    "Username",
    "Name",
    "External key",
    "LINE WORKS account",
    "Enabled",
    "Lacks",
    "Second factor",
    "Administrator",
    "Last sign-in",
)

REMEMBERED_COLUMNS = (
    "Username",
    "Name",
    "External key",
    "LINE WORKS account",
    "Enabled",
    "Last sign-in",
)


NO_MATCH = "Nobody matches."


def print_accounts(
    accounts: Sequence[Account],
    with_factor: Collection[str],
    *,
    as_json: bool,
    is_filtered: bool = False,
) -> None:
    """People of the built-in directory, one per line; ``subjects`` have a second factor."""
    marked = [(account, account.person.subject_id in with_factor) for account in accounts]
    if as_json:
        print_json_list({**_document(account), "second_factor": has} for account, has in marked)
    elif accounts:
        rows = [_row(account, has_factor=has) for account, has in marked]
        print_table(PEOPLE_COLUMNS, rows, whole=("Username", "Last sign-in"))
    elif is_filtered:
        note(NO_MATCH)
    else:
        note("There is nobody yet. Add a person: worksgate user add USERNAME")


def print_people(
    people: Sequence["RememberedPerson"], source: str, *, as_json: bool, is_filtered: bool = False
) -> None:
    """People who have signed in with another source, one per line."""
    if as_json:
        print_json_list(map(_person_document, people))
    elif people:
        rows = map(_person_row, people)
        print_table(REMEMBERED_COLUMNS, rows, whole=("Username", "Last sign-in"))
    elif is_filtered:
        note(NO_MATCH)
    else:
        note(f"Nobody has signed in with {source} yet.")


def print_new(made: "NewUser", done: str, *, as_json: bool) -> None:
    """A person with a new password, which is shown if it was generated here."""
    if as_json:
        secret = {} if made.password is None else {"password": made.password}
        print_json({**_document(made.account), **secret})
        return
    print_line(done)
    if made.password is not None:
        print_facts({"Password": made.password})
        print_line("It is shown only once.")
    if made.account.must_change_password:
        print_line("They must choose their own at the next sign-in, within a week.")


def keys_in_a_line(keys: Sequence["LineWorksKey"]) -> str | None:
    """The key that each client would receive."""
    return "; ".join(map(str, keys)) or None


def key_documents(keys: Sequence["LineWorksKey"]) -> list[dict[str, Any]]:
    """The same for scripts, with all clients."""
    return [as_document(each) for each in keys]


def print_account(
    account: Account,
    holdings: "Holdings | None" = None,
    keys: Sequence["LineWorksKey"] | None = None,
    *,
    as_json: bool,
) -> None:
    """What is known about a person of the built-in directory; of secrets, their state only."""
    if as_json:
        more = {} if holdings is None else _holdings_document(holdings)
        if keys is not None:
            more["line_works"] = key_documents(keys)
        print_json({**_document(account), **more})
        return
    print_line(account.username)
    shown = {
        "Name": account.name or None,
        "Reading": account.reading or None,
        "External key": account.external_key,
        "LINE WORKS account": account.works_account,
        **({} if keys is None else {"LINE WORKS key": keys_in_a_line(keys)}),
        "E-mail address": account.email,
        "Groups": ", ".join(account.groups) or None,
        "Enabled": "yes" if account.enabled else "no",
        "Administrator": "yes" if account.administrator else "no",
        "Added": local_time(account.created_at),
        "Password changed": local_time(account.password_changed_at),
        "Password": _password_state(account),
        "Lacks": _lacks(account),
        **({} if holdings is None else _holdings_facts(holdings)),
        "Last sign-in": local_time(account.last_login_at),
        "ID": account.id,
    }
    print_facts({label: value or "-" for label, value in shown.items()})


def print_remembered(
    remembered: "RememberedPerson",
    holdings: "Holdings",
    conflicts: Sequence[str],
    keys: Sequence["LineWorksKey"],
    *,
    as_json: bool,
) -> None:
    """What is known about a person of another source."""
    if as_json:
        document = {
            **_person_document(remembered),
            "problems": list(conflicts),
            "line_works": key_documents(keys),
        }
        print_json({**document, **_holdings_document(holdings)})
        return
    print_line(f"{remembered.person.username}, of the source {remembered.source}")
    shown = {
        **_person_facts(remembered.person),
        "LINE WORKS key": keys_in_a_line(keys),
        "Enabled": "yes" if remembered.enabled else "no",
        "Problems": "; ".join(conflicts) or None,
        **_holdings_facts(holdings),
        "First seen": local_time(remembered.first_login_at),
        "Last seen": local_time(remembered.vouched_at),
        "Last sign-in": local_time(remembered.last_login_at),
        "ID": remembered.person.subject_id,
    }
    print_facts({label: value or "-" for label, value in shown.items()})


def print_source_person(seen: "SourcePerson", source: str, *, as_json: bool) -> None:
    """What a source returns about a person who has never signed in with it."""
    if as_json:
        print_json({**source_person_document(seen), "source": source})
        return
    print_line(f"{seen.person.username}, of the source {source}; they have not signed in yet")
    shown = {
        **_person_facts(seen.person),
        "LINE WORKS key": keys_in_a_line(seen.keys),
        "Problems": "; ".join(seen.problems) or None,
        "ID": seen.person.subject_id,
    }
    if not seen.person.groups:  # a directory is not asked for them here
        del shown["Groups"]
    print_facts({label: value or "-" for label, value in shown.items()})


def source_person_document(seen: "SourcePerson") -> dict[str, Any]:
    """A person of a source, for scripts."""
    person = as_document(seen.person, hidden=NOT_SHOWN)
    return {**person, "problems": list(seen.problems), "line_works": key_documents(seen.keys)}


def _person_facts(person: "Person") -> dict[str, str | None]:
    """What LINE WORKS and the rules would use."""
    return {
        "Name": person.name or None,
        "Reading": person.reading or None,
        "External key": person.external_key,
        "LINE WORKS account": person.works_account,
        "E-mail address": person.email,
        "Groups": ", ".join(person.groups) or None,
    }


def _person_row(remembered: "RememberedPerson") -> tuple[object, ...]:
    person = remembered.person
    return (
        person.username,
        person.name or None,
        person.external_key,
        person.works_account,
        remembered.enabled,
        local_time(remembered.last_login_at),
    )


def _person_document(remembered: "RememberedPerson") -> dict[str, Any]:
    return {
        **as_document(remembered.person, hidden=NOT_SHOWN),
        "source": remembered.source,
        "enabled": remembered.enabled,
        "first_login_at": iso(remembered.first_login_at),
        "last_login_at": iso(remembered.last_login_at),
    }


def _holdings_facts(holdings: "Holdings") -> dict[str, str | None]:
    factors, sessions = holdings.factors, holdings.sessions
    kinds = ["authenticator app"] * factors.totp
    if factors.passkeys:
        kinds.append(counted(len(factors.passkeys), "passkey", "passkeys"))
    if holdings.console_passkeys:
        number = holdings.console_passkeys
        kinds.append(counted(number, "passkey for the console", "passkeys for the console"))
    return {
        "Second factors": ", ".join(kinds) or None,
        "Recovery codes": str(factors.recovery_codes_left),
        "App passwords": str(holdings.app_passwords),
        "Sessions": "not known: the store does not respond" if sessions is None else str(sessions),
    }


def _holdings_document(holdings: "Holdings") -> dict[str, Any]:
    return {
        "authenticator_app": holdings.factors.totp,
        "passkeys": len(holdings.factors.passkeys),
        "recovery_codes": holdings.factors.recovery_codes_left,
        "app_passwords": holdings.app_passwords,
        "sessions": holdings.sessions,
    }


def _row(account: Account, *, has_factor: bool) -> tuple[object, ...]:
    return (
        account.username,
        account.name or None,
        account.external_key,
        account.works_account,
        account.enabled,
        _lacks(account),
        has_factor or None,
        account.administrator or None,
        local_time(account.last_login_at),
    )


def _password_state(account: Account) -> str | None:
    """Whether a person has a password here, or what they have instead."""
    from worksgate.credentials.imported_hashes import is_imported, kind_of

    if account.password_hash is None:
        return None
    if is_imported(account.password_hash):
        return f"imported ({kind_of(account.password_hash)}), until the first sign-in"
    return "temporary, until the next sign-in" if account.must_change_password else "set"


def _lacks(account: Account) -> str | None:
    from worksgate.directory.account_rules import lacking

    return ", ".join(lacking(account)) or None


def _document(account: Account) -> dict[str, Any]:
    from worksgate.directory.account_rules import lacking

    return {**as_document(account, hidden=("password_hash",)), "lacks": list(lacking(account))}
