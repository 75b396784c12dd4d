"""Whether the store of codes, tokens and sessions can be used.

It is opened as the server opens it, so this finds what would keep the server from starting. A
server is also asked for a write, as by ``/readyz``, which changes no visible data.
"""

from worksgate.doctor import Finding, fail, ok, warn
from worksgate.doctor.sentences import said
from worksgate.settings.options import Settings
from worksgate.store import StoreUnavailable

STORE = said("store")


async def examine_store(settings: Settings) -> Finding:
    """The store that the settings name; the default is in the database."""
    from worksgate.bootstrap.stores import open_store

    if settings.store_url == "memory:":
        return warn(
            STORE,
            said(
                "codes, tokens and sessions are in the memory of one process, and are lost when "
                "it ends"
            ),
            said("this is fine for a trial; for production, leave store_url empty"),
        )
    try:
        store = await open_store(settings)
    except StoreUnavailable as error:
        return fail(STORE, str(error), _advice(settings))
    await store.close()
    return ok(STORE, said("it responds, and does not evict data"))


def _advice(settings: Settings) -> str:
    if settings.store_url:
        return said(
            "check that the server is up, that store_url has the right host, user and "
            "password, and that its maxmemory-policy is noeviction"
        )
    return said("check that the server is up, and its log")
