"""Questions to the person at the terminal. A script is never asked anything."""

import sys

from worksgate.cli.refusals import Refusal

MAX_INPUT = 16_384
"""Bytes that are read from standard input in search of a password."""


def is_person_there() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if the person says yes; a script goes on. Raises Refusal."""
    if yes or not is_person_there():
        return
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refusal("nothing has been changed")


def ask(question: str, default: str = "") -> str:
    """The answer to a question, or the default."""
    sys.stderr.write(f"{question} [{default}]: " if default else f"{question}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() or default


def new_password(*, from_stdin: bool) -> str | None:
    """A new password: from standard input, or asked for twice; None to have one made.

    Raises Refusal.
    """
    if from_stdin:
        return _password_from_stdin()
    if not is_person_there():
        return None
    from getpass import getpass

    password = getpass("New password (leave it empty to have one made): ", sys.stderr)
    if password and getpass("The same again: ", sys.stderr) != password:
        raise Refusal("the two passwords are not the same; nothing has been changed")
    return password or None


def _password_from_stdin() -> str:
    data = sys.stdin.buffer.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise Refusal("standard input is too long to be a password")
    try:
        password = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refusal("the password on standard input is not UTF-8 text") from None
    if not password:
        raise Refusal("there is no password on standard input")
    if "\n" in password:
        raise Refusal("standard input has more than one line; a password is one")
    return password
