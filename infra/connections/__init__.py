"""Who talks to whom inside the cluster: one table, and the network policies that follow from it."""
