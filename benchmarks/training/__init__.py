"""How long training takes and what it holds, in one process and on a Dask cluster, and how good the models are."""
