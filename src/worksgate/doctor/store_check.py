"""Whether the store of codes, tokens and sessions can be used.

It is opened as the server opens it, so what would keep the server from starting is found here. A
server is asked for a write, as at ``/readyz``: that changes nothing that anybody reads.
"""

from worksgate.doctor import Finding, fail, ok, warn
from worksgate.settings.options import Settings
from worksgate.store import StoreUnavailable

STORE = "store"


async def examine_store(settings: Settings) -> Finding:
    """The store that the settings name; where they name none, it is in the database."""
    from worksgate.bootstrap.stores import open_store

    if settings.store_url == "memory:":
        return warn(
            STORE,
            "codes, tokens and sessions are in the memory of one process, and end with it",
            "that is right for trying things out; for people, leave store_url empty",
        )
    try:
        store = await open_store(settings)
    except StoreUnavailable as error:
        return fail(STORE, str(error), _advice(settings))
    await store.close()
    return ok(STORE, "it answers, and takes what must not be lost")


def _advice(settings: Settings) -> str:
    if settings.store_url:
        return (
            "see that the server is up, that store_url has the right host, user and password, "
            "and that the server is set as docs/scaling.md says"
        )
    return "see that the server is up, what its log says, and docs/scaling.md"
