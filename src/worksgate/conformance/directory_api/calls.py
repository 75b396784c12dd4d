"""The record of all calls: what was called, when, and with which result, without its secrets.

A token, a client secret, an assertion, a body and a cursor are never in it.
"""

from dataclasses import dataclass

from worksgate.conformance.directory_api.faults import Fault
from worksgate.conformance.directory_api.operations import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. `at` is in seconds since the epoch, by the simulator's clock.

    `operation` None: no such path. `status` None: never answered. `code` is that of the error.
    `path` is as it was sent, without its query; `parameters` are the names of the query. `scopes`
    are those that a token was asked for, or that the token of the call has. `people` is the size of
    a batch. `in_flight` counts the calls of the API at that moment, this one included.
    """

    number: int
    at: float
    operation: Operation | None
    method: str
    path: str
    parameters: tuple[str, ...]
    status: int | None
    code: str | None
    client_id: str | None
    scopes: frozenset[str]
    people: int | None
    in_flight: int
    fault: Fault | None
