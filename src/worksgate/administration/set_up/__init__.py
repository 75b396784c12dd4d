"""The set-up of an installation, step by step, up to the first sign-in.

    operations       ``SetUpAdministration``: every answer and result, kept with an audit record
    steps            the nine steps, and how far each one is: facts in, states out
    outside_check    a call from outside: the command line to run, and what its answer means
    console_values   the fields of the Developer Console, their values, and whether they work
    trial            a sign-in that is tried as LINE WORKS would make it

All but ``operations`` are pure. Nothing is asked that can be found out: what a client, the sources
and the audit log already say is read there.
"""

from worksgate.administration.set_up.console_values import (
    MENUS,
    USER_KEY_NAMES,
    ConsoleField,
    Menus,
    Place,
    ShownField,
    console_fields,
    suspicious,
)
from worksgate.administration.set_up.operations import (
    ConsoleLanguage,
    KeyCount,
    Plan,
    SetUpAdministration,
    newest_secret_at,
)
from worksgate.administration.set_up.outside_check import Outcome, Outside, command, judge
from worksgate.administration.set_up.steps import Progress, SetUp, State, Step
from worksgate.administration.set_up.trial import TRIED, Tick, Trial, Tried

__all__ = [
    "MENUS",
    "TRIED",
    "USER_KEY_NAMES",
    "ConsoleField",
    "ConsoleLanguage",
    "KeyCount",
    "Menus",
    "Outcome",
    "Outside",
    "Place",
    "Plan",
    "Progress",
    "SetUp",
    "SetUpAdministration",
    "ShownField",
    "State",
    "Step",
    "Tick",
    "Trial",
    "Tried",
    "command",
    "console_fields",
    "judge",
    "newest_secret_at",
    "suspicious",
]
