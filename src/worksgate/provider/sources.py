"""The identity sources of an installation: which of them a client's people may use, and how.

A client may restrict the sources. A typed name with a domain that some of them own goes to those
only; a source that owns none is asked for every name.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from worksgate.credentials.password_hashing import BusyRefusal
from worksgate.credentials.usernames import username_key
from worksgate.directory.remembered import RememberedPeople
from worksgate.provider.throttle import Admission
from worksgate.settings.sources.common import BUILT_IN
from worksgate.sources import (
    HasCapacity,
    NoAnswer,
    Person,
    RedirectSource,
    SlowToRefuse,
    Source,
    SourceUnavailable,
    TemporaryPasswordExpired,
    identify,
    verify,
)


class UnknownSource(Exception):
    """There is no such source, or the client does not use it."""


class RestrictsSources(Protocol):
    """A client, or whatever else may restrict the sources; empty allows all."""

    @property
    def sources(self) -> Collection[str]: ...


class PasswordChanger(Protocol):
    """A source whose passwords can be changed here: the built-in directory."""

    async def is_password(self, username: str, password: str) -> bool:
        """Whether it is this person's password; that does not sign them in.

        Raises HashingBusy or SourceUnavailable.
        """
        ...

    async def set_password(
        self,
        subject_id: str,
        new_password: str,
        *,
        revision: str | None = None,
        ends_app_passwords: bool,
    ) -> Person | None:
        """Set a person's password, and return the person as they are then.

        None if they are gone or disabled, or their password is not that of ``revision`` any more.
        Raises WeakPassword, HashingBusy or SourceUnavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class SourcesInUse:
    """Sources by name, in order; ``domains`` are in lower case."""

    passwords: Mapping[str, Source] = field(default_factory=dict)
    redirects: Mapping[str, RedirectSource] = field(default_factory=dict)
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    people: RememberedPeople | None = None
    changer: PasswordChanger | None = None
    is_part: bool = False
    """Whether the installation has further sources with passwords."""

    def for_password(self, client: RestrictsSources, username: str) -> Sequence[Source]:
        """The sources that may know this name's password, in order.

        None if another provider owns the name's domain: nobody else may see the password.
        """
        if self.upstream_of(client, username) is not None:
            return ()
        allowed = [each for name, each in self.passwords.items() if _is_allowed(client, name)]
        owners = [each for each in allowed if self._owns(each.name, username)]
        return owners or [each for each in allowed if not self.domains.get(each.name)]

    def check_capacity(self, client: RestrictsSources, username: str, *, is_known: bool) -> None:
        """Raises HashingBusy if the first source to be asked could not check a password now."""
        first = next(iter(self.for_password(client, username)), None)
        if isinstance(first, HasCapacity):
            first.check_capacity(is_known=is_known)

    def takes_passwords(self, client: RestrictsSources) -> bool:
        return any(_is_allowed(client, name) for name in self.passwords)

    def buttons(self, client: RestrictsSources) -> Sequence[RedirectSource]:
        """The other providers that this client's people can choose."""
        return [each for name, each in self.redirects.items() if _is_allowed(client, name)]

    def redirect(self, client: RestrictsSources, name: str) -> RedirectSource:
        """The other provider of this name. Raises UnknownSource."""
        if name not in self.redirects or not _is_allowed(client, name):
            raise UnknownSource(name)
        return self.redirects[name]

    def upstream_of(self, client: RestrictsSources, username: str) -> RedirectSource | None:
        """The other provider that owns the domain of a typed name, if any."""
        owners = [each for each in self.buttons(client) if self._owns(each.name, username)]
        return owners[0] if owners else None

    async def find(self, source_name: str, last_seen: Person) -> Person | None:
        """The person's current state, or None if they may not sign in any more.

        Raises SourceUnavailable.
        """
        source = self.passwords.get(source_name) or self.redirects.get(source_name)
        return await source.find(last_seen.subject_id, last_seen) if source else None

    def note_login(self, subject_id: str) -> None:
        """Note that somebody has been let in, at the end of their sign-in; it does not wait."""
        if self.people is not None:
            self.people.note_login(subject_id)

    async def by_subject(
        self, subject_id: str, *, trusted_for: float | None = None
    ) -> tuple[str, Person] | None:
        """The name of a person's source, and the person's current state. Like ``find``.

        A source that cannot look people up is trusted for so many seconds after the last sign-in
        there.
        """
        name, _, _ = subject_id.partition(":")
        remembered = None
        if self.people is not None:
            remembered = await self.people.last_seen(subject_id, trusted_for)
        last_seen = remembered or Person(subject_id=subject_id, username="", name="")
        person = await self.find(name, last_seen)
        # A person known only by an identifier belongs to no source.
        return (name, person) if person is not None and person.username else None

    async def trusted_until(self, subject_id: str, lapse: float) -> float | None:
        """When trust in a person's source ends, ``lapse`` seconds after their last sign-in.

        None for sources that can look people up at any time. Raises SourceUnavailable.
        """
        name, _, _ = subject_id.partition(":")
        if self.people is None or name == BUILT_IN or lapse == math.inf:
            return None
        asked = await self.find(name, Person(subject_id=subject_id, username="", name=""))
        if asked is not None and asked.username:  # it knows them by the subject only
            return None
        seen = await self.people.last_sign_in(subject_id)
        return None if seen is None else seen + lapse

    async def check_password(
        self,
        client: RestrictsSources,
        username: str,
        password: str,
        admission: Admission,
        *,
        within: float | None = None,
    ) -> tuple[str, Person] | None:
        """The first source that accepts the password, and the person; None if none does.

        Every rejection is passed to ``admission`` at once, and counts even if another source is
        down: otherwise guesses would be free during an outage. An outage is raised if no source has
        accepted, even if others have rejected: the response must not reveal who is in which source.
        Accepting is up to the caller. The sources share ``within`` seconds. Raises PersonDisabled,
        HashingBusy or SourceUnavailable; BusyRefusal is a rejection that counts (R-145).
        """
        asked = self.for_password(client, username)
        began = time.monotonic()
        for source in asked:
            admission.asked = source.name
            try:
                async with _patience(source, within and within / len(asked)):
                    person = await self._checked(source, username, password, admission)
            except BusyRefusal:
                person = None  # so that others proceed as after a wrong password
            except TemporaryPasswordExpired:
                admission.was_temporary = True
                person = None
            except SourceUnavailable as error:
                admission.outage = admission.outage or error
                continue
            if person is not None:
                admission.undecided()  # the caller knows what else must hold
                return source.name, person
            admission.refused()
        if admission.outage is None:
            admission.refused()  # even if no source was asked
        await _end_like_wrong(asked, admission, began)
        return None

    async def refuse(
        self,
        client: RestrictsSources,
        username: str,
        password: str,
        admission: Admission,
        *,
        began: float,
        within: float | None = None,
    ) -> None:
        """End like a wrong password: for refusals of a right one, which must be indistinguishable.

        So the sources after the one that accepted it are asked as well, in vain: the password
        reaches nobody's account there (R-284). ``began`` is the start of the check, by
        ``time.monotonic``. Raises BusyRefusal or SourceUnavailable if a wrong password would get
        that.
        """
        admission.refused()
        asked = self.for_password(client, username)
        names = [each.name for each in asked]
        further = asked[names.index(admission.asked) + 1 :] if admission.asked in names else ()
        for source in further:
            try:
                async with _patience(source, within and within / len(asked)):
                    await self._checked(source, username, password, admission, in_vain=True)
            except BusyRefusal:
                pass
            except SourceUnavailable as error:
                admission.outage = admission.outage or error
        admission.refused()
        await _end_like_wrong(asked, admission, began)

    async def is_password_kept_here(
        self, client: RestrictsSources, username: str, password: str
    ) -> bool:
        """Whether it is the person's password in the built-in directory; signs nobody in.

        No other source is asked, since it may count that as a failure and lock the account. Raises
        HashingBusy or SourceUnavailable.
        """
        asked = self.for_password(client, username)
        if self.changer is None or BUILT_IN not in [each.name for each in asked]:
            return False
        return await self.changer.is_password(username, password)

    def name_at(self, source_name: str, username: str) -> str | None:
        """What a name is counted as at a source that does not say whose it is; None for no more.

        Whoever has the name in another source must not set its guesses back here (R-276).
        """
        if not self.is_part and len(self.passwords) < 2:
            return None
        return f"{source_name} name {username}"

    def label_of(self, source_name: str) -> str | None:
        """The label of the other provider of this name; None for a source with passwords."""
        provider = self.redirects.get(source_name)
        return provider.label if provider is not None else None

    def can_change_password(self, source_name: str) -> bool:
        return self.changer is not None and source_name == BUILT_IN

    async def change_password(
        self,
        source_name: str,
        person: Person,
        new_password: str,
        *,
        ends_app_passwords: bool = True,
    ) -> Person | None:
        """Set the password of a person at their request. Like ``PasswordChanger.set_password``.

        Raises UnknownSource if it cannot be changed here.
        """
        if self.changer is None or not self.can_change_password(source_name):
            raise UnknownSource(source_name)
        return await self.changer.set_password(
            person.subject_id,
            new_password,
            revision=person.revision,
            ends_app_passwords=ends_app_passwords,
        )

    async def _checked(
        self,
        source: Source,
        username: str,
        password: str,
        admission: Admission,
        *,
        in_vain: bool = False,
    ) -> Person | None:
        """Raises PersonDisabled, BusyRefusal, HashingBusy or SourceUnavailable."""
        identified = await identify(source, username)
        admission.must_answer_busy |= identified.is_busy
        account = identified.account or self.name_at(source.name, username)
        was_exhausted = admission.is_exhausted
        admitted = await admission.admits(
            account,
            is_found=identified.is_found,
            whose=identified.subject_id or source.name,
        )
        if identified.account is None and not identified.is_found:
            admission.is_exhausted = was_exhausted  # it may be nobody's name here
        admission.awaits_answer = True
        try:
            person = await verify(source, identified, password, admitted=admitted and not in_vain)
        except NoAnswer:
            raise
        except Exception:
            admission.awaits_answer = False
            raise
        admission.awaits_answer = False
        return person

    def _owns(self, name: str, username: str) -> bool:
        _, at, domain = username_key(username).rpartition("@")
        return bool(at) and domain in self.domains.get(name, ())


async def _end_like_wrong(asked: Sequence[Source], admission: Admission, began: float) -> None:
    """Wait until the timing of a refusal reveals nothing. May raise BusyRefusal or an outage."""
    times = [await each.refusal_time() for each in asked if isinstance(each, SlowToRefuse)]
    await asyncio.sleep(began + max(times, default=0.0) - time.monotonic())
    if admission.outage is not None:
        raise admission.outage
    if admission.must_answer_busy:
        raise BusyRefusal


@asynccontextmanager
async def _patience(source: Source, seconds: float | None) -> AsyncIterator[None]:
    """Raises SourceUnavailable if a source takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise SourceUnavailable(f"{source.name} did not respond in time") from None


def _is_allowed(client: RestrictsSources, name: str) -> bool:
    return not client.sources or name in client.sources
