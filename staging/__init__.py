"""Floor 1: staging between source and sink. Sessions of Parquet parts in memory, a folder or a bucket."""
