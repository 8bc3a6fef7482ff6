"""``nucleus up``: a Prefect server, a worker and the API on loopback, for one person on one machine."""
