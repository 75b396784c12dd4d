"""What ``pytest --quick`` omits, and what it makes cheaper."""

import pytest
from hypothesis import HealthCheck, settings
from tests.light_hashing import light_hashing
from tests.properties import examples
from tests.quick import OF_PROGRAMS, TAKE_LONG, TESTS, may_be_quick

from worksgate.credentials.password_hashing import PasswordHashing
from worksgate.provider.factors.recovery import digests_of, new_recovery_codes, possible_digests


@pytest.mark.parametrize("file", sorted(TAKE_LONG))
def test_no_file_of_whole_flows_is_read(file: str) -> None:
    assert (TESTS / file).is_file()
    assert not may_be_quick(TESTS / file)


@pytest.mark.parametrize("folder", sorted(OF_PROGRAMS))
def test_no_folder_of_programs_is_read(folder: str) -> None:
    assert (TESTS / folder).is_dir()
    assert not may_be_quick(TESTS / folder)
    assert not may_be_quick(TESTS / folder / "test_something.py")


@pytest.mark.parametrize("file", ["store/test_kill.py", "web/test_openapi.py", "test_project.py"])
def test_no_file_of_programs_is_imported(file: str) -> None:
    assert not may_be_quick(TESTS / file)


@pytest.mark.parametrize("file", ["", "web", "web/test_token.py", "test_quick.py"])
def test_all_else_may_have_quick_tests(file: str) -> None:
    assert may_be_quick(TESTS / file)


@pytest.mark.parametrize(("profile", "tried"), [("worksgate", 400), ("quick", 100)])
def test_a_quarter_of_the_examples_is_tried(profile: str, tried: int) -> None:
    before = settings.get_current_profile_name()
    settings.load_profile(profile)
    try:
        assert examples(400).max_examples == tried
        assert examples(400).deadline is None
    finally:
        settings.load_profile(before)


def test_no_property_of_this_run_fails_because_the_machine_is_busy(
    request: pytest.FixtureRequest,
) -> None:
    tests = (getattr(item, "obj", None) for item in request.session.items)
    used = [getattr(test, "_hypothesis_internal_use_settings", None) for test in tests]
    assert all(HealthCheck.too_slow in each.suppress_health_check for each in used if each)


@pytest.mark.hashing
async def test_a_light_hash_is_argon2id_and_only_for_a_while() -> None:
    with light_hashing():
        hashing = PasswordHashing(threads=1)
        light = await hashing.hash("lantern")
        assert light.startswith("$argon2id$v=19$m=64,t=1,p=1$")
        assert await hashing.verify("lantern", light)
        assert not await hashing.verify("lanterns", light)
        assert not hashing.needs_rehash(light)
        code, *_ = codes = new_recovery_codes()
        kept = digests_of(codes)
        assert possible_digests(code, kept) == kept[:1]
    assert hashing.needs_rehash(light)
    assert (await hashing.hash("lantern")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert possible_digests(code, kept) != kept[:1], "made at the real cost again"
    hashing.close()
