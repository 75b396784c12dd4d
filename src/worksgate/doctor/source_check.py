"""Whether an identity source can be used, and what it says of somebody.

The built-in directory is looked up in as an administrator does; LDAP and OpenID Connect tell about
themselves; a function can only be asked with a password.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from worksgate.doctor import Finding, fail, ok, warn
from worksgate.doctor.ldap_advice import advice_on
from worksgate.settings.options import Settings
from worksgate.settings.sources import DirectorySettings, OidcSettings, SourceSettings
from worksgate.sources import (
    PasswordExpired,
    Person,
    PersonDisabled,
    Source,
    SourceFinding,
    SourceUnavailable,
)

Test = Callable[[str | None], Awaitable[list[SourceFinding]]]
"""What a source that can be examined without a sign-in has beside its contract."""

_ADVICE = "see the [[source]] table in the settings, and whether the source is up"


class CannotBeAsked(ValueError):
    """The source cannot be asked what was asked; one sentence."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whom to ask about: nobody, somebody, or somebody with the password that they gave."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


def source_of(settings: Settings, name: str) -> SourceSettings:
    """The settings of a source. Raises CannotBeAsked where there is none of that name."""
    found = {each.name: each for each in settings.all_sources}
    if name not in found:
        raise CannotBeAsked(f"there is no source {name!r}; the sources are: {', '.join(found)}")
    return found[name]


async def examine_source(
    settings: Settings, source: SourceSettings, question: Question | None = None
) -> AsyncIterator[Finding]:
    """What works, and what the source says. Raises CannotBeAsked."""
    question = question or Question()
    part = f"source {source.name}"
    async with AsyncExitStack() as stack:
        try:
            findings = await _findings(settings, source, question, part, stack)
        except CannotBeAsked:
            raise
        except ValueError as problem:  # its settings, or a company's own module
            findings = [fail(part, str(problem), _ADVICE)]
        for finding in findings:
            yield finding


async def _findings(
    settings: Settings,
    source: SourceSettings,
    question: Question,
    part: str,
    stack: AsyncExitStack,
) -> list[Finding]:
    from worksgate.bootstrap.identity_sources import open_password_source, open_redirect_source

    if isinstance(source, DirectorySettings):
        return [await _of_directory(settings, question, part)]
    if isinstance(source, OidcSettings):
        if question.username is not None:
            raise CannotBeAsked(f"{source.name} shows people only when they sign in there")
        provider = open_redirect_source(source, stack)
        return _told(part, await provider.test(_return_url(settings, source.name)))
    return await _of_passwords(open_password_source(source, stack), question, part)


async def _of_directory(settings: Settings, question: Question, part: str) -> Finding:
    from worksgate.administration import NotFound
    from worksgate.bootstrap.administration import open_administration

    if question.password is not None:
        raise CannotBeAsked("a password of the built-in directory is tried on the sign-in page")
    async with open_administration(settings) as administration:
        if question.username is None:
            return ok(part, "the built-in directory is in the database")
        try:
            account = await administration.users.get(question.username)
        except NotFound as error:
            return fail(part, str(error), "worksgate user add USERNAME")
    if not account.enabled:
        return fail(part, f"{account.username} is disabled", "worksgate user enable USERNAME")
    return _of_person(account.person, part)


async def _of_passwords(source: Source, question: Question, part: str) -> list[Finding]:
    test: Test | None = getattr(source, "test", None)
    if test is not None:
        findings = _told(part, await test(question.username), advice_on)
    elif question.username is not None and question.password is None:
        raise CannotBeAsked(f"{source.name} can only be asked with a password")
    else:
        findings = [ok(part, "its function is there")]
    if question.username is not None and question.password is not None:
        findings.append(await _of_sign_in(source, question.username, question.password, part))
    return findings


async def _of_sign_in(source: Source, username: str, password: str, part: str) -> Finding:
    """What the source says to a password. It counts there, as a sign-in does."""
    try:
        person = await source.authenticate(username, password)
    except PasswordExpired:
        return fail(
            part, "the password is right, but has expired", "have it changed in the directory"
        )
    except PersonDisabled as refusal:
        why = str(refusal) or "the person may not sign in"
        return fail(part, f"the password is right, but {why}", "see their account there")
    except SourceUnavailable as error:
        return fail(part, str(error), _ADVICE)
    if person is None:
        return fail(part, "the password is wrong, or nobody is called that", "try it once more")
    return _of_person(person, part)


def _of_person(person: Person, part: str) -> Finding:
    """A person as a sign-in would see them."""
    facts = {
        "id": person.subject_id,
        "name": person.name,
        "external key": person.external_key,
        "LINE WORKS account": person.works_account,
        "e-mail": person.email,
        "groups": ", ".join(person.groups),
    }
    text = (
        f"{person.username}: {'; '.join(f'{each} {fact}' for each, fact in facts.items() if fact)}"
    )
    if person.external_key is None and person.works_account is None:
        return warn(part, text, "LINE WORKS knows nobody without an external key or an account")
    return ok(part, text)


def _told(
    part: str,
    findings: Iterable[SourceFinding],
    advice_on: Callable[[SourceFinding], str | None] = lambda _: None,
) -> list[Finding]:
    return [
        ok(part, each.text) if each.works else fail(part, each.text, advice_on(each) or _ADVICE)
        for each in findings
    ]


def _return_url(settings: Settings, name: str) -> str:
    from worksgate.provider.sign_in.upstream import CALLBACK_PATH

    return f"{settings.public_url.rstrip('/')}{settings.web_login_path}{CALLBACK_PATH}{name}"
