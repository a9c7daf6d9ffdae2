"""The contracts the services share: feature schema, model manifest, model registry, and how a service is configured."""
