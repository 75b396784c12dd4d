"""Names of browsers for people, from their User-Agent: "Chrome on Windows".

A name consists of a few words of ours: nothing else of the header is stored (docs/privacy.md).
"""

from typing import Final

ON: Final = " on "
"""Between the two halves of a name."""
APP: Final = "App"
"""A page inside an app, such as that of LINE WORKS."""

# The first match counts: each browser claims to be like those below it, too.
_BROWSERS: Final = (
    ("Whale/", "Whale"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("OPR/", "Opera"),
    ("Edg", "Edge"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("; wv)", APP),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("AppleWebKit/", APP),
)
_SYSTEMS: Final = (
    ("Windows NT", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
BROWSERS: Final = tuple(dict.fromkeys(name for _, name in _BROWSERS))
SYSTEMS: Final = tuple(name for _, name in _SYSTEMS)
"""The words that names are made of."""
_LONGEST: Final = 512
"""Characters of a header that are examined."""


def browser_name(user_agent: str) -> str:
    """Return the browser and its system, or nothing if either is unknown."""
    beginning = user_agent[:_LONGEST]
    browser = _first(_BROWSERS, beginning)
    system = _first(_SYSTEMS, beginning)
    return f"{browser}{ON}{system}" if browser and system else ""


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str:
    for mark, name in known:
        if mark in user_agent:
            return name
    return ""
