"""The overridden members of uvicorn are still what they were when they were overridden.

A new version that changes one of these fails here: read what has changed, follow it in
``worksgate.server``, and renew the digest.
"""

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import worksgate.server

OVERRIDDEN = {
    "ServerConfig": {"__init__": "98e927ea97a7"},
    "BoundedHttpProtocol": {
        "__init__": "4f0899941034",
        "connection_made": "6efb565ff3d3",
        "connection_lost": "c91a4c9bf2e2",
        "data_received": "010a7ae59a5d",
        "on_message_begin": "96d377fdc7c2",
        "on_header": "65d62c044f61",
        "on_headers_complete": "1ea8589acfad",
        "on_body": "dba9c32aeba3",
        "on_message_complete": "1fbad42dc31f",
        "on_response_complete": "64e254f28e38",
        "_start_asgi_task": "9c08c2571ae9",
        "timeout_keep_alive_handler": "8b53bf5f2e20",
        "pause_writing": "17a8fd215d96",
        "resume_writing": "7844bbaa8cce",
    },
    "Server": {
        "__init__": "c150b55284f7",
        "startup": "2aa1d70a244b",
        "on_tick": "60ea49b06ccf",
        "shutdown": "9b33c5056299",
        "capture_signals": "e1bbcd4770d1",
        "handle_exit": "553276efa26e",
    },
    "_Companion": {"capture_signals": "e1bbcd4770d1"},
}
"""Our classes, and the members of uvicorn that they replace: each with a digest of its source."""

_OF_EVERY_CLASS = frozenset(vars(type("_", (), {}))) | {"__annotations__", "__slots__"}


def overridden() -> Iterator[tuple[str, str, str]]:
    """Class, member and digest of what is replaced, found by looking."""
    for module in pkgutil.iter_modules(worksgate.server.__path__, "worksgate.server."):
        for ours in vars(importlib.import_module(module.name)).values():
            if not inspect.isclass(ours) or ours.__module__ != module.name:
                continue
            theirs = [base for base in ours.__mro__ if base.__module__.startswith("uvicorn")]
            for name in vars(ours).keys() - _OF_EVERY_CLASS:
                member = next((vars(base)[name] for base in theirs if name in vars(base)), None)
                if member is not None:
                    source = inspect.getsource(member)
                    yield ours.__name__, name, hashlib.sha256(source.encode()).hexdigest()[:12]


def test_what_of_uvicorn_is_overridden_is_listed_and_unchanged() -> None:
    found: dict[str, dict[str, str]] = {}
    for ours, name, digest in overridden():
        found.setdefault(ours, {})[name] = digest
    assert found == OVERRIDDEN
