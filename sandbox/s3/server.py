"""An S3 server on loopback that checks credentials: moto in a process of its own.

moto recomputes the SigV4 signature of each request, so a wrong key id or a wrong secret gets 403, and so
does an unsigned request. Objects live in that process: a stopped server has forgotten them. For an outage
that keeps the objects, put a `sandbox.faults.FaultyProxy` in front, or use `pause`.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config

from sandbox.processes import LOOPBACK, accepts_connections, end, free_port
from sandbox.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

_START_TIMEOUT_S = 60.0
_SERVER = Path(__file__).with_name("moto_process.py")


class SandboxS3(Startable):
    """One server with one access key, which may do everything in S3 and nothing elsewhere.

    The server ends when the process that started it does, even when that one is killed.
    """

    region = "us-east-1"

    def __init__(self, port: int | None = None) -> None:
        """Choose port (a free one by default) and random keys; all stay the same over stop and start."""
        self.port = port or free_port()
        self.access_key_id = f"AKIA{secrets.token_hex(8).upper()}"
        self.secret_access_key = secrets.token_hex(20)
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """`http://127.0.0.1:PORT`, for path-style addresses."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> Self:
        """Start, empty, and wait until connections are accepted (a second or two); does nothing when running.

        Raises:
            RuntimeError: the server did not come up.
        """
        if self._server is not None and self._server.poll() is None:
            return self
        with tempfile.TemporaryFile() as log:
            command = [sys.executable, "-W", "ignore", str(_SERVER), str(self.port)]
            self._server = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment(),
            )
            deadline = time.monotonic() + _START_TIMEOUT_S
            while not accepts_connections(self.port):
                if self._server.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    log.seek(0)
                    message = f"the sandbox S3 did not start: {log.read()[-2000:].decode(errors='replace')}"
                    raise RuntimeError(message)
                time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End the server; every bucket is gone. Harmless when stopped."""
        if self._server is not None:
            end(self._server)
            self._server = None

    @contextmanager
    def pause(self) -> Iterator[None]:
        """While inside, the server accepts connections and answers nothing; afterwards it continues.

        Raises:
            RuntimeError: the server is stopped.
        """
        if self._server is None:
            message = "the sandbox S3 is not running: call start()"
            raise RuntimeError(message)
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

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

    def create_bucket(self, name: str) -> str:
        """Create an empty bucket; returns its name."""
        client = self.client()
        client.create_bucket(Bucket=name)
        client.close()
        return name

    def close(self) -> None:
        """Stop."""
        self.stop()

    def _environment(self) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        return {**os.environ, **keys, "PYTHONUNBUFFERED": "1"}
