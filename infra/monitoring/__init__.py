"""How `monitoring/` runs on Kubernetes."""
