"""The steps 3 to 5 of the set-up wizard: people, their keys, and what LINE WORKS has to be told."""

import asyncio
from typing import Final

from starlette.responses import Response

from worksgate.administration import Outdated, Refused
from worksgate.administration.set_up import USER_KEY_NAMES, KeyCount, Step
from worksgate.directory.people_list import COUNTED, Listed
from worksgate.oauth.model import UserKey
from worksgate.settings.sources import SourceSettings
from worksgate.sources import SourceUnavailable
from worksgate.web.console.csv_files import csv_file
from worksgate.web.console.sources import TYPE_NAMES
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.console.wizard import client_conflict, path_of, step_page

LONGEST_COUNT: Final = 20.0
"""Seconds for counting the keys of all sources, after which the command line is the better way."""
EXPORTED_AT_ONCE: Final = 1_000

# 3. Who are your people?


async def show_people(visit: Visit) -> Response:
    """The sources, and how each one answered."""
    known = await visit.administration.set_up.overview()
    return step_page(
        visit,
        known,
        Step.PEOPLE,
        "wizard_people.html",
        sources=visit.console.settings.all_sources,
        type_names=TYPE_NAMES,
        counted=COUNTED,
    )


# 4. User keys


async def show_keys(visit: Visit) -> Response:
    """Which key LINE WORKS gets, and who has none."""
    return await _keys_page(visit)


async def choose_key(visit: Visit) -> Response:
    """Keep which key it is."""
    form = visit.form
    try:
        await visit.administration.set_up.choose_key(
            form.get("kind", ""), expected_version=number_of(form.get("version", ""))
        )
    except Outdated:
        return await client_conflict(visit, "kind", "user_key", Step.KEYS)
    return visit.to(path_of(Step.KEYS))


async def count_keys(visit: Visit) -> Response:
    """Count the keys of all sources again."""
    set_up = visit.administration.set_up
    kind = (await set_up.overview()).user_key
    try:
        async with asyncio.timeout(LONGEST_COUNT):
            count = await _counted(visit, kind)
    except TimeoutError:
        return await _keys_page(visit, problem="too_long", status=503)
    await set_up.record_keys(kind, count)
    return visit.to(path_of(Step.KEYS))


async def _counted(visit: Visit, kind: UserKey) -> KeyCount:
    count = KeyCount()
    for source in visit.console.settings.all_sources:
        try:
            count += await visit.console.examiner.keys(source.name, kind)
        except (Refused, SourceUnavailable):
            count += KeyCount(unasked=(source.name,))
    return count


async def _keys_page(visit: Visit, *, problem: str = "", status: int = 200) -> Response:
    known = await visit.administration.set_up.overview()
    answer = known.answers.get("keys")
    is_of_kind = answer is not None and answer.value.get("kind") == known.user_key.value
    return step_page(
        visit,
        known,
        Step.KEYS,
        "wizard_keys.html",
        status,
        kinds=USER_KEY_NAMES,
        answer=answer if is_of_kind else None,
        origins=[
            (each, key_origin(each, known.user_key)) for each in visit.console.settings.all_sources
        ],
        problem=problem,
    )


def key_origin(source: SourceSettings, kind: UserKey) -> str | None:
    """The attribute or the claim with a person's key; empty for none, None if it has no setting."""
    for setting in (f"{kind.value}_attribute", f"{kind.value}_claim"):
        if hasattr(source, setting):
            return str(getattr(source, setting))
    return None


# 5. Tell LINE WORKS the keys


async def show_tell(visit: Visit) -> Response:
    """What is to be done in the Developer Console, and the keys as a file."""
    known = await visit.administration.set_up.overview()
    return step_page(visit, known, Step.TELL, "wizard_tell.html", told=known.answers.get("told"))


async def tell(visit: Visit) -> Response:
    """Keep that it was done."""
    await visit.administration.set_up.told()
    return visit.to(path_of(Step.VALUES))


async def export_keys(visit: Visit) -> Response:
    """Everybody with their external key, as CSV."""
    people = await _everybody(visit)
    await visit.administration.set_up.record_key_file(len(people))
    return csv_file(
        "external_keys.csv",
        ("works_account", "email", "name", "username", "external_key"),
        (
            (each.works_account, each.email, each.name, each.username, each.external_key)
            for each in people
        ),
    )


async def _everybody(visit: Visit) -> list[Listed]:
    """All enabled people with an external key, also those who have never signed in."""
    at_sources = await visit.console.examiner.people(())
    pages = visit.administration.people_list.everybody(EXPORTED_AT_ONCE)
    known = [each async for page in pages for each in page]
    everybody = at_sources.with_known(known)
    return [each for each in everybody if each.external_key and each.enabled]
