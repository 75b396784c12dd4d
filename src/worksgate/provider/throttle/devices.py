"""IDs of browsers in which somebody has signed in, each bound to that person and their source.

A name may be of several people, one in each source. A cookie is signed for the typed name, so it
also has to say whose browser it is before guesses at one of them are counted for it (R-276). The
signature of the cookie covers the ID.
"""

import hashlib
from base64 import urlsafe_b64encode

from worksgate.credentials.secrets import new_id

_RANDOM, _TAG = 8, 7
_LENGTH = _RANDOM + 2 * _TAG
"""Characters; as many as an ID of the previous release, which accepts ours."""


def new_device_id(subject_id: str) -> str:
    """An ID for a browser in which this person has just signed in, not secret."""
    return new_id()[:_RANDOM] + _tag(subject_id) + _tag(subject_id.partition(":")[0])


def is_device_of(device_id: str, whose: str) -> bool:
    """Whether a browser is this person's, or that of somebody in this source.

    An ID of the previous release is nobody's.
    """
    tags = (device_id[_RANDOM:-_TAG], device_id[-_TAG:])
    return len(device_id) == _LENGTH and _tag(whose) in tags


def _tag(text: str) -> str:
    """42 bits: what is not signed cannot be tried here."""
    return urlsafe_b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())[
        :_TAG
    ].decode()
