"""How the services run on Kubernetes, on whatever platform."""
