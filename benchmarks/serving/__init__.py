"""The scoring service beside other servers of the same model, and beside what no server of it can pass."""
