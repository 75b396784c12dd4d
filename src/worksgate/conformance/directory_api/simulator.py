"""The simulator: a tenant in memory behind an ASGI application, with its record and its state."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from starlette.routing import Router
from starlette.types import ASGIApp

from worksgate.conformance.directory_api.application import (
    Addresses,
    Application,
    Handler,
    Parts,
)
from worksgate.conformance.directory_api.calls import Call
from worksgate.conformance.directory_api.faults import Faults
from worksgate.conformance.directory_api.key_calls import KeyCalls
from worksgate.conformance.directory_api.limits import RateLimits
from worksgate.conformance.directory_api.members import Member
from worksgate.conformance.directory_api.operations import Operation
from worksgate.conformance.directory_api.other_calls import (
    AuditCalls,
    Bot,
    BotCalls,
    Message,
    SignIn,
)
from worksgate.conformance.directory_api.people_calls import PeopleCalls
from worksgate.conformance.directory_api.registration import Registered, register
from worksgate.conformance.directory_api.rules import Rules
from worksgate.conformance.directory_api.tenant import Tenant
from worksgate.conformance.directory_api.token_endpoint import TokenEndpoint

__all__ = ["Bot", "DirectoryApiSimulator", "Message", "SettableClock", "SignIn", "State"]

AUTH_PATH: Final = "/oauth2/v2.0"
API_PATH: Final = "/v1.0"
STORAGE_PATH: Final = "/storage"

_DEFAULT: Final = Rules()


class SettableClock:
    """A clock that stands still until it is moved. Seconds since the epoch."""

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True, slots=True)
class State:
    """What LINE WORKS holds at one moment.

    `people` has everybody by resource ID, the deleted included; `devices` only those who are signed
    in somewhere; `tokens` is the number of valid access tokens.
    """

    people: Mapping[str, Member]
    devices: Mapping[str, int]
    messages: tuple[Message, ...]
    tokens: int

    def person(self, email: str) -> Member:
        """The person of a login ID. Raises KeyError."""
        for member in self.people.values():
            if member.email == email:
                return member
        raise KeyError(email)

    def keys(self) -> dict[str, str | None]:
        """The External Key of everybody, by login ID."""
        return {member.email: member.external_key for member in self.people.values()}

    def is_signed_in(self, email: str) -> bool:
        """Whether somebody is signed in on any device."""
        return self.person(email).user_id in self.devices

    def as_json(self) -> dict[str, Any]:
        """The same, of types that JSON has."""
        return {
            "people": [member.as_person() for member in self.people.values()],
            "devices": dict(self.devices),
            "messages": [asdict(message) for message in self.messages],
            "tokens": self.tokens,
        }


class DirectoryApiSimulator:
    """LINE WORKS' API for one tenant.

    `registered` is its client app with the private key: given, or made for the occasion. `rules`
    and `faults` may be changed at any time. `app` serves the authorization server below
    `auth_path` and the API below `api_path`; with the hosts given, nothing else is answered there.
    With `storage_host` the files of the audit log are there.
    `clock` gives seconds since the epoch. Raises a `Refused` if two of the people cannot both be.
    """

    def __init__(
        self,
        people: Iterable[Member] = (),
        *,
        rules: Rules = _DEFAULT,
        registered: Registered | None = None,
        bots: Sequence[Bot] = (),
        sign_ins: Sequence[SignIn] = (),
        clock: Callable[[], float] = time.time,
        auth_path: str = AUTH_PATH,
        api_path: str = API_PATH,
        auth_host: str | None = None,
        api_host: str | None = None,
        storage_host: str | None = None,
    ) -> None:
        self.rules = rules
        self.faults = Faults()
        self.registered = register() if registered is None else registered
        self._calls: list[Call] = []
        self._tenant = Tenant(people, self._rules, clock)
        app = self.registered.app
        self.tokens = TokenEndpoint({app.client_id: app}, self._rules, clock)
        self._bots = BotCalls(bots, self._tenant, self._rules)
        audit = AuditCalls(sign_ins, self._rules, clock, STORAGE_PATH, storage_host)
        parts = Parts(
            rules=self._rules,
            clock=clock,
            addresses=Addresses(
                auth_path=auth_path,
                api_path=api_path,
                storage_path=STORAGE_PATH,
                auth_host=auth_host,
                api_host=api_host,
                storage_host=storage_host,
            ),
            tokens=self.tokens,
            limits=RateLimits(self._rules, clock),
            handlers=self._handlers(audit),
            faults=self.faults,
            record=self._calls.append,
        )
        # A router for its lifespan events only: paths are matched before they are decoded.
        self.app: ASGIApp = Router(default=Application(parts), redirect_slashes=False)

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls so far, in the order of their answers."""
        return tuple(self._calls)

    def calls_of(self, operation: Operation) -> tuple[Call, ...]:
        """The calls of one operation."""
        return tuple(call for call in self.calls if call.operation is operation)

    def state(self) -> State:
        """What LINE WORKS holds now."""
        people = self._tenant.members()
        devices = {user_id: self._tenant.devices(member) for user_id, member in people.items()}
        return State(
            people=people,
            devices={user_id: number for user_id, number in devices.items() if number},
            messages=tuple(self._bots.messages),
            tokens=self.tokens.count(),
        )

    def add(self, member: Member) -> None:
        """Let somebody appear, as if an administrator had added them."""
        self._tenant.add(member)

    def change(self, member: Member) -> None:
        """Let somebody be otherwise than before; found by their resource ID."""
        self._tenant.replace(member)

    def remove(self, user_id: str) -> None:
        """Let somebody vanish for good."""
        self._tenant.remove(user_id)

    def sign_in(self, user_id: str, scopes: Iterable[str]) -> str:
        """An access token of an ordinary person, who reaches their own data only."""
        client_id = self.registered.app.client_id
        return self.tokens.sign_in(client_id, user_id, frozenset(scopes))

    def _rules(self) -> Rules:
        return self.rules

    def _handlers(self, audit: AuditCalls) -> dict[Operation, Handler]:
        people = PeopleCalls(self._tenant, self.tokens, self._rules)
        keys = KeyCalls(self._tenant, self._rules)
        return {
            Operation.LIST_USERS: people.list_people,
            Operation.GET_USER: people.get,
            Operation.CREATE_USER: people.create,
            Operation.REPLACE_USER: people.replace,
            Operation.CHANGE_USER: people.change,
            Operation.SUSPEND: people.suspend,
            Operation.UNSUSPEND: people.unsuspend,
            Operation.DELETE: people.delete,
            Operation.UNDELETE: people.undelete,
            Operation.DELETE_FOR_GOOD: people.delete_for_good,
            Operation.FORCE_LOGOUT: people.force_logout,
            Operation.LIST_KEYS: keys.list_keys,
            Operation.SET_KEYS: keys.set_keys,
            Operation.MESSAGE_USER: self._bots.to_person,
            Operation.MESSAGE_CHANNEL: self._bots.to_channel,
            Operation.AUDIT_LOG: audit.download,
            Operation.AUDIT_FILE: audit.file,
        }
