"""Versions of brandings in both databases: what is shown, in which order, with which picture."""

from worksgate.directory.branding_versions import (
    BrandingVersion,
    add_version,
    find_draft,
    find_shown,
    find_version,
    logo_of,
    next_number,
    show_draft,
)
from worksgate.directory.database import Directory
from worksgate.oauth.model import Client


def version(number: int, published_at: float | None, client_id: str = "a") -> BrandingVersion:
    return BrandingVersion(
        client_id=client_id,
        number=number,
        content={"name": f"名前 {number}"},
        created_at=float(number),
        actor="test",
        published_at=published_at,
    )


async def test_the_highest_published_number_is_shown_and_the_draft_comes_first(
    directory: Directory,
) -> None:
    stored = (version(1, 10.0), version(2, None), version(3, 5.0), version(1, 1.0, "b"))
    async with directory.changing() as transaction:
        for name in ("a", "b", "c"):
            await transaction.add_client(Client(client_id=name, name=name))
        for each in stored:
            await add_version(transaction.connection, each, bytes([each.number, 0, 255]))
    assert [each.number for each in await directory.brandings.newest("a", 2)] == [2, 3]
    shown = await directory.brandings.published()
    assert {each.client_id: each for each in shown} == {"a": stored[2], "b": stored[3]}
    assert await directory.published_brandings(["b", "c"]) == [stored[3]]
    assert await directory.brandings.logo("a", 2) == b"\x02\x00\xff"
    assert await directory.brandings.logo("a", 9) is None


async def test_a_draft_is_shown_under_a_number_above_all_others(directory: Directory) -> None:
    async with directory.changing() as transaction:
        connection = transaction.connection
        await transaction.add_client(Client(client_id="a", name="a"))
        for each in (version(1, None), version(2, 2.0)):
            await add_version(connection, each, b"picture" if each.number == 1 else None)
        draft = await find_draft(connection, "a")
        assert draft is not None
        assert await next_number(connection, "a") == 3
        assert await show_draft(connection, draft, 9.0) == 3
        shown = await find_shown(connection, "a")
        assert shown is not None
        assert (shown.number, shown.published_at, shown.content) == (3, 9.0, draft.content)
        assert await find_draft(connection, "a") is None
        assert await find_version(connection, "a", 1) is None
        assert await logo_of(connection, "a", 3) == b"picture"
    async with directory.changing() as transaction:
        client = await transaction.client("a")
        assert client is not None
        await transaction.remove_client(client)
    assert await directory.brandings.newest("a", 9) == []
