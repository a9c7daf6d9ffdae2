"""Drift: what happens to a model once real data flows."""
