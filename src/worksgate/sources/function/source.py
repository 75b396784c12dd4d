"""A company's own function as an identity source.

The function takes a username and a password and returns the person, or None:

    def authenticate(username: str, password: str) -> Mapping[str, str | None] | None:
        ...
        return {"id": "4711", "username": "alice", "name": "Alice", "external_key": "E4711"}

It may be a coroutine function too, or return a ``Person``. Anything unexpected (an exception, a
result of another shape) counts as an outage: nobody is signed in by mistake (R-108). Taking equally
long for unknown names (R-77) is up to the function; the throttle comes first.

A class may have ``find(id)`` in addition to ``authenticate``: it is called at each use of a session
to check that the person still exists. With ``people()`` it lists everybody, for ``worksgate source
people``: a list, or an iterator, async or not, of what ``authenticate`` would return.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from worksgate.catalogues import Quoted
from worksgate.credentials.password_hashing import normalise_password
from worksgate.credentials.usernames import username_key
from worksgate.limits.thread_pool import PoolFull, ThreadPool
from worksgate.oauth.model import UserKey
from worksgate.oauth.user_info import check_external_key, check_works_account
from worksgate.oauth.user_key import IN_WORDS, KeyProblem
from worksgate.sources import (
    Authenticate,
    ListedPerson,
    NoAnswer,
    Person,
    PersonDisabled,
    SourceUnavailable,
)
from worksgate.sources.sentences import said

_FIELDS = frozenset(
    (
        *("id", "username", "name", "reading", "external_key", "works_account"),
        *("email", "groups"),
    )
)

_KEYS: Mapping[UserKey, Callable[[str], object]] = {
    UserKey.EXTERNAL_KEY: check_external_key,
    UserKey.WORKS_ACCOUNT: check_works_account,
}
"""The rules of user keys."""

_PAGE = 200
LISTING_TIMEOUT = 60.0
"""Seconds for a company's class to list its people, or the next page of them."""

Find = Callable[[str], Any]
ListPeople = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Functions:
    """A company's code: ``find`` and ``people`` are None if it has none."""

    authenticate: Authenticate
    find: Find | None = None
    people: ListPeople | None = None


class FunctionSource:
    """Calls ``authenticate``; a plain function runs in a thread pool of its own.

    ``name`` is the prefix of every subject ID: it must not change once people have signed in. At
    most ``threads`` calls of a plain function run at once and ``waiting`` more wait; beyond that,
    and after ``timeout`` seconds, the source is unavailable. ``find`` is a function too, which
    takes an ID and returns what ``authenticate`` would.
    """

    def __init__(
        self,
        name: str,
        authenticate: Authenticate,
        *,
        find: Find | None = None,
        threads: int = 8,
        waiting: int = 64,
        timeout: float = 10.0,
    ) -> None:
        if not name or ":" in name:
            raise ValueError("a source needs a name without a colon")
        self.name = name
        self._authenticate = authenticate
        self._find = find
        self._timeout = timeout
        self._pool = ThreadPool(threads, waiting, name=f"authenticate-{name}")

    async def authenticate(self, username: str, password: str) -> Person | None:
        """Return the person whom the function accepts, or None.

        Raises PersonDisabled if the function does, SourceUnavailable for everything unexpected.
        """
        if not _is_worth_asking(username, password):
            return None
        return self._person(await self._answer(self._authenticate, username, password))

    async def find(self, subject_id: str, last_seen: Person) -> Person | None:
        """The person from ``find``; without one, as they were at the sign-in.

        Raises SourceUnavailable like ``authenticate``.
        """
        prefix = f"{self.name}:"
        if not subject_id.startswith(prefix):
            return None
        if self._find is None:
            return last_seen
        try:
            person = self._person(await self._answer(self._find, subject_id.removeprefix(prefix)))
        except PersonDisabled:
            return None
        return person if person is not None and person.subject_id == subject_id else None

    def close(self) -> None:
        """Take no more calls; running calls are not awaited."""
        self._pool.close()

    async def _answer(self, function: Callable[..., Any], *values: str) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(function, *values)
        except (PersonDisabled, SourceUnavailable):
            raise
        except TimeoutError as error:
            raise NoAnswer(
                said("%(source)s did not respond: %(place)s", source=self.name, place=_place(error))
            ) from None
        except Exception as error:
            # The message of a foreign exception may quote the password: only its location is
            # logged.
            raise SourceUnavailable(
                said("%(source)s failed: %(place)s", source=self.name, place=_place(error))
            ) from None

    async def _ask(self, function: Callable[..., Any], *values: str) -> Any:
        if _is_async(function):
            answer: Any = function(*values)
        else:
            answer = await self._in_thread(function, *values)
        return await answer if inspect.isawaitable(answer) else answer

    async def _in_thread(self, function: Callable[..., Any], *values: str) -> Any:
        try:
            return await self._pool.run(partial(function, *values))
        except PoolFull:
            raise SourceUnavailable(
                said("%(source)s has too many calls waiting", source=self.name)
            ) from None

    def _person(self, answer: Any) -> Person | None:
        if answer is None:
            return None
        try:
            if isinstance(answer, Person):
                return self._checked(answer)
            return self._checked(_read(answer, self.name))
        except (TypeError, ValueError) as error:
            raise SourceUnavailable(
                said(
                    "%(source)s returned an unusable result: %(problem)s",
                    source=self.name,
                    problem=Quoted(error),
                )
            ) from None

    def _checked(self, person: Person) -> Person:
        """A person with valid user keys, under this source's name."""
        if person.external_key is not None:
            check_external_key(person.external_key)
        if person.works_account is not None:
            check_works_account(person.works_account)
        prefix = f"{self.name}:"
        if person.subject_id in ("", prefix) or not person.username:
            raise ValueError("a person needs an id and a username")
        if person.subject_id.startswith(prefix):
            return person
        return replace(person, subject_id=prefix + person.subject_id)


