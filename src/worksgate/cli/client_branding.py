"""``worksgate client branding``: how a client's sign-in page looks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from worksgate.catalogues import LANGUAGES
from worksgate.cli.options import CommandGroup, config_option, json_option
from worksgate.cli.printing import iso, local_time, print_facts, print_json, print_line
from worksgate.cli.running import administer, read_installation

if TYPE_CHECKING:
    from worksgate.administration import Administration
    from worksgate.administration.branding import ClientBranding, Version
    from worksgate.clients.branding import Branding

F = TypeVar("F", bound=Callable[..., object])

_MOST_READ = 1024 * 1024
"""Bytes; a logo has far fewer, and the administration says how many it may have."""


class _InLanguage(click.ParamType[tuple[str, str]]):
    """``ja=TEXT``: a language and its text; an empty text removes it."""

    name = "LANG=TEXT"

    def convert(
        self,
        value: str | tuple[str, str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        language, equals, text = value.partition("=")
        if not equals or language not in LANGUAGES:
            self.fail(f"{value!r} does not begin with {', '.join(LANGUAGES)} and =", param, ctx)
        return language, text


def _text_option(flag: str, name: str, sentence: str) -> Callable[[F], F]:
    """An option for a text of ``Texts`` in one language, given once for each."""
    return click.option(
        flag, name, type=_InLanguage(), multiple=True, help=f"{sentence} Repeatable."
    )


@click.group("branding", cls=CommandGroup)
def app() -> None:
    """The name, logo, colors and texts of a sign-in page.

    Changes are made to a draft, which people see once it is published.
    """


@app.command("show")
@click.argument("name")
@config_option
@json_option
def show(*, name: str, config: Path | None, as_json: bool) -> None:
    """Show what is published, the draft, and earlier versions."""
    found = administer(
        read_installation(config),
        lambda administration: administration.branding.of_client(name),
    )
    if as_json:
        print_json(_document(found))
        return
    print_line(found.client.name)
    _print_version("Published", found.shown)
    _print_version("Draft", found.draft)
    for version in found.published[1:]:
        print_line(f"Version {version.number}, published {local_time(version.published_at)}")


@app.command("set")
@click.argument("name")
@click.option("--name", "company", metavar="TEXT", help="The company's name; '' for the usual one.")
@click.option(
    "--light-color",
    "light",
    metavar="#RRGGBB",
    help="The color of buttons and links on light pages; '' for the usual one.",
)
@click.option(
    "--dark-color",
    "dark",
    metavar="#RRGGBB",
    help="The same on dark pages; '' for the nearest to the light one.",
)
@click.option(
    "--logo",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A PNG or WebP file of at most 256 kB; '' for none.",
)
@_text_option("--label", "label", "The label of the user name, such as ja=社員番号.")
@_text_option("--message", "message", "A sentence above the form.")
@_text_option("--help-link", "help_url", "Where people get help with signing in: an https address.")
@config_option
@json_option
def change(
    *,
    name: str,
    company: str | None,
    light: str | None,
    dark: str | None,
    logo: Path | None,
    config: Path | None,
    as_json: bool,
    **texts: tuple[tuple[str, str], ...],
) -> None:
    """Change the draft. Options that are not given change nothing."""
    given = {"name": company, "light": light, "dark": dark}
    changes: dict[str, Any] = {key: each for key, each in given.items() if each is not None}
    if not (changes or any(texts.values()) or logo is not None):
        raise click.UsageError("nothing to change; --help lists the options")
    file = _file(logo)

    async def work(administration: "Administration") -> "ClientBranding":
        branding = administration.branding
        if changes or any(texts.values()):
            edited = (await branding.of_client(name)).edited
            await branding.save(name, **changes, texts=_with_texts(edited, texts))
        if logo is not None:
            await branding.set_logo(name, file)
        return await branding.of_client(name)

    found = administer(read_installation(config), work)
    if as_json:
        print_json(_document(found))
        return
    print_line(f"The draft of {found.client.name} has been changed.")
    _print_version("Draft", found.draft)
    print_line(f"Nobody sees it yet: worksgate client branding publish {found.client.client_id}")


@app.command("publish")
@click.argument("name")
@click.option(
    "--version", "number", type=int, metavar="NUMBER", help="One that was published before."
)
@config_option
def publish(*, name: str, number: int | None, config: Path | None) -> None:
    """Show the draft, or an earlier version, to everybody."""
    published = administer(
        read_installation(config),
        lambda administration: administration.branding.publish(name, number),
    )
    print_line(f"Version {published} is shown within a second.")


@app.command("discard")
@click.argument("name")
@config_option
def discard(*, name: str, config: Path | None) -> None:
    """Discard the draft."""
    administer(
        read_installation(config),
        lambda administration: administration.branding.discard(name),
    )
    print_line("There is no draft any more.")


def _file(logo: Path | None) -> bytes | None:
    """The content of a file, or None for no logo."""
    if logo is None or str(logo) in ("", "."):
        return None
    with logo.open("rb") as file:
        return file.read(_MOST_READ)


def _with_texts(
    edited: "Branding", changed: Mapping[str, tuple[tuple[str, str], ...]]
) -> dict[str, Any]:
    """The texts of a draft with those that were given."""
    texts = dict(edited.texts)
    for name, pairs in changed.items():
        for language, text in pairs:
            texts[language] = replace(
                texts.get(language, edited.texts_in(language)), **{name: text}
            )
    return texts


def _document(found: "ClientBranding") -> dict[str, Any]:
    return {
        "client_id": found.client.client_id,
        "name": found.client.name,
        "published": _version_document(found.shown),
        "draft": _version_document(found.draft),
        "earlier": [_version_document(each) for each in found.published[1:]],
    }


def _version_document(version: "Version | None") -> dict[str, Any] | None:
    if version is None:
        return None
    return {
        "number": version.number,
        "actor": version.actor,
        "created_at": iso(version.created_at),
        "published_at": iso(version.published_at),
        **version.branding.content(),
    }


def _print_version(title: str, version: "Version | None") -> None:
    if version is None:
        print_line(f"{title}: none")
        return
    at = version.published_at or version.created_at
    print_line(f"{title}: version {version.number}, {local_time(at)}, {version.actor or '-'}")
    branding = version.branding
    facts = {"name": branding.name, "light color": branding.light, "dark color": branding.dark}
    if branding.logo is not None:
        facts["logo"] = f"{branding.logo.width} × {branding.logo.height} pixels"
    for language, texts in sorted(branding.texts.items()):
        facts |= {
            f"label {language}": texts.label,
            f"message {language}": texts.message,
            f"help link {language}": texts.help_url,
        }
    print_facts({name: value for name, value in facts.items() if value} or {"looks": "as usual"})
