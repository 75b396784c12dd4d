"""What to do next: one action, and the command for it where there is one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from worksgate.administration.command_lines import command_line
from worksgate.administration.sign_in_trace.facts import Facts
from worksgate.oauth.model import UserKey
from worksgate.settings.sources.common import BUILT_IN


class Action(StrEnum):
    """What an administrator, or the person, does next."""

    ASK_NAME = auto()
    ASK_DOMAIN = auto()
    COMPARE_CLIENT_ID = auto()
    COMPARE_LOGIN_URL = auto()
    ADD_REDIRECT = auto()
    CHOOSE_OAUTH = auto()
    START_AGAIN = auto()
    ALLOW_COOKIES = auto()
    CHANGE_SESSION_KEY_CHECK = auto()
    SEND_RESET_LINK = auto()
    SET_PASSWORD = auto()
    ENABLE = auto()
    ENABLE_AT_SOURCE = auto()
    CHANGE_AT_SOURCE = auto()
    ADMIT_AT_SOURCE = auto()
    ALLOW_SOURCE = auto()
    TEST_SOURCE = auto()
    RUN_DOCTOR = auto()
    TRY_AGAIN = auto()
    WAIT = auto()
    FINISH_STEP = auto()
    USE_NEXT_CODE = auto()
    CORRECT_CLOCK = auto()
    RESET_FACTORS = auto()
    USE_PASSWORD = auto()
    TREAT_AS_COPIED = auto()
    EXPLAIN_RULES = auto()
    ADD_PASSKEY = auto()
    SET_KEY = auto()
    RELEASE_KEY = auto()
    CHECK_FROM_OUTSIDE = auto()
    COMPARE_USER_INFO_URL = auto()
    ENABLE_CLIENT = auto()
    ALLOW_ADDRESS = auto()
    RENEW_SECRET = auto()
    SHARE_STORE = auto()
    EXAMINE_REPLAY = auto()
    COMPARE_AT_LINE_WORKS = auto()
    CREATE_APP_PASSWORD = auto()
    ENABLE_IMAP = auto()
    SIGN_IN_ONCE = auto()
    OPEN_LINE_WORKS = auto()
    LOOK_UP = auto()


@dataclass(frozen=True, slots=True)
class NextStep:
    """An action, and a command line for it, in which ``KEY`` is to be filled in."""

    action: Action
    command: str | None = None


def next_step(action: Action, facts: Facts) -> NextStep:
    """The action with its command for this person and client."""
    write = _COMMANDS.get(action)
    return NextStep(action, None if write is None else write(facts))


def _client(*verb: str, options: Sequence[str] = ()) -> Callable[[Facts], str]:
    """A command about the client; where it is unknown, the one that lists them."""

    def write(facts: Facts) -> str:
        if facts.client is None:
            return command_line("client", "list")
        return command_line("client", *verb, name=facts.client.name, options=options)

    return write


def source_of(facts: Facts) -> str | None:
    """The source of the person or of the outage, or the only one that the client has."""
    if facts.person is not None:
        return facts.person.source
    if facts.outage is not None:
        return facts.outage.source
    names = () if facts.client is None else facts.client.sources
    return names[0] if len(names) == 1 else None


def _test_source(facts: Facts) -> str:
    name = source_of(facts)
    if name is None:
        return command_line("source", "list")
    return command_line("source", "test", name=name)


def _user(*verb: str) -> Callable[[Facts], str | None]:
    """A command about the person: by name, or at a source by the subject, which is unique."""

    def write(facts: Facts) -> str | None:
        if facts.person is None:
            return None
        person, source = facts.person.person, facts.person.source
        if source == BUILT_IN:
            return command_line("user", *verb, name=person.username)
        options = ("--source", source)
        return command_line("user", *verb, name=person.subject_id, options=options)

    return write


def _built_in_user(*verb: str) -> Callable[[Facts], str | None]:
    """The same where only the built-in directory can do it."""
    write = _user(*verb)
    return lambda facts: write(facts) if source_of(facts) == BUILT_IN else None


def _allow_attempt(facts: Facts) -> str | None:
    """Only where they wait for a password: of codes none is allowed."""
    return None if facts.waiting is None else _user("allow-attempt")(facts)


def _set_key(facts: Facts) -> str | None:
    if facts.person is None or facts.person.source != BUILT_IN:
        return None
    is_external = facts.client is None or facts.client.user_key is UserKey.EXTERNAL_KEY
    option = "--external-key" if is_external else "--works-account"
    return command_line("user", "set", name=facts.person.person.username, options=(option, "KEY"))


def _explain_rules(facts: Facts) -> str | None:
    if facts.person is None:
        return None
    if facts.client is None:
        return command_line("client", "list")
    options = ["--client", facts.client.name, "--from", facts.address or ""]
    if facts.person.source != BUILT_IN:
        options += ["--source", facts.person.source]
    return command_line("rules", "explain", name=facts.person.person.username, options=options)


_COMMANDS: Mapping[Action, Callable[[Facts], str | None]] = {
    Action.COMPARE_CLIENT_ID: lambda _: command_line("client", "list"),
    Action.COMPARE_LOGIN_URL: _client("show"),
    Action.ADD_REDIRECT: _client("show"),
    Action.CHANGE_SESSION_KEY_CHECK: _client("set", options=("--session-key-check", "fail_open")),
    Action.SEND_RESET_LINK: _built_in_user("reset-link"),
    Action.SET_PASSWORD: _built_in_user("set-password"),
    Action.ENABLE: _user("enable"),
    Action.ALLOW_SOURCE: _client("show"),
    Action.WAIT: _allow_attempt,
    Action.TEST_SOURCE: _test_source,
    Action.RUN_DOCTOR: lambda _: command_line("doctor"),
    Action.RESET_FACTORS: _user("reset-factors"),
    Action.TREAT_AS_COPIED: _user("sign-out", "--everything"),
    Action.EXPLAIN_RULES: _explain_rules,
    Action.SET_KEY: _set_key,
    Action.CHECK_FROM_OUTSIDE: lambda _: command_line("doctor"),
    Action.COMPARE_USER_INFO_URL: _client("show"),
    Action.ENABLE_CLIENT: _client("enable"),
    Action.ALLOW_ADDRESS: _client("show"),
    Action.RENEW_SECRET: _client("rotate-secret"),
    Action.EXAMINE_REPLAY: lambda _: command_line("audit", "--event", "code.replayed"),
    Action.ENABLE_IMAP: _client("show"),
}
