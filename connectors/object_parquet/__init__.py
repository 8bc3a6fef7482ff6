"""Parquet files in a folder or a bucket as a sink, with manifests that say which of them count."""
