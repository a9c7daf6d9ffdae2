"""A steady load on the running local stack for long: does anything grow, is anything lost, does it stay fast."""
