"""The kinds of conditions: how a value of each is written, and when it holds for a sign-in."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from unicodedata import normalize
from zoneinfo import ZoneInfo

from worksgate.clients.access_rules.rules import Action, Condition
from worksgate.clients.sentences import said, with_hint
from worksgate.limits.networks import is_within
from worksgate.oauth.model import LoginKind

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL_ADDRESSES = ("0.0.0.0/0", "::/0")
_RANGE_OF_HOURS = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A sign-in to decide about; ``at`` is in seconds since the epoch.

    ``address`` is empty if unknown. ``groups`` and ``source`` are None until the person is known.
    """

    kind: LoginKind
    address: str
    at: float
    groups: tuple[str, ...] | None = None
    source: str | None = None


def answer(
    condition: Condition, action: Action, situation: Situation, now: datetime
) -> tuple[bool | None, str]:
    """Whether a condition holds, and a sentence that says so; None if still unknown."""
    kind = KINDS[condition.name]
    if kind.is_unknown(situation):
        return None, f"the {condition.name} is unknown until the person is"
    listed = " or ".join(condition.values)
    if condition.name == "network" and not is_within(situation.address, _ALL_ADDRESSES):
        holds = action is not Action.ALLOW
        return holds, "the address is unknown, which never grants access"
    is_one = any(kind.fits(value, situation, now) for value in condition.values)
    verb = "is" if is_one else "is not"
    reason = f"{kind.describe(situation, now)} {verb} {kind.preposition}{listed}"
    return is_one is not condition.negated, reason


def zone_of(name: str) -> tzinfo:
    """The time zone of that name. Raises ValueError if this machine does not know it."""
    if name == "UTC":
        return UTC
    if re.fullmatch(r"[A-Za-z0-9_+/-]{1,64}", name):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # OSError: "Asia" is a folder
            pass
    raise ValueError(
        said(
            "'timezone=%(name)s': there is no time zone of that name, such as Asia/Tokyo", name=name
        )
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of condition: how a value is parsed, when it holds, and how it is described."""

    read: Callable[[str], str]
    fits: Callable[[str, Situation, datetime], bool]
    describe: Callable[[Situation, datetime], str]
    preposition: str = ""
    is_unknown: Callable[[Situation], bool] = lambda _: False


def _read_kind(value: str) -> str:
    if value not in set(LoginKind):
        raise ValueError(
            said("%(value)s is not one of %(known)s", value=repr(value), known=", ".join(LoginKind))
        )
    return value


def _read_network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(_not_a_network(value)) from None
    mapped = network.network_address
    if isinstance(mapped, ipaddress.IPv6Address) and mapped.ipv4_mapped and network.prefixlen >= 96:
        return str(ipaddress.ip_network((mapped.ipv4_mapped, network.prefixlen - 96)))
    return str(network)


def _not_a_network(value: str) -> str:
    try:
        meant = str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return said(
            "%(value)s is not a network such as 192.0.2.0/24 or 2001:db8::/32", value=repr(value)
        )
    return with_hint(said("%(value)s is not a network", value=repr(value)), meant)


def _read_group(value: str) -> str:
    return value


def _read_source(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", value):
        raise ValueError(said("%(value)s is not a valid name of a source", value=repr(value)))
    return value


def _read_days(value: str) -> str:
    first, dash, last = value.lower().partition("-")
    if first not in _DAYS or (dash and last not in _DAYS):
        raise ValueError(
            said(
                "%(value)s is neither a day such as mon nor a range such as mon-fri",
                value=repr(value),
            )
        )
    return f"{first}-{last}" if dash and first != last else first


def _read_hours(value: str) -> str:
    found = _RANGE_OF_HOURS.fullmatch(value)
    if found is None or any(minutes > 1_440 for minutes in _minutes(value)):
        raise ValueError(
            said("%(value)s is not a range of hours such as 08:00-18:00", value=repr(value))
        )
    begin, end = _minutes(value)
    if begin == end or begin == 1_440:
        raise ValueError(
            said(
                "%(value)s lacks a beginning or an end; 00:00-24:00 is the whole day",
                value=repr(value),
            )
        )
    return value


def _minutes(hours: str) -> tuple[int, int]:
    begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in hours.split("-"))
    return begin, end


def _fits_days(value: str, _situation: Situation, now: datetime) -> bool:
    first, _, last = value.partition("-")
    length = (_DAYS.index(last or first) - _DAYS.index(first)) % 7
    return (now.weekday() - _DAYS.index(first)) % 7 <= length


def _fits_hours(value: str, _situation: Situation, now: datetime) -> bool:
    begin, end = _minutes(value)
    minute = now.hour * 60 + now.minute
    if begin < end:
        return begin <= minute < end
    return minute >= begin or minute < end


def _fits_group(value: str, situation: Situation, _now: datetime) -> bool:
    return _folded(value) in map(_folded, situation.groups or ())


def _folded(group: str) -> str:
    return normalize("NFC", normalize("NFC", group).casefold())


def _describe_groups(situation: Situation, _now: datetime) -> str:
    return f"the person (groups: {', '.join(situation.groups or ()) or 'none'})"


def _describe_day(_situation: Situation, now: datetime) -> str:
    return f"the day ({_DAYS[now.weekday()]}, {now.tzinfo})"


def _describe_hour(_situation: Situation, now: datetime) -> str:
    return f"the time ({now:%H:%M}, {now.tzinfo})"


KINDS: Mapping[str, Kind] = {
    "kind": Kind(
        _read_kind,
        lambda value, situation, _: value == situation.kind,
        lambda situation, _: f"the kind ({situation.kind})",
    ),
    "network": Kind(
        _read_network,
        lambda value, situation, _: is_within(situation.address, (value,)),
        lambda situation, _: f"the address ({situation.address})",
        "in ",
    ),
    "group": Kind(
        _read_group,
        _fits_group,
        _describe_groups,
        "in ",
        lambda situation: situation.groups is None,
    ),
    "source": Kind(
        _read_source,
        lambda value, situation, _: value == situation.source,
        lambda situation, _: f"the source ({situation.source})",
        is_unknown=lambda situation: situation.source is None,
    ),
    "days": Kind(_read_days, _fits_days, _describe_day, "in "),
    "hours": Kind(_read_hours, _fits_hours, _describe_hour, "in "),
}
