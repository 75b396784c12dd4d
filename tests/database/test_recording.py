"""Audit records are written in one place, and by the two stores with what they commit."""

import re
from pathlib import Path

import worksgate

ROOT = Path(worksgate.__file__).parent
WRITERS = {"database/recording.py", "store/postgres/statements.py", "store/sqlite/statements.py"}
_AUDIT = r"(?:schema\.audit|_?AUDIT)\b"
_INSERT = re.compile(rf"insert\(\s*{_AUDIT}\s*\)|INSERT INTO audit\b")


def test_audit_records_are_inserted_by_nothing_else() -> None:
    files = (each for each in ROOT.rglob("*.py") if "migrations" not in each.parts)
    found = {str(each.relative_to(ROOT)) for each in files if _INSERT.search(each.read_text())}
    assert found == WRITERS
