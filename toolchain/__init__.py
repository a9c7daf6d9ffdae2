"""Pinned tools, the embedded cluster and the stand-ins, for machines that have nothing of Pulumi, Docker or Kubernetes."""
