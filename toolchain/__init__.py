"""Pinned tools, the embedded cluster and the stand-ins, for machines without Pulumi, Docker and Kubernetes."""
