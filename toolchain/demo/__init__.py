"""The whole loop in one run, shown to a person: `make demo`."""
