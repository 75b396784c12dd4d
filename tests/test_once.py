"""What is done once for a whole run gives each test what it would have had."""

from sqlalchemy import create_engine, literal, select
from tests.light_hashing import _remembered
from tests.once import _Compiled


def test_engines_of_one_kind_share_a_statement_and_no_value() -> None:
    found, compiled = [], []
    for number in (1, 2):
        engine = create_engine("sqlite://")
        with engine.connect() as connection:
            found.append(connection.scalar(select(literal(number).label("of_this_test"))))
        compiled.append(len(engine._compiled_cache or ()))
        engine.dispose()
    assert found == [1, 2]
    assert compiled[0] == compiled[1]


class OneKind:
    """What the dialect of an engine is to a statement."""


class AnotherKind:
    """As that of another database."""


def test_another_kind_of_database_has_statements_of_its_own() -> None:
    kept = _Compiled()
    kept[OneKind(), "SELECT"] = "compiled"
    assert kept[OneKind(), "SELECT"] == "compiled"
    assert kept.get((AnotherKind(), "SELECT")) is None
    assert len(kept) == 1


def test_a_password_is_estimated_once_for_the_words_of_each_person() -> None:
    asked = []

    def estimate(text: str, words: list[str]) -> int:
        asked.append((text, *words))
        return len(asked)

    remembered = _remembered(estimate)
    assert [remembered("kite", ["hana"]) for _ in range(2)] == [1, 1]
    assert remembered("kite", ["taro"]) == 2
    assert remembered("tree", ["taro"]) == 3
    assert asked == [("kite", "hana"), ("kite", "taro"), ("tree", "taro")]
