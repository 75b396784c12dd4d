"""The built-in directory: all persistent data, in SQL.

Accounts with their password hashes, clients with the digests of their secrets, the server's keys,
and the audit log. It is written by ``administration`` and by sign-ins (a rehash, the last sign-in),
and read by the sign-in page. The calls of LINE WORKS only use its list of clients, at most once in
0.2 s for all of them together (``clients``).

The whole:

    database             ``Directory``: accounts, clients, keys
    transaction          changes that are committed together with their record
    queries              queries inside a transaction
    rows                 conversion between rows and values
    change_log           what administrators changed, before and after
    audit                the audit log

People:

    source               the built-in directory as an identity source
    account_rules        validation of accounts
    people               people of other sources, as last seen
    remembered           people of sources that cannot look them up
    people_list          people of all sources in one list, a page at a time
    people_index         what lists sort people by, and searches find them by
    people_search        finds people by name, mail, key or subject
    taken_names          names and keys that are in use
    key_ownership        the current and former owners of user keys
    removed_accounts     accounts that were removed, and can be restored
    departures           people who leave, until everything they hold has ended

Their credentials, and sign-ins:

    factors              second factors
    app_passwords        passwords of mail programs
    credential_changes   announcements of changes of credentials
    endings              deletes the credentials of a person
    read_ahead           what each step of a sign-in reads together
    last_sign_ins        when people signed in last, written in the background

Clients:

    client_list          the clients that have changed since the last read
    branding_versions    how each client's pages look: drafts, and what was published
    line_works_apps      the app of the LINE WORKS API of each client, encrypted

The console:

    administrators       roles in the console
    console_sessions     its sessions
    first_links          the one-time link of the first owner
    console_groups       roles in the console by a group of another source
    invitations          invitations of further administrators
    deployer_tokens      tokens that may apply a file of clients
    preferences          what administrators have chosen for themselves
    set_up               answers of the set-up wizard, and what LINE WORKS did last
    wizard_answers       one answer under each name, of the wizard and of going live
    going_live           members of LINE WORKS, what rehearsals found, the plan and the start
    jobs                 bulk changes, and what each did to whom
    alerts               alerts to administrators, one for each occurrence
"""

from dataclasses import dataclass, field

from worksgate.sources import Person

SUBJECT_PREFIX = "directory:"
"""Prefix of an account's subject; its ID follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person in the built-in directory.

    ``id`` is never reused, not even after the account is removed. ``username`` is shown as written;
    it is found by its ``usernames.username_key``. Times are seconds since the epoch. ``role`` is
    what an administrator may do in the console (``administration.roles``); ``version`` counts the
    changes. ``reading`` is how the name is read, in kana or Latin letters: lists are in its order.
    """

    id: str
    username: str
    name: str = ""
    external_key: str | None = None
    works_account: str | None = None
    enabled: bool = True
    administrator: bool = False
    password_hash: str | None = field(default=None, repr=False)
    password_changed_at: float | None = None
    created_at: float = 0.0
    last_login_at: float | None = None
    email: str | None = None
    groups: tuple[str, ...] = ()
    must_change_password: bool = False
    role: str | None = None
    version: int = 0
    reading: str = ""

    @property
    def person(self) -> Person:
        """This account as other rooms see it."""
        return Person(
            subject_id=SUBJECT_PREFIX + self.id,
            username=self.username,
            name=self.name,
            external_key=self.external_key,
            works_account=self.works_account,
            revision=str(self.password_changed_at),
            email=self.email,
            groups=self.groups,
            must_change_password=self.must_change_password,
            reading=self.reading,
        )
