"""Worksgate passes its own check: web, app and mail clients, with every option on."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conformance.implementation import KEY, PASSWORD, USERNAME
from tests.conformance.runs import NEEDS_MORE, PATIENT, Done, run_checks
from tests.installation import CALLBACK, prepared
from tests.served import listening, served
from tests.unhurried import answer_deadline

from worksgate.administration import NewClient
from worksgate.bootstrap.administration import open_administration
from worksgate.conformance.checks.operator import Act, Deed
from worksgate.conformance.checks.target import Mailbox, Person, Target
from worksgate.conformance.checks.verdicts import Outcome
from worksgate.conformance.line_works import Credentials, Endpoints
from worksgate.settings.options import Settings

pytestmark = pytest.mark.slow


async def furnished(folder: Path, public_url: str) -> tuple[Settings, Target]:
    """An installation with what the check can use, and what it is told of it."""
    settings, client = await prepared(
        folder, public_url=public_url, answer_deadline=answer_deadline()
    )
    async with open_administration(settings, actor="test") as administration:
        clients = administration.clients
        await clients.change(client.client.name, imap_login=True, imap_passwords="all")
        disabled = await clients.add("Left", redirect_uris=(CALLBACK,))
        await clients.disable(disabled.client.name)
        barred = await clients.add(
            "Barred", redirect_uris=(CALLBACK,), allowed_addresses=("192.0.2.0/24",)
        )
        other = await clients.add("Other", redirect_uris=(CALLBACK,), refresh_tokens=True)
        await administration.users.add(
            USERNAME, password=PASSWORD, external_key=KEY, works_account=USERNAME
        )
        urls = clients.urls(client.client.client_id)
    target = Target(
        endpoints=Endpoints(**urls),
        credentials=credentials(client),
        redirect_uri=CALLBACK,
        person=Person(USERNAME, PASSWORD),
        user_key=KEY,
        mailbox=Mailbox(USERNAME, PASSWORD),
        disabled=credentials(disabled),
        barred=credentials(barred),
        other=credentials(other),
        wrong_mail_passwords=12,
        limits=PATIENT,
    )
    return settings, target


def credentials(client: NewClient) -> Credentials:
    return Credentials(client.client.client_id, client.client_secret)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    """What the check says: of the client without, and of the one with refresh tokens."""
    folder = tmp_path_factory.mktemp("worksgate")
    with listening() as listener:
        host, port = listener.getsockname()[:2]
        settings, target = asyncio.run(furnished(folder, f"http://{host}:{port}"))
        assert target.other is not None
        renewing = replace(target, credentials=target.other, other=target.credentials, mailbox=None)
        with served(listener, settings):
            yield {
                "whole": asyncio.run(run_checks(target)),
                "refresh": asyncio.run(run_checks(renewing, ["token", "refresh"])),
                "operated": asyncio.run(
                    run_checks(
                        replace(target, overload=50), ["operation"], acts=acts_on(settings, target)
                    )
                ),
            }


def acts_on(settings: Settings, target: Target) -> dict[Deed, Act]:
    """What an administrator can be asked for."""

    async def disable_person() -> None:
        async with open_administration(settings, actor="test") as administration:
            await administration.users.disable(USERNAME)

    async def disable_client() -> None:
        async with open_administration(settings, actor="test") as administration:
            await administration.clients.disable(target.credentials.client_id)

    database = settings.database_file
    assert database is not None
    aside = database.with_suffix(".aside")

    async def take_the_store_away() -> None:
        database.rename(aside)

    async def bring_it_back() -> None:
        aside.rename(database)

    return {
        Deed.OUTAGE: take_the_store_away,
        Deed.RECOVERY: bring_it_back,
        Deed.DISABLE_PERSON: disable_person,
        Deed.DISABLE_CLIENT: disable_client,
    }


@pytest.mark.parametrize("run", ["whole", "refresh", "operated"])
def test_r203_worksgate_passes_its_own_check(run: str, done: dict[str, Done]) -> None:
    failed = {
        name: (result.message, result.sent)
        for name, result in done[run].results.items()
        if result.outcome is Outcome.FAIL
    }
    assert failed == {}


def test_r203_nearly_nothing_of_worksgate_is_left_untested(done: dict[str, Done]) -> None:
    assert done["whole"].ids(Outcome.NOT_TESTED) == {
        *("reach.https", "reach.port", "reach.handshake", "reach.chain", "reach.name"),
        *("reach.validity", *NEEDS_MORE),
    }
    renewals = {each for each in NEEDS_MORE if each.startswith("refresh.")}
    assert renewals <= done["refresh"].ids(Outcome.PASS)
    assert done["operated"].ids(Outcome.PASS) == {
        *("operation.disabled_person", "operation.disabled_sign_in", "operation.disabled_client"),
        *("operation.outage", "operation.overload"),
    }
