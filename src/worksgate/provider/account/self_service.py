"""What people can see and change of their own account.

    visitor              the person of the browser's session
    overview             everything that is shown to them
    change_password      changes the password, given the current one
    begin_…, confirm_totp, add_passkey, remove_…, renew_recovery_codes    second factors
    add_app_password, remove_app_password
    end_session, end_all_sessions
    end_everything       sessions and app passwords

Every method concerns the visitor's own account: an ID is only looked up among the visitor's things.
Changing a password, a factor or an app password requires a fresh full sign-in (R-83). Notices are
not sent here: the directory announces its commits, and ``notices`` listens. Nothing in this file
knows HTTP.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from msgspec import structs

from worksgate.audit import AuditLog, Event
from worksgate.clients.registry import ClientRegistry
from worksgate.credentials.secrets import (
    new_ordered_secret,
)
from worksgate.database.repository import run_to_completion
from worksgate.directory.audit.own_history import OwnHistory
from worksgate.directory.credential_changes import Change
from worksgate.oauth.model import Client, Session
from worksgate.provider.account.own_factors import OwnFactors
from worksgate.provider.account.values import (
    AccountEvent,
    NotOffered,
    NotSignedIn,
    OpenSession,
    Overview,
    SignInTooOld,
    Visitor,
    renewed_session,
)
from worksgate.provider.assurance import best_of, is_full, kept_in
from worksgate.provider.factors import (
    AppPasswords,
    Enrolled,
    Factors,
    NewAppPassword,
)
from worksgate.provider.revocation import Ended, Revocation
from worksgate.provider.sessions import Sessions
from worksgate.provider.sign_in.attempt import Browser
from worksgate.provider.sign_in.errors import WrongPassword
from worksgate.provider.sign_in.password import PasswordCheck
from worksgate.provider.sign_in.transaction import SignInTransaction
from worksgate.provider.sources import SourcesInUse
from worksgate.provider.throttle import Throttle
from worksgate.settings.options import Settings
from worksgate.sources import Person, PersonDisabled
from worksgate.store import Store

SHOWN_EVENTS: Final = 50
LONGEST_SIGN_IN: Final = 5.0
"""Seconds between the request of a sign-in and its session; the response deadline is lower."""


class SelfService:
    """Everything that people can do with their own account; ``factors`` are their second factors.

    Methods that change something raise SignInTooOld without a fresh sign-in. An outage is
    StoreUnavailable, DatabaseUnavailable, SourceUnavailable or HashingBusy.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        sources: SourcesInUse,
        passwords: PasswordCheck,
        factors: Factors,
        app_passwords: AppPasswords,
        clients: ClientRegistry,
        history: OwnHistory,
        audit: AuditLog,
        revocation: Revocation,
        factor_throttle: Throttle,
        clock: Callable[[], float],
    ) -> None:
        self._fresh_for = settings.fresh_login_lifetime
        self._lapse = settings.app_password_lapse or math.inf
        self._url = settings.account_url
        self._store = store
        self._sessions = Sessions(settings, store, sources)
        self._sources = sources
        self._passwords = passwords
        self._factors = factors
        self._app_passwords = app_passwords
        self._clients = clients
        self._history = history
        self._audit = audit
        self._revocation = revocation
        self._clock = clock
        self.factors = OwnFactors(
            factors,
            store,
            factor_throttle,
            check_fresh=self.check_fresh,
            takes_own_password=self._takes_own_password,
        )
        self.unfinished: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Finish work in progress."""
        await asyncio.gather(*self.unfinished, return_exceptions=True)

    # The visitor, and what they see

    async def visitor(self, browser: Browser, language: str) -> Visitor:
        """The person of the browser's session. Raises NotSignedIn."""
        now = self._clock()
        found = await self._sessions.find(browser.session, now)
        if found is None:
            raise NotSignedIn
        session, person = found
        return Visitor(session=session, person=person, browser=browser, language=language, at=now)

    async def overview(self, visitor: Visitor) -> Overview:
        """Everything that a person sees of their account."""
        person = visitor.person
        enrolled = await self._factors.of(person.subject_id)
        history = await self._account_events(visitor)
        app_passwords = None
        if await self.offers_app_passwords():
            app_passwords = await self._app_passwords.of(person.subject_id)
        until = None
        if app_passwords:
            until = await self._sources.trusted_until(person.subject_id, self._lapse)
        return Overview(
            person=person,
            enrolled=enrolled,
            app_passwords=app_passwords,
            app_passwords_until=until,
            sessions=await self._open_sessions(visitor, history),
            history=history,
            can_change_password=self.can_change_password(visitor),
            provider=self._sources.label_of(visitor.session.source),
            passkeys_usable=self._factors.passkeys_usable,
            is_fresh=self._is_fresh(visitor, enrolled),
        )

    async def check_fresh(self, visitor: Visitor) -> Enrolled:
        """The person's factors, if they may change them now. Raises SignInTooOld."""
        enrolled = await self._factors.of(visitor.person.subject_id)
        if not self._is_fresh(visitor, enrolled):
            raise SignInTooOld
        return enrolled

    def can_change_password(self, visitor: Visitor) -> bool:
        """Whether the person's password is kept here."""
        return self._sources.can_change_password(visitor.session.source)

    def provider_of(self, source: str) -> str | None:
        """The label of the other provider of this name; None if there is none."""
        return self._sources.label_of(source)

    async def offers_app_passwords(self) -> bool:
        """Whether there is a client with the IMAP login for this person."""
        return bool((await self._clients.together()).mail_clients)

    async def has_app_passwords(self, visitor: Visitor) -> bool:
        """Whether the person has any."""
        return bool(await self._app_passwords.of(visitor.person.subject_id))

    async def would_cut_off_mail(self, visitor: Visitor) -> bool:
        """Whether a first second factor ends the use of the own password in mail programs (R-63).

        It does if a client accepts it there.
        """
        if (await self._factors.of(visitor.person.subject_id)).any:
            return False
        return await self._takes_own_password(visitor)

    async def _takes_own_password(self, visitor: Visitor) -> bool:
        source = visitor.session.source
        if source not in self._sources.passwords:
            return False
        return (await self._clients.together()).takes_own_password(source)

    # The password

    async def change_password(
        self, visitor: Visitor, current: str, new: str, *, ends_app_passwords: bool = True
    ) -> str:
        """Change the password, end all other sessions, and return the new secret of this one.

        App passwords are revoked too, unless the person wants to keep them. The current password is
        checked, and counted, as at a sign-in. Raises WrongPassword, WeakPassword, TooManyAttempts,
        PersonDisabled, NotOffered or SignInTooOld.
        """
        if not self.can_change_password(visitor):
            raise NotOffered
        await self.check_fresh(visitor)
        person = await self._proved_again(visitor, current)
        return await self._replace_password(
            visitor, person, new, ends_app_passwords=ends_app_passwords
        )

    @run_to_completion  # sessions of the old password must end, even if the browser has closed
    async def _replace_password(
        self, visitor: Visitor, person: Person, new: str, *, ends_app_passwords: bool
    ) -> str:
        changed = await self._sources.change_password(
            visitor.session.source, person, new, ends_app_passwords=ends_app_passwords
        )
        if changed is None:
            raise PersonDisabled
        record = visitor.event(Event.PASSWORD_CHANGED, "changed at the account page")
        await self._store.forget(changed.subject_id, records=(record,))
        secret = new_ordered_secret()
        renewed = structs.replace(
            renewed_session(visitor.session, secret), revision=changed.revision
        )
        await self._store.save(renewed)
        return secret

    async def _proved_again(self, visitor: Visitor, password: str) -> Person:
        """The visitor, if the password is theirs."""
        source = visitor.session.source
        only_there = Client(client_id="", name="account", sources=(source,))
        login = SignInTransaction.begin_for_account(self._url, visitor.browser.secret, visitor.at)
        _, person = await self._passwords.check(
            login, only_there, visitor.person.username, password, visitor.browser, visitor.at
        )
        if person.subject_id != visitor.person.subject_id:  # the name is somebody else's now
            raise WrongPassword
        return person

    # App passwords

    async def add_app_password(self, visitor: Visitor, name: str) -> NewAppPassword:
        """Create an app password. Raises NotOffered, factors.TooMany or SignInTooOld."""
        if not await self.offers_app_passwords():
            raise NotOffered
        await self.check_fresh(visitor)
        return await self._app_passwords.add(visitor.holder, name, visitor.at)

    async def remove_app_password(self, visitor: Visitor, app_password_id: str) -> bool:
        """Remove one of the person's; False if they have none with this ID."""
        await self.check_fresh(visitor)
        return await self._app_passwords.remove(visitor.holder, app_password_id, visitor.at)

    # Sessions: ending one requires no fresh sign-in, since it may be urgent

    async def end_session(self, visitor: Visitor, session_id: str) -> bool:
        """End one of the person's sessions; False if they have none with this ID."""
        for session in await self._store.held(Session, visitor.person.subject_id):
            if session.grant_id == session_id:
                record = visitor.event(Event.LOGOUT, "one of their sessions")
                return await self._store.take(Session, session.key, records=(record,)) is not None
        return False

    async def end_all_sessions(self, visitor: Visitor) -> None:
        """Revoke everything the person holds: sessions of every kind, tokens, trusted browsers."""
        await self._revocation.end_console_sessions(visitor.person.subject_id)
        record = visitor.event(Event.LOGOUT, "everywhere: all their sessions")
        await self._store.forget(visitor.person.subject_id, records=(record,))

    async def end_everything(self, visitor: Visitor) -> Ended:
        """Revoke everything the person holds, and their app passwords. Raises SignInTooOld."""
        await self.check_fresh(visitor)
        return await self._end_everything(visitor)

    @run_to_completion
    async def _end_everything(self, visitor: Visitor) -> Ended:
        return await self._revocation.end_everything(visitor.holder, Change.ALL_ENDED, visitor.at)

    # Implementation

    def _is_fresh(self, visitor: Visitor, enrolled: Enrolled) -> bool:
        """Whether the sign-in was recent and full: with the best factors that the person has."""
        session = visitor.session
        best = best_of(enrolled, passkeys_usable=self._factors.passkeys_usable)
        is_recent = visitor.at < session.authenticated_at + self._fresh_for
        return is_recent and is_full(kept_in(session), best)

    async def _open_sessions(
        self, visitor: Visitor, history: Sequence[AccountEvent]
    ) -> list[OpenSession]:
        held = await self._store.held(Session, visitor.person.subject_id)
        live = [each for each in held if each.is_live(visitor.at)]
        shown = [
            OpenSession(
                id=session.grant_id,
                since=session.authenticated_at,
                ends_at=session.expires_at,
                second_factor=session.second_factor_at is not None,
                is_this=session.key == visitor.session.key,
                address=_only(sign_in.address for sign_in in _sign_ins_of(session, history)),
                browser=_only(sign_in.browser for sign_in in _sign_ins_of(session, history)),
            )
            for session in live
        ]
        return sorted(shown, key=lambda session: (not session.is_this, -session.since))

    async def _account_events(self, visitor: Visitor) -> list[AccountEvent]:
        person = visitor.person
        await self._audit.flush()  # otherwise the sign-in that led here would be missing
        events = await self._history.of(
            person.subject_id, person.username, visitor.at, SHOWN_EVENTS
        )
        clients = await self._clients.snapshot()
        return [
            AccountEvent(
                event=event.event,
                at=event.at,
                address=event.address,
                client=client.name if (client := clients.get(event.client_id or "")) else None,
                browser=event.detail if event.event is Event.LOGIN_SUCCEEDED else None,
                by_administrator=event.actor is not None,
            )
            for event in events
        ]


def _sign_ins_of(session: Session, history: Sequence[AccountEvent]) -> list[AccountEvent]:
    """The sign-ins at the time when a session began.

    A session begins when its sign-in is answered, slightly later than the recorded time.
    """
    return [
        each
        for each in history
        if each.event is Event.LOGIN_SUCCEEDED
        and 0 <= session.authenticated_at - each.at <= LONGEST_SIGN_IN
    ]


def _only(values: Iterable[str | None]) -> str | None:
    """The common value: if there were two sign-ins, it is unknown which of them it was."""
    found = set(values)
    return found.pop() if len(found) == 1 else None
