"""A stand-in of HDFS behind its REST API."""

from sandbox.webhdfs.server import HdfsFaults, SandboxWebHdfs

__all__ = ["HdfsFaults", "SandboxWebHdfs"]
