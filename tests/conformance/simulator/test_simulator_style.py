"""The simulator uses two style sheets: Worksgate's, and one of its own."""

import re
from importlib.resources import files

FILES = files("worksgate")
REFINED = {"facts"}
"""What both say something about, since the simulator's is a little different."""


def classes(path: str) -> set[str]:
    """Those that a rule begins with, and so gives their looks."""
    style = re.sub(r"/\*.*?\*/", "", FILES.joinpath(path).read_text("utf-8"), flags=re.DOTALL)
    outside = re.findall(r"(?:^|[}{;,])\s*\.([a-z][\w-]*)(?=\s*[,{])", style)
    return set(outside)


def test_no_class_means_two_things() -> None:
    ours = classes("web/pages/static/worksgate.css")
    assert {"button", "facts", "bars"} <= ours
    assert ours & classes("conformance/simulator/static/simulator.css") == REFINED
