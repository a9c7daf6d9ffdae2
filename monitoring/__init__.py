"""What watches the stack: rules with their tests, dashboards, runbooks, and the metrics that they may ask for."""
