"""What sinks of files share: objects of a folder or a bucket, locks, runs, differences and the census."""
