"""Worksgate: the customer's side of LINE WORKS single sign-on.

Run it as a server (``worksgate serve``), or mount it in a Python system of your own:

    import worksgate

    async def authenticate(username: str, password: str) -> worksgate.Person | None: ...

    app.mount("/sso", worksgate.create_app(worksgate.Settings(...), authenticate=authenticate))
"""

from importlib import import_module
from typing import TYPE_CHECKING

from worksgate.settings.options import Settings
from worksgate.sources import Authenticate, Person, PersonDisabled, Source, SourceUnavailable

if TYPE_CHECKING:
    from worksgate.bootstrap.application import create_app
    from worksgate.settings.loading import ConfigurationError
    from worksgate.web.application import Application

__version__ = "0.1.0"

__all__ = [
    "Application",
    "Authenticate",
    "ConfigurationError",
    "Person",
    "PersonDisabled",
    "Settings",
    "Source",
    "SourceUnavailable",
    "__version__",
    "create_app",
]

_LAZY = {
    "Application": "worksgate.web.application",
    "ConfigurationError": "worksgate.settings.loading",
    "create_app": "worksgate.bootstrap.application",
}
"""Lazily imported names and their modules: the command line need not load the pages."""

if not TYPE_CHECKING:  # a module __getattr__ would give every misspelt name a type

    def __getattr__(name: str) -> object:
        if name in _LAZY:
            return getattr(import_module(_LAZY[name]), name)
        raise AttributeError(f"module 'worksgate' has no attribute {name!r}")
