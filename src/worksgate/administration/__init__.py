"""The operations of administrators; the command line and the console both call it.

    clients             the tenants of LINE WORKS
    branding            how their sign-in pages look: drafts, publishing
    users               accounts of the built-in directory
    people              people of every source: what they hold, and its revocation
    attempts            one more sign-in attempt for somebody who has to wait
    departures          people who leave, at once or at a planned time
    jobs                bulk changes of people, in the background
    external_keys       external keys at LINE WORKS: by its file, or by its API and taken back
    line_works_api      the app of the LINE WORKS API of each client, and whether it works
    user_keys           owners of user keys, and the keys that LINE WORKS would receive
    people_import       bulk import of accounts from a file
    administrators      who has which role in the console
    changes             what was changed, before and after, and its undoing
    first_owner         the one-time link with which the first owner begins
    audit_log           the audit log, as an administrator reads it
    sign_in_trace       why somebody cannot get in, in sentences
    set_up              the set-up wizard, up to the first sign-in
    line_works_members  who a person is at LINE WORKS, and what is ordered about them there
    line_works_logs     the audit log of LINE WORKS, and its sign-ins beside ours
    going_live          who of LINE WORKS' members would get in, the plan, who is in
    upkeep              the encryption of secrets, the start of a purge
    lost_keys           continuing after the loss of a master key
    recordings          that calls of LINE WORKS are recorded, and why

Each of these is a part of ``Administration``, which creates them. Only the console has

    console_sign_in     administrators' sign-ins to it, and their sessions
    console_rights      what gives them their role: it was assigned, or a group of their source
    console_passkeys    their passkeys, which are for the console only
    console_providers   their sign-ins at another provider

They share

    actor               the acting user, and audit records of what they do
    roles               what each role may do: one table
    revoking            what a change must revoke elsewhere, right after it
    transactions        retries of a call that conflicts with others
    purging             the removal of expired data, also in the background
    leaving             the steps of a departure, also in the background
    sealing             the seals of the audit log, in the background
    alerts              what administrators are told of, in the background
    older_encodings     the encodings of files from spreadsheets in East Asia
    errors              refusals and incomplete operations

Every change is committed together with its audit record (I-5). What it must revoke elsewhere, such
as a disabled person's sessions and tokens, is revoked right after the commit (R-30); if the store
does not respond then, ``Unfinished`` is raised, and the same call can be repeated.
"""

import time
from collections.abc import Awaitable, Callable

from worksgate.administration.actor import Actor
from worksgate.administration.administrators import AdministratorAdministration
from worksgate.administration.attempts import AttemptAdministration
from worksgate.administration.audit_log import AuditLogAdministration
from worksgate.administration.branding import BrandingAdministration
from worksgate.administration.changes import ChangeAdministration
from worksgate.administration.clients import ClientAdministration, NewClient
from worksgate.administration.departures import DepartureAdministration
from worksgate.administration.errors import Forbidden, NotFound, Outdated, Refused, Unfinished
from worksgate.administration.external_keys.sync import KeySyncAdministration
from worksgate.administration.first_owner import FirstOwner
from worksgate.administration.going_live import GoingLive
from worksgate.administration.jobs.imports import ImportJobs
from worksgate.administration.jobs.verbs import JobAdministration
from worksgate.administration.leaving import Leaving
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.administration.line_works_logs import LineWorksLogs
from worksgate.administration.line_works_members import LineWorksMembers
from worksgate.administration.lost_keys import LostKeyAdministration, LostKeys
from worksgate.administration.people import Holdings, PeopleAdministration
from worksgate.administration.people_import.verbs import ImportAdministration
from worksgate.administration.recordings import RecordingAdministration
from worksgate.administration.revoking import Revoker
from worksgate.administration.set_up.verbs import SetUpAdministration
from worksgate.administration.sign_in_trace import SignInParts, SignInTrace
from worksgate.administration.upkeep import UpkeepAdministration
from worksgate.administration.user_keys import KeyAdministration, LineWorksKey, line_works_keys
from worksgate.administration.users import NewUser, UserAdministration
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.settings.options import Settings
from worksgate.store import Store

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


class Administration:
    """Clients, people and the audit log of one installation.

    ``store`` opens the store on first use; it may raise StoreUnavailable then. ``actor`` is the
    acting user, for the audit log; ``sign_in_parts`` can be asked by a trace. Every call may raise
    DatabaseUnavailable; those that end sessions, Unfinished.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        store: Callable[[], Awaitable[Store]],
        hashing: PasswordHashing,
        *,
        actor: str | Actor = "cli",
        clock: Callable[[], float] = time.time,
        sign_in_parts: SignInParts | None = None,
    ) -> None:
        acting = Actor(actor, clock) if isinstance(actor, str) else actor
        revoker = Revoker(directory, store, acting)
        self.clients = ClientAdministration(settings, directory, acting)
        self.set_up = SetUpAdministration(settings, directory, self.clients, acting)
        self.branding = BrandingAdministration(directory, acting)
        self.users = UserAdministration(settings, directory, store, hashing, revoker, acting)
        self.people = PeopleAdministration(settings, directory, store, self.users, revoker, acting)
        self.people_list = directory.people_list
        self.sign_ins = directory.sign_ins
        self.alerts = directory.alerts
        self.line_works_api = LineWorksApiAdministration(settings, directory, acting)
        self.line_works_members = LineWorksMembers(directory, self.line_works_api)
        self.departures = DepartureAdministration(
            directory,
            self.people,
            Leaving(directory, store, clock, self.line_works_members),
            acting,
        )
        self.jobs = JobAdministration(directory, acting)
        self.user_keys = KeyAdministration(directory, revoker, acting)
        self.key_sync = KeySyncAdministration(directory, self.line_works_api, acting)
        self.first_owner = FirstOwner(settings, directory, hashing, acting)
        self.people_import = ImportAdministration(
            directory, hashing, revoker, acting, company=settings.company_name
        )
        self.administrators = AdministratorAdministration(settings, directory, acting)
        self.changes = ChangeAdministration(
            directory, self.clients, self.users, self.people, self.administrators, acting
        )
        self.import_jobs = ImportJobs(directory, self.people_import, self.jobs, acting)
        self.audit_log = AuditLogAdministration(directory, acting)
        self.line_works_logs = LineWorksLogs(
            directory, self.line_works_api, self.audit_log, self.clients, acting
        )
        self.sign_in_trace = SignInTrace(
            settings,
            directory,
            self.user_keys,
            sign_in_parts,
            self.line_works_members,
            clock=clock,
        )
        self.attempts = AttemptAdministration(
            settings, directory, self.sign_in_trace, sign_in_parts, self.people, acting
        )
        self.upkeep = UpkeepAdministration(settings, directory, store, acting)
        self.going_live = GoingLive(directory, acting, self.line_works_api)
        self.recordings = RecordingAdministration(directory, acting)
        self.lost_keys = LostKeyAdministration(
            settings, directory, self.people, self.upkeep, acting
        )
