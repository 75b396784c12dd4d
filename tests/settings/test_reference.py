"""The settings page matches the code."""

import re
from dataclasses import fields
from pathlib import Path

from worksgate.settings import reference as config
from worksgate.settings.options import FIELDS, Settings
from worksgate.settings.sources import SOURCE_TYPES

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_page_holds_the_reference_of_today() -> None:
    assert config.reference() in PAGE.read_text("utf-8"), (
        "run: python -m worksgate.settings.reference docs/settings.md"
    )


def test_every_setting_is_in_one_group_and_has_a_row() -> None:
    text = config.reference()
    groups = {str(each.metadata["group"]) for each in FIELDS.values()}
    assert all(groups)
    for title in groups:
        assert text.count(f"### {title}\n") == 1, "its settings do not stand together"
    assert sorted([*FIELDS, "sources", "origins"]) == sorted(Settings.__dataclass_fields__)
    for name in FIELDS:
        assert text.count(f"| `{name}` |") == 1


def test_every_type_of_source_has_a_table_with_all_its_fields() -> None:
    for name, kind in SOURCE_TYPES.items():
        _, _, rest = config.reference().partition(f'### `[[source]]` with `type = "{name}"`\n')
        section = rest.partition("\n###")[0]
        assert kind.about in section
        assert re.findall(r"(?m)^\| `(\w+)` \|", section) == [each.name for each in fields(kind)]


def test_rewriting_keeps_what_was_written_by_hand(tmp_path: Path) -> None:
    page = tmp_path / "settings.md"
    page.write_text(
        "before\n<!-- reference: begin -->\nstale line\n<!-- reference: end -->\nafter\n", "utf-8"
    )
    config.rewrite_reference(page)
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- reference: begin -->\n")
    assert text.endswith("<!-- reference: end -->\nafter\n")
    assert config.reference() in text
    assert "stale line" not in text
