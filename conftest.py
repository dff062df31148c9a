"""Settings of every test: hypothesis runs the same examples everywhere and does not measure time."""

from hypothesis import HealthCheck, settings

settings.register_profile("tidemill", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tidemill")
