"""Commands in sentences: each stays on a line of its own, where it does not fit on another's."""

import re
from typing import Final

_GROUPS: Final = "client|user|source|rules|admin|alert|line-works-api|keys?"
"""Commands whose next word is a command, too; of others it is one of these only."""
_ARGUMENT: Final = r"--[a-z][a-z-]*|[A-Z]+(?![A-Za-z0-9_-])|&#39;[^<]*?&#39;"
_COMMAND: Final = (
    rf"worksgate (?:(?:{_GROUPS}) [a-z][a-z-]*|audit verify|changes undo|[a-z][a-z-]*)"
    rf"(?: (?:{_ARGUMENT}))*"
)
_ALREADY: Final = r"<(?:code|pre|kbd|title|textarea|option|script|style)\b[^>]*>[^<]*"
_MONO: Final = r'<[^>]*class="[^"]*\b(?:mono|copies)\b[^>]*>[^<]*'
_IN_TEXT: Final = rf"(?P<command>(?<![A-Za-z0-9_/.-]){_COMMAND})"
_PARTS: Final = re.compile(rf"{_ALREADY}|{_MONO}|<[^>]*>|{_IN_TEXT}")


def with_commands(html: str) -> str:
    """The same HTML, in which commands of Worksgate are elements that do not break."""
    if "worksgate " not in html:
        return html
    return _PARTS.sub(_part, html)


def _part(found: re.Match[str]) -> str:
    command = found["command"]
    if command is None:
        return found[0]
    return f'<code class="command" translate="no">{command}</code>'
