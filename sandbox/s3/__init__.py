"""A server of the S3 protocol on loopback, in a process of its own."""

from sandbox.s3.server import SandboxS3

__all__ = ["SandboxS3"]
