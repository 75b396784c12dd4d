"""The operations of administrators; the command line and the console both call it.

Clients:

    clients             the tenants of LINE WORKS
    applying            clients as a file says
    branding            how their sign-in pages look: drafts, publishing

People:

    users               accounts of the built-in directory
    people              people of every source: what they hold, and its revocation
    people_import       bulk import of accounts from a file
    jobs                bulk changes of people, in the background
    user_keys           owners of user keys, and the keys that LINE WORKS would receive
    extra_attempts      one more sign-in attempt for somebody who has to wait
    sign_in_trace       why somebody cannot get in, in sentences
    departures          people who leave, at once or at a planned time; also in the background
    removals            people who were removed: brought back, or removed for good

LINE WORKS:

    line_works_api      the app of the LINE WORKS API of each client, and whether it works
    line_works_members  who a person is at LINE WORKS; asks to sign them out or suspend them
    line_works_logs     the audit log of LINE WORKS, and its sign-ins beside ours
    external_keys       external keys at LINE WORKS: by its file, or by its API and taken back
    recordings          that calls of LINE WORKS are recorded, and why

Set-up and going live:

    set_up              the set-up wizard, up to the first sign-in
    going_live          who of LINE WORKS' members would get in, the plan, who is in

Administrators:

    administrators      who has which role in the console
    first_owner         the one-time link for the first owner, and what it makes
    invitations         one-time links for further administrators
    deployers           tokens with which a pipeline applies a file of clients

Records and upkeep:

    changes             what was changed, before and after, and its undoing
    audit_log           the audit log, as an administrator reads it
    arrivals            whether audit records and alerts arrive
    upkeep              the encryption of secrets, the start of a purge
    lost_keys           continuing after the loss of a master key

Each of these is a part of ``Administration``, which creates them (``composition``). Only the
console has

    console             administrators' sign-ins to it, their sessions, their own second factors

They share

    actor               the acting user, and audit records of what they do
    roles               what each role may do: one table
    revoking            what a change must revoke elsewhere, right after it
    transactions        retries of a call that conflicts with others
    purging             the removal of expired data, also in the background
    sealing             the seals of the audit log, in the background
    alerts              alerts to administrators, in the background
    command_lines       commands that an administrator is advised to run
    older_encodings     the encodings of files from spreadsheets in East Asia
    errors              refusals and incomplete operations

Every change is committed together with its audit record (I-5). What it must revoke elsewhere, such
as a disabled person's sessions and tokens, is revoked right after the commit (R-30); if the store
does not respond then, ``Unfinished`` is raised, and the same call can be repeated.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Forbidden, NotFound, Outdated, Refused, Unfinished

if TYPE_CHECKING:
    from worksgate.administration.clients import NewClient
    from worksgate.administration.composition import Administration
    from worksgate.administration.lost_keys import LostKeys
    from worksgate.administration.people import Holdings
    from worksgate.administration.user_keys import LineWorksKey, line_works_keys
    from worksgate.administration.users import NewUser

__all__ = [
    "Actor",
    "Administration",
    "Forbidden",
    "Holdings",
    "LineWorksKey",
    "LostKeys",
    "NewClient",
    "NewUser",
    "NotFound",
    "Outdated",
    "Refused",
    "Unfinished",
    "line_works_keys",
]

_LAZY = {
    "Administration": "composition",
    "Holdings": "people",
    "LineWorksKey": "user_keys",
    "LostKeys": "lost_keys",
    "NewClient": "clients",
    "NewUser": "users",
    "line_works_keys": "user_keys",
}
"""Names and their modules, imported when they are used: a server needs few operations."""

if not TYPE_CHECKING:  # a module __getattr__ would give every misspelt name a type

    def __getattr__(name: str) -> object:
        if name in _LAZY:
            return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
