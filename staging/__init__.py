"""Floor 1: the pipe between source and sink. Sessions of Parquet parts in memory, a folder or a bucket."""
