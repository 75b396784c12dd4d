"""Plays LINE WORKS' API 2.0 as far as Worksgate calls it: people, External Keys, bots, audit log.

It owns the other side of `keys sync`, of the rehearsal and of the leaver: a tenant in memory that
grants tokens for a signed assertion, lists its people, takes keys in batches, ends devices, counts
calls, and fails on demand. Where LINE WORKS' pages are silent it has to choose; each choice is a
field of `Rules`, and the defaults are the strict ones, so that a client that passes is right under
either reading (docs/protocol.md lists them all). It records every call without its secrets, and
`state` tells what LINE WORKS now holds: a test asks that, not what its client believes.

It imports nothing of Worksgate, so that it cannot share our mistakes.

    simulator    the simulator: its application, its record, its state
    application  from a request to its response: token, limit, scope, faults
    operations   the operations, with path and scopes
    token_endpoint  assertions and tokens
    people_calls, key_calls, other_calls    the endpoints of people, External Keys, bot and audit
    tenant       the people of LINE WORKS, and what may be done to whom
    members      one of them, and made-up ones
    asked        what a call asks for; pages: one page of a list; positions: its cursors
    rules        what LINE WORKS' pages leave open
    limits       calls for each operation and minute
    faults       failures on demand
    calls        the record
    refusals     errors on the wire
    registration a client app with its keys
    __main__     python -m worksgate.conformance.directory_api, to try by hand

A call: `application` finds the operation by its path, the token by its header, and counts the call;
the endpoint reads parameters, asks or changes the `tenant`, and raises a `Refused` for whatever
LINE WORKS would refuse.
"""

from worksgate.conformance.directory_api.calls import Call
from worksgate.conformance.directory_api.faults import Fault, Faults, unconnectable
from worksgate.conformance.directory_api.members import Member, Rank, made_up_members
from worksgate.conformance.directory_api.operations import Operation
from worksgate.conformance.directory_api.registration import (
    ClientApp,
    Registered,
    register,
    with_new_key,
)
from worksgate.conformance.directory_api.rules import (
    Batches,
    LargeCount,
    LastCursor,
    RateHeaders,
    Rules,
    TokenErrors,
    alternatives,
)
from worksgate.conformance.directory_api.simulator import (
    Bot,
    DirectoryApiSimulator,
    SettableClock,
    SignIn,
    State,
)

__all__ = [
    "Batches",
    "Bot",
    "Call",
    "ClientApp",
    "DirectoryApiSimulator",
    "Fault",
    "Faults",
    "LargeCount",
    "LastCursor",
    "Member",
    "Operation",
    "Rank",
    "RateHeaders",
    "Registered",
    "Rules",
    "SettableClock",
    "SignIn",
    "State",
    "TokenErrors",
    "alternatives",
    "made_up_members",
    "register",
    "unconnectable",
    "with_new_key",
]
