"""Two administrators change the same thing: what each of them did, put together.

Each field is compared in three versions: as it was when the form was opened, as somebody else has
saved it meanwhile, and as it was sent now. Where only one of the two has changed a field, that is
taken; where both have, whoever sent the form chooses.

What is not in the log of changes has its values in the form, as they were when it was opened.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from worksgate.directory.change_log import RecordedChange
from worksgate.web.console.client_fields import ClientField, FieldKind
from worksgate.web.console.visit import Visit


@dataclass(frozen=True, slots=True)
class Compared:
    """A field in three versions, each as it stands in a form."""

    field: ClientField
    was: str
    theirs: str
    mine: str

    @property
    def is_theirs(self) -> bool:
        return self.theirs != self.was

    @property
    def is_mine(self) -> bool:
        return self.mine != self.was

    @property
    def is_disputed(self) -> bool:
        """Whether both have changed it, and differently."""
        return self.is_theirs and self.is_mine and self.theirs != self.mine

    @property
    def merged(self) -> str:
        """The version to save; of a disputed field, mine."""
        return self.mine if self.is_mine else self.theirs

    @property
    def both(self) -> str:
        """The entries of both lists; empty if there is no such thing."""
        if self.field.kind is not FieldKind.LINES or self.field.name == "rules":
            return ""  # the order of rules is their meaning
        lines = [*self.theirs.splitlines(), *self.mine.splitlines()]
        together = "\n".join(dict.fromkeys(lines))
        return together if together not in (self.theirs, self.mine) else ""


def compare(
    fields: Iterable[ClientField],
    was: Mapping[str, str],
    theirs: Mapping[str, str],
    mine: Mapping[str, str],
) -> list[Compared]:
    """The fields of a form; one that it does not have is not changed by it."""
    return [
        Compared(
            each,
            was.get(each.name, theirs[each.name]),
            theirs[each.name],
            mine.get(each.name, was.get(each.name, theirs[each.name])),
        )
        for each in fields
    ]


def stated(texts: Mapping[str, str]) -> str:
    """The values of a form for a hidden field, ``was``; those that are empty are left out."""
    return json.dumps({name: text for name, text in texts.items() if text}, ensure_ascii=False)


def was_in(form: Mapping[str, str], fields: Iterable[ClientField]) -> dict[str, str] | None:
    """The values that a form was made from; None if it does not say so."""
    try:
        found = json.loads(form.get("was", ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {each.name: str(found.get(each.name, "")) for each in fields}


def is_outdated(was: Mapping[str, str] | None, rows: Iterable[Compared]) -> bool:
    """Whether somebody else has changed a field, or it is not known what the form was made from."""
    return was is None or any(row.is_theirs for row in rows)


def unchanged(rows: Iterable[Compared]) -> dict[str, str]:
    """What the page of a conflict does not show, for forms that would empty what they lack."""
    return {each.field.name: each.mine for each in rows if not (each.is_theirs or each.is_mine)}


def conflict_page(
    visit: Visit,
    rows: Sequence[Compared],
    *,
    name: str,
    last: RecordedChange | None = None,
    action: str,
    back: str,
    kept: Mapping[str, str],
) -> Response:
    """Three columns, put together as far as possible; sending it saves that, on their version.

    ``kept`` are the other fields of the form.
    """
    return visit.page(
        "conflict.html",
        409,
        rows=[each for each in rows if each.is_theirs or each.is_mine],
        name=name,
        last=last,
        action=action,
        back=back,
        kept=kept,
    )
