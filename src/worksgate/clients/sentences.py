"""What makes the sentences about settings of clients, which the console says in its languages.

``locale/babel.cfg`` says how to update the translations after a sentence has changed.
"""

from pathlib import Path
from typing import Final

from worksgate.catalogues import sentences_in

LOCALE_FOLDER: Final = Path(__file__).parent / "locale"

said: Final = sentences_in(LOCALE_FOLDER)
"""``said("%(name)s is either on or off", name="imap_login")``, in English."""


def with_hint(problem: str, meant: str) -> str:
    """A sentence about a word, with the one that may have been meant, if there is one."""
    if not meant:
        return problem
    return said("%(problem)s; did you mean %(word)s?", problem=problem, word=meant)


OF_ADDRESSES: Final = (
    said("an address must begin with https://"),
    said("the host must be in lower case, without user name or wildcard"),
    said("plain http is for loopback addresses only, while public_url is loopback"),
    said("an address must not have a query, fragment, blank or non-ASCII character"),
    said("the path must consist of plain segments, without . or .."),
)
"""What ``oauth.redirect_uri`` says of an entry: it imports nothing of ours."""
