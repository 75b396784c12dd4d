"""Continuing after the loss of a master key: its ciphertexts are given up, safely.

Secrets of authenticator apps cannot be recovered. So people without another factor would be left
with a password only: they are disabled first, and come back through an administrator, who verifies
their identity. People with a passkey keep that, and lose the app. Then the keys of the server are
created again, under a configured key.

Every step can be repeated: until the last one no server starts on the database.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worksgate.administration.actor import Actor
from worksgate.administration.errors import Refused
from worksgate.administration.people import PeopleAdministration
from worksgate.administration.upkeep import UpkeepAdministration
from worksgate.audit import Event
from worksgate.credentials.master_key import Keyring
from worksgate.database.secrets_at_rest import MasterKeyMissing
from worksgate.directory import SUBJECT_PREFIX
from worksgate.directory.database import Directory
from worksgate.provider.factors.passkeys import RelyingParty
from worksgate.settings.options import Settings
from worksgate.sources import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedPerson:
    """A person whose authenticator app is lost with the key.

    ``is_closed`` is true if they are disabled, since they have no other factor. ``person`` is None
    if this subject is unknown by now.
    """

    subject_id: str
    person: Person | None
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LostKeys:
    """The missing master keys, by ID, and the people whose apps depend on them."""

    key_ids: Sequence[str]
    people: Sequence[AffectedPerson]


class LostKeyAdministration:
    """Gives up what is encrypted under a missing master key.

    ``people`` are disabled if they would be left with a password only; ``upkeep`` encrypts the
    rest.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        people: PeopleAdministration,
        upkeep: UpkeepAdministration,
        actor: Actor,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._people = people
        self._upkeep = upkeep
        self._actor = actor

    async def find(self) -> LostKeys:
        """What would be given up.

        Raises Refused if nothing is lost, or no current master key is configured, and DatabaseInUse
        if a server runs, which may still have the key.
        """
        await self._directory.secrets.check_stopped()
        keyring = Keyring.of(self._settings.master_key, self._settings.previous_master_key)
        needed = (await self._directory.secrets.count()).key_ids
        lost = tuple(each for each in needed if each not in keyring.ids)
        if not lost:
            raise Refused("every required master key is configured: nothing is lost")
        if keyring.current is None:
            raise Refused(
                "no current master key is configured: create one with worksgate key new FILE, "
                "and set master_key_file to it"
            )
        subjects = await self._directory.secrets.holders_under(lost)
        return LostKeys(key_ids=lost, people=[await self._affected(each) for each in subjects])

    async def _affected(self, subject_id: str) -> AffectedPerson:
        person = await self._directory.person(subject_id)
        enrolled = await self._directory.factors.enrolled(subject_id)
        usable = RelyingParty.of(self._settings.public_url, "Worksgate").is_usable
        return AffectedPerson(
            subject_id=subject_id, person=person, is_closed=not (enrolled.passkeys and usable)
        )

    async def forget(self, lost: LostKeys, progress: Callable[[int], None] | None = None) -> None:
        """Give up the result of ``find``, and encrypt the rest under the current master key.

        ``progress`` gets the number of people done so far. Raises Unfinished, or as ``find``; the
        same call continues where it stopped.
        """
        for done, affected in enumerate(lost.people, start=1):
            await self._take_app(affected)
            if progress is not None:
                progress(done)
        ids = ", ".join(lost.key_ids)
        detail = f"master key {ids} is given up as lost: new keys sign cookies and forms"
        try:
            await self._directory.secrets.give_up(
                lost.key_ids, self._actor.event(Event.SYSTEM, detail)
            )
        except MasterKeyMissing as missing:
            raise Refused(f"somebody was faster: {missing}") from None
        await self._upkeep.encrypt_secrets()

    async def _take_app(self, affected: AffectedPerson) -> None:
        """Disable a person who would be left with a password only; then remove their app."""
        person = affected.person
        if person is not None and affected.is_closed:
            # An owner without a second factor cannot use the console: admin recover is next.
            await self._people.disable(person, also_last_owner=True)
        elif affected.is_closed:  # nor does anybody who was removed come back with a password only
            account_id = affected.subject_id.removeprefix(SUBJECT_PREFIX)
            await self._directory.removed_accounts.disable(account_id)
        event = self._actor.event(
            Event.FACTOR_REMOVED,
            "TOTP: its master key is lost",
            subject_id=affected.subject_id,
            username=None if person is None else person.username,
        )
        await self._directory.factors.remove_totp(affected.subject_id, event)
