"""What administrators changed: each field before and after, and its undoing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from itertools import groupby
from typing import Final

from starlette.responses import Response

from worksgate.administration.changes import COLUMNS, ShownChange, Wanted
from worksgate.clients.validation import LINE_WORKS_ORIGIN
from worksgate.directory.change_log import EXISTS, ChangeKind, FieldChange, Value
from worksgate.moments import machine
from worksgate.oauth.model import Client
from worksgate.web.console.client_fields import FIELDS, ClientField, FieldKind
from worksgate.web.console.exports import Export, Layout
from worksgate.web.console.pages import ROLE_NAMES
from worksgate.web.console.periods import TimeRange
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.pages.wording import text

PAGE: Final = 20
"""Each with its fields: a page stays below 60 kB."""
LONGEST: Final = 200
"""Characters of a search."""
PERSON_FIELDS: Final[Mapping[str, ClientField]] = {
    each.name: each
    for each in (
        ClientField(name="username", label=text("User name"), sentence=""),
        ClientField(name="name", label=text("Name"), sentence=""),
        ClientField(name="reading", label=text("Reading"), sentence=""),
        ClientField(name="external_key", label=text("External Key"), sentence=""),
        ClientField(name="works_account", label=text("LINE WORKS account"), sentence=""),
        ClientField(name="email", label=text("Mail"), sentence=""),
        ClientField(name="groups", label=text("Groups"), sentence="", kind=FieldKind.LINES),
        ClientField(
            name="administrator",
            label=text("Administrator flag"),
            sentence="",
            kind=FieldKind.SWITCH,
        ),
        ClientField(
            name="role",
            label=text("Role"),
            sentence="",
            kind=FieldKind.CHOICE,
            choices=ROLE_NAMES,
        ),
    )
}
_BOTH: Final[Mapping[str, ClientField]] = {
    each.name: each
    for each in (
        ClientField(name="enabled", label=text("Enabled"), sentence="", kind=FieldKind.SWITCH),
        ClientField(name="secret", label=text("Client Secret"), sentence=""),
        ClientField(name="password", label=text("Password"), sentence=""),
    )
}
_LAYOUT: Final[Layout[ShownChange]] = Layout(
    columns=COLUMNS,
    rows=lambda change: change.rows(machine),
    document=lambda change: change.document(machine),
)
_USUAL: Final = Client(client_id="", name="", redirect_uris=(LINE_WORKS_ORIGIN,))
_PATHS: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.CLIENT: "/client",
    ChangeKind.PERSON: "/person",
    ChangeKind.ROLE: "/person",
}
_UNDO: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.CLIENT: "/client/undo",
    ChangeKind.PERSON: "/person/undo",
    ChangeKind.ROLE: "/administrators/undo",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a change, with what the console knows of it."""

    field: ClientField
    changed: FieldChange

    @property
    def before(self) -> Value:
        return self.changed.before

    @property
    def after(self) -> Value:
        return self.changed.after


