"""All operations of administrators, made from what they need: one object for each installation."""

import time
from collections.abc import Awaitable, Callable

from worksgate.administration.actor import Actor
from worksgate.administration.administrators import AdministratorAdministration
from worksgate.administration.applying import ApplyAdministration
from worksgate.administration.audit_log import AuditLogAdministration
from worksgate.administration.branding import BrandingAdministration
from worksgate.administration.changes import ChangeAdministration
from worksgate.administration.clients import ClientAdministration
from worksgate.administration.departures.operations import DepartureAdministration
from worksgate.administration.departures.steps import DepartureSteps
from worksgate.administration.deployers import DeployerAdministration
from worksgate.administration.external_keys.sync import KeySyncAdministration
from worksgate.administration.extra_attempts import ExtraAttemptAdministration
from worksgate.administration.first_owner import FirstOwner
from worksgate.administration.going_live import GoingLive
from worksgate.administration.invitations import InvitationAdministration
from worksgate.administration.jobs.imports import ImportJobs
from worksgate.administration.jobs.operations import JobAdministration
from worksgate.administration.line_works_api import LineWorksApiAdministration
from worksgate.administration.line_works_logs import LineWorksLogs
from worksgate.administration.line_works_members import LineWorksMembers
from worksgate.administration.lost_keys import LostKeyAdministration
from worksgate.administration.people import PeopleAdministration
from worksgate.administration.people_import.operations import ImportAdministration
from worksgate.administration.recordings import RecordingAdministration
from worksgate.administration.removals import RemovalAdministration
from worksgate.administration.revoking import Revoker
from worksgate.administration.set_up.operations import SetUpAdministration
from worksgate.administration.sign_in_trace import SignInParts, SignInTrace
from worksgate.administration.upkeep import UpkeepAdministration
from worksgate.administration.user_keys import KeyAdministration
from worksgate.administration.users import UserAdministration
from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.directory.database import Directory
from worksgate.settings.options import Settings
from worksgate.store import Store


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
        self.applying = ApplyAdministration(self.clients, self.branding)
        self.users = UserAdministration(settings, directory, store, hashing, revoker, acting)
        self.people = PeopleAdministration(settings, directory, store, self.users, revoker, acting)
        self.removals = RemovalAdministration(directory, store, self.users, acting)
        self.people_list = directory.people_list
        self.sign_ins = directory.sign_ins
        self.alerts = directory.alerts
        self.line_works_api = LineWorksApiAdministration(settings, directory, acting)
        self.line_works_members = LineWorksMembers(directory, self.line_works_api)
        self.departures = DepartureAdministration(
            directory,
            self.people,
            DepartureSteps(directory, store, clock, self.line_works_members),
            acting,
        )
        self.jobs = JobAdministration(directory, acting)
        self.user_keys = KeyAdministration(directory, revoker, acting)
        self.key_sync = KeySyncAdministration(directory, self.line_works_api, acting)
        self.first_owner = FirstOwner(settings, directory, hashing, acting)
        self.invitations = InvitationAdministration(settings, directory, acting)
        self.deployers = DeployerAdministration(directory, acting)
        self.people_import = ImportAdministration(
            directory, hashing, revoker, acting, company=settings.company_name
        )
        self.administrators = AdministratorAdministration(settings, directory, acting)
        self.changes = ChangeAdministration(
            directory,
            self.clients,
            self.users,
            self.people,
            self.administrators,
            self.removals,
            acting,
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
        self.extra_attempts = ExtraAttemptAdministration(
            settings, directory, self.sign_in_trace, sign_in_parts, self.people, acting
        )
        self.upkeep = UpkeepAdministration(settings, directory, store, acting)
        self.going_live = GoingLive(directory, acting, self.line_works_api)
        self.recordings = RecordingAdministration(directory, acting)
        self.lost_keys = LostKeyAdministration(
            settings, directory, self.people, self.upkeep, acting
        )
