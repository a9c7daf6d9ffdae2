"""What every test runs with."""

from hypothesis import settings

# A busy machine is no finding: nothing here is held to an absolute time.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
