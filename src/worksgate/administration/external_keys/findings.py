"""What keeps somebody from the right external key at LINE WORKS, in a run of ``keys sync``."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final


class SyncFinding(StrEnum):
    """Why a key is not written, or is not there in the end."""

    NOT_HELD = auto()
    """LINE WORKS does not have what was to be written."""
    TAKEN_THERE = auto()
    """Another member has the key, and keeps it."""
    TAKEN_HERE = auto()
    """Somebody else here has the key that a member had before a run, which is undone."""
    KEY_KEPT = auto()
    """The member has another key, which was not ours to replace."""
    CHANGED_SINCE = auto()
    """Somebody else changed the key after the run had begun, or after the file was written."""
    SAME_KEY_HERE = auto()
    SEVERAL_HERE = auto()
    """Several people here are one member."""
    KEY_UNUSABLE = auto()
    NO_KEY_HERE = auto()
    NOBODY_HERE = auto()
    DISABLED_HERE = auto()
    NOBODY_THERE = auto()
    """Somebody here is no member."""


HINTS: Final = frozenset((SyncFinding.DISABLED_HERE, SyncFinding.NOBODY_THERE))
"""They keep nobody out who should get in."""

NAMES: Final = {
    SyncFinding.NOT_HELD: "LINE WORKS does not have it",
    SyncFinding.TAKEN_THERE: "Another member has the key",
    SyncFinding.TAKEN_HERE: "Somebody else here has the key",
    SyncFinding.KEY_KEPT: "Another key is there",
    SyncFinding.CHANGED_SINCE: "Changed since",
    SyncFinding.SAME_KEY_HERE: "Same key twice here",
    SyncFinding.SEVERAL_HERE: "Several people here",
    SyncFinding.KEY_UNUSABLE: "Key not allowed",
    SyncFinding.NO_KEY_HERE: "No key here",
    SyncFinding.NOBODY_HERE: "Nobody here",
    SyncFinding.DISABLED_HERE: "Disabled here",
    SyncFinding.NOBODY_THERE: "No member",
}
ADVICE: Final = {
    SyncFinding.NOT_HELD: "see the details; then run worksgate keys sync again",
    SyncFinding.TAKEN_THERE: "find out whose it is: the wrong key opens somebody else's account",
    SyncFinding.TAKEN_HERE: "find out whose it is: the wrong key opens somebody else's account",
    SyncFinding.KEY_KEPT: "--replace puts ours in its place",
    SyncFinding.CHANGED_SINCE: "it stays as it is; compare the two keys",
    SyncFinding.SAME_KEY_HERE: "give each of them a key of their own",
    SyncFinding.SEVERAL_HERE: "remove or disable all but one of them",
    SyncFinding.KEY_UNUSABLE: "change it here; the details say why",
    SyncFinding.NO_KEY_HERE: "give them an external key here",
    SyncFinding.NOBODY_HERE: "add them here, or take the key away with --delete-unknown",
    SyncFinding.DISABLED_HERE: "nothing: their key is left as it is",
    SyncFinding.NOBODY_THERE: "nothing, unless they should be members",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFound:
    """One finding; ``account`` is the one at LINE WORKS, ``username`` the one here."""

    finding: SyncFinding
    account: str | None = None
    username: str | None = None
    key_here: str | None = None
    key_there: str | None = None
    detail: str = ""