class ListedFunctionSource(FunctionSource):
    """A function source whose company has written ``people``: everybody can be listed."""

    def __init__(
        self, name: str, authenticate: Authenticate, people: ListPeople, **options: Any
    ) -> None:
        super().__init__(name, authenticate, **options)
        self._people = people

    async def people(self) -> AsyncIterator[Sequence[ListedPerson]]:
        """All people, a page at a time. Raises SourceUnavailable for everything unexpected."""
        answers = self._answers()
        while page := await self._page(answers):
            yield [self._listed(each) for each in page]

    async def look_up(self, username: str) -> ListedPerson | None:
        """The person who is listed under this name in any spelling, or None."""
        key = username_key(username)
        async for page in self.people():
            for each in page:
                if username_key(each.person.username) == key:
                    return each
        return None

    async def _answers(self) -> AsyncIterator[Any]:
        """The items of the company's own ``people``, one after the other."""
        if inspect.isasyncgenfunction(self._people):
            answer: Any = self._people()
        elif _is_async(self._people):
            answer = await self._people()
        else:
            answer = await self._in_thread(partial(_called, self._people))
        if inspect.isawaitable(answer):
            answer = await answer
        if not hasattr(answer, "__aiter__"):
            answer = _each_of(answer)
        async for each in answer:
            yield each

    async def _page(self, answers: AsyncIterator[Any]) -> list[Any]:
        page: list[Any] = []
        try:
            async with asyncio.timeout(LISTING_TIMEOUT):
                async for each in answers:
                    page.append(each)
                    if len(page) == _PAGE:
                        break
        except SourceUnavailable:
            raise
        except TimeoutError:
            raise SourceUnavailable(
                said("%(source)s did not list its people in time", source=self.name)
            ) from None
        except Exception as error:
            raise SourceUnavailable(
                said(
                    "%(source)s failed to list its people: %(place)s",
                    source=self.name,
                    place=_place(error),
                )
            ) from None
        return page

    def _listed(self, answer: Any) -> ListedPerson:
        """A person of the list; an invalid user key is a problem, not an outage."""
        try:
            person = answer if isinstance(answer, Person) else _read(answer, self.name)
            problems = []
            for kind, check in _KEYS.items():
                value = getattr(person, kind.value)
                try:
                    if value is not None:
                        check(value)
                except ValueError as bad:
                    text = f"the {IN_WORDS[kind]} {value} cannot be used: {bad}"
                    problems.append(KeyProblem(kind, text))
                    without: dict[str, Any] = {kind.value: None}
                    person = replace(person, **without)
            return ListedPerson(self._checked(person), key_problems=tuple(problems))
        except (TypeError, ValueError) as error:
            raise SourceUnavailable(
                said(
                    "%(source)s lists something unusable: %(problem)s",
                    source=self.name,
                    problem=Quoted(error),
                )
            ) from None


def _called(people: ListPeople) -> Any:
    """Its result; anything but an async iterator is consumed here, in the thread."""
    answer = people()
    return list(answer) if inspect.isgenerator(answer) else answer


async def _each_of(answer: Iterable[Any]) -> AsyncIterator[Any]:
    for each in answer:
        yield each


def _read(answer: Any, source: str) -> Person:
    """A person from a mapping. Without an ``id`` the username is used, in any spelling.

    A company that may reuse usernames must return an ``id``.
    """
    if not isinstance(answer, Mapping):
        raise TypeError(f"it is a {type(answer).__name__}, not a person, a mapping or None")
    unknown = sorted(map(str, answer.keys() - _FIELDS))
    if unknown:
        raise ValueError(f"a person has no {', '.join(unknown)}")
    username = _text(answer, "username") or ""
    subject = _text(answer, "id") or username_key(username)
    return Person(
        subject_id=f"{source}:{subject}",
        username=username,
        name=_text(answer, "name") or username,
        reading=_text(answer, "reading") or "",
        external_key=_text(answer, "external_key"),
        works_account=_text(answer, "works_account"),
        email=_text(answer, "email"),
        groups=_texts(answer, "groups"),
    )


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    value = answer.get(name)
    if name == "id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value or None


def _texts(answer: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = answer.get(name) or ()
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} is not a list of texts")
    return tuple(values)


def imported(place: str) -> Functions:
    """The function at ``package.module:name``, or the methods of an instance of the class there.

    Raises ValueError with a sentence for the administrator.
    """
    module_name, _, name = place.partition(":")
    try:
        found: Any = getattr(import_module(module_name), name)
        if inspect.isclass(found):
            made: Any = found()
            find, people = getattr(made, "find", None), getattr(made, "people", None)
            return Functions(made.authenticate, find, people)
    except Exception as error:  # a company's own module can raise anything on import
        raise ValueError(f"{place} cannot be used: {_place(error)}") from None
    if not callable(found):
        raise ValueError(f"{place} is neither a function nor a class")  # noqa: TRY004  # a wrong setting
    return Functions(found)


def _is_worth_asking(username: str, password: str) -> bool:
    """An empty password must reach no source: many directories treat it as an anonymous bind."""
    if not username_key(username) or not username.isprintable() or password.startswith("\0"):
        return False
    try:
        normalise_password(password)
    except ValueError:
        return False
    return True


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(function, "__call__", function)  # noqa: B004  # an object with async __call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _place(error: BaseException) -> str:
    """The type of an exception and the line that raised it, without its message."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    file = Path(trace.tb_frame.f_code.co_filename).name
    return f"{type(error).__name__} at {file}:{trace.tb_lineno}"
