"""How sure we are of who signed in: which factors they gave, and when.

A sign-in has an ``Assurance``, and the session that it opens keeps it. What is asked for is a
``Strength``: rules ask for one, and ``/account`` asks for the best that the person can give.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from math import isfinite

from worksgate.oauth.model import Session
from worksgate.provider.factors import Enrolled


class Strength(IntEnum):
    """What a sign-in can be trusted with, from the least to the most."""

    SINGLE_FACTOR = 0
    """Something says who it is, and nothing confirms it."""
    TWO_FACTORS = 1
    """A second factor was given."""
    PHISHING_RESISTANT = 2
    """A passkey was used: what it signed is good at our address alone (SP 800-63B-4 §3.2.5)."""


class Factor(StrEnum):
    """What somebody gave to prove who they are."""

    PASSWORD = "password"
    UPSTREAM = "upstream"
    """Another provider said who it is; what it asked for is not known here."""
    PASSKEY = "passkey"
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    REMEMBERED_BROWSER = "remembered_browser"
    """The browser was spared a second factor: none was given, but it was not needed."""
    UNSPECIFIED = "unspecified"
    """A second factor of which a release before this one has not kept which it was."""

    @property
    def strength(self) -> Strength:
        match self:
            case Factor.PASSKEY:
                return Strength.PHISHING_RESISTANT
            case Factor.TOTP | Factor.RECOVERY_CODE | Factor.UNSPECIFIED:
                return Strength.TWO_FACTORS
            case _:
                return Strength.SINGLE_FACTOR


@dataclass(frozen=True, slots=True)
class Given:
    """A factor and when it was given, in seconds since the epoch."""

    factor: Factor
    at: float


@dataclass(frozen=True, slots=True)
class Assurance:
    """The factors of a sign-in, in the order in which they were given."""

    given: tuple[Given, ...] = ()

    def with_factor(self, factor: Factor, at: float) -> "Assurance":
        """The same with one more factor; the same factor counts from when it was given last."""
        others = (each for each in self.given if each.factor is not factor)
        return Assurance((*others, Given(factor, at)))

    @property
    def strength(self) -> Strength:
        return max((each.factor.strength for each in self.given), default=Strength.SINGLE_FACTOR)

    @property
    def second_factor_at(self) -> float | None:
        """When a second factor was given last, if one was."""
        times = (each.at for each in self.given if each.factor.strength >= Strength.TWO_FACTORS)
        return max(times, default=None)

    def has(self, factor: Factor) -> bool:
        return any(each.factor is factor for each in self.given)

    def __str__(self) -> str:
        """What a session keeps: ``password:1764379200.5,totp:1764379212.0``."""
        return ",".join(f"{each.factor}:{each.at!r}" for each in self.given)


def kept_in(session: Session) -> Assurance:
    """The assurance of a session.

    One that a release before this one has opened says only whether there was a second factor. That
    is not taken for a passkey.
    """
    assurance = Assurance(tuple(_read(session.assurance)))
    at = session.second_factor_at
    if at is not None and assurance.second_factor_at is None:
        return assurance.with_factor(Factor.UNSPECIFIED, at)
    return assurance


def best_of(enrolled: Enrolled, *, passkeys_usable: bool) -> Strength:
    """The best that a person with these factors can give."""
    if enrolled.passkeys and passkeys_usable:
        return Strength.PHISHING_RESISTANT
    return Strength.TWO_FACTORS if enrolled.any else Strength.SINGLE_FACTOR


def is_full(assurance: Assurance, best: Strength) -> bool:
    """Whether it is as good as the person can do, which their own account asks for (R-83).

    A recovery code will do in any case: that is what those have who have lost the rest.
    """
    return assurance.strength >= best or assurance.has(Factor.RECOVERY_CODE)


def _read(text: str) -> Iterator[Given]:
    """What can be read of it; a word of a later release counts for nothing."""
    for part in filter(None, text.split(",")):
        name, _, at = part.partition(":")
        try:
            given = Given(Factor(name), float(at))
        except ValueError:
            continue
        if isfinite(given.at):
            yield given
