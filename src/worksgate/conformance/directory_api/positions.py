"""Cursors: where a list goes on.

They hold `+`, `/` and `=`, so that one that was not percent-encoded comes back damaged, and a
checksum of the list that they are for.
https://developers.worksmobile.com/en/docs/pagination
"""

import base64
import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from worksgate.conformance.directory_api.refusals import BadRequest

_PREFIX: Final = "c+/"
_SUFFIX: Final = "=="


def cursor_for(position: Any, filters: Mapping[str, str]) -> str:
    """The cursor of a position (a number, or a list of them and texts) in a filtered list."""
    text = json.dumps([_checksum(filters), position], separators=(",", ":"))
    return f"{_PREFIX}{base64.b64encode(text.encode()).decode().rstrip('=')}{_SUFFIX}"


def position_of(cursor: str, filters: Mapping[str, str]) -> Any:
    """The position of a cursor. Raises BadRequest if it is damaged or of another list."""
    if not (cursor.startswith(_PREFIX) and cursor.endswith(_SUFFIX)):
        raise BadRequest("cursor is not valid")
    encoded = cursor.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        checksum, position = json.loads(base64.b64decode(padded, validate=True))
    except (ValueError, TypeError) as error:
        raise BadRequest("cursor is not valid") from error
    if checksum != _checksum(filters):
        raise BadRequest("cursor is of another list")
    return position


def _checksum(filters: Mapping[str, str]) -> str:
    text = json.dumps(sorted(filters.items()))
    return blake2b(text.encode(), digest_size=6).hexdigest()
