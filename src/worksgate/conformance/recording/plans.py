"""What a replay sends in place of each value, or why a call cannot be sent again.

A plan keeps the relations and the kind of error: a wrong secret is replaced by a wrong secret, a
used code by the used code of the replay's own sign-in, an unknown token by one that nobody issued.
What only the state of the recorded installation explains, such as a disabled client or a full
disk, is not re-enacted: a call that was sent anyway would be compared with the answer to another
question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worksgate.conformance.recording.calls import OTHER, Call, Parameter
from worksgate.conformance.recording.observed import Kind
from worksgate.conformance.recording.relations import BACK_CHANNEL, Relations, is_accepted
from worksgate.conformance.recording.stand_ins import StandIns


class Reason(StrEnum):
    """Why a call is not replayed; the report has these sentences."""

    NO_ANSWER = "the caller was gone before the answer"
    OUTAGE = "the server was overloaded or had an outage"
    THROTTLED = "it was throttled, for what had come before"
    DENIED = "the client was disabled, or its address not allowed"
    TOO_LARGE = "it was larger than what a recording keeps"
    UNFINISHED = "its body did not arrive"
    UNKNOWN_FORM = "its method, its HTTP version or its URL is not kept"
    REDIRECT_URI = "its redirect_uri was refused for something in it that is not kept"
    NO_CLIENT = "no stand-in for its client"
    SECRET_CHANGED = "the secret of its client was right at one time and wrong at another"
    PASSWORD_CHANGED = "its password was right at one time and wrong at another"
    TOKEN_ENDED = "its token had ended for a reason that is not in the recording"
    OLD_REFRESH_TOKEN = "its refresh token is from before the recording"
    NO_WORKS_ID = "no stand-in person has a works_id"
    NO_SIGN_IN = "the sign-in or the call that it depends on failed"
    TOO_LATE = "it waits for an expiry that is further away than the patience"


class NotReplayed(Exception):
    """A call is not sent."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Source(StrEnum):
    """Where the value of a parameter comes from."""

    LITERAL = "literal"
    MADE_UP = "made up"
    EMPTY = "empty"
    CLIENT_ID = "client ID"
    CLIENT_SECRET = "client secret"
    REDIRECT = "redirect_uri"
    LOGOUT_REDIRECT = "redirect_uri of a logout"
    FOREIGN_URI = "a URI of nobody"
    CODE = "code"
    TOKEN = "access token"
    REFRESH = "refresh token"
    MAIL_NAME = "mail name"
    MAIL_PASSWORD = "mail password"
    WORKS_ID = "LINE WORKS account"


