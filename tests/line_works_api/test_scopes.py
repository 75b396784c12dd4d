"""A token for what is done, and no more: what only reads has a token that cannot write."""

import httpx2
import pytest
from tests.administration.external_keys.line_works import TENANT, api_app
from tests.line_works_api.fake_api import Watch
from tests.line_works_api.simulated import AOI, HOSTS, InProcess, opened, simulator

from worksgate.administration.going_live.operations import ask_members
from worksgate.administration.line_works_api import Access
from worksgate.conformance.directory_api import Operation
from worksgate.line_works_api.app import ApiApp
from worksgate.line_works_api.calling import Timing
from worksgate.line_works_api.directory_api import DirectoryApi
from worksgate.line_works_api.errors import AccessRefused
from worksgate.line_works_api.hosts import Hosts

BOTH = ("directory", "directory.read", "user", "user.read", "bot", "bot.message", "audit.read")


@pytest.mark.parametrize(
    ("scopes", "asked", "least"),
    [
        (BOTH, ("directory.read", "directory"), "directory.read"),
        (("directory",), ("directory.read", "directory"), "directory"),
        (("directory", "user"), ("user", "directory"), "user"),
    ],
)
def test_the_least_of_what_suffices_is_asked_for(
    scopes: tuple[str, ...], asked: tuple[str, ...], least: str
) -> None:
    assert api_app(*scopes).least(asked) == (least,)


def test_an_app_with_none_of_them_asks_for_all_that_it_has() -> None:
    assert api_app("audit.read", "bot").least(("directory",)) == ("audit.read", "bot")


async def test_each_operation_is_called_with_the_least_scope_and_one_token_for_each() -> None:
    watch = Watch()
    there = simulator(watch)
    async with opened(there, watch, *BOTH) as api:
        for _ in range(2):
            assert [each.id async for each in api.members()] == [AOI.user_id]
            await api.person(AOI.user_id)
            await api.set_keys({AOI.user_id: "E-1"})
        await api.suspend(AOI.user_id)
        await api.force_logout(AOI.user_id)
    used = {each.operation: set(each.scopes) for each in there.calls}
    used.pop(Operation.TOKEN)
    assert used == {
        Operation.LIST_KEYS: {"directory.read"},
        Operation.GET_USER: {"directory.read"},
        Operation.SET_KEYS: {"directory"},
        Operation.SUSPEND: {"user"},
        Operation.FORCE_LOGOUT: {"user"},
    }
    asked = [set(each.scopes) for each in there.calls_of(Operation.TOKEN)]
    assert asked == [{"directory.read"}, {"directory"}, {"user"}]


async def test_the_token_of_a_rehearsal_cannot_write() -> None:
    watch = Watch()
    there = simulator(watch)
    transport = Taking(there)
    timing = Timing(now=watch.now, clock=watch.clock, sleep=watch.sleep, timeout=5.0)

    def open_api(app: ApiApp, hosts: Hosts) -> DirectoryApi:
        return DirectoryApi.opened(app, hosts, timing=timing, transport=transport)

    access = Access(TENANT, api_app("directory", "directory.read"), HOSTS, open_api)
    assert len((await ask_members(access)).members) == 1
    (bearer,) = transport.bearers
    for path in ("/users/external-keys", f"/users/{AOI.user_id}/suspend"):
        async with httpx2.AsyncClient(transport=transport) as stolen:
            body = {"users": [{"id": AOI.user_id, "externalKey": "E-9"}]}
            answer = await stolen.post(
                HOSTS.api + path, json=body, headers={"Authorization": bearer}
            )
        assert answer.status_code == 403


async def test_a_token_that_is_refused_is_replaced_by_one_with_the_same_scope() -> None:
    watch = Watch()
    there = simulator(watch)
    async with opened(there, watch, "directory", "directory.read") as api:
        await api.person(AOI.user_id)
        await api.set_keys({AOI.user_id: "E-1"})
        there.tokens.forget()
        await api.person(AOI.user_id)
    asked = [set(each.scopes) for each in there.calls_of(Operation.TOKEN)]
    assert asked == [{"directory.read"}, {"directory"}, {"directory.read"}]


async def test_without_a_scope_that_suffices_line_works_says_so() -> None:
    watch = Watch()
    async with opened(simulator(watch), watch, "directory.read") as api:
        with pytest.raises(AccessRefused, match="403"):
            await api.set_keys({AOI.user_id: "E-1"})


class Taking(InProcess):
    """Keeps what calls are authorized with."""

    bearers: set[str]

    def __init__(self, line_works: object) -> None:
        super().__init__(line_works)  # type: ignore[arg-type]  # as the tests build it
        self.bearers = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if "Authorization" in request.headers:
            self.bearers.add(request.headers["Authorization"])
        return await super().handle_async_request(request)
