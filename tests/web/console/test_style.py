"""The style sheet of the console, which a browser reads without a word of complaint."""

import re
from pathlib import Path

from worksgate.web.console import pages

STYLE = Path(pages.__file__).parent / "static" / "console.css"


def test_no_block_swallows_the_next() -> None:
    """A brace that is missing puts everything after it into a rule for phones, or nowhere."""
    text = re.sub(r'/\*.*?\*/|"[^"]*"', "", STYLE.read_text(), flags=re.DOTALL)
    depth = 0
    for brace in re.finditer(r"[{}]|@layer \w+ \{", text):
        if brace[0].startswith("@layer"):
            assert depth == 0, text[brace.start() - 200 : brace.end() + 40]
        depth += -1 if brace[0] == "}" else 1
        assert depth >= 0
    assert depth == 0
