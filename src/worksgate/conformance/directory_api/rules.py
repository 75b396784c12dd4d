"""What LINE WORKS' pages leave open: one field for each choice, the strict reading as default.

A client that works under the defaults works at a LINE WORKS that is milder. The other readings are
there to be tried one by one. docs/protocol.md has a row for each field.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final


class TokenErrors(StrEnum):
    """The form in which the authorization server refuses."""

    OAUTH = "oauth"
    """RFC 6749: `error` and `error_description`, with 400 or 401."""
    RETURN_CODE = "return_code"
    """`returnCode` and `returnMessage`, with 400; seen for a form that was not encoded."""
    RETURN_CODE_200 = "return_code_200"
    """The same with status 200: only the missing token tells."""
    HTML_502 = "html_502"
    """A web page of a proxy."""


class LargeCount(StrEnum):
    """The answer to a `count` above 100."""

    EMPTY_PAGE = "empty_page"
    REFUSED = "refused"


class LastCursor(StrEnum):
    """How a last page says that it is the last."""

    ABSENT = "absent"
    NULL = "null"
    EMPTY = "empty"


class Batches(StrEnum):
    """What a batch of keys does if one of its people cannot have theirs."""

    ALL_OR_NOTHING = "all_or_nothing"
    UP_TO_FIRST_BAD = "up_to_first_bad"


class RateHeaders(StrEnum):
    """How the fourth header of the rate limit is spelled, if they come at all."""

    MISSPELT = "misspelt"
    """`rateLimit-ssed`, as LINE WORKS' own page has it."""
    SPELT = "spelt"
    """`rateLimit-used`."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Every choice where LINE WORKS' pages are silent. All times are in seconds."""

    # Tokens
    token_errors: TokenErrors = TokenErrors.OAUTH
    clock_tolerance: float = 0
    """How far `iat` may be in the future, and `exp` in the past."""
    takes_shorter_assertions: bool = False
    """Whether `exp - iat` may be less than 3600; only 3600 was taken in one report."""
    takes_commas_in_scope: bool = False
    """Whether scopes may be separated by commas, as pages about another request have it."""
    fewest_key_bits: int = 2_048
    """The smallest private key whose assertions are taken."""
    takes_old_keys: bool = False
    """Whether a private key still works after another one has been issued."""
    plan_lacks: tuple[str, ...] = ()
    """Scopes that are not in the tenant's plan; the free one has no `directory`, for example."""

    # Lists
    lists_every_domain: bool = False
    """Whether a list without `domainId` has everybody, or those of the app's domain."""
    large_count: LargeCount = LargeCount.EMPTY_PAGE
    last_cursor: LastCursor = LastCursor.ABSENT
    cursor_counts_rows: bool = False
    """Whether a cursor is a number of rows: who vanishes meanwhile makes a list skip somebody."""
    people_change_between_pages: bool = False
    """Whether after each page one of its people vanishes for good, and somebody new appears."""
    lists_deleted: bool = True
    """Whether people are listed, as `isDeleted`, in the 7 days in which they can come back."""
    lists_deleted_with_keys: bool = False
    """Whether the list of External Keys has them too, where nothing says that they are deleted."""
    omits_empty_keys: bool = False
    """Whether somebody without a key has no `externalKey` at all, instead of null."""

    # People
    unknown_user_code: str = "USER_NOT_EXIST"
    """The `code` of the 404 for an unknown person."""
    created_status: int = 201
    """Of the answer to somebody new."""
    awaiting_is_pending: bool = False
    """Whether who waits for approval is shown as `isPending`, too."""
    log_out_ends_app_tokens: bool = False
    """Whether signing a person out ends the tokens of the tenant's service accounts, too."""
    deleted_is_gone: bool = True
    """Whether a deleted person is 410, or 404 like somebody unknown."""
    write_takes: float = 0
    """How long a change of a person takes; a second one meanwhile is 409."""
    log_out_takes: float = 300
    """When the devices of a person are out after the order: within 5 minutes."""
    suspends_once: bool = True
    """Whether suspending somebody who is suspended is refused, or just 204 again."""

    # External Keys
    batches: Batches = Batches.ALL_OR_NOTHING
    keys_ignore_case: bool = False
    takes_swaps: bool = False
    """Whether a key may be given in the batch in which its holder gives it up."""
    key_rests: float = 0
    """How long a key that was given up cannot be given to somebody else."""
    deleted_hold_keys: bool = True
    """Whether the key of a deleted person stays taken until they are gone for good."""

    # Calls
    calls_a_minute: int = 240
    """For each operation; 60 in the Free plan."""
    rate_headers: RateHeaders = RateHeaders.MISSPELT
    refuses_concurrent_calls: bool = False
    """Whether a second call at the same time is 429, or only noted in the record."""
    refuses_unknown_members: bool = True
    """Whether a request with a member that no page names is 400."""

    # Audit log
    audit_log_breaks_off: bool = False
    """Whether a download ends half-way, with the line that says so."""
    audit_log_columns: tuple[str, ...] = ("Date", "User", "Result", "Client", "IP Address")
    """What the columns of the log `auth` are called."""
    audit_log_encoding: str = "utf-8"
    """As Python calls it; `utf-8-sig` and `utf-16` begin with a byte order mark."""


_OTHER_VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "clock_tolerance": (300.0,),
    "fewest_key_bits": (1_024,),
    "plan_lacks": (("bot", "bot.message"),),
    "unknown_user_code": ("NOT_FOUND",),
    "created_status": (200,),
    "write_takes": (0.05,),
    "log_out_takes": (0.0,),
    "key_rests": (20.0,),
    "calls_a_minute": (60,),
    "audit_log_columns": (("Time", "Account"),),
    "audit_log_encoding": ("utf-16",),
}
"""Of the fields that are no choice among a few."""


def alternatives(rules: Rules) -> Iterator[tuple[str, Rules]]:
    """Every other reading, one at a time: what it is called, and the rules with it."""
    for each in fields(Rules):
        value = getattr(rules, each.name)
        if isinstance(value, bool):
            others: tuple[Any, ...] = (not value,)
        elif isinstance(value, StrEnum):
            others = tuple(other for other in type(value) if other is not value)
        else:
            others = _OTHER_VALUES[each.name]
        for other in others:
            yield f"{each.name}={other}", replace(rules, **{each.name: other})
