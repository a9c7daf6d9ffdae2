"""The `local` platform: any Kubernetes context that this machine reaches, with an object store of its own."""
