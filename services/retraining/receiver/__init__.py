"""Who decides whether a model is retrained: alerts, the calendar and people ask here, and a Kubernetes Job does it."""
