"""People here, as far as their external keys are concerned."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """A person of any source.

    ``external_key`` is the key that LINE WORKS would receive. ``problem`` is a sentence: why the
    key that the source has for them cannot be used; they have none then. ``enabled`` is false for
    those who could not sign in, whatever their password.
    """

    username: str
    external_key: str | None = None
    works_account: str | None = None
    email: str | None = None
    enabled: bool = True
    problem: str | None = None
