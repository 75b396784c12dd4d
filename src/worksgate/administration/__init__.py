"""What an administrator can do; the command line and the console both call it.

    clients         the tenants of LINE WORKS
    people          accounts of the built-in directory, and people of other sources
    user_keys       whose user keys are, and what LINE WORKS would be told
    people_import   many people at once, from a file
    audit_log       the audit log, as an administrator reads it
    upkeep          the encryption of secrets, the start of a purge
    purging         the removal of what has expired, also in the background
    lost_key        going on without a master key that is lost
    actor           who acts, and the audit records of what they do
    revoking        what a change ends elsewhere, right after it
    transactions    a call made again where others overtake it
    base            what the parts that are mixins stand on
    errors          why a call was not done, or not wholly

Every change is committed together with its audit record (I-5). What it must end elsewhere, such
as a disabled person's sessions and tokens, ends right after the commit (R-30); if the store does
not answer then, ``Unfinished`` says so, and the same call can be made again.
"""

import time
from collections.abc import Awaitable, Callable

from worksgate.administration.actor import Actor
from worksgate.administration.audit_log import AuditLogAdministration
from worksgate.administration.clients import ClientAdministration, NewClient
from worksgate.administration.errors import NotFound, Refused, Unfinished
from worksgate.administration.lost_key import LostKeyAdministration, LostKeys
from worksgate.administration.people import Holdings, NewUser
from worksgate.administration.people_import.verbs import ImportAdministration
from worksgate.administration.revoking import Revoker
from worksgate.administration.upkeep import UpkeepAdministration
from worksgate.administration.user_keys import KeyAdministration, ToldKey, told_keys
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.settings.options import Settings
from worksgate.store import Store

__all__ = [
    "Administration",
    "Holdings",
    "LostKeys",
    "NewClient",
    "NewUser",
    "NotFound",
    "Refused",
    "ToldKey",
    "Unfinished",
    "told_keys",
]


class Administration(LostKeyAdministration):
    """Clients, people and the audit log of one installation.

    ``store`` opens the store when it is first needed; it may raise StoreUnavailable then. ``actor``
    is who acts, for the audit log. Every call may raise DatabaseUnavailable; those that end
    sessions, Unfinished.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        hashing: PasswordHashing,
        *,
        actor: str = "cli",
        clock: Callable[[], float] = time.time,
    ) -> None:
        acting = Actor(actor, clock)
        revoker = Revoker(directory, store, acting)
        super().__init__(settings, directory, store, hashing, acting, revoker)
        self.clients = ClientAdministration(settings, directory, acting)
        self.user_keys = KeyAdministration(directory, revoker, acting)
        self.people_import = ImportAdministration(
            directory, hashing, revoker, acting, company=settings.company_name
        )
        self.audit_log = AuditLogAdministration(directory)
        self.upkeep = UpkeepAdministration(settings, directory, store, acting)
