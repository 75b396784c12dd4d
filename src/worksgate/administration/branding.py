"""How a client's sign-in page looks: a draft, and what was published.

A draft is what an administrator works on; nobody else sees it. Publishing shows it to everybody
within ``clients.registry.MAX_AGE``. What was published stays, and can be published again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from worksgate.administration.actor import Actor
from worksgate.administration.errors import NotFound, Outdated, Refused, found, refusals
from worksgate.administration.transactions import retried_on_conflict
from worksgate.audit import AuditEvent, Event
from worksgate.clients.branding import (
    DARK_SURFACE,
    LIGHT_SURFACE,
    PLAIN,
    BadBranding,
    Branding,
    LogoFacts,
    Problem,
    checked,
)
from worksgate.clients.branding.logo import Logo, LogosUnavailable, read_logo
from worksgate.credentials.secrets import new_id
from worksgate.directory import branding_versions as rows
from worksgate.directory.branding_versions import BrandingVersion
from worksgate.directory.database import Directory
from worksgate.directory.transaction import Transaction
from worksgate.oauth.model import Client

LISTED: Final = 20
"""Versions of a client that are listed."""


class BrandingRefused(Refused):
    """Values that cannot be used, each with what is wrong."""

    def __init__(self, bad: BadBranding) -> None:
        super().__init__(str(bad))
        self.problems: Sequence[Problem] = bad.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a client's branding; times are in seconds since the epoch."""

    number: int
    branding: Branding
    created_at: float
    actor: str | None
    published_at: float | None

    @classmethod
    def of(cls, stored: BrandingVersion) -> "Version":
        """A version as stored; one that this program cannot use looks plain, as its pages do."""
        try:
            branding = Branding.of(stored.content)
        except ValueError:
            branding = PLAIN
        return cls(
            number=stored.number,
            branding=branding,
            created_at=stored.created_at,
            actor=stored.actor,
            published_at=stored.published_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBranding:
    """A client, what its page shows, the draft, and the newest versions that were published."""

    client: Client
    shown: Version | None
    draft: Version | None
    published: Sequence[Version] = field(default=())

    @property
    def edited(self) -> Branding:
        """What a change begins with: the draft, or else what is shown."""
        newest = self.draft or self.shown
        return PLAIN if newest is None else newest.branding

    @property
    def number(self) -> int:
        """The number of ``edited``, for ``expected``; 0 if there is none."""
        newest = self.draft or self.shown
        return 0 if newest is None else newest.number


class BrandingAdministration:
    """The brandings of an installation's clients; every change is recorded in the audit log.

    ``expected`` is the number of what the caller has seen: if somebody else has saved or published
    since, Outdated is raised, and nothing is changed.
    """

    def __init__(self, directory: Directory, actor: Actor) -> None:
        self._directory = directory
        self._actor = actor

    async def of_client(self, name_or_id: str) -> ClientBranding:
        """The branding of a client. Raises NotFound."""
        client = found(await self._directory.client(name_or_id), "client", name_or_id)
        stored = await self._directory.brandings.newest(client.client_id, LISTED)
        versions = [Version.of(each) for each in stored]
        published = [each for each in versions if each.published_at is not None]
        return ClientBranding(
            client=client,
            shown=next(iter(published), None),
            draft=next((each for each in versions if each.published_at is None), None),
            published=published,
        )

    async def logo(self, client_id: str, number: int) -> bytes | None:
        """The picture of a version, if it has one."""
        return await self._directory.brandings.logo(client_id, number)

    @retried_on_conflict
    async def save(
        self, name_or_id: str, /, *, expected: int | None = None, **changes: Any
    ) -> Branding:
        """Keep a draft: fields of ``Branding`` other than the logo; the rest stays as it is.

        Raises NotFound, Outdated, or BrandingRefused for values that cannot be used.
        """
        async with self._directory.changing() as transaction:
            edit = await _Edit.of(transaction, name_or_id, expected)
            try:
                branding = checked(replace(edit.branding, **changes))
            except BadBranding as bad:
                raise BrandingRefused(bad) from None
            if branding != edit.branding:
                await self._keep(transaction, edit, branding, await edit.logo(), "draft saved")
        return branding

    async def set_logo(
        self, name_or_id: str, file: bytes | None, /, *, expected: int | None = None
    ) -> Branding:
        """Keep a draft with the logo of a PNG or WebP file, or without one.

        Raises NotFound, Outdated, or Refused for a file that cannot be used.
        """
        logo = None
        if file is not None:
            try:
                with refusals():
                    surfaces = (LIGHT_SURFACE, DARK_SURFACE)
                    logo = await asyncio.to_thread(read_logo, file, surfaces)
            except LogosUnavailable as error:
                raise Refused(str(error)) from None
        return await self._set_logo(name_or_id, logo, expected)

    @retried_on_conflict
    async def _set_logo(self, name_or_id: str, logo: Logo | None, expected: int | None) -> Branding:
        async with self._directory.changing() as transaction:
            edit = await _Edit.of(transaction, name_or_id, expected)
            branding = replace(edit.branding, logo=None if logo is None else _facts(logo))
            content = None if logo is None else logo.content
            detail = "logo removed in the draft" if logo is None else "logo set in the draft"
            await self._keep(transaction, edit, branding, content, detail)
        return branding

    @retried_on_conflict
    async def discard(self, name_or_id: str, /, *, expected: int | None = None) -> None:
        """Drop the draft. Raises NotFound or Outdated."""
        async with self._directory.changing() as transaction:
            edit = await _Edit.of(transaction, name_or_id, expected)
            if edit.draft is not None:
                await rows.drop_draft(transaction.connection, edit.client.client_id)
                await transaction.record(self._event(edit.client, "draft discarded"))

    @retried_on_conflict
    async def publish(
        self, name_or_id: str, /, number: int | None = None, *, expected: int | None = None
    ) -> int:
        """Show the draft to everybody, or a version that was published before; its new number.

        Raises NotFound, Refused or Outdated.
        """
        async with self._directory.changing() as transaction:
            edit = await _Edit.of(transaction, name_or_id, expected)
            connection, client = transaction.connection, edit.client
            if number is None:
                if edit.draft is None:
                    raise Refused("there is no draft to publish")
                published = await rows.show_draft(connection, edit.draft, self._actor.now())
            else:
                published = await self._show_again(transaction, edit, number)
            await transaction.mark_changed(client)
            again = "" if number is None else f", which is version {number} again"
            await transaction.record(self._event(client, f"version {published} published{again}"))
        return published

    async def _show_again(self, transaction: Transaction, edit: "_Edit", number: int) -> int:
        connection, client_id = transaction.connection, edit.client.client_id
        before = await rows.find_version(connection, client_id, number)
        if before is None or before.published_at is None:
            raise NotFound(f"{edit.client.name} has never shown a version {number}")
        if edit.shown is not None and edit.shown.number == number:
            raise Refused(f"version {number} is what is shown")
        now = self._actor.now()
        again = replace(
            before,
            number=await rows.next_number(connection, client_id),
            created_at=now,
            actor=self._actor.name,
            published_at=now,
        )
        logo = await rows.logo_of(connection, client_id, number)
        await rows.add_version(connection, again, logo)
        return again.number

    async def _keep(
        self,
        transaction: Transaction,
        edit: "_Edit",
        branding: Branding,
        logo: bytes | None,
        detail: str,
    ) -> None:
        """Store a draft in place of the one before, under the next number."""
        connection, client_id = transaction.connection, edit.client.client_id
        draft = BrandingVersion(
            client_id=client_id,
            number=await rows.next_number(connection, client_id),
            content=branding.content(),
            created_at=self._actor.now(),
            actor=self._actor.name,
            published_at=None,
        )
        await rows.drop_draft(connection, client_id)
        await rows.add_version(connection, draft, logo)
        await transaction.record(self._event(edit.client, detail))

    def _event(self, client: Client, detail: str) -> AuditEvent:
        return self._actor.event(
            Event.CLIENT_CHANGED, f"{client.name}: branding, {detail}", client_id=client.client_id
        )


@dataclass(frozen=True, slots=True)
class _Edit:
    """What a change begins with, inside its transaction."""

    client: Client
    draft: BrandingVersion | None
    shown: BrandingVersion | None
    _transaction: Transaction

    @classmethod
    async def of(cls, transaction: Transaction, name_or_id: str, expected: int | None) -> "_Edit":
        """Raises NotFound, or Outdated if the newest version is not the expected one."""
        client = found(await transaction.client(name_or_id), "client", name_or_id)
        connection = transaction.connection
        draft = await rows.find_draft(connection, client.client_id)
        shown = await rows.find_shown(connection, client.client_id)
        edit = cls(client, draft, shown, transaction)
        number = 0 if edit._newest is None else edit._newest.number
        if expected is not None and expected != number:
            raise Outdated(f"somebody else has changed how the pages of {client.name} look")
        return edit

    @property
    def _newest(self) -> BrandingVersion | None:
        return self.draft or self.shown

    @property
    def branding(self) -> Branding:
        return PLAIN if self._newest is None else Version.of(self._newest).branding

    async def logo(self) -> bytes | None:
        newest = self._newest
        if newest is None:
            return None
        return await rows.logo_of(self._transaction.connection, newest.client_id, newest.number)


def _facts(logo: Logo) -> LogoFacts:
    return LogoFacts(
        id=new_id(),
        width=logo.width,
        height=logo.height,
        on_light=logo.on_light,
        on_dark=logo.on_dark,
    )
