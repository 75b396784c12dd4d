"""Command lines that an administrator is advised to run, quoted for the shell (R-243)."""

import shlex
from collections.abc import Sequence


def command_line(*verb: str, name: str = "", options: Sequence[str] = ()) -> str:
    """A command about somebody or something; no name is taken for an option."""
    if name.startswith("-"):
        words = (*verb, *options, "--", name)
    else:
        words = (*verb, *((name,) if name else ()), *options)
    return shlex.join(("worksgate", *words))
