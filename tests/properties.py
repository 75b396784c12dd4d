"""The Hypothesis profile; imported with the first test file that has a property."""

from hypothesis import HealthCheck, settings
from tests.quick import Run

# No test is a benchmark, and a busy machine is slow.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("worksgate", _UNHURRIED)
settings.register_profile("quick", _UNHURRIED, max_examples=25)
settings.load_profile("quick" if Run.is_quick else "worksgate")


def examples(count: int) -> settings:
    """So many examples of a property, and a quarter of them among the quick tests."""
    return settings(max_examples=count * settings().max_examples // 100)
