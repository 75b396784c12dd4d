"""What findings are called, and what to do about them, in English: for the command line."""

from collections.abc import Mapping
from typing import Final

from worksgate.administration.going_live.examination import Finding

NAMES: Final[Mapping[Finding, str]] = {
    Finding.READY: "Ready",
    Finding.NOBODY_HERE: "Nobody here",
    Finding.NO_KEY_HERE: "No key here",
    Finding.NO_KEY_THERE: "No key at LINE WORKS",
    Finding.KEY_DIFFERS: "The key differs",
    Finding.DUPLICATE: "Twice",
    Finding.DISABLED: "Disabled",
    Finding.NEVER_SIGNED_IN: "Never signed in here",
    Finding.NO_SECOND_FACTOR: "No second factor, though one is required",
    Finding.NO_APP_PASSWORD: "Mail program, and no app password",
    Finding.NOT_A_MEMBER: "Here, and not a member",
}

ADVICE: Final[Mapping[Finding, str]] = {
    Finding.NOBODY_HERE: "add them here, or find out which person here they are",
    Finding.NO_KEY_HERE: "set the user key, here or in the mapping of the source",
    Finding.NO_KEY_THERE: "give LINE WORKS the key: fill its file, upload and save it",
    Finding.KEY_DIFFERS: "make both the same",
    Finding.DUPLICATE: "find out who is who: a key opens one account",
    Finding.DISABLED: "enable them, here or in their source, unless they are to stay out",
    Finding.NEVER_SIGNED_IN: "ask them to try before the day",
    Finding.NO_SECOND_FACTOR: "they set one up at their first sign-in, which takes time",
    Finding.NO_APP_PASSWORD: "let them create an app password before the day",
    Finding.NOT_A_MEMBER: "nothing, unless LINE WORKS should have them",
}
