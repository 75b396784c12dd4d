"""Canonical usernames, for comparison: people type one name in many spellings."""

import unicodedata


def username_key(username: str) -> str:
    """One key for all spellings of a username: width, case and surrounding blanks (R-78)."""
    folded = unicodedata.normalize("NFKC", username).strip().casefold()
    return unicodedata.normalize("NFKC", folded)  # case folding decomposes some letters
