"""Assurance: how strong a sign-in is, by its factors and their time.

A sign-in has an ``Assurance``, and the session that it opens keeps it. Requirements are expressed
as a ``Strength``: rules require one, and ``/account`` requires the best that the person has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from math import isfinite

from worksgate.oauth.model import Session
from worksgate.provider.factors import Enrolled


class Strength(IntEnum):
    """The strength of a sign-in, from the lowest to the highest."""

    SINGLE_FACTOR = 0
    """A single factor."""
    TWO_FACTORS = 1
    """A second factor was used."""
    PHISHING_RESISTANT = 2
    """A passkey was used: bound to our address, so phishing-resistant (SP 800-63B-4 §3.2.5)."""


class Factor(StrEnum):
    """A factor that somebody has used."""

    PASSWORD = "password"
    UPSTREAM = "upstream"
    """Another provider authenticated the person; its factors are unknown here."""
    PASSKEY = "passkey"
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    REMEMBERED_BROWSER = "remembered_browser"
    """A trusted browser: no second factor was used, but none was needed."""
    UNSPECIFIED = "unspecified"
    """A second factor of unknown kind, from a previous release."""

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
class FactorUse:
    """A factor and the time of its use, in seconds since the epoch."""

    factor: Factor
    at: float


@dataclass(frozen=True, slots=True)
class Assurance:
    """The factors of a sign-in, in the order of their use."""

    uses: tuple[FactorUse, ...] = ()

    def with_factor(self, factor: Factor, at: float) -> "Assurance":
        """The same with one more factor; a repeated factor counts from its latest use."""
        others = (each for each in self.uses if each.factor is not factor)
        return Assurance((*others, FactorUse(factor, at)))

    @property
    def strength(self) -> Strength:
        return max((each.factor.strength for each in self.uses), default=Strength.SINGLE_FACTOR)

    @property
    def second_factor_at(self) -> float | None:
        """When a second factor was last used, if at all."""
        times = (each.at for each in self.uses if each.factor.strength >= Strength.TWO_FACTORS)
        return max(times, default=None)

    def has(self, factor: Factor) -> bool:
        return any(each.factor is factor for each in self.uses)

    def __str__(self) -> str:
        """The stored form: ``password:1764379200.5,totp:1764379212.0``."""
        return ",".join(f"{each.factor}:{each.at!r}" for each in self.uses)


def kept_in(session: Session) -> Assurance:
    """The assurance of a session.

    A session from a previous release only tells whether there was a second factor, which does not
    count as a passkey.
    """
    assurance = Assurance(tuple(_read(session.assurance)))
    at = session.second_factor_at
    if at is not None and assurance.second_factor_at is None:
        return assurance.with_factor(Factor.UNSPECIFIED, at)
    return assurance


def best_of(enrolled: Enrolled, *, passkeys_usable: bool) -> Strength:
    """The highest strength that a person with these factors can reach."""
    if enrolled.passkeys and passkeys_usable:
        return Strength.PHISHING_RESISTANT
    return Strength.TWO_FACTORS if enrolled.any else Strength.SINGLE_FACTOR


def is_full(assurance: Assurance, best: Strength) -> bool:
    """Whether it is the best that the person can do, which their own account requires (R-83).

    A recovery code suffices in any case: people use one when they have lost everything else.
    """
    return assurance.strength >= best or assurance.has(Factor.RECOVERY_CODE)


def _read(text: str) -> Iterator[FactorUse]:
    """Parse the stored form; words of a later release are ignored."""
    for part in filter(None, text.split(",")):
        name, _, at = part.partition(":")
        try:
            use = FactorUse(Factor(name), float(at))
        except ValueError:
            continue
        if isfinite(use.at):
            yield use
