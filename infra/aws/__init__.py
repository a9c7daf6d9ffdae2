"""The AWS platform: a network, an EKS Auto Mode cluster, and what workloads need around it."""
