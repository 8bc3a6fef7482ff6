"""A second S3 server, which is an Iceberg REST catalog too."""
