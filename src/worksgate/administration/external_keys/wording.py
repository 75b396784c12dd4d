"""What findings are called, and what to do about them, in English: for the command line."""

from collections.abc import Mapping
from typing import Final

from worksgate.administration.external_keys.comparison import Finding

NAMES: Final[Mapping[Finding, str]] = {
    Finding.NOBODY_HERE: "Nobody here",
    Finding.NOBODY_THERE: "Not a member",
    Finding.SEVERAL_HERE: "Several people here",
    Finding.MEMBER_TWICE: "Twice in the file",
    Finding.DISABLED_HERE: "Disabled here",
    Finding.NO_KEY_HERE: "No key here",
    Finding.KEY_UNUSABLE: "The key here cannot be used",
    Finding.SAME_KEY_HERE: "The same key twice here",
    Finding.CASE_TWINS: "The key in another spelling",
    Finding.TAKEN_THERE: "Another row has the key",
    Finding.TOO_LONG: "The key is too long",
    Finding.FORBIDDEN_CHARACTER: "A forbidden character",
    Finding.CONTROL_CHARACTER: "A control or invisible character",
    Finding.BLANK_AT_END: "A blank at an end",
    Finding.NOT_IN_ENCODING: "Not in the file's encoding",
    Finding.KEY_KEPT: "Another key is there, and was kept",
    Finding.KEY_DIFFERS: "Another key is there",
    Finding.NO_KEY_THERE: "No key there",
}

_CORRECT: Final = "correct the key: 1 to 100 characters, none of % \\ # / ?, no blank at an end"
ADVICE: Final[Mapping[Finding, str]] = {
    Finding.NOBODY_HERE: "add them here, or give the person here this account as works account",
    Finding.NOBODY_THERE: "nothing, unless LINE WORKS should have them",
    Finding.SEVERAL_HERE: "leave the account with one of them",
    Finding.MEMBER_TWICE: "find out which row is right: LINE WORKS names each member once",
    Finding.DISABLED_HERE: "enable them, unless they are to stay out",
    Finding.NO_KEY_HERE: "set the external key, here or in the mapping of the source",
    Finding.KEY_UNUSABLE: "correct the key in their source",
    Finding.SAME_KEY_HERE: "find out whose it is: a key opens one account",
    Finding.CASE_TWINS: "change one of the two: LINE WORKS may take them for one",
    Finding.TAKEN_THERE: "find out whose it is; then empty or correct the other row",
    Finding.TOO_LONG: _CORRECT,
    Finding.FORBIDDEN_CHARACTER: _CORRECT,
    Finding.CONTROL_CHARACTER: _CORRECT,
    Finding.BLANK_AT_END: _CORRECT,
    Finding.NOT_IN_ENCODING: "use letters and digits of ASCII for keys",
    Finding.KEY_KEPT: "find out which is right; --replace writes the one from here",
    Finding.KEY_DIFFERS: "make both the same: they get in with neither",
    Finding.NO_KEY_THERE: "fill the file, upload it and press Save",
}
