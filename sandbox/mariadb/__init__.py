"""A MariaDB server on loopback, from the system's package ``mariadb-server-core``."""

from sandbox.mariadb.server import SandboxMariaDb

__all__ = ["SandboxMariaDb"]
