"""The embedded cluster: one real Kubernetes node in namespaces of its own, reached on 127.0.0.1."""
