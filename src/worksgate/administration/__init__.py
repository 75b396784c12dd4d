"""What an administrator can do; the command line and the console both call it.

    clients         the tenants of LINE WORKS
    people          accounts of the built-in directory, and people of other sources
    people_import   many people at once, from a file
    upkeep          the audit log, the encryption of secrets, the start of a purge
    purging         the removal of what has expired, also in the background
    lost_key        going on without a master key that is lost
    base            what these stand on: the databases, and who acts
    errors          why a call was not done, or not wholly

Every change is committed together with its audit record (I-5). What it must end elsewhere, such
as a disabled person's sessions and tokens, ends right after the commit (R-30); if the store does
not answer then, ``Unfinished`` says so, and the same call can be made again.
"""

from worksgate.administration.clients import ClientAdministration, NewClient
from worksgate.administration.errors import NotFound, Refused, Unfinished
from worksgate.administration.lost_key import LostKeyAdministration, LostKeys
from worksgate.administration.people import Holdings, NewUser, ToldKey, told_keys
from worksgate.administration.people_import.verbs import ImportAdministration

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


class Administration(ClientAdministration, ImportAdministration, LostKeyAdministration):
    """Clients, people and the audit log of one installation.

    Every call may raise DatabaseUnavailable; those that end sessions, Unfinished. ``actor`` is
    who does it, for the audit log.
    """