@dataclass(frozen=True, slots=True)
class ChangeOnPage:
    """A change as a page shows it."""

    shown: ShownChange

    @property
    def differences(self) -> list[Difference]:
        """Its fields in the order of the log; of a whole client, without what is the default."""
        change = self.shown.change
        known = FIELDS if change.kind is ChangeKind.CLIENT else PERSON_FIELDS
        return [
            Difference(_field(known, each.field), each)
            for each in change.fields
            if each.field != EXISTS and not (self.existence and _is_usual(each))
        ]

    @property
    def existence(self) -> str:
        """What of it is more than a change of fields: "added", "restored", "removed" or nothing.

        People who are added have no change; so one who is there again was restored.
        """
        for each in self.shown.change.fields:
            if each.field == EXISTS and each.after:
                return "restored" if self.shown.change.kind is ChangeKind.PERSON else "added"
            if each.field == EXISTS:
                return "removed"
        return ""

    @property
    def has_secret(self) -> bool:
        return any(each.is_secret for each in self.shown.change.fields)

    @property
    def ends_sessions(self) -> bool:
        """Whether the change, or its undoing, signs the person out."""
        names = {each.field for each in self.shown.change.fields}
        is_person = self.shown.change.kind is not ChangeKind.CLIENT
        return is_person and not names.isdisjoint(
            ("enabled", "external_key", "works_account", "role")
        )

    @property
    def path(self) -> str:
        """The page of what was changed."""
        return _PATHS[self.shown.change.kind]

    @property
    def undo_path(self) -> str:
        return _UNDO[self.shown.change.kind]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for in the address; None matches all."""

    kind: ChangeKind | None
    about: str | None
    by: str | None
    session: str | None
    request: str | None
    between: TimeRange

    @classmethod
    def of(cls, values: Mapping[str, str], zone: tzinfo | None) -> "_Wanted":
        kind = values.get("kind", "")
        return cls(
            kind=ChangeKind(kind) if kind in list(ChangeKind) else None,
            about=values.get("about", "").strip()[:LONGEST] or None,
            by=values.get("by", "").strip()[:LONGEST] or None,
            session=values.get("session", "").strip()[:LONGEST] or None,
            request=values.get("request", "").strip()[:LONGEST] or None,
            between=TimeRange.chosen(values, zone),
        )

    @property
    def chosen(self) -> dict[str, str]:
        """The filter, as a form or an address has it."""
        return {
            "kind": self.kind or "",
            "about": self.about or "",
            "by": self.by or "",
            "session": self.session or "",
            "request": self.request or "",
            **self.between.parameters,
        }

    @property
    def is_narrowed(self) -> bool:
        return any(self.chosen.values())

    def with_(self, **changes: str) -> dict[str, str]:
        """The parameters of a link that changes some of it, from the first page."""
        return {**self.chosen, **changes}

    @property
    def asked(self) -> Wanted:
        """The same, as the administration takes it."""
        kinds = None if self.kind is None else [self.kind]
        since, until = self.between.since, self.between.until
        return Wanted(
            kinds=kinds,
            about=self.about,
            by=self.by,
            session=self.session,
            request_id=self.request,
            since=since,
            until=until,
        )


async def show(visit: Visit) -> Response:
    """The newest changes that match, a page at a time; the filter is in the address."""
    wanted = _Wanted.of(visit.query, visit.words.zone)
    before = number_of(visit.query.get("before", ""))
    found = await visit.administration.changes.page(
        before=before if before > 0 else None, limit=PAGE + 1, **wanted.asked
    )
    return visit.page(
        "changes.html",
        days=[
            (day, list(changes))
            for day, changes in groupby(
                map(ChangeOnPage, found[:PAGE]),
                key=lambda each: visit.words.day(each.shown.change.at),
            )
        ],
        next=found[PAGE - 1].change.number if len(found) > PAGE else None,
        is_first=before <= 0,
        wanted=wanted,
        kinds=list(ChangeKind),
    )


async def export(visit: Visit) -> Response:
    """The same as a file, the newest first: a row for each field, before and after."""
    wanted = _Wanted.of(visit.form, visit.words.zone)
    return await Export(
        name="changes",
        chosen=wanted.chosen,
        pages=visit.administration.changes.pages(**wanted.asked),
        layout=_LAYOUT,
    ).response(visit)


async def changes_of(visit: Visit, subject: str, limit: int) -> list[ChangeOnPage]:
    """The newest changes of a client or a person."""
    found = await visit.administration.changes.page(subject=subject, limit=limit)
    return list(map(ChangeOnPage, found))


async def undo_client(visit: Visit) -> Response:
    """Set a client back to before a change."""
    return await _undo(visit, ChangeKind.CLIENT)


async def undo_person(visit: Visit) -> Response:
    """Set a person back to before a change."""
    return await _undo(visit, ChangeKind.PERSON)


async def undo_role(visit: Visit) -> Response:
    """Give somebody the role back that they had before a change, or take it."""
    return await _undo(visit, ChangeKind.ROLE)


async def _undo(visit: Visit, kind: ChangeKind) -> Response:
    number = number_of(visit.form.get("number", ""))
    undone = await visit.administration.changes.undo(number, [kind])
    return visit.to(_PATHS[kind], id=undone.subject, done="undone")


def _is_usual(added: FieldChange) -> bool:
    """Whether a field of what was added or removed says nothing: empty, or a client's default."""
    value = added.before if added.after is None else added.after
    usual = getattr(_USUAL, added.field, None)
    return not value if usual is None else _text(value) == _text(usual)


def _text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _field(known: Mapping[str, ClientField], name: str) -> ClientField:
    """What is known of a field; one of a later version has its name."""
    found = known.get(name) or _BOTH.get(name)
    return found or ClientField(name=name, label=name, sentence="")
