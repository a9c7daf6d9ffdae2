"""The prediction log's writing side: a local write-ahead file first, Parquet parts in the object store after."""
