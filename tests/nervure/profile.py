"""How property tests look for examples: the same ones every time, however slow the machine."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "nervure",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def load() -> None:
    """Makes the profile the one in force."""
    settings.load_profile("nervure")
