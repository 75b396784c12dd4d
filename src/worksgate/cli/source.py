"""``worksgate source``: the identity sources of the settings."""

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from worksgate.cli.asking import present_password
from worksgate.cli.options import (
    STANDARD_STREAM,
    CommandGroup,
    config_option,
    force_option,
    json_option,
    password_option,
)
from worksgate.cli.printing import (
    as_document,
    counted,
    note,
    print_json,
    print_json_list,
    print_table,
)
from worksgate.cli.refusals import Refusal
from worksgate.cli.running import quietly, read_installation, read_settings
from worksgate.settings.sources import SourceSettings


@click.group("source", cls=CommandGroup)
def app() -> None:
    """Identity sources: who checks people's passwords.

    They are tables of the settings file.
    """


@app.command("list")
@config_option
@json_option
def list_sources(*, config: Path | None, as_json: bool) -> None:
    """List the sources, in the order in which they are asked."""
    sources = read_settings(config).all_sources
    if as_json:
        print_json([_document(each) for each in sources])
        return
    rows = [(each.name, each.type, ", ".join(each.domains)) for each in sources]
    print_table(("Name", "Type", "Domains"), rows)


@app.command("test")
@click.argument("name")
@click.argument("username", required=False)
@password_option
@config_option
@json_option
def test(
    *,
    name: str,
    username: str | None,
    password_stdin: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Check whether a source works, and look up a person.

    With a USERNAME the source is asked about that person; with their password too, it shows what a
    sign-in would see. The exit code is 1 if anything does not work.
    """
    from worksgate.cli.findings import collected, has_failed, print_findings_as_json
    from worksgate.doctor.queried_source import CannotBeQueried, Question
    from worksgate.doctor.source_check import examine_source, source_of

    if password_stdin and username is None:
        raise click.UsageError("--password-stdin needs a USERNAME")
    settings = read_installation(config)
    try:
        source = source_of(settings, name)
        password = _password(source, username, from_stdin=password_stdin)
        examination = examine_source(settings, source, Question(username, password))
        findings = quietly(collected(examination, silent=as_json))
    except CannotBeQueried as error:
        raise Refusal(str(error)) from None
    if as_json:
        print_findings_as_json(findings)
    sys.exit(int(has_failed(findings)))


@app.command("people")
@click.argument("name")
@click.option(
    "--csv",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write them as CSV to this file, readable by you only; - is standard output.",
)
@force_option
@config_option
@json_option
def list_people(
    *, name: str, file: Path | None, force: bool, config: Path | None, as_json: bool
) -> None:
    """List a source's people, and problems with their keys.

    Nobody signs in. An LDAP directory is searched with its service account; for an OpenID provider,
    the people who have signed in with it are listed.
    """
    from worksgate.cli.people_file import save_privately, table_as_csv
    from worksgate.cli.user_printing import keys_in_a_line, source_person_document
    from worksgate.doctor.queried_source import CannotBeQueried
    from worksgate.doctor.source_check import source_of
    from worksgate.doctor.source_people import people_of_source
    from worksgate.sources import SourceUnavailable

    settings = read_installation(config)
    if file is not None and file != STANDARD_STREAM and file.exists() and not force:
        raise Refusal(f"{file} exists; --force replaces it")
    try:
        people = quietly(people_of_source(settings, source_of(settings, name)))
    except (CannotBeQueried, SourceUnavailable) as error:
        raise Refusal(str(error)) from None
    if as_json:
        print_json_list(map(source_person_document, people))
        return
    rows = [
        (
            each.person.username,
            each.person.name or None,
            each.person.external_key,
            each.person.works_account,
            keys_in_a_line(each.keys),
            "; ".join(each.problems) or None,
        )
        for each in people
    ]
    if file is not None:
        columns = ("username", "name", "external_key", "works_account", "line_works", "problems")
        data = table_as_csv(columns, rows)
        if file == STANDARD_STREAM:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            save_privately(file, data)
    elif rows:
        columns = (
            *("Username", "Name", "External key", "LINE WORKS account"),
            *("LINE WORKS user key", "Problems"),
        )
        print_table(columns, rows, whole=("Username",))
    bad = sum(bool(each.problems) for each in people)
    note(f"{counted(len(people), 'person', 'people')}; {bad} with problems.")


def _password(source: SourceSettings, username: str | None, *, from_stdin: bool) -> str | None:
    """The person's password, if the source can check one and it is given."""
    from worksgate.bootstrap.source_types import type_of

    if username is None or not (type_of(source).takes_password or from_stdin):
        return None
    question = "Their password (leave empty to only look them up): "
    return present_password(question, from_stdin=from_stdin)


def _document(source: SourceSettings) -> dict[str, Any]:
    secrets = [each.name for each in fields(source) if not each.repr]
    return {"type": source.type, **as_document(source, secrets)}
