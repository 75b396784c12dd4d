"""What an administrator can do; the command line and the console both call it.

    clients         the tenants of LINE WORKS
    users           accounts of the built-in directory
    people          people of every source: what they hold, and the end of it
    user_keys       whose user keys are, and what LINE WORKS would be told
    people_import   many accounts at once, from a file
    audit_log       the audit log, as an administrator reads it
    upkeep          the encryption of secrets, the start of a purge
    lost_keys       going on without a master key that is lost

Each of these is a part of ``Administration``, which makes them; they stand on

    actor           who acts, and the audit records of what they do
    revoking        what a change ends elsewhere, right after it
    transactions    a call made again where others overtake it
    purging         the removal of what has expired, also in the background
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
from worksgate.administration.lost_keys import LostKeyAdministration, LostKeys
from worksgate.administration.people import Holdings, PeopleAdministration
from worksgate.administration.people_import.verbs import ImportAdministration
from worksgate.administration.revoking import Revoker
from worksgate.administration.upkeep import UpkeepAdministration
from worksgate.administration.user_keys import KeyAdministration, ToldKey, told_keys
from worksgate.administration.users import NewUser, UserAdministration
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


class Administration:
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
        self.clients = ClientAdministration(settings, directory, acting)
        self.users = UserAdministration(settings, directory, store, hashing, revoker, acting)
        self.people = PeopleAdministration(settings, directory, store, self.users, revoker, acting)
        self.user_keys = KeyAdministration(directory, revoker, acting)
        self.people_import = ImportAdministration(
            directory, hashing, revoker, acting, company=settings.company_name
        )
        self.audit_log = AuditLogAdministration(directory)
        self.upkeep = UpkeepAdministration(settings, directory, store, acting)
        self.lost_keys = LostKeyAdministration(
            settings, directory, self.people, self.upkeep, acting
        )
