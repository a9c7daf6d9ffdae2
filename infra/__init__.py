"""The infrastructure: one Pulumi program for every environment."""
