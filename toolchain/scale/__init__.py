"""How far the system goes and what it costs: a stated model on measured figures, and the page made from it."""
