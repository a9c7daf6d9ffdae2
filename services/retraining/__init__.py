"""Makes model versions: reads a recipe, trains on its data, publishes the result and promotes it."""
