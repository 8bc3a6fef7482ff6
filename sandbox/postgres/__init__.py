"""A PostgreSQL server on loopback, from the binaries of a Python wheel."""

from sandbox.postgres.server import SUPERUSER, SandboxPostgres

__all__ = ["SUPERUSER", "SandboxPostgres"]
