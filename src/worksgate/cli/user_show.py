"""``worksgate user list`` and ``user show``: who there is, and what they hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worksgate.cli.options import config_option, json_option
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import (
    administer,
    all_users,
    check_source,
    quietly,
    read_installation,
)
from worksgate.cli.user_printing import (
    print_account,
    print_accounts,
    print_people,
    print_remembered,
    print_source_person,
)
from worksgate.cli.user_removal import list_removed
from worksgate.directory import Account
from worksgate.settings.sources.common import BUILT_IN

if TYPE_CHECKING:
    from worksgate.administration import Administration, Holdings, LineWorksKey
    from worksgate.directory.people import RememberedPerson
    from worksgate.settings.options import Settings

source_option = click.option(
    "--source",
    metavar="NAME",
    help="The identity source they sign in with, if not the built-in directory.",
)


@dataclass(frozen=True, slots=True)
class _Account:
    """Somebody of the built-in directory."""

    account: Account
    holdings: "Holdings"
    keys: "tuple[LineWorksKey, ...]"


@dataclass(frozen=True, slots=True)
class _Remembered:
    """Somebody who has signed in with another source."""

    remembered: "RememberedPerson"
    holdings: "Holdings"
    conflicts: tuple[str, ...]
    keys: "tuple[LineWorksKey, ...]"


@click.command("list")
@click.argument("text", required=False)
@source_option
@click.option("--group", metavar="GROUP", help="Only people in this group.")
@click.option("--enabled/--disabled", default=None, help="Only those who may, or may not, sign in.")
@click.option("--lacking", is_flag=True, help="Only those who cannot sign in yet.")
@click.option(
    "--second-factor/--no-second-factor", default=None, help="Only those with, or without, one."
)
@click.option("--removed", is_flag=True, help="Those who were removed and can be brought back.")
@config_option
@json_option
def list_users(
    *,
    text: str | None,
    source: str | None,
    group: str | None,
    enabled: bool | None,
    lacking: bool,
    second_factor: bool | None,
    removed: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """List people, and what they still need to sign in.

    Each word of TEXT is part of a name, its reading, the username, a user key or an e-mail address.
    With --source, it lists people who have signed in with another source.
    """
    from worksgate.cli.user_filter import Filter

    settings = read_installation(config)
    chosen = Filter(text, group, enabled, lacking=lacking, second_factor=second_factor)
    if removed:
        if source is not None or chosen != Filter(text):
            raise click.UsageError("--removed can only be combined with TEXT")
        list_removed(settings, text, as_json=as_json)
        return

    async def all_accounts(
        administration: "Administration",
    ) -> tuple[list[Account], frozenset[str]]:
        accounts = await all_users(administration)
        return accounts, await administration.people.subjects_with_a_factor()

    if source is None:
        accounts, holders = administer(settings, all_accounts)
        found = [account for account in accounts if chosen.admits_account(account, holders)]
        print_accounts(found, holders, as_json=as_json, is_filtered=chosen.is_set)
        return
    if lacking or second_factor is not None:
        raise click.UsageError(
            "--source can only be combined with TEXT, --group, --enabled and --disabled"
        )
    people = administer(settings, lambda administration: administration.people.remembered(source))
    if not people:  # of a source that was taken out of the settings, people may be left
        check_source(settings, source)
    matching = [each for each in people if chosen.admits(each.person, enabled=each.enabled)]
    print_people(matching, source, as_json=as_json, is_filtered=chosen.is_set)


@click.command("show")
@click.argument("username")
@source_option
@config_option
@json_option
def show(*, username: str, source: str | None, config: Path | None, as_json: bool) -> None:
    """Show a person, their credentials and their sessions.

    Without --source, the built-in directory is searched first, then people who have signed in with
    other sources. With it, an LDAP directory is also asked about people who have never signed in.
    """
    settings = read_installation(config)

    from worksgate.administration import NotFound

    async def find(administration: "Administration") -> _Account | _Remembered | None:
        if source not in (None, BUILT_IN):
            found = await administration.people.find(username, source)
            return None if found is None else await _remembered(administration, found)
        try:
            account = await administration.users.get(username)
        except NotFound as missing:
            found = None if source == BUILT_IN else await administration.people.find(username)
            if found is None:
                others = [each.name for each in settings.all_sources if not each.is_built_in]
                if source == BUILT_IN or not others:
                    raise
                where = " or ".join(others)
                raise NotFound(
                    f"{missing}; who has never signed in is found with --source {where}"
                ) from None
            return await _remembered(administration, found)
        return await _account(administration, account)

    match administer(settings, find):
        case _Account() as found:
            print_account(found.account, found.holdings, found.keys, as_json=as_json)
        case _Remembered() as found:
            print_remembered(
                found.remembered, found.holdings, found.conflicts, found.keys, as_json=as_json
            )
        case None:
            _show_of_source(settings, source or "", username, as_json=as_json)


async def _account(administration: "Administration", account: Account) -> _Account:
    from worksgate.administration import line_works_keys

    person = account.person
    (conflicts,) = await administration.user_keys.conflicts([person])
    clients = await administration.clients.of_source(BUILT_IN)
    return _Account(
        account,
        await administration.people.holdings(person),
        line_works_keys(person, clients, conflicts),
    )


async def _remembered(
    administration: "Administration", remembered: "RememberedPerson"
) -> _Remembered:
    from worksgate.administration import line_works_keys

    person = remembered.person
    (conflicts,) = await administration.user_keys.conflicts([person])
    clients = await administration.clients.of_source(remembered.source)
    return _Remembered(
        remembered,
        await administration.people.holdings(person),
        tuple(map(str, conflicts)),
        line_works_keys(person, clients, conflicts),
    )


def _show_of_source(settings: "Settings", name: str, username: str, *, as_json: bool) -> None:
    """A person who has never signed in with a source, as the source returns them."""
    from worksgate.doctor.queried_source import CannotBeQueried
    from worksgate.doctor.source_check import source_of
    from worksgate.doctor.source_people import person_in_source
    from worksgate.sources import SourceUnavailable

    try:
        source = source_of(settings, name)
        seen = quietly(person_in_source(settings, source, username))
    except (CannotBeQueried, SourceUnavailable) as error:
        raise Refusal(f"nobody called {username} has signed in with {name}; {error}") from None
    if seen is None:
        raise Refusal(f"nobody called {username} is in {name}")
    print_source_person(seen, name, as_json=as_json)
