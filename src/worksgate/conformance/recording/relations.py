"""What the hashes of a recording tell: whose code it is, and which secret is the right one.

Nothing here is known from settings; it follows from the answers. A secret is the right one of a
client if a call with both got past the check of them.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf, nextafter
from typing import Final

from worksgate.conformance.recording.calls import APP, Call
from worksgate.conformance.recording.observed import Kind

BACK_CHANNEL: Final = (Kind.TOKEN, Kind.USER_INFO)
PASSED_ON: Final = ("code", "access_token", "refresh_token")
"""What one call gives out and another presents."""
_BEYOND_THE_CLIENT: Final = ("101", "302", "303")
"""Errors that are only given to a client with the right secret."""


@dataclass(slots=True)
class Relations:
    """What belongs together in a recording; everything is by hash.

    ``clients`` are numbered from the busiest, in each file for itself: the same client has another
    hash in the file of another machine, and about the same share of the calls. ``givers`` are the
    calls that gave out a code or a token, ``requests`` what a code was asked for with, ``uses`` the
    calls in which a code or a token was presented, in their order. Refresh tokens are tokens here;
    a hash is never that of two kinds. ``mail_passwords`` are the right ones of each name.
    """

    clients: dict[str, int] = field(default_factory=dict)
    right_secrets: dict[str, set[str]] = field(default_factory=dict)
    redirects: set[tuple[str, str]] = field(default_factory=set)
    logout_targets: set[str] = field(default_factory=set)
    givers: dict[str, Call] = field(default_factory=dict)
    requests: dict[str, Call] = field(default_factory=dict)
    uses: dict[str, list[Call]] = field(default_factory=dict)
    mail_passwords: dict[str, set[str]] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    _logins: dict[str, Call] = field(default_factory=dict)

    @classmethod
    def of(cls, calls: Iterable[Call]) -> "Relations":
        """Those of calls in their order."""
        found, accepted = cls(), dict[int, Counter[str]]()
        for call in calls:
            found._note_client(call, accepted.setdefault(call.file, Counter()))
            found._note_what_was_given(call)
            found._note_uses(call)
        for of_file in accepted.values():
            ranked = enumerate(of_file.most_common())
            found.clients |= {client: number for number, (client, _) in ranked}
        found._find_people()
        return found

    def person_of_code(self, code: str) -> str:
        """Who signed in for a code: as userInfo or a mail program named them, or nobody known."""
        return self.people.get(code, "")

    def client_of_code(self, code: str) -> str | None:
        """The client for which a code was given out, or else the one that redeemed it."""
        if (request := self.requests.get(code)) is not None:
            return request.id_of("client_id")
        redeemed = (each for each in self.uses.get(code, ()) if each.answer.is_success)
        found = next(redeemed, None)
        return None if found is None else found.id_of("client_id")

    def is_of_app(self, code: str) -> bool:
        """Whether a code was given to an app, whose tokens may last longer than a browser's."""
        request = self.requests.get(code)
        user_agent = None if request is None else request.first("userAgent")
        return user_agent is not None and user_agent.value == APP

    def earlier_uses(self, id: str, call: Call) -> list[Call]:  # noqa: A002  # the name of the field
        """The calls before this one in which the same was presented."""
        return [each for each in self.uses.get(id, ()) if each.at < call.at]

    def grant_of(self, id: str) -> set[str]:  # noqa: A002  # the name of the field
        """What ends a token if it is presented once more, after the token was given out.

        That is the code or the refresh token with which it was bought, and the refresh token that
        came with it.
        """
        giver = self.givers.get(id)
        if giver is None or giver.kind is not Kind.TOKEN:
            return set()
        came_with = giver.answer.ids.get("refresh_token")
        found = {giver.id_of("code"), giver.id_of("refresh_token"), came_with}
        return {each for each in found if each is not None and each != id}

    def _note_client(self, call: Call, accepted: Counter[str]) -> None:
        client = call.id_of("client_id")
        if client is None or not is_accepted(call):
            return
        accepted[client] += 1
        if call.kind in BACK_CHANNEL and (secret := call.id_of("client_secret")):
            self.right_secrets.setdefault(client, set()).add(secret)
        redirect = call.first("redirect_uri")
        if call.kind is Kind.LOGIN and redirect is not None and redirect.base:
            self.redirects.add((client, redirect.base))

    def _note_what_was_given(self, call: Call) -> None:
        given = call.answer.ids
        is_shown = (call.answer.status or 500) < 400
        if call.kind is Kind.LOGIN and is_shown and (redirect := call.id_of("redirect_uri")):
            self._logins[redirect] = call
        if call.kind is not Kind.TOKEN and "code" in given:
            self._note_code(call, given["code"])
        if call.kind is Kind.TOKEN:
            for name in ("access_token", "refresh_token"):
                if name in given:
                    self.givers.setdefault(given[name], call)
        if call.kind is Kind.IMAP and call.answer.is_success:
            email, password = call.id_of("email") or "", call.id_of("password") or ""
            self.mail_passwords.setdefault(email, set()).add(password)
        target = call.first("redirect_uri")
        if call.kind is Kind.LOGOUT and call.answer.goes_to == "redirect_uri" and target:
            self.logout_targets.add(target.base or "")

    def _note_code(self, call: Call, code: str) -> None:
        self.givers.setdefault(code, call)
        request: Call | None = call
        if call.kind is Kind.SIGN_IN:
            request = self._logins.get(call.answer.ids.get("redirect", ""))
        if request is not None:
            self.requests.setdefault(code, request)

    def _note_uses(self, call: Call) -> None:
        for name in PASSED_ON:
            if call.kind in BACK_CHANNEL and (presented := call.id_of(name)):
                self.uses.setdefault(presented, []).append(call)

    def _find_people(self) -> None:
        """From userInfo back to the code: through the token that it bought."""
        for code, giver in self.givers.items():
            if giver.kind is Kind.TOKEN:
                continue
            if giver.kind is Kind.IMAP:
                self.people[code] = f"mail {giver.id_of('email')}"
            for token_call in self.uses.get(code, ()):
                token = token_call.answer.ids.get("access_token", "")
                for info in self.uses.get(token, ()):
                    if user_id := info.answer.ids.get("user_id"):
                        self.people[code] = user_id


def winners_first(calls: Iterable[Call]) -> list[Call]:
    """Calls in order; of those that presented a code side by side, the winner is first.

    That is the one that got the token, whenever it began: which one it is was decided by chance.
    """
    calls = list(calls)
    won = {code: call for call in calls if call.answer.is_success and (code := _single_use(call))}

    def moved(call: Call) -> Call:
        winner = won.get(_single_use(call) or "")
        if winner is None or call is winner or not call.at <= winner.at < call.ended_at:
            return call
        return replace(call, at=nextafter(winner.at, inf))

    return sorted(map(moved, calls), key=lambda call: call.at)


def _single_use(call: Call) -> str | None:
    """The code or the refresh token that a call presents."""
    if call.kind is not Kind.TOKEN:
        return None
    return call.id_of("code") or call.id_of("refresh_token")


def is_accepted(call: Call) -> bool:
    """Whether the answer shows that the client is known, and had the right secret if it had one."""
    if call.kind is Kind.LOGOUT or call.kind is Kind.SIGN_IN:
        return False
    return call.answer.is_success or (
        call.kind in BACK_CHANNEL and call.answer.error in _BEYOND_THE_CLIENT
    )
