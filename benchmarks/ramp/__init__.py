"""A load on the running local stack that grows tenfold and shrinks again: do pods follow, and what do clients feel."""
