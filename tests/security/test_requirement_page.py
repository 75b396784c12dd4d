"""The security page is correct about the tests of each requirement."""

from tests.security.requirement_page import PAGE, collected, requirements_of, rows

BEGINNING = {f"R-{number:02}" for number in range(1, 111)}
"""The list that the project began with; tests have been named after more since."""

HINT = "run python -m tests.security.requirement_page"


def test_every_requirement_has_a_row() -> None:
    assert set(rows(PAGE.read_text("utf-8"))) == BEGINNING | collected().keys()


def test_every_row_says_how_and_names_a_test() -> None:
    for requirement, (sentence, tests) in rows(PAGE.read_text("utf-8")).items():
        assert sentence.endswith("."), requirement
        assert tests, f"{requirement} has no test: {HINT}"


def test_every_named_test_exists() -> None:
    known = collected()
    for requirement, (_, tests) in rows(PAGE.read_text("utf-8")).items():
        assert set(tests) <= set(known.get(requirement, [])), f"{requirement}: {HINT}"


def test_every_test_of_a_requirement_is_named() -> None:
    page = rows(PAGE.read_text("utf-8"))
    for requirement, tests in collected().items():
        assert requirement in page
        missing = set(tests) - set(page[requirement][1])
        assert not missing, f"{requirement}: {HINT}"


def test_a_name_shows_its_requirements() -> None:
    assert requirements_of("test_r22_r23_every_cookie") == ["R-22", "R-23"]
    assert requirements_of("test_r9_style") == ["R-09"]
    assert requirements_of("test_r106_access_log") == ["R-106"]
    assert requirements_of("test_refresh_tokens_are_off") == []
    assert requirements_of("test_f22_headers") == []