@dataclass(frozen=True, slots=True)
class Value:
    """What is sent as one parameter: ``source`` of what, such as the code with this hash.

    ``client`` and ``person`` are numbers of stand-ins.
    """

    name: str
    source: Source
    what: str = ""
    shape: Parameter | None = None
    client: int = 0
    person: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a call is re-enacted.

    With ``session`` the browser of this person, who is signed in, makes it. ``waits`` is what has
    to have been given out so many seconds ago: an expiry is not sped up.
    """

    call: Call
    values: Sequence[Value]
    client: int = 0
    session: int | None = None
    waits: tuple[str, float] | None = None


class Planner:
    """Plans the calls of one recording for one target."""

    def __init__(self, relations: Relations, stand_ins: StandIns) -> None:
        self._relations = relations
        self._stand_ins = stand_ins
        self._people: dict[str, int] = {}
        self._numbers: Mapping[str, int] = relations.clients

    @property
    def people(self) -> int:
        """How many people of the recording were planned for so far."""
        return len(self._people)

    def plan(self, call: Call) -> Plan:
        """How this call is re-enacted. Raises NotReplayed."""
        _check_can_be_sent(call)
        if call.kind in BACK_CHANNEL:
            return self._back_channel(call)
        if call.kind is Kind.IMAP:
            return self._mail_login(call)
        return self._logout(call) if call.kind is Kind.LOGOUT else self._login(call)

    def sign_in(self, code: str) -> tuple[int, int]:
        """The stand-ins, client and person, whose sign-in gives the code of this hash.

        Raises NotReplayed.
        """
        client = self._relations.client_of_code(code)
        number = 0 if client is None else self._client(client)
        return number, self.person(self._relations.person_of_code(code))

    def person(self, id: str) -> int:  # noqa: A002  # the name of the field
        """The stand-in for a person of the recording; if there are too few, they take turns."""
        number = self._people.setdefault(id, len(self._people))
        return number % len(self._stand_ins.people)

    # The calls of LINE WORKS' servers

    def _back_channel(self, call: Call) -> Plan:
        client, secret = call.id_of("client_id"), call.id_of("client_secret")
        number = self._client_of(client)
        is_wrong = self._is_wrong_secret(call, client, secret)
        waits: tuple[str, float] | None = None
        values = []
        for each in call.parameters:
            if each.name == "client_secret" and secret and not is_wrong and number is not None:
                values.append(Value(each.name, Source.CLIENT_SECRET, client=number))
            elif each.name in _ARTIFACTS and not each.is_empty:
                value, wait = self._artifact(call, each, number or 0)
                values.append(value)
                waits = waits or wait
            else:
                values.append(self._common(each, number))
        return Plan(call, values, client=number or 0, waits=waits)

    def _is_wrong_secret(self, call: Call, client: str | None, secret: str | None) -> bool:
        """Whether the secret was refused. Raises NotReplayed if it was right at another time."""
        if call.answer.error != "301":
            return False
        if secret in self._relations.right_secrets.get(client or "", ()):
            raise NotReplayed(Reason.SECRET_CHANGED)
        return True

    def _artifact(
        self, call: Call, sent: Parameter, client: int
    ) -> tuple[Value, tuple[str, float] | None]:
        """What to send for a code or a token, and what has to have aged before."""
        source, id_ = _ARTIFACTS[sent.name], sent.id or ""
        giver = self._relations.givers.get(id_)
        is_refused = call.answer.error == _ERRORS[sent.name]
        if giver is None or giver.at > call.at:
            if is_refused or not is_accepted(call):
                return Value(sent.name, Source.MADE_UP, shape=sent), None
            if source is Source.REFRESH:
                raise NotReplayed(Reason.OLD_REFRESH_TOKEN)
            person = self.person(self._relations.person_of_code(id_))
            return Value(sent.name, source, id_, client=client, person=person), None
        value = Value(sent.name, source, id_, client=client)
        if not is_refused or self._is_explained(call, sent, giver):
            return value, None
        age = call.at - giver.ended_at
        if sent.name != "code" and not _has_expired(giver, age):
            raise NotReplayed(Reason.TOKEN_ENDED)
        return value, (id_, age)

    def _is_explained(self, call: Call, sent: Parameter, giver: Call) -> bool:
        """Whether a refusal follows from earlier calls: another client's, used, or revoked."""
        relations, id_ = self._relations, sent.id or ""
        owner = relations.client_of_code(id_) if sent.name == "code" else None
        owner = owner or giver.id_of("client_id")
        if owner is not None and owner != call.id_of("client_id"):
            return True
        used = any(each.answer.is_success for each in relations.earlier_uses(id_, call))
        if used and sent.name != "access_token":
            return True
        return any(
            each.at > giver.at
            for of_grant in relations.grant_of(id_)
            for each in relations.earlier_uses(of_grant, call)
        )

    # The calls with a browser or a mail program

    def _login(self, call: Call) -> Plan:
        if self._is_refused_for_its_query(call):
            raise NotReplayed(Reason.REDIRECT_URI)
        client = call.id_of("client_id")
        number = self._client_of(client)
        code = call.answer.ids.get("code")
        person = self.person(self._relations.person_of_code(code)) if code else 0
        values = []
        for each in call.parameters:
            if each.name == "redirect_uri" and not each.is_empty:
                is_known = (client, each.base) in self._relations.redirects
                source = Source.REDIRECT if is_known else Source.FOREIGN_URI
                values.append(Value(each.name, source, shape=each, client=number or 0))
            elif each.name == "worksId" and code and not each.is_empty:
                if not self._stand_ins.people[person].works_id:
                    raise NotReplayed(Reason.NO_WORKS_ID)
                values.append(Value(each.name, Source.WORKS_ID, person=person))
            else:
                values.append(self._common(each, number))
        return Plan(call, values, client=number or 0, session=person if code else None)

    def _is_refused_for_its_query(self, call: Call) -> bool:
        """Whether all that is kept of a refused request is right: a fragment, say, is not kept."""
        names = [each.name for each in call.parameters]
        redirect, kind = call.first("redirect_uri"), call.first("response_type")
        if call.answer.status != 400 or redirect is None or kind is None:
            return False
        is_known = (call.id_of("client_id"), redirect.base) in self._relations.redirects
        is_whole = kind.value == "code" and len(set(names)) == len(names)
        return redirect.has_query and is_known and is_whole

    def _logout(self, call: Call) -> Plan:
        values = []
        for each in call.parameters:
            if each.name == "redirect_uri" and not each.is_empty:
                is_known = each.base in self._relations.logout_targets
                source = Source.LOGOUT_REDIRECT if is_known else Source.FOREIGN_URI
                values.append(Value(each.name, source, shape=each))
            else:
                values.append(self._common(each, None))
        return Plan(call, values)

    def _mail_login(self, call: Call) -> Plan:
        number = self._client_of(call.id_of("client_id"))
        email, password = call.id_of("email") or "", call.id_of("password") or ""
        right = self._relations.mail_passwords.get(email)
        is_right = right is not None and password in right
        if is_right and call.answer.error == "invalid_grant":
            raise NotReplayed(Reason.PASSWORD_CHANGED)
        person = self.person(f"mail {email}")
        values = []
        for each in call.parameters:
            value = self._common(each, number)
            if each.name == "email" and right is not None:
                value = Value(each.name, Source.MAIL_NAME, person=person)
            elif each.name == "password" and is_right:
                value = Value(each.name, Source.MAIL_PASSWORD, person=person)
            values.append(value)
        return Plan(call, values, client=number or 0)

    # What they have in common

    def _common(self, sent: Parameter, client: int | None) -> Value:
        if sent.value is not None:
            return Value(sent.name, Source.LITERAL, sent.value)
        if sent.is_empty:
            return Value(sent.name, Source.EMPTY)
        if sent.name == "client_id" and client is not None:
            return Value(sent.name, Source.CLIENT_ID, client=client)
        return Value(sent.name, Source.MADE_UP, shape=sent)

    def _client_of(self, client: str | None) -> int | None:
        """The number of a client's stand-in; None for one that nobody knew. Raises NotReplayed."""
        if client is None or client not in self._numbers:
            return None
        return self._client(client)

    def _client(self, client: str) -> int:
        number = self._numbers.get(client, len(self._stand_ins.clients))
        if number >= len(self._stand_ins.clients):
            raise NotReplayed(Reason.NO_CLIENT)
        return number


_ARTIFACTS: Final = {
    "code": Source.CODE,
    "access_token": Source.TOKEN,
    "refresh_token": Source.REFRESH,
}
_ERRORS: Final = {"code": "302", "access_token": "303", "refresh_token": "302"}


def _has_expired(giver: Call, age: float) -> bool:
    lifetime = giver.answer.values.get("expires_in")
    return isinstance(lifetime, int) and age >= lifetime


def _check_can_be_sent(call: Call) -> None:
    """Raise NotReplayed for a call whose answer, or form, is not that of a call alone."""
    status, error = call.answer.status, call.answer.error
    is_known = call.method != OTHER and call.http in ("1.0", "1.1") and not call.has_query
    for reason, holds in (
        (Reason.NO_ANSWER, status is None),
        (Reason.OUTAGE, status is not None and status >= 500),
        (Reason.THROTTLED, status == 429),
        (Reason.UNFINISHED, status == 408),
        (Reason.TOO_LARGE, status == 413 or call.is_cut),
        (Reason.DENIED, error == "101"),
        (Reason.UNKNOWN_FORM, not is_known),
    ):
        if holds:
            raise NotReplayed(reason)
