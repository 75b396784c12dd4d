"""How a client's sign-in page looks: the draft, its preview, and what was published."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.responses import Response

from worksgate.administration import Outdated, Refused
from worksgate.administration.branding import BrandingRefused, ClientBranding, Version
from worksgate.catalogues import LANGUAGE_NAMES, LANGUAGES, sentence_of
from worksgate.clients.branding import (
    MAX_LABEL,
    MAX_LINK,
    MAX_MESSAGE,
    MAX_NAME,
    TEXT_NAMES,
    Branding,
    Fault,
    Problem,
    Texts,
)
from worksgate.clients.branding.logo import MAX_FILE, MEDIA_TYPE
from worksgate.web.console.client_fields import ClientField
from worksgate.web.console.conflicts import (
    compare,
    conflict_page,
    is_outdated,
    stated,
    unchanged,
    was_in,
)
from worksgate.web.console.pages import POLICY
from worksgate.web.console.visit import Visit, number_of
from worksgate.web.pages.previews import SCHEMES
from worksgate.web.pages.wording import text

PATH: Final = "/client/branding"
LOGO_BYTES: Final = MAX_FILE
DEVICES: Final = ("desk", "phone")
COLORS: Final = ("light", "dark")
_WITH_PREVIEWS: Final = f"{POLICY}; frame-src 'self'"
_PREVIEW_POLICY: Final = (
    "default-src 'none'",
    "img-src data:",
    "form-action 'none'",
    "frame-ancestors 'self'",
    "base-uri 'none'",
    "sandbox",
)

FIELD_LABELS: Final[Mapping[str, str]] = {
    "name": text("Name of the company"),
    "light": text("Color on light pages"),
    "dark": text("Color on dark pages"),
}
TEXT_LABELS: Final[Mapping[str, str]] = {
    "label": text("Label of the user name"),
    "help_url": text("Help link"),
    "message": text("Message above the form"),
}
FAULTS: Final[Mapping[Fault, str]] = {
    Fault.TOO_LONG: text("This is too long: at most %(limit)s characters."),
    Fault.NOT_PRINTABLE: text("This contains characters that cannot be shown."),
    Fault.NO_COLOR: text("A color is # and six hexadecimal digits, such as #0c5878."),
    Fault.LOW_CONTRAST: text(
        "This is hard to read: its contrast is below 4.5:1. The nearest color that passes is "
        "%(instead)s."
    ),
    Fault.NO_HTTPS: text("The link must begin with https://."),
}


async def show(visit: Visit) -> Response:
    """The draft or what is published, four previews of it, and the versions."""
    found = await _of(visit, visit.query.get("id", ""))
    return _page(visit, found, found.edited)


async def save(visit: Visit) -> Response:
    """Keep what was typed as the draft; what cannot be used comes back with what is wrong.

    What somebody else has changed since the page was shown is put together with it.
    """
    form, found = visit.form, await _of(visit, visit.form.get("id", ""))
    typed = _typed(form)
    if _number(form) != found.number:
        fields = _fields(visit)
        was, theirs = was_in(form, fields), texts_of_branding(found.edited)
        rows = compare(fields, was or {}, theirs, texts_of_branding(typed))
        if is_outdated(was, rows):
            return conflict_page(
                visit,
                rows,
                name=found.client.name,
                action=PATH,
                back=visit.link(PATH, id=found.client.client_id),
                kept={
                    **unchanged(rows),
                    "id": found.client.client_id,
                    "number": str(found.number),
                    "was": stated(theirs),
                },
            )
    try:
        await visit.administration.branding.save(
            found.client.client_id,
            expected=found.number,
            name=typed.name,
            light=typed.light,
            dark=typed.dark,
            texts=typed.texts,
        )
    except BrandingRefused as refused:
        return _page(visit, found, typed, refused.problems, status=422)
    except Outdated:  # by somebody who was faster than this request
        return await save(visit)
    return _done(visit, found, "saved")


async def set_logo(visit: Visit) -> Response:
    """Keep a draft with another logo, or without one.

    Without a file it only leads back: the second factor was asked for before one is chosen.
    """
    form, found = visit.form, await _of(visit, visit.form.get("id", ""))
    branding, client_id = visit.administration.branding, found.client.client_id
    if not form.get("remove") and visit.file is None:
        return _done(visit, found, "choose")
    file = None if form.get("remove") else visit.file
    try:
        await branding.set_logo(client_id, file, expected=_number(form))
    except Outdated:
        return await _changed_meanwhile(visit, client_id)
    except Refused as refused:
        return _page(visit, found, found.edited, logo_problem=sentence_of(refused), status=422)
    return _done(visit, found, "logo_removed" if file is None else "logo_set")


async def publish(visit: Visit) -> Response:
    """Show the draft to everybody, or an earlier version again: after one has seen it."""
    form, found = visit.form, await _of(visit, visit.form.get("id", ""))
    again, client_id = form.get("again", ""), found.client.client_id
    number = None if not again else number_of(again)
    try:
        await visit.administration.branding.publish(client_id, number, expected=_number(form))
    except Outdated:
        return await _changed_meanwhile(visit, client_id)
    return _done(visit, found, "published")


async def discard(visit: Visit) -> Response:
    """Drop the draft that one has seen."""
    form, found = visit.form, await _of(visit, visit.form.get("id", ""))
    client_id = found.client.client_id
    try:
        await visit.administration.branding.discard(client_id, expected=_number(form))
    except Outdated:
        return await _changed_meanwhile(visit, client_id)
    return _done(visit, found, "discarded")


async def _changed_meanwhile(visit: Visit, client_id: str) -> Response:
    """The page as it is now, with the same buttons: it shows what has changed."""
    found = await _of(visit, client_id)
    return _page(visit, found, found.edited, is_newer=True, status=409)


def texts_of_branding(branding: Branding) -> dict[str, str]:
    """What can be typed, as it stands in the form."""
    texts = {
        f"{name}_{language}": getattr(branding.texts_in(language), name)
        for language in LANGUAGES
        for name in TEXT_NAMES
    }
    return {"name": branding.name, "light": branding.light, "dark": branding.dark, **texts}


def _fields(visit: Visit) -> list[ClientField]:
    """The same as fields of a comparison, with labels in the language of the page."""
    said = visit.words.said
    own = [
        ClientField(name=name, label=said(label), sentence="")
        for name, label in FIELD_LABELS.items()
    ]
    translated = [
        ClientField(
            name=f"{name}_{language}",
            label=f"{said(TEXT_LABELS[name])} ({LANGUAGE_NAMES[language]})",
            sentence="",
        )
        for language in LANGUAGES
        for name in TEXT_NAMES
    ]
    return own + translated


async def preview(visit: Visit) -> Response:
    """The sign-in page itself, for a frame of the page above; it can neither run nor send."""
    query, found = visit.query, await _of(visit, visit.query.get("id", ""))
    scheme = query.get("scheme", "")
    page = visit.console.previews.page(
        found.edited,
        await _logo(visit, found),
        _language(visit),
        scheme if scheme in SCHEMES else SCHEMES[0],
    )
    response = Response(page.content, media_type="text/html")
    directives = (_PREVIEW_POLICY[0], page.style_and_script_csp, *_PREVIEW_POLICY[1:])
    response.headers["Content-Security-Policy"] = "; ".join(directives)
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Content-Language"] = page.language
    return response


def _page(
    visit: Visit,
    found: ClientBranding,
    branding: Branding,
    problems: Sequence[Problem] = (),
    *,
    logo_problem: str = "",
    is_newer: bool = False,
    status: int = 200,
) -> Response:
    response = visit.page(
        "branding.html",
        status,
        found=found,
        branding=branding,
        problems={each.place: each for each in problems},
        faults=FAULTS,
        derived=_derived(branding if not problems else Branding()),
        logo_problem=logo_problem,
        is_newer=is_newer,
        was=stated(texts_of_branding(found.edited)),
        is_proved=visit.administrator.is_proved(visit.now),
        preview_language=_language(visit),
        languages={each: LANGUAGE_NAMES[each] for each in LANGUAGES},
        views=[(device, scheme) for device in DEVICES for scheme in SCHEMES],
        limits={"name": MAX_NAME, "label": MAX_LABEL, "message": MAX_MESSAGE, "help_url": MAX_LINK},
        done=visit.query.get("done", ""),
        path=PATH,
    )
    response.headers["Content-Security-Policy"] = _WITH_PREVIEWS
    return response


async def _of(visit: Visit, client_id: str) -> ClientBranding:
    """Raises NotFound."""
    return await visit.administration.branding.of_client(client_id)


async def _logo(visit: Visit, found: ClientBranding) -> str:
    """The logo as a ``data:`` address, so that a frame without an origin may show it."""
    version: Version | None = found.draft or found.shown
    if version is None or version.branding.logo is None:
        return ""
    content = await visit.administration.branding.logo(found.client.client_id, version.number)
    return f"data:{MEDIA_TYPE};base64,{b64encode(content or b'').decode()}"


def _derived(branding: Branding) -> Mapping[str, str]:
    """The colors that are used, given or not; empty if none is."""
    return dict(zip(COLORS, branding.accents or ("", ""), strict=True))


def _typed(form: Mapping[str, str]) -> Branding:
    """What was typed; a button below a color that cannot be read sends the nearest one."""
    return Branding(
        name=form.get("name", ""),
        light=form.get("use_light") or form.get("light", ""),
        dark=form.get("use_dark") or form.get("dark", ""),
        texts={
            language: Texts(**{name: form.get(f"{name}_{language}", "") for name in TEXT_NAMES})
            for language in LANGUAGES
        },
    )


def _language(visit: Visit) -> str:
    """The language of the previews."""
    chosen = visit.query.get("show", "")
    return chosen if chosen in LANGUAGES else visit.words.language


def _number(form: Mapping[str, str]) -> int:
    """The version that the form was made from."""
    return number_of(form.get("number", ""))


def _done(visit: Visit, found: ClientBranding, what: str) -> Response:
    return visit.to(PATH, id=found.client.client_id, done=what)
