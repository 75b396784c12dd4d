"""A sign-in that is tried as LINE WORKS would make it: what it needs, and what it finds.

The conformance player makes it, from this machine, at the public address. It is handed in, as it
builds on nothing of ours; here are the words for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

from worksgate.administration.set_up.console_values import ConsoleField
from worksgate.credentials.usernames import username_key
from worksgate.directory.wizard_answers import Answer

TRIED: Final = (
    *(ConsoleField.LOGIN_URL, ConsoleField.ACCESS_TOKEN, ConsoleField.USER_INFO),
    *(ConsoleField.LOGOUT_URL, ConsoleField.USER_KEY),
)
"""The values of step 6 that a trial uses, in the order in which they are shown."""


PATIENCE: Final = 60.0
"""Seconds that a trial may take."""
APART: Final = 2.0
"""Seconds by which the clocks of the server and of the console may differ."""
TRIALS: Final = "trials"
"""The answer that has the times of trials."""
MOST_SPANS: Final = 20
"""Trials of which the times are kept."""


class Tick(StrEnum):
    """What was found of a value."""

    WORKS = auto()
    SLOW = auto()
    """It answers, but LINE WORKS would not have waited."""
    UNREACHABLE = auto()
    """This machine cannot connect, which may be fine."""
    UNTRUSTED = auto()
    """The certificate is not trusted here."""
    SILENT = auto()
    """No answer, or none that can be read."""
    REFUSED = auto()
    """It answered, but not as it must; ``said`` is how."""
    WRONG_SECRET = auto()
    BARRED = auto()
    """The client may not call, or not from here."""
    NOT_SIGNED_IN = auto()
    """The person was refused, by the password or after it."""
    WAITING = auto()
    """There were too many attempts."""
    CODE_DUE = auto()
    """The password is right, and only the person can take the second step."""
    STEP_DUE = auto()
    """The password is right, and something else follows, such as a new one."""
    ELSEWHERE = auto()
    """The sign-in goes on at another site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Whom to sign in, at which client. Its secrets are for one trial, and in no record."""

    client_id: str
    client_name: str
    client_secret: str = field(repr=False)
    username: str
    password: str = field(repr=False)
    redirect_uri: str
    urls: Mapping[str, str]
    began: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One value: what was found, in how many milliseconds.

    ``said`` is an error number or a status; of the user key, the key that LINE WORKS would get.
    """

    field: ConsoleField
    tick: Tick
    milliseconds: int | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class PastTrial:
    """A trial: from when to when the player was at a client, and whose name it typed there."""

    client_id: str
    since: float
    until: float
    name_key: str = ""

    def holds(self, client_id: str | None, at: float) -> bool:
        """Whether something at a client may be of the player."""
        return client_id == self.client_id and self.since <= at <= self.until


def past_trials(answer: Answer | None) -> list[PastTrial]:
    """The trials at all clients; earlier releases kept no name."""
    kept = [] if answer is None else answer.value.get("spans", [])
    return [PastTrial(each[0], each[1] - APART, each[2] + APART, *each[3:4]) for each in kept]


def spans_of(answer: Answer | None, client_id: str) -> list[tuple[float, float]]:
    """From when to when the player was at a client: what it used then, LINE WORKS did not."""
    return [(each.since, each.until) for each in past_trials(answer) if each.client_id == client_id]


def with_span(
    answer: Answer | None, trial: Trial, ended: float
) -> list[tuple[str, float, float, str]]:
    """The spans that are kept, with that of a trial, in place of an earlier one of the same."""
    kept = [] if answer is None else answer.value.get("spans", [])
    others = [tuple(each) for each in kept if each[:2] != [trial.client_id, trial.began]]
    span = (trial.client_id, trial.began, ended, username_key(trial.username))
    return [*others, span][-MOST_SPANS:]
