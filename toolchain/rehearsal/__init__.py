"""Rehearsing an environment on AWS without an account: the program as it is, through the real Pulumi CLI.

Real: Pulumi, etcd, the API server, controller manager and scheduler of Kubernetes, Karpenter. Simulated: the AWS
account (`toolchain.doubles.aws`), nodes and pods (kwok, through Karpenter's provider for it), what AWS runs for a
cluster (`controllers`), the building of images. What that proves, and what not: docs/adr/0005-rehearsal.md.
"""
