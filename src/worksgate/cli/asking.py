"""Prompts on the terminal. Scripts are never prompted."""

import sys
from collections.abc import Callable

from worksgate.cli.printing import note
from worksgate.cli.refusals import Refusal
from worksgate.directory import Account
from worksgate.settings.options import Settings

Check = Callable[[str], object]
"""Raises ValueError, with a sentence, for an invalid answer."""

MAX_INPUT = 16_384
"""Bytes that are read from standard input for a password."""

_NO_ANSWER = "there was no answer; nothing has been changed"


def is_person_there() -> bool:
    """Whether the command runs on a terminal, so that it can prompt."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Return if the person confirms, or has passed ``--yes``. Raises Refusal."""
    if yes:
        return
    if not is_person_there():
        raise Refusal(f"{question} There is no terminal to ask on: pass --yes to confirm")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refusal("nothing has been changed")


def ask(question: str, default: str, check: Check) -> str:
    """The answer to a prompt, or the default; repeated until the answer is valid.

    Raises Refusal.
    """
    while True:
        sys.stderr.write(f"{question} [{default}]: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise Refusal(_NO_ANSWER)
        answer = line.strip() or default
        if _passes(check, answer):
            return answer


def new_password(account: Account, settings: Settings, *, from_stdin: bool) -> str | None:
    """A new password: from standard input, or typed twice; None to have one generated.

    On a terminal the prompt is repeated until the password is allowed. Raises Refusal.
    """
    from worksgate.directory.account_rules import check_password

    def check(password: str) -> object:
        return check_password(password, account, settings.company_name)

    if not from_stdin:
        return _password_of_a_person(check) if is_person_there() else None
    password = _password_from_stdin()
    try:
        check(password)
    except ValueError as problem:
        raise Refusal(str(problem)) from None
    return password


def _password_of_a_person(check: Check) -> str | None:
    from getpass import getpass

    from worksgate.credentials.password_policy import MIN_PASSWORD_LENGTH

    length = f"{MIN_PASSWORD_LENGTH} characters or more"
    question = f"New password ({length}; leave empty to generate one): "
    try:
        while password := getpass(question, sys.stderr):
            if not _passes(check, password):
                continue
            if getpass("Repeat the password: ", sys.stderr) == password:
                return password
            note("The two passwords are not the same.")
    except EOFError:
        raise Refusal(_NO_ANSWER) from None
    return None


def present_password(question: str, *, from_stdin: bool) -> str | None:
    """An existing password: from standard input, or typed; None if there is none.

    Raises Refusal.
    """
    if from_stdin:
        return _password_from_stdin()
    if not is_person_there():
        return None
    from getpass import getpass

    try:
        return getpass(question, sys.stderr) or None
    except EOFError:
        raise Refusal(_NO_ANSWER) from None


def _passes(check: Check, answer: str) -> bool:
    try:
        check(answer)
    except ValueError as problem:
        text = str(problem)
        note(f"{text[:1].upper()}{text[1:]}.")
        return False
    return True


def _password_from_stdin() -> str:
    data = sys.stdin.buffer.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise Refusal("standard input is too long for a password")
    try:
        password = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refusal("the password on standard input is not UTF-8 text") from None
    if not password:
        raise Refusal("there is no password on standard input")
    if "\n" in password:
        raise Refusal("standard input has more than one line; a password has one")
    return password
