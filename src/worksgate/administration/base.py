"""What the parts of the administration that are still mixins stand on."""

from collections.abc import Awaitable, Callable

from worksgate.administration.actor import Actor
from worksgate.administration.revoking import Revoker
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.settings.options import Settings
from worksgate.store import Store


class AdministrationBase:
    """The databases, who acts, and what a change ends right after it."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        hashing: PasswordHashing,
        actor: Actor,
        revoker: Revoker,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._store = store
        self._hashing = hashing
        self._actor = actor
        self._revoker = revoker
