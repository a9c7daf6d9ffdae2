"""The pages under `docs/` that the code writes, so that they cannot say anything else."""
