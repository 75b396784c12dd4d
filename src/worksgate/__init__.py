"""Worksgate: the customer's side of LINE WORKS single sign-on.

Run it as a server (``worksgate serve``), or mount it in a Python system of your own:

    import worksgate

    async def authenticate(username: str, password: str) -> worksgate.Person | None: ...

    app.mount("/sso", worksgate.create_app(worksgate.Settings(...), authenticate=authenticate))
"""

from typing import TYPE_CHECKING

from worksgate.settings import Settings
from worksgate.sources import Person, PersonDisabled, Source, SourceUnavailable

if TYPE_CHECKING:
    from worksgate.bootstrap import create_app

__version__ = "0.1.0"

__all__ = [
    "Person",
    "PersonDisabled",
    "Settings",
    "Source",
    "SourceUnavailable",
    "__version__",
    "create_app",
]


def __getattr__(name: str) -> object:
    """Give ``create_app`` when it is asked for: the command line need not load a web server."""
    if name == "create_app":
        from worksgate.bootstrap import create_app

        return create_app
    raise AttributeError(f"module 'worksgate' has no attribute {name!r}")
